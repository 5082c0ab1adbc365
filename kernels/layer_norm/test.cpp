// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "layer_norm/layer_norm.h"

#include <cmath>
#include <limits>

#include "support.h"

namespace lk::test {
namespace {

struct Shape {
  int64_t m, k;
};
const Shape kShapes[] = {{1, 1},   {1, 768}, {3, 16},   {7, 5},    {1, 257},   {5, 197},
                         {7, 333}, {19, 64}, {70, 37},  {49, 192}, {19, 768},  {2, 1000},
                         {3, 1024}, {2, 1025}, {3, 1032}, {18, 1040}, {197, 768}, {333, 129},
                         {2200, 67}};
constexpr float kEps = 1e-6f;

struct ForwardResult {
  Array y, statistics;
};
template <class Real>
ForwardResult oracle_forward(Array x, Array gamma, Array beta, float eps = kEps) {
  ForwardResult result{Array(x.sizes()), Array({x.sizes()[0], 2})};
  layer_norm::reference_forward<Real>({x.matrix(), result.y.matrix(), gamma.vector(),
                                       beta.vector(), eps, result.statistics.matrix()});
  return result;
}

// The backward pass's arguments. Each gradient starts as a random array, so that overwriting and
// adding are told apart.
struct BackwardCase {
  Array dy, x, gamma, statistics;
  Array d_x, d_gamma, d_beta;

  BackwardCase(Shape shape, Layout layout)
      : dy(Array({shape.m, shape.k}, layout).randomize(1)),
        x(Array({shape.m, shape.k}, layout).randomize(2, -1, 3)),
        gamma(Array({shape.k}).randomize(3, 0.5, 2)),
        statistics(oracle_forward<double>(x, gamma, gamma).statistics),
        d_x(Array({shape.m, shape.k}, layout).randomize(4)),
        d_gamma(Array({shape.k}).randomize(5)),
        d_beta(Array({shape.k}).randomize(6)) {}

  template <class Real>
  BackwardCase oracle(int32_t flags) const {
    BackwardCase result = *this;
    layer_norm::reference_backward<Real>(
        {result.dy.matrix(), result.x.matrix(), result.gamma.vector(), result.statistics.matrix(),
         (flags & LK_ADD_TO_D_X) != 0, (flags & LK_ADD_TO_PARAMETERS) != 0, result.d_x.matrix(),
         result.d_gamma.vector(), result.d_beta.vector()});
    return result;
  }

  BackwardCase on_device(lk_device* device, int32_t flags) const {
    BackwardCase result = *this;
    size_t bytes = 0;
    LK_REQUIRE_OK(
        lk_layer_norm_backward_workspace(device, x.sizes()[0], x.sizes()[1], &bytes));
    Workspace workspace(device, bytes);
    LK_REQUIRE_OK(lk_layer_norm_backward(
        device, result.dy.on(device), result.x.on(device), result.gamma.on(device),
        result.statistics.on(device), flags, result.d_x.on(device), result.d_gamma.on(device),
        result.d_beta.on(device), workspace.data(), workspace.bytes()));
    result.d_x.fetch();
    result.d_gamma.fetch();
    result.d_beta.fetch();
    return result;
  }
};

void check_forward(Shape shape, Layout layout) {
  CAPTURE(shape.m);
  CAPTURE(shape.k);
  Array x = Array({shape.m, shape.k}, layout).randomize(1, -2, 5);
  Array gamma = Array({shape.k}).randomize(2), beta = Array({shape.k}).randomize(3);
  const ForwardResult oracle = oracle_forward<double>(x, gamma, beta);
  const ForwardResult plain = oracle_forward<float>(x, gamma, beta);
  on_each_device(layout.dtype, [&](lk_device* device) {
    if (is_too_large(device, x.size())) return;
    Array y({shape.m, shape.k}, layout), statistics({shape.m, 2});
    LK_REQUIRE_OK(lk_layer_norm_forward(device, x.on(device), gamma.on(device), beta.on(device), kEps,
                                        y.on(device), statistics.on(device)));
    y.fetch();
    statistics.fetch();
    check_right("y", y, oracle.y, plain.y);
    check_right("statistics", statistics, oracle.statistics, plain.statistics);
    Array again({shape.m, shape.k}, layout);
    LK_REQUIRE_OK(lk_layer_norm_forward(device, x.on(device), gamma.on(device), beta.on(device), kEps,
                                        again.on(device), nullptr));
    again.fetch();
    check_same_bits("y without statistics", again, y);
  });
}

void check_backward(Shape shape, Layout layout, int32_t flags) {
  CAPTURE(shape.m);
  CAPTURE(shape.k);
  CAPTURE(flags);
  const BackwardCase given(shape, layout);
  const BackwardCase oracle = given.oracle<double>(flags), plain = given.oracle<float>(flags);
  on_each_device(layout.dtype, [&](lk_device* device) {
    if (is_too_large(device, given.x.size())) return;
    const BackwardCase actual = given.on_device(device, flags);
    check_right("d_x", actual.d_x, oracle.d_x, plain.d_x);
    check_right("d_gamma", actual.d_gamma, oracle.d_gamma, plain.d_gamma);
    check_right("d_beta", actual.d_beta, oracle.d_beta, plain.d_beta);
  });
}

}  // namespace

TEST_CASE("layer_norm: forward is right") {
  for (const Shape& shape : kShapes) {
    if (is_too_large(shape.m * shape.k)) continue;
    for (const Layout& layout : activation_layouts()) check_forward(shape, layout);
  }
}

TEST_CASE("layer_norm: a mean far from zero costs no accuracy of the variance") {
  Array gamma = Array({768}).fill(1), beta({768});
  for (int32_t dtype : {LK_F32, LK_BF16}) {
    Layout layout;
    layout.dtype = dtype;
    for (float mean : {1.0, 1.75, 10.0, 1000.0}) {  // standard deviations are 0.6
      CAPTURE(mean);
      Array x = Array({3, 768}, layout).randomize(1, mean - 1, mean + 1);
      const ForwardResult oracle = oracle_forward<double>(x, gamma, beta);
      on_each_device(dtype, [&](lk_device* device) {
        Array y({3, 768}, layout), statistics({3, 2});
        LK_REQUIRE_OK(lk_layer_norm_forward(device, x.on(device), gamma.on(device), beta.on(device),
                                            kEps, y.on(device), statistics.on(device)));
        statistics.fetch();
        for (int i = 0; i < 3; ++i) {
          CHECK(statistics.at(2 * i + 1) ==
                doctest::Approx(oracle.statistics.at(2 * i + 1)).epsilon(1e-6));
        }
      });
    }
  }
}

TEST_CASE("layer_norm: equal elements give beta") {
  on_each_device([](lk_device* device) {
    Array x = Array({2, 37}).fill(3), gamma = Array({37}).fill(2), beta = Array({37}).fill(0.25);
    Array y({2, 37});
    LK_REQUIRE_OK(lk_layer_norm_forward(device, x.on(device), gamma.on(device), beta.on(device),
                                        kEps, y.on(device), nullptr));
    y.fetch();
    // The mean of 37 threes may be off by one rounding, which 1/sqrt(eps) makes a thousand.
    for (int64_t i = 0; i < y.size(); ++i) CHECK(y.at(i) == doctest::Approx(0.25).epsilon(2e-3));
  });
}

TEST_CASE("layer_norm: backward is right, overwriting and adding") {
  for (const Shape& shape : kShapes) {
    if (is_too_large(shape.m * shape.k)) continue;
    if (shape.k == 1) continue;  // d_x is zero by cancellation: a test of its own
    for (const Layout& layout : activation_layouts()) {
      for (int32_t flags : {0, int32_t(LK_ADD_TO_D_X), int32_t(LK_ADD_TO_PARAMETERS)}) {
        check_backward(shape, layout, flags);
      }
    }
  }
}

TEST_CASE("layer_norm: outputs larger than the caches") {
  for (const int32_t dtype : activation_dtypes()) {
    const Shape shape{larger_than_caches(dtype) / 1000, 1000};
    if (is_too_large(shape.m * shape.k)) continue;
    check_forward(shape, {0, 8, dtype});
    check_backward(shape, {0, 8, dtype}, 0);
  }
}

TEST_CASE("layer_norm: rows of one element have no gradient beyond a rounding") {
  const BackwardCase given({19, 1}, {});
  on_each_device([&](lk_device* device) {
    const BackwardCase actual = given.on_device(device, 0);
    for (int64_t i = 0; i < 19; ++i) {
      const float g = given.dy.at(i) * given.gamma.at(0), rstd = given.statistics.at(2 * i + 1);
      CHECK(std::abs(actual.d_x.at(i)) <=
            std::abs(g) * rstd * std::numeric_limits<float>::epsilon());
    }
  });
}

TEST_CASE("layer_norm: each gradient may be left out") {
  std::vector<BackwardCase> cases;
  for (const int32_t dtype : activation_dtypes()) {
    // A row of odd length, one that a warp keeps, one that a block goes over.
    for (const Shape& shape : {Shape{45, 33}, Shape{20, 64}, Shape{3, 1040}}) {
      cases.emplace_back(shape, Layout{0, 0, dtype});
    }
  }
  for (const BackwardCase& given : cases) on_each_device(given.x.dtype(), [&](lk_device* device) {
    const BackwardCase all = given.on_device(device, 0);
    size_t bytes = 0;
    LK_REQUIRE_OK(lk_layer_norm_backward_workspace(device, given.x.sizes()[0], given.x.sizes()[1], &bytes));
    Workspace workspace(device, bytes);
    for (int wanted = 0; wanted < 3; ++wanted) {
      BackwardCase one = given;
      LK_REQUIRE_OK(lk_layer_norm_backward(
          device, one.dy.on(device), one.x.on(device), one.gamma.on(device),
          one.statistics.on(device), 0, wanted == 0 ? one.d_x.on(device) : nullptr,
          wanted == 1 ? one.d_gamma.on(device) : nullptr,
          wanted == 2 ? one.d_beta.on(device) : nullptr, workspace.data(), workspace.bytes()));
      Array& out = wanted == 0 ? one.d_x : wanted == 1 ? one.d_gamma : one.d_beta;
      out.fetch();
      check_same_bits("alone", out, wanted == 0 ? all.d_x : wanted == 1 ? all.d_gamma : all.d_beta);
    }
  });
}

TEST_CASE("layer_norm: any number of threads and any order of blocks give the same bits") {
  for (const Shape& shape : {Shape{140, 129}, Shape{140, 192}, Shape{18, 1040}}) {
    const BackwardCase given(shape, {});
    SameBits y_bits, d_x_bits, d_gamma_bits, d_beta_bits;
    on_each_device([&](lk_device* device) {
      Array x = given.x, gamma = given.gamma, y({shape.m, shape.k});
      LK_REQUIRE_OK(lk_layer_norm_forward(device, x.on(device), gamma.on(device),
                                          gamma.on(device), kEps, y.on(device), nullptr));
      y.fetch();
      const BackwardCase now = given.on_device(device, 0);
      y_bits.check("y", device, y);
      d_x_bits.check("d_x", device, now.d_x);
      d_gamma_bits.check("d_gamma", device, now.d_gamma);
      d_beta_bits.check("d_beta", device, now.d_beta);
    });
  }
}

TEST_CASE("layer_norm: simulated kernels move each byte once, as README.md counts") {
  // Whole sectors of statistics; more rows than one block adds up.
  constexpr int64_t m = 20, k = 768, lanes = 32;
  for (const int32_t dtype : activation_dtypes()) {
    const int64_t row = k * dtype_bytes(dtype), vector = k * 4, statistics = m * 8;
    on_each_device(dtype, [&](lk_device* device) {
      if (!is_simulated(device)) return;
      const Layout layout{0, 0, dtype};
      const BackwardCase given({m, k}, layout);
      Array x = given.x, gamma = given.gamma, beta = given.gamma, y({m, k}, layout), s({m, 2});
      const auto forward = count_kernels(device, [&] {
        LK_REQUIRE_OK(lk_layer_norm_forward(device, x.on(device), gamma.on(device),
                                            beta.on(device), kEps, y.on(device), s.on(device)));
      });
      REQUIRE(forward.size() == 1);
      const simt::Counters& once = forward.at("layer_norm_forward");
      CHECK(once.touched_read_bytes == m * row + 2 * vector);
      CHECK(once.global_read_bytes == m * (row + 2 * vector));
      CHECK(once.touched_write_bytes == m * row + statistics);
      CHECK(once.global_write_bytes == m * row + statistics);

      for (const int32_t flags : {0, int32_t(LK_ADD_TO_D_X)}) {
        const int64_t rows_read = flags == 0 ? 2 : 3;
        const auto backward = count_kernels(device, [&] { given.on_device(device, flags); });
        REQUIRE(backward.size() == 2);
        const simt::Counters& rows = backward.at("layer_norm_backward");
        const int64_t shares = 2 * 2 * vector;  // of two blocks, d_gamma's and d_beta's
        CHECK(rows.blocks == 2);
        CHECK(rows.touched_read_bytes == rows_read * m * row + vector + statistics);
        // gamma twice a row; every lane asks for the row's statistics.
        CHECK(rows.global_read_bytes == m * (rows_read * row + 2 * vector + lanes * 8));
        CHECK(rows.touched_write_bytes == m * row + shares);
        CHECK(rows.global_write_bytes == m * row + shares);
        const simt::Counters& sums = backward.at("layer_norm_backward_parameters");
        CHECK(sums.global_read_bytes == shares);
        CHECK(sums.global_write_bytes == 2 * vector);
      }
    });
  }
}

TEST_CASE("layer_norm: the oracle's gradients are its slopes") {
  const Shape shape{3, 7};
  Array x = Array({shape.m, shape.k}).randomize(1), dy = Array({shape.m, shape.k}).randomize(2);
  Array gamma = Array({shape.k}).randomize(3), beta = Array({shape.k}).randomize(4);
  constexpr float eps = 0.1f;
  // The loss whose gradient with respect to y is dy.
  const auto loss = [&](const Array& x, const Array& gamma, const Array& beta) {
    const Array y = oracle_forward<double>(x, gamma, beta, eps).y;
    double sum = 0;
    for (int64_t i = 0; i < y.size(); ++i) sum += double(y.at(i)) * dy.at(i);
    return sum;
  };
  Array statistics = oracle_forward<double>(x, gamma, beta, eps).statistics;
  Array d_x(x.sizes()), d_gamma({shape.k}), d_beta({shape.k});
  layer_norm::reference_backward<double>({dy.matrix(), x.matrix(), gamma.vector(),
                                          statistics.matrix(), false, false, d_x.matrix(),
                                          d_gamma.vector(), d_beta.vector()});
  const auto check_slopes = [&](Array& input, const Array& gradient) {
    constexpr float step = 1.0f / 64;
    for (int64_t i = 0; i < input.size(); ++i) {
      const float at = input.at(i);
      input.at(i) = at + step;
      const double above = loss(x, gamma, beta);
      input.at(i) = at - step;
      const double below = loss(x, gamma, beta);
      input.at(i) = at;
      CHECK(gradient.at(i) == doctest::Approx((above - below) / (2 * step)).epsilon(2e-3));
    }
  };
  check_slopes(x, d_x);
  check_slopes(gamma, d_gamma);
  check_slopes(beta, d_beta);
}

TEST_CASE("layer_norm: wrong arguments are refused") {
  on_each_device([](lk_device* device) {
    Array x_({4, 8}), y_({4, 8}), gamma_({8}), short_({7}), statistics_({4, 2});
    const lk_tensor *x = x_.on(device), *y = y_.on(device), *gamma = gamma_.on(device),
                    *too_short = short_.on(device), *statistics = statistics_.on(device);
    const auto forward = [&](const lk_tensor* x, const lk_tensor* gamma, float eps,
                             const lk_tensor* y, const lk_tensor* statistics) {
      return lk_layer_norm_forward(device, x, gamma, gamma, eps, y, statistics);
    };
    LK_REQUIRE_FAILS(forward(x, too_short, kEps, y, nullptr), LK_BAD_ARGUMENT, "gamma: ");
    LK_REQUIRE_FAILS(forward(x, gamma, -1, y, nullptr), LK_BAD_ARGUMENT, "eps: -1");
    LK_REQUIRE_FAILS(forward(x, gamma, std::numeric_limits<float>::quiet_NaN(), y, nullptr),
                     LK_BAD_ARGUMENT, "eps: nan");
    LK_REQUIRE_FAILS(forward(x, gamma, kEps, x, nullptr), LK_BAD_ARGUMENT, "x and y");
    LK_REQUIRE_FAILS(forward(x, gamma, kEps, y, y), LK_BAD_ARGUMENT, "statistics: ");
    LK_REQUIRE_FAILS(forward(x, nullptr, kEps, y, nullptr), LK_BAD_ARGUMENT, "gamma: NULL");

    size_t bytes = 0;
    LK_REQUIRE_OK(lk_layer_norm_backward_workspace(device, 4, 8, &bytes));
    Workspace workspace(device, bytes);
    Array d_x_({4, 8}), d_gamma_({8});
    const lk_tensor *d_x = d_x_.on(device), *d_gamma = d_gamma_.on(device);
    const auto backward = [&](int32_t flags, const lk_tensor* d_x, const lk_tensor* d_gamma,
                              const lk_tensor* d_beta, size_t bytes) {
      return lk_layer_norm_backward(device, y, x, gamma, statistics, flags, d_x, d_gamma, d_beta,
                                    workspace.data(), bytes);
    };
    LK_REQUIRE_FAILS(backward(0, nullptr, nullptr, nullptr, bytes), LK_BAD_ARGUMENT, "all NULL");
    LK_REQUIRE_FAILS(backward(8, d_x, nullptr, nullptr, bytes), LK_BAD_ARGUMENT, "flags: 8");
    LK_REQUIRE_FAILS(backward(0, y, nullptr, nullptr, bytes), LK_BAD_ARGUMENT, "dy and d_x");
    LK_REQUIRE_FAILS(backward(0, d_x, d_gamma, d_gamma, bytes), LK_BAD_ARGUMENT,
                     "d_gamma and d_beta");
    LK_REQUIRE_FAILS(backward(0, d_x, d_gamma, nullptr, bytes - 1), LK_BAD_ARGUMENT, "workspace");
    LK_REQUIRE_FAILS(lk_layer_norm_backward_workspace(device, 0, 8, &bytes), LK_BAD_ARGUMENT, "m");
    LK_REQUIRE_FAILS(lk_layer_norm_backward_workspace(device, INT64_MAX, 8, &bytes),
                     LK_BAD_ARGUMENT, "range");
    LK_REQUIRE_FAILS(lk_layer_norm_backward_workspace(device, 4, 8, nullptr), LK_BAD_ARGUMENT,
                     "bytes: NULL");
  });
}

}  // namespace lk::test
