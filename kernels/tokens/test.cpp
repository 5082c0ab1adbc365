// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "tokens/tokens.h"

#include <cmath>

#include "common/philox.h"
#include "support.h"

namespace lk::test {
namespace {

struct Shape {
  int64_t batch, tokens, s, k;
};
const Shape kShapes[] = {{1, 1, 1, 1},     {2, 9, 9, 16},      {3, 64, 16, 37},  {1, 5, 2, 264},
                         {2, 197, 49, 40}, {1, 257, 100, 33},  {2, 33, 32, 72},  {2, 196, 49, 192},
                         {5, 13, 1, 300},  {1, 785, 197, 24}};

// The first s tokens of a random order, entry by entry.
std::vector<int32_t> choose(const Shape& shape, uint64_t seed) {
  std::vector<int32_t> indices;
  for (int64_t b = 0; b < shape.batch; ++b) {
    std::vector<int32_t> order(shape.tokens);
    for (int64_t t = 0; t < shape.tokens; ++t) order[t] = static_cast<int32_t>(t);
    for (int64_t t = shape.tokens - 1; t > 0; --t) {
      const uint64_t word = philox_word({seed, 5, 0}, b * shape.tokens + t);
      std::swap(order[t], order[word % (t + 1)]);
    }
    indices.insert(indices.end(), order.begin(), order.begin() + shape.s);
  }
  return indices;
}

Indices on_host(const Shape& shape, const std::vector<int32_t>& indices) {
  return {indices.data(), shape.batch, shape.s, shape.s, 1};
}

struct Scattered {
  Array d_x, d_fill;
};

template <class Real>
Scattered oracle_scatter_backward(const Shape& s, Array dy, const std::vector<int32_t>& indices,
                                  Array d_fill, bool add) {
  Array d_x({s.batch, s.s, s.k});
  tokens::reference_scatter_backward<Real>(
      {dy.view(), on_host(s, indices), d_x.view(), d_fill.vector(), add});
  return {d_x, d_fill};
}

size_t forward_workspace(lk_device* device, const Shape& s) {
  size_t bytes = 0;
  LK_REQUIRE_OK(lk_token_scatter_forward_workspace(device, s.batch, s.tokens, &bytes));
  return bytes;
}
size_t backward_workspace(lk_device* device, const Shape& s) {
  size_t bytes = 0;
  LK_REQUIRE_OK(lk_token_scatter_backward_workspace(device, s.batch, s.tokens, s.k, &bytes));
  return bytes;
}

}  // namespace

TEST_CASE("tokens: gather takes rows and gives their gradients back") {
  for (const Shape& s : kShapes) {
    if (is_too_large(s.batch * s.tokens * s.k)) continue;
    for (const Layout& layout : activation_layouts()) {
      CAPTURE(s.tokens);
      CAPTURE(s.k);
      const std::vector<int32_t> indices = choose(s, 1);
      Array x = Array({s.batch, s.tokens, s.k}, layout).randomize(2);
      Array dy = Array({s.batch, s.s, s.k}, layout).randomize(3);
      Array y_oracle(dy.sizes()), d_x_oracle(x.sizes());
      tokens::reference_gather_forward({x.view(), on_host(s, indices), y_oracle.view()});
      tokens::reference_gather_backward({dy.view(), on_host(s, indices), d_x_oracle.view()});
      on_each_device(layout.dtype, [&](lk_device* device) {
        Values<int32_t> at(device, LK_I32, {s.batch, s.s}, indices);
        Array y(dy.sizes(), layout), d_x = Array(x.sizes(), layout).fill(NAN);
        LK_REQUIRE_OK(lk_token_gather_forward(device, x.on(device), at.tensor(), y.on(device)));
        y.fetch();
        check_same_bits("y", y, y_oracle);
        LK_REQUIRE_OK(lk_token_gather_backward(device, dy.on(device), at.tensor(), d_x.on(device)));
        d_x.fetch();
        check_same_bits("d_x", d_x, d_x_oracle);
      });
    }
  }
}

TEST_CASE("tokens: scatter puts rows back and fills the rest") {
  for (const Shape& s : kShapes) {
    if (is_too_large(s.batch * s.tokens * s.k)) continue;
    for (const Layout& layout : activation_layouts()) {
      for (const bool with_position : {false, true}) {
        CAPTURE(s.tokens);
        CAPTURE(s.k);
        const std::vector<int32_t> indices = choose(s, 2);
        Array x = Array({s.batch, s.s, s.k}, layout).randomize(2);
        Array fill = Array({s.k}).randomize(3);
        Array position = Array({s.tokens, s.k}, layout.f32()).randomize(4);
        Array oracle({s.batch, s.tokens, s.k}), plain(oracle.sizes());
        const Matrix rows = with_position ? position.matrix() : Matrix{};
        tokens::reference_scatter_forward<double>(
            {x.view(), on_host(s, indices), fill.vector(), rows, oracle.view()});
        tokens::reference_scatter_forward<float>(
            {x.view(), on_host(s, indices), fill.vector(), rows, plain.view()});
        on_each_device(layout.dtype, [&](lk_device* device) {
          Values<int32_t> at(device, LK_I32, {s.batch, s.s}, indices);
          Workspace workspace(device, forward_workspace(device, s));
          Array y = Array(oracle.sizes(), layout).fill(NAN);
          LK_REQUIRE_OK(lk_token_scatter_forward(device, x.on(device), at.tensor(), fill.on(device),
                                                 with_position ? position.on(device) : nullptr,
                                                 y.on(device), workspace.data(),
                                                 workspace.bytes()));
          y.fetch();
          check_right("y", y, oracle, plain);
        });
      }
    }
  }
}

TEST_CASE("tokens: scatter's gradients, overwritten and added to") {
  for (const Shape& s : kShapes) {
    if (is_too_large(s.batch * s.tokens * s.k)) continue;
    for (const Layout& layout : activation_layouts()) {
      for (const bool add : {false, true}) {
        CAPTURE(s.tokens);
        CAPTURE(s.k);
        CAPTURE(add);
        const std::vector<int32_t> indices = choose(s, 3);
        const int32_t flags = add ? LK_ADD_TO_PARAMETERS : 0;
        Array dy = Array({s.batch, s.tokens, s.k}, layout).randomize(2);
        Array before = Array({s.k}).randomize(3);
        const Scattered oracle = oracle_scatter_backward<double>(s, dy, indices, before, add);
        const Scattered plain = oracle_scatter_backward<float>(s, dy, indices, before, add);
        SameBits bits;
        on_each_device(layout.dtype, [&](lk_device* device) {
          Values<int32_t> at(device, LK_I32, {s.batch, s.s}, indices);
          Workspace workspace(device, backward_workspace(device, s));
          Array d_x({s.batch, s.s, s.k}, layout), d_fill = before;
          LK_REQUIRE_OK(lk_token_scatter_backward(device, dy.on(device), at.tensor(), flags,
                                                  d_x.on(device), d_fill.on(device),
                                                  workspace.data(), workspace.bytes()));
          d_x.fetch();
          d_fill.fetch();
          check_same_bits("d_x", d_x, oracle.d_x);
          check_right("d_fill", d_fill, oracle.d_fill, plain.d_fill);
          bits.check("d_fill between devices", device, d_fill);

          Array alone_d_x(d_x.sizes(), layout), alone_d_fill = before;
          LK_REQUIRE_OK(lk_token_scatter_backward(device, dy.on(device), at.tensor(), flags,
                                                  alone_d_x.on(device), nullptr, workspace.data(),
                                                  workspace.bytes()));
          alone_d_x.fetch();
          check_same_bits("d_x alone", alone_d_x, d_x);
          LK_REQUIRE_OK(lk_token_scatter_backward(device, dy.on(device), at.tensor(), flags,
                                                  nullptr, alone_d_fill.on(device),
                                                  workspace.data(), workspace.bytes()));
          alone_d_fill.fetch();
          check_same_bits("d_fill alone", alone_d_fill, d_fill);
        });
      }
    }
  }
}

TEST_CASE("tokens: the oracles' gradients are their slopes") {
  // Both operations are linear: the loss sum(y * dy) has exactly the gradient's inner product.
  const Shape s{2, 7, 3, 5};
  const std::vector<int32_t> indices = choose(s, 4);
  const auto dot = [](const Array& a, const Array& b) {
    double sum = 0;
    for (int64_t i = 0; i < a.size(); ++i) sum += double(a.at(i)) * b.at(i);
    return sum;
  };
  Array long_side = Array({s.batch, s.tokens, s.k}).randomize(1);
  Array short_side = Array({s.batch, s.s, s.k}).randomize(2), fill = Array({s.k}).randomize(3);
  Array gathered(short_side.sizes()), spread(long_side.sizes()), scattered(long_side.sizes());
  tokens::reference_gather_forward({long_side.view(), on_host(s, indices), gathered.view()});
  tokens::reference_gather_backward({short_side.view(), on_host(s, indices), spread.view()});
  CHECK(dot(gathered, short_side) == doctest::Approx(dot(long_side, spread)));

  tokens::reference_scatter_forward<double>(
      {short_side.view(), on_host(s, indices), fill.vector(), {}, scattered.view()});
  const Scattered gradients =
      oracle_scatter_backward<double>(s, long_side, indices, Array({s.k}), false);
  CHECK(dot(scattered, long_side) ==
        doctest::Approx(dot(short_side, gradients.d_x) + dot(fill, gradients.d_fill)).epsilon(1e-6));
}

TEST_CASE("tokens: one index list may serve a whole batch, and gather may repeat a token") {
  const Shape s{3, 6, 4, 10};
  const std::vector<int32_t> once = {5, 0, 5, 2};
  Array x = Array({s.batch, s.tokens, s.k}).randomize(1);
  on_each_device([&](lk_device* device) {
    Values<int32_t> at(device, LK_I32, {1, 4}, once);
    lk_tensor repeated = *at.tensor();
    repeated.sizes[0] = s.batch;
    repeated.strides[0] = 0;
    Array y({s.batch, s.s, s.k});
    LK_REQUIRE_OK(lk_token_gather_forward(device, x.on(device), &repeated, y.on(device)));
    y.fetch();
    for (int64_t i = 0; i < y.size(); ++i) {
      REQUIRE(y.at(i) == x.at(i / 40 * 60 + once[i / 10 % 4] * 10 + i % 10));
    }
  });
}

TEST_CASE("tokens: wrong indices are refused before anything is written") {
  // More tokens than one window of the duplicate check's marks holds.
  const Shape s{2, 40000, 4, 2};
  struct Wrong {
    std::vector<int32_t> indices;
    bool duplicate;
    const char* text;
  };
  const Wrong wrongs[] = {
      {{0, 1, 2, 3, 0, 40000, 2, 3}, false, "indices: [1, 1] is 40000, expected 0 to 39999"},
      {{0, 1, 2, -1, 0, 1, 2, 3}, false, "indices: [0, 3] is -1"},
      {{0, 1, 2, 3, 7, 8, 9, 7}, true, "indices: [1, 3] is 7 for the second time"},
      {{0, 39999, 2, 39999, 0, 1, 2, 3}, true, "indices: [0, 3] is 39999 for the second time"},
      {{0, 1, 2, INT32_MAX, 0, 1, 2, 3}, false, "indices: [0, 3] is 2147483647"},
  };
  Array long_side = Array({s.batch, s.tokens, s.k}).randomize(1);
  Array short_side = Array({s.batch, s.s, s.k}).randomize(2), fill = Array({s.k}).randomize(3);
  for (const Wrong& wrong : wrongs) {
    on_each_device([&](lk_device* device) {
      if (!checks_indices(device)) return;
      Values<int32_t> at(device, LK_I32, {s.batch, s.s}, wrong.indices);
      Workspace workspace(device, backward_workspace(device, s));
      Array out_long = long_side, out_short = short_side, out_fill = fill;
      if (!wrong.duplicate) {
        LK_REQUIRE_FAILS(lk_token_gather_forward(device, long_side.on(device), at.tensor(),
                                                 out_short.on(device)),
                         LK_BAD_ARGUMENT, wrong.text);
        out_short.fetch();
      }
      LK_REQUIRE_FAILS(lk_token_gather_backward(device, short_side.on(device), at.tensor(),
                                                out_long.on(device)),
                       LK_BAD_ARGUMENT, wrong.text);
      out_long.fetch();
      check_same_bits("d_x", out_long, long_side);
      LK_REQUIRE_FAILS(
          lk_token_scatter_forward(device, short_side.on(device), at.tensor(), fill.on(device),
                                   nullptr, out_long.on(device), workspace.data(),
                                   workspace.bytes()),
          LK_BAD_ARGUMENT, wrong.text);
      out_long.fetch();
      check_same_bits("y", out_long, long_side);
      LK_REQUIRE_FAILS(lk_token_scatter_backward(device, long_side.on(device), at.tensor(), 0,
                                                 out_short.on(device), out_fill.on(device),
                                                 workspace.data(), workspace.bytes()),
                       LK_BAD_ARGUMENT, wrong.text);
      out_short.fetch();
      out_fill.fetch();
      check_same_bits("d_x", out_short, short_side);
      check_same_bits("d_fill", out_fill, fill);
    });
  }
}

TEST_CASE("tokens: indices that cannot be refused read NaN and write nothing") {
  const Shape s{2, 6, 5, 9};
  constexpr int32_t kFar = INT32_MAX;
  // Of entry 0, token 4 twice; of entry 1, three outside.
  const std::vector<int32_t> indices = {4, 0, 4, 2, 1, -1, 3, 6, kFar, 0};
  const auto token = [&](int64_t row) { return indices[row]; };
  const auto is_wrong = [&](int64_t row) { return token(row) < 0 || token(row) >= s.tokens; };
  // The first index of entry b that names t, counted over all entries; -1 when none does.
  const auto named_by = [&](int64_t b, int64_t t) -> int64_t {
    for (int64_t i = 0; i < s.s; ++i) {
      if (token(b * s.s + i) == t) return b * s.s + i;
    }
    return -1;
  };
  Array long_side = Array({s.batch, s.tokens, s.k}).randomize(1);
  Array short_side = Array({s.batch, s.s, s.k}).randomize(2), fill = Array({s.k}).randomize(3);
  on_each_device([&](lk_device* device) {
    if (checks_indices(device)) return;
    Values<int32_t> at(device, LK_I32, {s.batch, s.s}, indices);
    Workspace workspace(device, backward_workspace(device, s));
    const auto check_short = [&](const Array& out) {
      for (int64_t i = 0; i < out.size(); ++i) {
        const int64_t row = i / s.k, b = row / s.s;
        if (is_wrong(row)) {
          REQUIRE(std::isnan(out.at(i)));
        } else {
          REQUIRE(out.at(i) == long_side.at((b * s.tokens + token(row)) * s.k + i % s.k));
        }
      }
    };
    const auto check_long = [&](const Array& out, const auto& missing) {
      for (int64_t i = 0; i < out.size(); ++i) {
        const int64_t row = i / s.k, source = named_by(row / s.tokens, row % s.tokens);
        REQUIRE(out.at(i) == (source < 0 ? missing(i % s.k) : short_side.at(source * s.k + i % s.k)));
      }
    };
    Array out_short(short_side.sizes()), out_long(long_side.sizes()), d_fill({s.k});
    LK_REQUIRE_OK(lk_token_gather_forward(device, long_side.on(device), at.tensor(),
                                          out_short.on(device)));
    out_short.fetch();
    check_short(out_short);
    LK_REQUIRE_OK(lk_token_gather_backward(device, short_side.on(device), at.tensor(),
                                           out_long.on(device)));
    out_long.fetch();
    check_long(out_long, [](int64_t) { return 0.0f; });
    LK_REQUIRE_OK(lk_token_scatter_forward(device, short_side.on(device), at.tensor(),
                                           fill.on(device), nullptr, out_long.on(device),
                                           workspace.data(), workspace.bytes()));
    out_long.fetch();
    check_long(out_long, [&](int64_t j) { return fill.at(j); });
    LK_REQUIRE_OK(lk_token_scatter_backward(device, long_side.on(device), at.tensor(), 0,
                                            out_short.on(device), d_fill.on(device),
                                            workspace.data(), workspace.bytes()));
    out_short.fetch();
    d_fill.fetch();
    check_short(out_short);
    for (int64_t j = 0; j < s.k; ++j) {
      double sum = 0;
      for (int64_t row = 0; row < s.batch * s.tokens; ++row) {
        if (named_by(row / s.tokens, row % s.tokens) < 0) sum += long_side.at(row * s.k + j);
      }
      CHECK(d_fill.at(j) == doctest::Approx(sum).epsilon(1e-5));
    }
  });
}

TEST_CASE("tokens: bad arguments") {
  const Shape s{2, 6, 3, 4};
  on_each_device([&](lk_device* device) {
    Values<int32_t> good(device, LK_I32, {2, 3}, choose(s, 1)), short_list(device, LK_I32, {2, 2},
                                                                         {0, 1, 0, 1});
    Values<float> floats(device, LK_F32, {2, 3}, std::vector<float>(6));
    Array full({2, 6, 4}), part({2, 3, 4}), fill({4}), narrow({5}), flat({12, 4});
    const lk_tensor *at = good.tensor(), *x = full.on(device), *y = part.on(device),
                    *f = fill.on(device);
    Workspace workspace(device, backward_workspace(device, s));
    void* w = workspace.data();
    const size_t n = workspace.bytes();
    LK_REQUIRE_FAILS(lk_token_gather_forward(device, x, nullptr, y), LK_BAD_ARGUMENT,
                     "indices: NULL");
    LK_REQUIRE_FAILS(lk_token_gather_forward(device, x, floats.tensor(), y), LK_BAD_ARGUMENT,
                     "indices: f32");
    LK_REQUIRE_FAILS(lk_token_gather_forward(device, x, short_list.tensor(), y), LK_BAD_ARGUMENT,
                     "y: ");
    LK_REQUIRE_FAILS(lk_token_gather_forward(device, flat.on(device), at, y), LK_BAD_ARGUMENT,
                     "x: ");
    LK_REQUIRE_FAILS(lk_token_gather_backward(device, x, at, x), LK_BAD_ARGUMENT, "dy: ");
    lk_tensor inside = *y;
    inside.data = x->data;
    LK_REQUIRE_FAILS(lk_token_gather_forward(device, x, at, &inside), LK_BAD_ARGUMENT,
                     "x and y: share memory");
    LK_REQUIRE_FAILS(lk_token_gather_backward(device, &inside, at, x), LK_BAD_ARGUMENT,
                     "dy and d_x: share memory");
    LK_REQUIRE_FAILS(lk_token_scatter_forward(device, y, at, narrow.on(device), nullptr, x, w, n),
                     LK_BAD_ARGUMENT, "fill: ");
    LK_REQUIRE_FAILS(lk_token_scatter_forward(device, y, at, f, f, x, w, n), LK_BAD_ARGUMENT,
                     "position: ");
    if (const size_t needed = forward_workspace(device, s); needed > 0) {
      LK_REQUIRE_FAILS(lk_token_scatter_forward(device, y, at, f, nullptr, x, w, needed - 1),
                       LK_BAD_ARGUMENT, "workspace: " + std::to_string(needed - 1) + " bytes");
      LK_REQUIRE_FAILS(lk_token_scatter_forward(device, y, at, f, nullptr, x, nullptr, n),
                       LK_BAD_ARGUMENT, "workspace: ");
    }
    LK_REQUIRE_FAILS(lk_token_scatter_backward(device, x, at, 0, nullptr, f, w, n - 1),
                     LK_BAD_ARGUMENT, "workspace: " + std::to_string(n - 1) + " bytes");
    LK_REQUIRE_FAILS(lk_token_scatter_backward(device, x, at, 0, nullptr, nullptr, w, n),
                     LK_BAD_ARGUMENT, "both NULL");
    LK_REQUIRE_FAILS(lk_token_scatter_backward(device, x, at, LK_ADD_TO_D_X, y, f, w, n),
                     LK_BAD_ARGUMENT, "flags: ");
    size_t bytes = 0;
    LK_REQUIRE_FAILS(lk_token_scatter_forward_workspace(device, 0, 6, &bytes), LK_BAD_ARGUMENT,
                     "batch, tokens");
    LK_REQUIRE_FAILS(
        lk_token_scatter_backward_workspace(device, INT64_MAX, INT64_MAX, INT64_MAX, &bytes),
        LK_BAD_ARGUMENT, "batch, tokens");
    LK_REQUIRE_FAILS(lk_token_scatter_forward_workspace(device, 2, 6, nullptr), LK_BAD_ARGUMENT,
                     "bytes: NULL");
  });
}

}  // namespace lk::test
