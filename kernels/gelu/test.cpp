// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "gelu/gelu.h"

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

}  // namespace

TEST_CASE("gelu: forward and backward are right") {
  for (const Shape& shape : kShapes) {
    for (const Layout& layout : activation_layouts()) {
      CAPTURE(shape.m);
      CAPTURE(shape.k);
      Array x = Array({shape.m, shape.k}, layout).randomize(1, -6, 6);
      Array dy = Array({shape.m, shape.k}, {0, 0, layout.dtype}).randomize(2);
      on_each_device(layout.dtype, [&](lk_device* device) {
        Array y({shape.m, shape.k}, layout), d_x({shape.m, shape.k}, layout);
        LK_REQUIRE_OK(lk_gelu_forward(device, x.on(device), y.on(device)));
        y.fetch();
        check_right("y", y, oracle_forward<double>(x), oracle_forward<float>(x));
        LK_REQUIRE_OK(lk_gelu_backward(device, x.on(device), dy.on(device), d_x.on(device)));
        d_x.fetch();
        check_right("d_x", d_x, oracle_backward<double>(x, dy), oracle_backward<float>(x, dy));
      });
    }
  }
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
