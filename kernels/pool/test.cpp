// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "pool/pool.h"

#include <cmath>

#include "support.h"

namespace lk::test {
namespace {

struct Shape {
  int64_t batch, tokens, k, first_token;
};
const Shape kShapes[] = {{1, 1, 1, 0},     {1, 2, 5, 1},     {3, 7, 31, 6},   {2, 5, 264, 1},
                         {1, 197, 64, 1},  {2, 257, 33, 0},  {5, 65, 192, 1}, {2, 197, 768, 1},
                         {3, 50, 277, 0},  {1, 785, 129, 1}};

}  // namespace

TEST_CASE("pool: forward and backward are right") {
  for (const Shape& s : kShapes) {
    if (is_too_large(s.batch * s.tokens * s.k)) continue;
    for (const Layout& layout : activation_layouts()) {
      CAPTURE(s.batch);
      CAPTURE(s.tokens);
      CAPTURE(s.k);
      Array x = Array({s.batch, s.tokens, s.k}, layout).randomize(1);
      Array dy = Array({s.batch, s.k}).randomize(2);
      Array y_oracle({s.batch, s.k}), y_plain({s.batch, s.k});
      pool::reference_forward<double>({x.view(), s.first_token, y_oracle.matrix()});
      pool::reference_forward<float>({x.view(), s.first_token, y_plain.matrix()});
      Array d_x_oracle(x.sizes()), d_x_plain(x.sizes());
      pool::reference_backward<double>({dy.matrix(), s.first_token, d_x_oracle.view()});
      pool::reference_backward<float>({dy.matrix(), s.first_token, d_x_plain.view()});
      SameBits bits;
      on_each_device(layout.dtype, [&](lk_device* device) {
        Array y({s.batch, s.k}, layout.f32());
        LK_REQUIRE_OK(lk_mean_pool_forward(device, x.on(device), s.first_token, y.on(device)));
        y.fetch();
        check_right("y", y, y_oracle, y_plain);
        bits.check("y between devices", device, y);
        Array d_x = Array(x.sizes(), layout).fill(NAN);
        LK_REQUIRE_OK(lk_mean_pool_backward(device, dy.on(device), s.first_token, d_x.on(device)));
        d_x.fetch();
        check_right("d_x", d_x, d_x_oracle, d_x_plain);
      });
    }
  }
}

TEST_CASE("pool: tokens may have any stride, batches too") {
  // Every second token of every image, read in place and written in place.
  Array x = Array({3, 10, 40}).randomize(1), dense({3, 5, 40});
  for (int64_t i = 0; i < dense.size(); ++i) {
    dense.at(i) = x.at(i / 200 * 400 + i / 40 % 5 * 80 + i % 40);
  }
  on_each_device([&](lk_device* device) {
    Array y({3, 40}), y_dense({3, 40}), spread = x, d_dense({3, 5, 40});
    lk_tensor every_second = *spread.on(device);
    every_second.sizes[1] = 5;
    every_second.strides[1] = 80;
    LK_REQUIRE_OK(lk_mean_pool_forward(device, &every_second, 1, y.on(device)));
    LK_REQUIRE_OK(lk_mean_pool_forward(device, dense.on(device), 1, y_dense.on(device)));
    y.fetch();
    y_dense.fetch();
    check_same_bits("y", y, y_dense);
    LK_REQUIRE_OK(lk_mean_pool_backward(device, y.on(device), 1, &every_second));
    LK_REQUIRE_OK(lk_mean_pool_backward(device, y.on(device), 1, d_dense.on(device)));
    spread.fetch();
    d_dense.fetch();
    for (int64_t i = 0; i < x.size(); ++i) {
      const int64_t b = i / 400, t = i / 40 % 10, j = i % 40;
      REQUIRE(spread.at(i) == (t % 2 ? x.at(i) : d_dense.at(b * 200 + t / 2 * 40 + j)));
    }
  });
}

TEST_CASE("pool: the oracle's gradient is its slope") {
  Array x = Array({2, 5, 3}).randomize(3), dy = Array({2, 3}).randomize(4), d_x({2, 5, 3});
  pool::reference_backward<double>({dy.matrix(), 1, d_x.view()});
  const auto loss = [&](Array& at) {
    Array y({2, 3});
    pool::reference_forward<double>({at.view(), 1, y.matrix()});
    double sum = 0;
    for (int64_t i = 0; i < y.size(); ++i) sum += double(y.at(i)) * dy.at(i);
    return sum;
  };
  for (int64_t i = 0; i < x.size(); ++i) {
    Array right = x, left = x;
    right.at(i) += 0.5f;
    left.at(i) -= 0.5f;
    CHECK(d_x.at(i) == doctest::Approx(loss(right) - loss(left)).epsilon(1e-5));
  }
}

TEST_CASE("pool: simulated kernels move each byte once, as README.md counts") {
  constexpr int64_t batch = 2, tokens = 17, k = 264, first = 1;
  for (const int32_t dtype : activation_dtypes()) {
    const int64_t row = k * dtype_bytes(dtype), mean = batch * k * 4;
    on_each_device(dtype, [&](lk_device* device) {
      if (!is_simulated(device)) return;
      Array x = Array({batch, tokens, k}, {0, 0, dtype}).randomize(1), y({batch, k});
      const simt::Counters forward = count_kernels(device, [&] {
        LK_REQUIRE_OK(lk_mean_pool_forward(device, x.on(device), first, y.on(device)));
      }).at("mean_pool_forward");
      CHECK(forward.global_read_bytes == batch * (tokens - first) * row);
      CHECK(forward.global_write_bytes == mean);
      const simt::Counters backward = count_kernels(device, [&] {
        LK_REQUIRE_OK(lk_mean_pool_backward(device, y.on(device), first, x.on(device)));
      }).at("mean_pool_backward");
      CHECK(backward.touched_read_bytes == mean);
      CHECK(backward.global_write_bytes == batch * tokens * row);
    });
  }
}

TEST_CASE("pool: bad arguments") {
  on_each_device([](lk_device* device) {
    Array x({2, 5, 3}), y({2, 3}), wrong({2, 4}), flat({10, 3});
    const lk_tensor *tx = x.on(device), *ty = y.on(device);
    LK_REQUIRE_FAILS(lk_mean_pool_forward(device, tx, 5, ty), LK_BAD_ARGUMENT, "first_token: 5");
    LK_REQUIRE_FAILS(lk_mean_pool_forward(device, tx, -1, ty), LK_BAD_ARGUMENT, "first_token: -1");
    LK_REQUIRE_FAILS(lk_mean_pool_backward(device, ty, 5, tx), LK_BAD_ARGUMENT, "first_token: 5");
    LK_REQUIRE_FAILS(lk_mean_pool_forward(device, tx, 0, wrong.on(device)), LK_BAD_ARGUMENT, "y: ");
    LK_REQUIRE_FAILS(lk_mean_pool_backward(device, wrong.on(device), 0, tx), LK_BAD_ARGUMENT,
                     "dy: ");
    LK_REQUIRE_FAILS(lk_mean_pool_forward(device, flat.on(device), 0, ty), LK_BAD_ARGUMENT, "x: ");
    lk_tensor inside = *ty;
    inside.data = static_cast<float*>(tx->data) + 6;
    LK_REQUIRE_FAILS(lk_mean_pool_forward(device, tx, 0, &inside), LK_BAD_ARGUMENT, "share memory");
    LK_REQUIRE_FAILS(lk_mean_pool_backward(device, &inside, 0, tx), LK_BAD_ARGUMENT,
                     "share memory");
    lk_tensor repeated = *tx;
    repeated.strides[0] = 0;
    LK_REQUIRE_FAILS(lk_mean_pool_backward(device, ty, 0, &repeated), LK_BAD_ARGUMENT, "d_x: ");
  });
}

}  // namespace lk::test
