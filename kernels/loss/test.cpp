// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "loss/loss.h"

#include <cmath>
#include <cstring>

#include "common/philox.h"
#include "support.h"

namespace lk::test {
namespace {

// ---- Binary cross-entropy

template <class Real>
Array oracle_bce(Array logits, Array targets) {
  Array loss({1});
  loss::reference_bce_forward<Real>({logits.matrix(), targets.matrix(), loss.vector()});
  return loss;
}

template <class Real>
Array oracle_bce_gradient(Array logits, Array targets, float d_loss) {
  Array d_logits(logits.sizes());
  loss::reference_bce_backward<Real>(
      {logits.matrix(), targets.matrix(), d_loss, d_logits.matrix()});
  return d_logits;
}

// 0 and 1, with every seventh target in between.
Array make_targets(const std::vector<int64_t>& sizes, Layout layout) {
  Array targets = Array(sizes, layout).randomize(9, 0, 1);
  for (int64_t i = 0; i < targets.size(); ++i) {
    if (i % 7 != 3) targets.at(i) = targets.at(i) < 0.5f ? 0.0f : 1.0f;
  }
  return targets;
}

// ---- Patches

struct Shape {
  int64_t batch, channels, height, width, patch, s;
};
const Shape kShapes[] = {{1, 1, 2, 2, 2, 1},  {2, 3, 32, 48, 16, 4},  {3, 1, 28, 28, 7, 11},
                         {1, 5, 12, 9, 3, 7}, {1, 2, 1, 3, 1, 3},     {1, 3, 20, 40, 20, 2},
                         {2, 1, 33, 66, 33, 3}, {5, 4, 32, 16, 16, 1}, {1, 3, 200, 400, 200, 2},
                         {40, 3, 32, 32, 8, 5}};

int64_t pixels(const Shape& s) { return s.patch * s.patch * s.channels; }
int64_t patches(const Shape& s) { return s.height / s.patch * (s.width / s.patch); }

std::vector<int32_t> choose(const Shape& s) {
  std::vector<int32_t> indices(s.batch * s.s);
  for (size_t i = 0; i < indices.size(); ++i) {
    indices[i] = static_cast<int32_t>(philox_word({8, 1, 0}, i) % patches(s));
  }
  return indices;
}

struct Case {
  Array images, prediction;
  std::vector<int32_t> indices;
};

Case make_case(const Shape& s, const Layout& layout) {
  return {Array({s.batch, s.channels, s.height, s.width}, layout.f32()).randomize(1, -2, 3),
          Array({s.batch, s.s, pixels(s)}, layout).randomize(2, -2, 2), choose(s)};
}

loss::Targets targets_of(Case& c, const Shape& s, float eps) {
  return {c.images.view(), s.patch, {c.indices.data(), s.batch, s.s, s.s, 1}, eps};
}

template <class Real>
Array oracle_mse(Case& c, const Shape& s, float eps) {
  Array loss({1});
  loss::reference_patch_mse_forward<Real>(
      {c.prediction.matrix(), targets_of(c, s, eps), loss.vector()});
  return loss;
}

template <class Real>
Array oracle_mse_gradient(Case& c, const Shape& s, float eps, float d_loss) {
  Array d_prediction(c.prediction.sizes());
  loss::reference_patch_mse_backward<Real>(
      {c.prediction.matrix(), targets_of(c, s, eps), d_loss, d_prediction.matrix()});
  return d_prediction;
}

size_t mse_workspace(lk_device* device, const Shape& s) {
  size_t bytes = 0;
  LK_REQUIRE_OK(lk_patch_mse_forward_workspace(device, s.batch, s.s, &bytes));
  return bytes;
}

}  // namespace

TEST_CASE("bce: forward and backward are right") {
  // The last has more elements than 64 chunks hold.
  const std::vector<int64_t> shapes[] = {{1, 1}, {64, 14}, {197, 1}, {5, 37}, {333, 57},
                                         {800, 660}};
  for (const std::vector<int64_t>& shape : shapes) {
    if (is_too_large(shape[0] * shape[1])) continue;
    for (const Layout& layout : layouts()) {
      CAPTURE(shape[0]);
      CAPTURE(shape[1]);
      Array logits = Array(shape, layout).randomize(1, -9, 9);
      Array targets = make_targets(shape, layout);
      const float d_loss = 0.37f;
      const Array oracle = oracle_bce<double>(logits, targets);
      const Array plain = oracle_bce<float>(logits, targets);
      const Array gradient = oracle_bce_gradient<double>(logits, targets, d_loss);
      const Array plain_gradient = oracle_bce_gradient<float>(logits, targets, d_loss);
      SameBits bits;
      on_each_device([&](lk_device* device) {
        Array loss({1}), d_logits(shape, layout);
        const lk_tensor *x = logits.on(device), *t = targets.on(device);
        LK_REQUIRE_OK(lk_bce_with_logits_forward(device, x, t, loss.on(device)));
        loss.fetch();
        check_right("loss", loss, oracle, plain);
        bits.check("loss between devices", device, loss);
        LK_REQUIRE_OK(lk_bce_with_logits_backward(device, x, t, d_loss, d_logits.on(device)));
        d_logits.fetch();
        check_right("d_logits", d_logits, gradient, plain_gradient);
      });
    }
  }
}

TEST_CASE("bce: closed forms at and beyond what exp can hold") {
  struct Form {
    float logit, target;
    double loss, gradient;
  };
  const double log2 = std::log(2.0), far = 1e30;
  const Form forms[] = {
      {0, 0, log2, 0.5},    {0, 1, log2, -0.5},   {100, 1, 0, 0},         {-100, 0, 0, 0},
      {100, 0, 100, 1},     {-100, 1, 100, -1},   {1e30f, 0, far, 1},     {-1e30f, 1, far, -1},
      {1e30f, 1, 0, 0},     {-1e30f, 0, 0, 0},    {-100, 0.5f, 50, -0.5}, {100, 0.25f, 75, 0.75},
      {20, 1, std::log1p(std::exp(-20.0)), -1 / (1 + std::exp(20.0))},
      {-20, 0, std::log1p(std::exp(-20.0)), 1 / (1 + std::exp(20.0))},
  };
  for (const Form& form : forms) {
    CAPTURE(form.logit);
    CAPTURE(form.target);
    on_each_device([&](lk_device* device) {
      Array logits = Array({1, 1}).fill(form.logit), targets = Array({1, 1}).fill(form.target);
      Array loss({1}), d_logits({1, 1});
      LK_REQUIRE_OK(lk_bce_with_logits_forward(device, logits.on(device), targets.on(device),
                                               loss.on(device)));
      loss.fetch();
      CHECK(std::fabs(loss.at(0) - form.loss) <= 3e-7 * form.loss + 1e-37);
      LK_REQUIRE_OK(lk_bce_with_logits_backward(device, logits.on(device), targets.on(device), 1,
                                                d_logits.on(device)));
      d_logits.fetch();
      CHECK(std::fabs(d_logits.at(0) - form.gradient) <= 3e-7 * std::fabs(form.gradient) + 1e-37);
    });
  }
}

TEST_CASE("bce: NaN stays NaN, whatever its bits") {
  for (const uint32_t bits : {0x7FC00000u, 0x7FFFFFFFu, 0x7FC00001u, 0xFFC12345u}) {
    CAPTURE(bits);
    float nan;
    std::memcpy(&nan, &bits, sizeof(nan));
    on_each_device([&](lk_device* device) {
      Array logits = Array({1, 3}).fill(0.5f), targets = Array({1, 3}).fill(1);
      logits.at(1) = nan;
      Array loss({1}), d_logits({1, 3});
      LK_REQUIRE_OK(lk_bce_with_logits_forward(device, logits.on(device), targets.on(device),
                                               loss.on(device)));
      LK_REQUIRE_OK(lk_bce_with_logits_backward(device, logits.on(device), targets.on(device), 1,
                                                d_logits.on(device)));
      loss.fetch();
      d_logits.fetch();
      CHECK(std::isnan(loss.at(0)));
      CHECK(std::isnan(d_logits.at(1)));
      CHECK(std::isfinite(d_logits.at(0) + d_logits.at(2)));
    });
  }
}

TEST_CASE("bce: the oracle's gradient is its slope") {
  Array logits = Array({3, 5}).randomize(1, -4, 4), targets = make_targets({3, 5}, {});
  const Array gradient = oracle_bce_gradient<double>(logits, targets, 1);
  const float step = 1.0f / 32;
  for (int64_t i = 0; i < logits.size(); ++i) {
    Array right = logits, left = logits;
    right.at(i) += step;
    left.at(i) -= step;
    const double rise = double(oracle_bce<double>(right, targets).at(0)) -
                        oracle_bce<double>(left, targets).at(0);
    const double slope = rise / (double(right.at(i)) - left.at(i));
    CHECK(gradient.at(i) == doctest::Approx(slope).epsilon(1e-3).scale(1e-2));
  }
}

TEST_CASE("bce: bad arguments") {
  on_each_device([](lk_device* device) {
    Array logits({4, 3}), targets({4, 3}), wrong({3, 4}), loss({1}), two({2});
    const lk_tensor *x = logits.on(device), *t = targets.on(device), *l = loss.on(device);
    LK_REQUIRE_FAILS(lk_bce_with_logits_forward(device, x, wrong.on(device), l), LK_BAD_ARGUMENT,
                     "targets: ");
    LK_REQUIRE_FAILS(lk_bce_with_logits_forward(device, x, t, two.on(device)), LK_BAD_ARGUMENT,
                     "loss: ");
    LK_REQUIRE_FAILS(lk_bce_with_logits_forward(device, nullptr, t, l), LK_BAD_ARGUMENT,
                     "logits: NULL");
    lk_tensor inside = *l;
    inside.data = x->data;
    LK_REQUIRE_FAILS(lk_bce_with_logits_forward(device, x, t, &inside), LK_BAD_ARGUMENT,
                     "logits and loss: share memory");
    LK_REQUIRE_FAILS(lk_bce_with_logits_backward(device, x, t, 1, x), LK_BAD_ARGUMENT,
                     "logits and d_logits: share memory");
    LK_REQUIRE_FAILS(lk_bce_with_logits_backward(device, x, t, INFINITY, wrong.on(device)),
                     LK_BAD_ARGUMENT, "d_loss: inf");
    LK_REQUIRE_FAILS(lk_bce_with_logits_backward(device, x, t, 1, wrong.on(device)),
                     LK_BAD_ARGUMENT, "d_logits: ");
  });
}

TEST_CASE("patch_mse: forward and backward are right") {
  for (const Shape& s : kShapes) {
    if (is_too_large(s.batch * s.s * pixels(s))) continue;
    for (const Layout& layout : activation_layouts()) {
      CAPTURE(s.patch);
      CAPTURE(s.channels);
      CAPTURE(layout.row_padding);
      Case c = make_case(s, layout);
      const float eps = 1e-6f, d_loss = 0.25f;
      const Array oracle = oracle_mse<double>(c, s, eps), plain = oracle_mse<float>(c, s, eps);
      const Array gradient = oracle_mse_gradient<double>(c, s, eps, d_loss);
      const Array plain_gradient = oracle_mse_gradient<float>(c, s, eps, d_loss);
      SameBits bits;
      on_each_device(layout.dtype, [&](lk_device* device) {
        Values<int32_t> indices(device, LK_I32, {s.batch, s.s}, c.indices);
        const lk_tensor *prediction = c.prediction.on(device), *images = c.images.on(device);
        Workspace workspace(device, mse_workspace(device, s));
        Array loss({1}), d_prediction(c.prediction.sizes(), layout);
        LK_REQUIRE_OK(lk_patch_mse_forward(device, prediction, images, s.patch, indices.tensor(),
                                           eps, loss.on(device), workspace.data(),
                                           workspace.bytes()));
        loss.fetch();
        check_right("loss", loss, oracle, plain);
        bits.check("loss between devices", device, loss);
        LK_REQUIRE_OK(lk_patch_mse_backward(device, prediction, images, s.patch, indices.tensor(),
                                            eps, d_loss, d_prediction.on(device)));
        d_prediction.fetch();
        check_right("d_prediction", d_prediction, gradient, plain_gradient);
      });
    }
  }
}

TEST_CASE("patch_mse: a grey channel may be repeated, a flat patch has no spread") {
  const Shape s{2, 3, 16, 16, 8, 2};
  on_each_device([&](lk_device* device) {
    Array grey = Array({s.batch, 1, s.height, s.width}).randomize(1);
    Array rgb({s.batch, s.channels, s.height, s.width});
    for (int64_t i = 0; i < rgb.size(); ++i) rgb.at(i) = grey.at(i / 768 * 256 + i % 256);
    Array prediction = Array({s.batch, s.s, pixels(s)}).randomize(2), loss({1}), loss_rgb({1});
    Values<int32_t> indices(device, LK_I32, {s.batch, s.s}, {3, 0, 1, 1});
    Workspace workspace(device, mse_workspace(device, s));
    lk_tensor repeated = *grey.on(device);
    repeated.sizes[1] = 3;
    repeated.strides[1] = 0;
    const lk_tensor* p = prediction.on(device);
    LK_REQUIRE_OK(lk_patch_mse_forward(device, p, &repeated, s.patch, indices.tensor(), 1e-6f,
                                       loss.on(device), workspace.data(), workspace.bytes()));
    LK_REQUIRE_OK(lk_patch_mse_forward(device, p, rgb.on(device), s.patch, indices.tensor(), 1e-6f,
                                       loss_rgb.on(device), workspace.data(), workspace.bytes()));
    loss.fetch();
    loss_rgb.fetch();
    check_same_bits("loss", loss, loss_rgb);

    // Its target is 0 everywhere, whatever the grey: the loss is the prediction's mean square.
    Array flat = Array(rgb.sizes()).fill(0.5f), ones = Array(prediction.sizes()).fill(1);
    LK_REQUIRE_OK(lk_patch_mse_forward(device, ones.on(device), flat.on(device), s.patch,
                                       indices.tensor(), 1e-6f, loss.on(device), workspace.data(),
                                       workspace.bytes()));
    loss.fetch();
    CHECK(loss.at(0) == 1);
  });
}

TEST_CASE("patch_mse: the oracle's gradient is its slope") {
  const Shape s{2, 3, 8, 12, 4, 3};
  Case c = make_case(s, {});
  const Array gradient = oracle_mse_gradient<double>(c, s, 1e-6f, 1);
  const float step = 0.25f;
  for (int64_t i = 0; i < c.prediction.size(); i += 11) {
    Case right = c, left = c;
    right.prediction.at(i) += step;
    left.prediction.at(i) -= step;
    const double rise = double(oracle_mse<double>(right, s, 1e-6f).at(0)) -
                        oracle_mse<double>(left, s, 1e-6f).at(0);
    const double slope = rise / (double(right.prediction.at(i)) - left.prediction.at(i));
    CHECK(gradient.at(i) == doctest::Approx(slope).epsilon(1e-3).scale(1e-3));
  }
}

TEST_CASE("patch_mse: an index that cannot be refused makes its patch NaN, and no other") {
  const Shape s{2, 3, 16, 16, 8, 2};
  Case c = make_case(s, {});
  const std::vector<int32_t> good = {0, 1, 2, 3};
  on_each_device([&](lk_device* device) {
    if (checks_indices(device)) return;
    const lk_tensor *p = c.prediction.on(device), *u = c.images.on(device);
    Workspace workspace(device, mse_workspace(device, s));
    Array loss({1}), right(c.prediction.sizes());
    Values<int32_t> right_indices(device, LK_I32, {2, 2}, good);
    LK_REQUIRE_OK(lk_patch_mse_backward(device, p, u, 8, right_indices.tensor(), 0, 1,
                                        right.on(device)));
    right.fetch();
    for (const int32_t wrong : {4, -1, INT32_MAX, INT32_MIN}) {
      Values<int32_t> indices(device, LK_I32, {2, 2}, {0, 1, wrong, 3});
      LK_REQUIRE_OK(lk_patch_mse_forward(device, p, u, 8, indices.tensor(), 0, loss.on(device),
                                         workspace.data(), workspace.bytes()));
      loss.fetch();
      CHECK(std::isnan(loss.at(0)));
      Array d_prediction(c.prediction.sizes());
      LK_REQUIRE_OK(lk_patch_mse_backward(device, p, u, 8, indices.tensor(), 0, 1,
                                          d_prediction.on(device)));
      d_prediction.fetch();
      for (int64_t i = 0; i < d_prediction.size(); ++i) {
        const bool of_wrong = i / pixels(s) == 2;
        REQUIRE((of_wrong ? std::isnan(d_prediction.at(i)) : d_prediction.at(i) == right.at(i)));
      }
    }
  });
}

TEST_CASE("patch_mse: bad arguments, and nothing written") {
  const Shape s{2, 3, 16, 16, 8, 2};
  Case c = make_case(s, {});
  on_each_device([&](lk_device* device) {
    Workspace workspace(device, mse_workspace(device, s));
    const lk_tensor *p = c.prediction.on(device), *u = c.images.on(device);
    Array loss = Array({1}).fill(7), d_prediction = Array(c.prediction.sizes()).fill(7);
    const lk_tensor *l = loss.on(device), *d = d_prediction.on(device);
    const auto forward = [&](const lk_tensor* prediction, const lk_tensor* images, int64_t patch,
                             const lk_tensor* indices, float eps) {
      return lk_patch_mse_forward(device, prediction, images, patch, indices, eps, l,
                                  workspace.data(), workspace.bytes());
    };
    for (const int32_t wrong : {4, -1}) {
      if (!checks_indices(device)) continue;
      Values<int32_t> indices(device, LK_I32, {2, 2}, {0, 1, 2, wrong});
      LK_REQUIRE_FAILS(forward(p, u, 8, indices.tensor(), 0), LK_BAD_ARGUMENT,
                       "indices: [1, 1] is " + std::to_string(wrong));
      LK_REQUIRE_FAILS(lk_patch_mse_backward(device, p, u, 8, indices.tensor(), 0, 1, d),
                       LK_BAD_ARGUMENT, "expected 0 to 3 (4 patches)");
    }
    Values<int32_t> good(device, LK_I32, {2, 2}, {0, 1, 2, 3});
    Values<int32_t> more(device, LK_I32, {2, 3}, {0, 1, 2, 3, 0, 1});
    const lk_tensor* at = good.tensor();
    LK_REQUIRE_FAILS(forward(p, u, 0, at, 0), LK_BAD_ARGUMENT, "patch: 0");
    LK_REQUIRE_FAILS(forward(p, u, 5, at, 0), LK_BAD_ARGUMENT, "patch: 5");
    LK_REQUIRE_FAILS(forward(p, u, INT64_MAX, at, 0), LK_BAD_ARGUMENT, "patch: ");
    LK_REQUIRE_FAILS(forward(p, u, 4, at, 0), LK_BAD_ARGUMENT, "prediction: ");
    LK_REQUIRE_FAILS(forward(p, u, 8, more.tensor(), 0), LK_BAD_ARGUMENT, "prediction: ");
    LK_REQUIRE_FAILS(forward(p, u, 8, at, -1), LK_BAD_ARGUMENT, "eps: -1");
    LK_REQUIRE_FAILS(forward(p, u, 8, at, NAN), LK_BAD_ARGUMENT, "eps: ");
    lk_tensor pixel = *u;
    pixel.sizes[1] = 1;
    LK_REQUIRE_FAILS(forward(p, &pixel, 1, at, 0), LK_BAD_ARGUMENT, "no variance");
    LK_REQUIRE_FAILS(lk_patch_mse_backward(device, p, u, 8, at, 0, NAN, d), LK_BAD_ARGUMENT,
                     "d_loss: ");
    LK_REQUIRE_FAILS(lk_patch_mse_backward(device, p, u, 8, at, 0, 1, p), LK_BAD_ARGUMENT,
                     "prediction and d_prediction: share memory");
    size_t bytes = workspace.bytes() - 1;
    LK_REQUIRE_FAILS(lk_patch_mse_forward(device, p, u, 8, at, 0, l, workspace.data(), bytes),
                     LK_BAD_ARGUMENT, "workspace: " + std::to_string(bytes) +
                                          " bytes, expected at least " + std::to_string(bytes + 1));
    LK_REQUIRE_FAILS(lk_patch_mse_forward_workspace(device, 0, 2, &bytes), LK_BAD_ARGUMENT,
                     "batch, s: 0, 2");
    loss.fetch();
    d_prediction.fetch();
    CHECK(loss.at(0) == 7);
    check_same_bits("d_prediction", d_prediction, Array(d_prediction.sizes()).fill(7));
  });
}

}  // namespace lk::test
