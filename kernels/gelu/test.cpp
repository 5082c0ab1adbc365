// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "gelu/gelu.h"

#include <cmath>

#include "support.h"

namespace lk::test {
namespace {

struct Shape {
  int64_t m, k;
};
const Shape kShapes[] = {{1, 1}, {1, 3072}, {7, 16}, {197, 37}, {333, 129}};

template <class Real>
Array oracle_forward(Array x) {
  Array y(x.sizes());
  gelu::reference_forward<Real>({x.matrix(), y.matrix()});
  return y;
}

template <class Real>
Array oracle_backward(Array x, Array dy) {
  Array d_x(x.sizes());
  gelu::reference_backward<Real>({x.matrix(), dy.matrix(), d_x.matrix()});
  return d_x;
}

void check(Shape shape, Layout layout) {
  CAPTURE(shape.m);
  CAPTURE(shape.k);
  Array x = Array({shape.m, shape.k}, layout).randomize(1, -6, 6);
  Array dy = Array({shape.m, shape.k}, {0, 0, layout.dtype}).randomize(2);
  const Array y_oracle = oracle_forward<double>(x), y_plain = oracle_forward<float>(x);
  const Array d_x_oracle = oracle_backward<double>(x, dy), d_x_plain = oracle_backward<float>(x, dy);
  on_each_device(layout.dtype, [&](lk_device* device) {
    if (is_too_large(device, x.size())) return;
    Array y({shape.m, shape.k}, layout), d_x({shape.m, shape.k}, layout);
    LK_REQUIRE_OK(lk_gelu_forward(device, x.on(device), y.on(device)));
    y.fetch();
    check_right("y", y, y_oracle, y_plain);
    LK_REQUIRE_OK(lk_gelu_backward(device, x.on(device), dy.on(device), d_x.on(device)));
    d_x.fetch();
    check_right("d_x", d_x, d_x_oracle, d_x_plain);
  });
}

}  // namespace

TEST_CASE("gelu: forward and backward are right") {
  for (const Shape& shape : kShapes) {
    for (const Layout& layout : activation_layouts()) check(shape, layout);
  }
}

TEST_CASE("gelu: outputs larger than the caches") {
  for (const int32_t dtype : activation_dtypes()) {
    const Shape shape{larger_than_caches(dtype) / 1000, 1000};
    if (!is_too_large(shape.m * shape.k)) check(shape, {0, 8, dtype});
  }
}

TEST_CASE("gelu: f32 keeps the left tail's accuracy") {
  Array x = Array({1, 97}).randomize(5, -12, -1);
  on_each_device([&](lk_device* device) {
    Array y({1, 97});
    LK_REQUIRE_OK(lk_gelu_forward(device, x.on(device), y.on(device)));
    y.fetch();
    for (int64_t i = 0; i < x.size(); ++i) {
      const double z = x.at(i), expected = 0.5 * z * std::erfc(-z / std::sqrt(2.0));
      // Half of (1 + erf(z / sqrt(2))) in f32, the usual way, is wrong by z 3e-8.
      CHECK(std::abs(y.at(i) - expected) < 1e-6 * std::abs(expected) + 2e-10);
    }
  });
}

TEST_CASE("gelu: of subnormal results in bf16 a device keeps all or makes 0 of all") {
  const Layout layout{0, 0, LK_BF16};
  Array x({1, 203}, layout);
  const auto is_subnormal = [](int64_t i) { return i % 3 != 0; };
  for (int64_t i = 0; i < x.size(); ++i) x.at(i) = (is_subnormal(i) ? 0x1p-132f : 1.0f) * (i - 103);
  const Array oracle = oracle_forward<double>(x);
  on_each_device(layout.dtype, [&](lk_device* device) {
    Array y({1, 203}, layout);
    LK_REQUIRE_OK(lk_gelu_forward(device, x.on(device), y.on(device)));
    y.fetch();
    const bool kept = y.at(1) != 0;  // -102 * 2^-133
    for (int64_t i = 0; i < x.size(); ++i) {
      if (is_subnormal(i)) CHECK(std::abs(y.at(i) - (kept ? oracle.at(i) : 0)) <= 0x1p-134f);
    }
  });
}

TEST_CASE("gelu: the oracle's gradient is its slope") {
  Array x = Array({1, 41}).randomize(3, -5, 5), one = Array({1, 41}).fill(1);
  const float step = 1.0f / 256;
  Array right = x, left = x;
  for (int64_t i = 0; i < x.size(); ++i) {
    right.at(i) += step;
    left.at(i) -= step;
  }
  const Array above = oracle_forward<double>(right), below = oracle_forward<double>(left);
  const Array slope = oracle_backward<double>(x, one);
  for (int64_t i = 0; i < x.size(); ++i) {
    const double difference = (double(above.at(i)) - below.at(i)) / (double(right.at(i)) - left.at(i));
    CHECK(slope.at(i) == doctest::Approx(difference).epsilon(1e-4));
  }
}

TEST_CASE("gelu: tails keep their sign and never turn into NaN") {
  on_each_device([](lk_device* device) {
    Array x({1, 8}), y({1, 8});
    const float values[8] = {-1e30f, -100, -13, -9, 0, 9, 100, 1e18f};
    for (int i = 0; i < 8; ++i) x.at(i) = values[i];
    LK_REQUIRE_OK(lk_gelu_forward(device, x.on(device), y.on(device)));
    y.fetch();
    for (int i = 0; i < 4; ++i) CHECK(std::abs(y.at(i)) < 1e-6f);
    CHECK(y.at(4) == 0);
    for (int i = 5; i < 8; ++i) CHECK(y.at(i) == values[i]);
  });
}

TEST_CASE("gelu: a NaN stays one, both ways, whatever its sign; its neighbours stay numbers") {
  for (const int32_t dtype : activation_dtypes()) {
    const Layout layout{0, 0, dtype};
    Array x = Array({1, 150}, layout).randomize(6, -3, 3), dy = Array({1, 150}, layout).fill(2);
    const auto is_nan = [](int64_t i) { return i % 7 == 3; };
    for (int64_t i = 0; i < x.size(); ++i) {
      if (is_nan(i)) x.at(i) = std::copysign(NAN, i % 2 == 0 ? 1.0f : -1.0f);
    }
    on_each_device(dtype, [&](lk_device* device) {
      Array y({1, 150}, layout), d_x({1, 150}, layout);
      LK_REQUIRE_OK(lk_gelu_forward(device, x.on(device), y.on(device)));
      LK_REQUIRE_OK(lk_gelu_backward(device, x.on(device), dy.on(device), d_x.on(device)));
      y.fetch();
      d_x.fetch();
      for (int64_t i = 0; i < x.size(); ++i) {
        CHECK(std::isnan(y.at(i)) == is_nan(i));
        CHECK(std::isnan(d_x.at(i)) == is_nan(i));
      }
    });
  }
}

TEST_CASE("gelu: in place") {
  for (const int32_t dtype : activation_dtypes()) {
    const Layout layout{0, 0, dtype};
    Array x = Array({5, 33}, layout).randomize(4, -3, 3);
    on_each_device(dtype, [&](lk_device* device) {
      Array apart({5, 33}, layout), within = x;
      LK_REQUIRE_OK(lk_gelu_forward(device, x.on(device), apart.on(device)));
      const lk_tensor* both = within.on(device);
      LK_REQUIRE_OK(lk_gelu_forward(device, both, both));
      apart.fetch();
      within.fetch();
      check_same_bits("y", apart, within);
      lk_tensor shifted = *both;
      shifted.data = static_cast<char*>(both->data) + dtype_bytes(dtype);
      LK_REQUIRE_FAILS(lk_gelu_forward(device, both, &shifted), LK_BAD_ARGUMENT, "share memory");
    });
  }
}

}  // namespace lk::test
