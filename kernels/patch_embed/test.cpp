// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "patch_embed/patch_embed.h"

#include "common/half_scalar.h"
#include "support.h"

namespace lk::test {
namespace {

struct Shape {
  int64_t batch, channels, height, width, patch, n;
  bool class_token;
};
const Shape kShapes[] = {{1, 1, 4, 4, 4, 1, false},  {3, 3, 16, 24, 8, 37, true},
                         {2, 3, 30, 20, 5, 64, true}, {5, 1, 32, 32, 16, 192, false},
                         {2, 2, 21, 14, 7, 13, true}, {3, 3, 16, 24, 8, 40, true}};

struct Problem {
  explicit Problem(const Shape& s, Layout layout)
      : shape(s),
        tokens(s.height / s.patch * (s.width / s.patch) + (s.class_token ? 1 : 0)),
        k(s.channels * s.patch * s.patch),
        images(Array({s.batch, s.channels, s.height, s.width}, layout.f32()).randomize(1)),
        w(Array({s.n, k}, layout).randomize(2)),
        bias(Array({s.n}).randomize(3)),
        position(Array({tokens, s.n}, layout.f32()).randomize(4)),
        class_token(Array({s.n}).randomize(5)),
        dy(Array({s.batch, tokens, s.n}, layout).randomize(6)) {}

  patch_embed::Patches patches() {
    const int64_t across = shape.width / shape.patch;
    return {images.view(), shape.patch, across, shape.height / shape.patch * across};
  }
  template <class Real>
  Array forward() {
    Array y({shape.batch, tokens, shape.n});
    patch_embed::Forward call{patches(), {}, bias.vector(), position.matrix(), {}, y.view()};
    if (shape.class_token) call.class_token = class_token.vector();
    const Matrix rows = w.matrix();
    call.w = {rows.data, rows.rows, rows.columns, rows.stride, false};
    patch_embed::reference_forward<Real>(call);
    return y;
  }

  Shape shape;
  int64_t tokens, k;
  Array images, w, bias, position, class_token, dy;
};

// The yardstick: plain maths on images of the activations' dtype.
Problem with_rounded_images(const Problem& p, const Layout& layout) {
  Problem rounded = p;
  for (int64_t i = 0; i < p.images.size(); ++i) {
    rounded.images.at(i) = round_to(layout.dtype, p.images.at(i));
  }
  return rounded;
}

struct Gradients {
  Array weight, bias, position, class_token;
  explicit Gradients(const Problem& p, Layout layout = {})
      : weight(Array({p.shape.n, p.k}, layout.f32()).randomize(7)),
        bias(Array({p.shape.n}).randomize(8)),
        position(Array({p.tokens, p.shape.n}, layout.f32()).randomize(9)),
        class_token(Array({p.shape.n}).randomize(10)) {}
};

template <class Real>
Gradients oracle_backward(Problem& p, bool add) {
  Gradients g(p);
  patch_embed::Backward call{p.patches(),        p.dy.view(),         add, g.weight.matrix(),
                             g.bias.vector(), g.position.matrix(), {}};
  if (p.shape.class_token) call.d_class_token = g.class_token.vector();
  patch_embed::reference_backward<Real>(call);
  return g;
}

Gradients run_backward(lk_device* device, Problem& p, bool add, Layout layout) {
  Gradients g(p, layout);
  const lk_tensor* images = p.images.on(device);
  size_t bytes = 0;
  LK_REQUIRE_OK(
      lk_patch_embed_backward_workspace(device, images, p.shape.patch, p.shape.n, &bytes));
  Workspace workspace(device, bytes);
  LK_REQUIRE_OK(lk_patch_embed_backward(
      device, p.dy.on(device), images, p.shape.patch, add ? LK_ADD_TO_PARAMETERS : 0,
      g.weight.on(device), g.bias.on(device), g.position.on(device),
      p.shape.class_token ? g.class_token.on(device) : nullptr, workspace.data(), bytes));
  g.weight.fetch();
  g.bias.fetch();
  g.position.fetch();
  if (p.shape.class_token) g.class_token.fetch();
  return g;
}

// Prepares W in a format and runs forward.
Array run_forward(lk_device* device, Problem& p, int32_t format, Layout layout) {
  const PreparedWeight weight(device, p.w, format);
  size_t bytes = 0;
  const lk_tensor* images = p.images.on(device);
  LK_REQUIRE_OK(lk_patch_embed_forward_workspace(device, images, p.shape.patch, weight.get(), &bytes));
  Workspace workspace(device, bytes);
  Array y({p.shape.batch, p.tokens, p.shape.n}, layout);
  LK_REQUIRE_OK(lk_patch_embed_forward(device, images, p.shape.patch, weight.get(), p.bias.on(device),
                                       p.position.on(device),
                                       p.shape.class_token ? p.class_token.on(device) : nullptr,
                                       y.on(device), workspace.data(), bytes));
  y.fetch();
  return y;
}

}  // namespace

TEST_CASE("patch_embed: forward is right, packed or plain, the same bits on each device") {
  for (const Shape& shape : kShapes) {
    for (const Layout& layout : activation_layouts()) {
      CAPTURE(shape.n);
      Problem p(shape, layout);
      const Array oracle = p.forward<double>();
      const Array plain = with_rounded_images(p, layout).forward<float>();
      Array first;
      on_each_device(layout.dtype, [&](lk_device* device) {
        for (const int32_t format : {LK_WEIGHT_PLAIN, LK_WEIGHT_PACKED}) {
          Array y = run_forward(device, p, format, layout);
          check_right("y", y, oracle, plain);
          if (first.sizes().empty()) first = y;
          check_same_bits("y", y, first);
        }
      });
    }
  }
}

TEST_CASE("patch_embed: backward is right, overwriting and adding") {
  for (const Shape& shape : kShapes) {
    for (const Layout& layout : activation_layouts()) {
      const bool add = layout.row_padding > 0;
      if (add != (layout.offset > 0)) continue;  // plain layouts overwrite, the oddest ones add
      CAPTURE(shape.n);
      CAPTURE(add);
      Problem p(shape, layout);
      const Gradients oracle = oracle_backward<double>(p, add);
      Problem rounded = with_rounded_images(p, layout);
      const Gradients plain = oracle_backward<float>(rounded, add);
      Array first;
      on_each_device(layout.dtype, [&](lk_device* device) {
        Gradients g = run_backward(device, p, add, layout);
        check_right("d_weight", g.weight, oracle.weight, plain.weight);
        check_right("d_bias", g.bias, oracle.bias, plain.bias);
        check_right("d_position", g.position, oracle.position, plain.position);
        if (shape.class_token) {
          check_right("d_class_token", g.class_token, oracle.class_token, plain.class_token);
        }
        if (first.sizes().empty()) first = g.weight;
        check_same_bits("d_weight between devices", g.weight, first);
      });
    }
  }
}

// y is linear in the parameters, so that <dy, y(W)> = <d_weight, W> and so on, exactly but for
// rounding.
TEST_CASE("patch_embed: the oracle's gradients are the slopes of y") {
  Problem p(kShapes[1], {});
  p.bias.fill(0);
  p.position.fill(0);
  p.class_token.fill(0);
  const Array y = p.forward<double>();
  Gradients g = oracle_backward<double>(p, false);
  double through_y = 0, through_w = 0;
  for (int64_t i = 0; i < y.size(); ++i) through_y += double(y.at(i)) * p.dy.at(i);
  for (int64_t i = 0; i < p.w.size(); ++i) through_w += double(g.weight.at(i)) * p.w.at(i);
  CHECK(through_w == doctest::Approx(through_y).epsilon(1e-5));
  double bias = 0, position = 0, class_token = 0, all = 0;
  for (int64_t i = 0; i < p.dy.size(); ++i) all += p.dy.at(i);
  for (int64_t i = 0; i < g.bias.size(); ++i) bias += g.bias.at(i);
  for (int64_t i = 0; i < g.class_token.size(); ++i) class_token += g.class_token.at(i);
  for (int64_t i = 0; i < g.position.size(); ++i) position += g.position.at(i);
  CHECK(bias + class_token == doctest::Approx(all).epsilon(1e-5));
  CHECK(position == doctest::Approx(all).epsilon(1e-5));
}

TEST_CASE("patch_embed: a channel stride of 0 repeats a grey channel") {
  Problem grey({2, 1, 8, 8, 4, 5, true}, {}), rgb({2, 3, 8, 8, 4, 5, true}, {});
  for (int64_t i = 0; i < rgb.images.size(); ++i) {
    rgb.images.at(i) = grey.images.at(i / 192 * 64 + i % 64);
  }
  on_each_device([&](lk_device* device) {
    const Array expected = run_forward(device, rgb, LK_WEIGHT_PLAIN, {});
    lk_tensor images = *grey.images.on(device);
    images.sizes[1] = 3;
    images.strides[1] = 0;
    const PreparedWeight weight(device, rgb.w, LK_WEIGHT_PLAIN);
    size_t bytes = 0;
    LK_REQUIRE_OK(lk_patch_embed_forward_workspace(device, &images, 4, weight.get(), &bytes));
    Workspace workspace(device, bytes);
    Array y({2, 5, 5});
    LK_REQUIRE_OK(lk_patch_embed_forward(device, &images, 4, weight.get(), rgb.bias.on(device),
                                         rgb.position.on(device), rgb.class_token.on(device),
                                         y.on(device), workspace.data(), bytes));
    y.fetch();
    check_same_bits("y", y, expected);
  });
}

TEST_CASE("patch_embed: bad arguments") {
  Problem p(kShapes[1], {});
  on_each_device([&](lk_device* device) {
    const lk_tensor* images = p.images.on(device);
    const lk_tensor* dy = p.dy.on(device);
    const PreparedWeight weight(device, p.w, LK_WEIGHT_PLAIN);
    Array y({3, 7, 37}), d_bias({37});
    const auto forward = [&](int64_t patch, const lk_tensor* class_token, const char* text) {
      LK_REQUIRE_FAILS(lk_patch_embed_forward(device, images, patch, weight.get(), nullptr, nullptr,
                                              class_token, y.on(device), nullptr, 0),
                       LK_BAD_ARGUMENT, text);
    };
    forward(5, nullptr, "patch: 5");
    forward(0, nullptr, "patch: 0");
    forward(4, nullptr, "w: 192 columns");
    forward(8, nullptr, "y:");
    size_t bytes = 0;
    LK_REQUIRE_OK(lk_patch_embed_forward_workspace(device, images, 8, weight.get(), &bytes));
    if (bytes > 0) forward(8, p.class_token.on(device), "workspace");
    LK_REQUIRE_FAILS(lk_patch_embed_backward(device, dy, images, 8, 0, nullptr, nullptr, nullptr,
                                             nullptr, nullptr, 0),
                     LK_BAD_ARGUMENT, "all NULL");
    LK_REQUIRE_FAILS(lk_patch_embed_backward(device, dy, images, 4, 0, nullptr, d_bias.on(device),
                                             nullptr, nullptr, nullptr, 0),
                     LK_BAD_ARGUMENT, "dy:");
    LK_REQUIRE_FAILS(lk_patch_embed_backward(device, dy, images, 8, LK_ADD_TO_D_X, nullptr,
                                             d_bias.on(device), nullptr, nullptr, nullptr, 0),
                     LK_BAD_ARGUMENT, "flags");
    // Shapes need no data; a stride of 0 makes an image of any size of one row.
    lk_tensor shape = {nullptr, {1, 1, 1 << 28, 1 << 28}, {0, 0, 0, 1}, LK_F32, 4};
    LK_REQUIRE_OK(lk_patch_embed_backward_workspace(device, &shape, 1 << 14, 1, &bytes));
    LK_REQUIRE_FAILS(lk_patch_embed_backward_workspace(device, &shape, 1 << 28, 1, &bytes),
                     LK_BAD_ARGUMENT, "patch: 268435456, 72057594037927936 pixels");
    LK_REQUIRE_FAILS(lk_patch_embed_backward_workspace(device, &shape, 1 << 20, int64_t{1} << 40, &bytes),
                     LK_BAD_ARGUMENT, "expected no matrix of more than 2^50 elements");
  });
}

// The kernels on CUDA devices count a batch's patches and a patch's pixels in 32 bits. Strides of 0 make
// tensors of any size; nothing of them may be touched.
TEST_CASE("patch_embed: more than a CUDA device can count") {
  constexpr int64_t kMany = int64_t{1} << 32;
  Problem p({1, 1, 1, 1, 1, 1, false}, {});
  on_each_device([&](lk_device* device) {
    if (!is_simulated(device)) return;
    lk_tensor images = *p.images.on(device), dy = *p.dy.on(device), d_weight = *p.w.on(device);
    Workspace memory(device, 1024);
    auto* floats = static_cast<float*>(memory.data());
    float* beyond = floats + 2 * kMany;  // the workspace: behind what d_weight seems to take
    images.data = floats, dy.data = floats + 1, d_weight.data = floats + 2;
    const auto backward = [&](const char* text) {
      LK_REQUIRE_FAILS(lk_patch_embed_backward(device, &dy, &images, 1, 0, &d_weight, nullptr, nullptr,
                                               nullptr, beyond, size_t{1} << 40),
                       LK_UNSUPPORTED, text);
    };
    images.sizes[0] = dy.sizes[0] = kMany;
    images.strides[0] = dy.strides[0] = 0;
    backward("images: 4294967296 of 1 patches, this device takes up to 4294967295");
    images.sizes[0] = dy.sizes[0] = 1;
    images.sizes[1] = d_weight.sizes[1] = d_weight.strides[0] = kMany;
    images.strides[1] = 0;
    backward("patch: 4294967296 pixels, this device takes up to 4294967295");
  });
}

}  // namespace lk::test
