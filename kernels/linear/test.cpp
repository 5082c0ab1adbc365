// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "linear/linear.h"

#include <cmath>

#include "common/half_scalar.h"
#include "support.h"

namespace lk::test {
namespace {

struct Shape {
  int64_t m, n, k;
};
// Single elements and rows, primes, edges of every tile, several blocks of rows and, for plain
// weights, several chunks.
const Shape kShapes[] = {{1, 1, 1},     {1, 14, 768},   {2, 33, 17}, {13, 131, 64},
                         {53, 97, 31},  {197, 37, 129}, {64, 96, 48}, {300, 61, 70},
                         {5, 2000, 700}, {270, 20, 24}};

// Everything a layer reads, on the host.
struct Layer {
  Shape shape;
  Layout layout;
  Array x, w, bias, residual, row_scale, dy, x_pre_activation;

  explicit Layer(Shape shape, Layout layout = {})
      : shape(shape),
        layout(layout),
        x(Array({shape.m, shape.k}, layout).randomize(1)),
        w(Array({shape.n, shape.k}, layout).randomize(2)),
        bias(Array({shape.n}).randomize(3)),
        residual(Array({shape.m, shape.n}, layout).randomize(4)),
        row_scale(Array({shape.m % 4 == 0 ? shape.m / 4 : shape.m}).randomize(5, 0, 2)),
        dy(Array({shape.m, shape.n}, layout).randomize(6)),
        x_pre_activation(Array({shape.m, shape.k}, layout).randomize(7, -3, 3)) {
    row_scale.at(0) = 0;  // a dropped sample
  }

  linear::Weight weight() {
    const Matrix rows = w.matrix();
    return {rows.data, rows.rows, rows.columns, rows.stride, false};
  }
  linear::RowScale scale() { return {row_scale.vector().data, shape.m / row_scale.size()}; }
};

// With nothing after the product, or with all of it.
struct ForwardResult {
  Array y, pre_activation;
};

ForwardResult forward_outputs(const Layer& layer) {
  return {Array({layer.shape.m, layer.shape.n}, layer.layout),
          Array({layer.shape.m, layer.shape.n}, layer.layout)};
}

template <class Real>
ForwardResult oracle_forward(Layer layer, bool whole) {
  ForwardResult result = forward_outputs(layer);
  linear::Forward call;
  call.x = layer.x.matrix();
  call.w = layer.weight();
  call.y = result.y.matrix();
  if (whole) {
    call.bias = layer.bias.vector();
    call.epilogue = {result.pre_activation.matrix(), layer.residual.matrix(), layer.scale(), true};
  }
  linear::reference_forward<Real>(call);
  return result;
}

ForwardResult run_forward(lk_device* device, Layer layer, int32_t format, bool whole) {
  ForwardResult result = forward_outputs(layer);
  const PreparedWeight w(device, layer.w, format);
  size_t bytes = 0;
  LK_REQUIRE_OK(lk_linear_forward_workspace(device, layer.shape.m, w.get(), &bytes));
  Workspace workspace(device, bytes);
  lk_epilogue epilogue{};
  epilogue.pre_activation = result.pre_activation.on(device);
  epilogue.residual = layer.residual.on(device);
  epilogue.row_scale = layer.row_scale.on(device);
  epilogue.activation = LK_ACTIVATION_GELU;
  LK_REQUIRE_OK(lk_linear_forward(device, layer.x.on(device), w.get(),
                                  whole ? layer.bias.on(device) : nullptr,
                                  whole ? &epilogue : nullptr, result.y.on(device),
                                  workspace.data(), bytes));
  result.y.fetch();
  result.pre_activation.fetch();
  return result;
}

struct BackwardResult {
  Array d_x, d_weight, d_bias;
};

// Gradients start from numbers of their own, for the flags that add to them.
BackwardResult backward_outputs(const Layer& layer) {
  return {Array({layer.shape.m, layer.shape.k}, layer.layout).randomize(11),
          Array({layer.shape.n, layer.shape.k}, layer.layout.f32()).randomize(12),
          Array({layer.shape.n}).randomize(13)};
}

struct Options {
  bool row_scale = false, x_pre_activation = false;
  int32_t flags = 0;
};
const Options kOptions[] = {{false, false, 0},
                            {true, true, 0},
                            {true, false, LK_ADD_TO_D_X},
                            {false, true, LK_ADD_TO_PARAMETERS},
                            {true, false, LK_ADD_TO_D_X | LK_ADD_TO_PARAMETERS}};

template <class Real>
BackwardResult oracle_backward(Layer layer, const Options& options) {
  BackwardResult result = backward_outputs(layer);
  linear::Backward call;
  call.dy = layer.dy.matrix();
  call.x = layer.x.matrix();
  call.w = layer.weight();
  if (options.row_scale) call.row_scale = layer.scale();
  if (options.x_pre_activation) call.x_pre_activation = layer.x_pre_activation.matrix();
  call.add_to_d_x = options.flags & LK_ADD_TO_D_X;
  call.add_to_parameters = options.flags & LK_ADD_TO_PARAMETERS;
  call.d_x = result.d_x.matrix();
  call.d_weight = result.d_weight.matrix();
  call.d_bias = result.d_bias.vector();
  linear::reference_backward<Real>(call);
  return result;
}

// The yardstick of a backward pass: plain maths in the activations' dtype, whose scaled gradient is
// an activation too.
BackwardResult plain_backward(const Layer& layer, const Options& options) {
  BackwardResult result = oracle_backward<float>(layer, options);
  if (layer.layout.dtype == LK_F32 || !options.row_scale) return result;
  Layer scaled = layer;
  const int64_t rows = layer.shape.m / layer.row_scale.size();
  for (int64_t i = 0; i < scaled.dy.size(); ++i) {
    const float scale = layer.row_scale.at(i / layer.shape.n / rows);
    scaled.dy.at(i) = round_to(layer.layout.dtype, layer.dy.at(i) * scale);
  }
  Options without = options;
  without.row_scale = false;
  result.d_weight = oracle_backward<float>(scaled, without).d_weight;
  return result;
}

BackwardResult run_backward(lk_device* device, Layer layer, int32_t format,
                            const Options& options) {
  BackwardResult result = backward_outputs(layer);
  const PreparedWeight w(device, layer.w, format);
  size_t bytes = 0;
  LK_REQUIRE_OK(lk_linear_backward_workspace(device, layer.shape.m, w.get(), &bytes));
  Workspace workspace(device, bytes);
  lk_linear_backward_options given{};
  if (options.row_scale) given.row_scale = layer.row_scale.on(device);
  if (options.x_pre_activation) given.x_pre_activation = layer.x_pre_activation.on(device);
  given.flags = options.flags;
  LK_REQUIRE_OK(lk_linear_backward(device, layer.dy.on(device), layer.x.on(device), w.get(),
                                   &given, result.d_x.on(device), result.d_weight.on(device),
                                   result.d_bias.on(device), workspace.data(), bytes));
  result.d_x.fetch();
  result.d_weight.fetch();
  result.d_bias.fetch();
  return result;
}

const int32_t kFormats[] = {LK_WEIGHT_PLAIN, LK_WEIGHT_PACKED};

// Both, but on a simulated device, where each is a second's work, one for each layout.
std::vector<int32_t> formats(lk_device* device, const Layer& layer) {
  if (!is_simulated(device)) return {kFormats[0], kFormats[1]};
  return {kFormats[layer.layout.offset % 2]};
}

// A simulated device runs the larger shapes in one layout, and the largest not at all.
bool is_left_out(lk_device* device, const Layer& layer) {
  const int64_t work = layer.shape.m * layer.shape.n * layer.shape.k;
  const bool odd = layer.layout.offset != 0 || layer.layout.row_padding != 0;
  return is_simulated(device) && work > (odd ? 200000 : 5000000);
}

template <class Body>
void on_each_shape(const Body& body) {
  for (const Shape& shape : kShapes) {
    for (const Layout& layout : activation_layouts()) {
      const bool large = shape.m * shape.n * shape.k > 1000000;
      if (large && (layout.offset == 0 || layout.row_padding == 0)) continue;
      CAPTURE(shape.m);
      CAPTURE(shape.n);
      CAPTURE(shape.k);
      CAPTURE(layout.offset);
      CAPTURE(layout.row_padding);
      body(Layer(shape, layout));
    }
  }
}

// The first rows of an array.
Array rows_of(const Array& array, int64_t first, int64_t count) {
  const int64_t columns = array.sizes().back();
  Array part({count, columns});
  for (int64_t i = 0; i < part.size(); ++i) part.at(i) = array.at(first * columns + i);
  return part;
}

void check_gradients(const BackwardResult& result, const BackwardResult& oracle,
                     const BackwardResult& plain) {
  check_right("d_x", result.d_x, oracle.d_x, plain.d_x);
  check_right("d_weight", result.d_weight, oracle.d_weight, plain.d_weight);
  check_right("d_bias", result.d_bias, oracle.d_bias, plain.d_bias);
}

}  // namespace

TEST_CASE("linear: forward is right, plain and packed alike") {
  on_each_shape([](const Layer& layer) {
    for (bool whole : {false, true}) {
      const ForwardResult oracle = oracle_forward<double>(layer, whole);
      const ForwardResult plain = oracle_forward<float>(layer, whole);
      on_each_device(layer.layout.dtype, [&](lk_device* device) {
        if (is_left_out(device, layer)) return;
        for (int32_t format : formats(device, layer)) {
          CAPTURE(format);
          CAPTURE(whole);
          const ForwardResult result = run_forward(device, layer, format, whole);
          check_right("y", result.y, oracle.y, plain.y);
          check_right("pre_activation", result.pre_activation, oracle.pre_activation,
                      plain.pre_activation);
        }
      });
    }
  });
}

TEST_CASE("linear: backward is right, plain and packed alike") {
  on_each_shape([](const Layer& layer) {
    for (const Options& options : kOptions) {
      if (layer.layout.dtype == LK_F16 && options.flags != 0) continue;  // as bf16, but for the type
      const BackwardResult oracle = oracle_backward<double>(layer, options);
      const BackwardResult plain = plain_backward(layer, options);
      CAPTURE(options.row_scale);
      CAPTURE(options.x_pre_activation);
      CAPTURE(options.flags);
      on_each_device(layer.layout.dtype, [&](lk_device* device) {
        if (is_left_out(device, layer)) return;
        for (int32_t format : formats(device, layer)) {
          CAPTURE(format);
          const BackwardResult result = run_backward(device, layer, format, options);
          check_gradients(result, oracle, plain);
        }
      });
    }
  });
}

// The CPU packs x for d_weight 4 MiB at a time.
TEST_CASE("linear: more of x than is packed at once") {
  for (const int32_t dtype : {LK_F32, LK_BF16}) {
    const Layer layer({300, 2, 16400}, {0, 0, dtype});
    const BackwardResult oracle = oracle_backward<double>(layer, kOptions[1]);
    const BackwardResult plain = plain_backward(layer, kOptions[1]);
    on_each_device(dtype, [&](lk_device* device) {
      if (is_simulated(device)) return;
      const BackwardResult result = run_backward(device, layer, LK_WEIGHT_PLAIN, kOptions[1]);
      check_right("d_weight", result.d_weight, oracle.d_weight, plain.d_weight);
      check_right("d_bias", result.d_bias, oracle.d_bias, plain.d_bias);
    });
  }
}

// The yardstick of tf32: plain maths of operands rounded to it, and of exact ones where no tensor
// core multiplies.
Layer in_tf32(Layer layer) {
  for (Array* operand : {&layer.x, &layer.w, &layer.dy}) *operand = operand->rounded_to(kTf32);
  return layer;
}
BackwardResult tf32_backward(const Layer& layer, const Options& options) {
  BackwardResult result = oracle_backward<float>(in_tf32(layer), options);
  result.d_bias = oracle_backward<float>(layer, options).d_bias;
  if (!options.row_scale) return result;
  Layer scaled = layer;
  const int64_t rows = layer.shape.m / layer.row_scale.size();
  for (int64_t i = 0; i < scaled.dy.size(); ++i) {
    scaled.dy.at(i) *= layer.row_scale.at(i / layer.shape.n / rows);
  }
  Options without = options;
  without.row_scale = false;
  result.d_weight = oracle_backward<float>(in_tf32(scaled), without).d_weight;
  return result;
}

// Which kernel the last call ran on.
bool ran_in_tf32() { return std::string(lk_describe()).find("tf32") != std::string::npos; }

TEST_CASE("linear: tf32 is right") {
  for (const Shape& shape : {Shape{1, 4, 4}, {53, 100, 36}, {197, 36, 128}, {64, 96, 48}, {70, 132, 68}}) {
    CAPTURE(shape.m);
    CAPTURE(shape.n);
    CAPTURE(shape.k);
    for (const int64_t padding : {0, 4}) {
      const Layer layer(shape, {0, padding, LK_F32});
      const auto oracle = oracle_forward<double>(layer, true);
      const auto plain = oracle_forward<float>(in_tf32(layer), true);
      on_each_device_in_tf32([&](lk_device* device) {
        for (const int32_t format : kFormats) {
          const ForwardResult result = run_forward(device, layer, format, true);
          CHECK(ran_in_tf32());
          check_right("y", result.y, oracle.y, plain.y);
          check_right("pre_activation", result.pre_activation, oracle.pre_activation,
                      plain.pre_activation);
        }
      });
      for (const Options& options : kOptions) {
        const BackwardResult exact = oracle_backward<double>(layer, options);
        const BackwardResult yardstick = tf32_backward(layer, options);
        CAPTURE(options.row_scale);
        CAPTURE(options.flags);
        on_each_device_in_tf32([&](lk_device* device) {
          const BackwardResult result =
              run_backward(device, layer, padding ? LK_WEIGHT_PLAIN : LK_WEIGHT_PACKED, options);
          CHECK(ran_in_tf32());
          check_gradients(result, exact, yardstick);
        });
      }
    }
  }
}

// With one operand the identity a product is the other one, rounded. Every operand of every product,
// whichever way it lies.
TEST_CASE("linear: tf32 rounds operands to nearest, ties away from zero") {
  constexpr int64_t kSide = 8;
  Layer layer({kSide, kSide, kSide});
  Array identity({kSide, kSide}), values({kSide, kSide});
  const float tie = 1 + std::ldexp(1.0f, -11), below = 1 + std::ldexp(1.0f, -12);
  const float above = 1 + 3 * std::ldexp(1.0f, -12), odd_tie = 1 + 3 * std::ldexp(1.0f, -11);
  const float list[] = {tie, -tie, below, -below, above, -above, odd_tie, 1e-30f * tie};
  for (int64_t i = 0; i < kSide; ++i) {
    identity.at(i * kSide + i) = 1;
    for (int64_t j = 0; j < kSide; ++j) values.at(i * kSide + j) = list[(i + j) % kSide];
  }
  CHECK(float_to_tf32(tie) == 1 + std::ldexp(1.0f, -10));
  CHECK(float_to_tf32(-below) == -1);
  CHECK(float_to_tf32(odd_tie) == 1 + std::ldexp(1.0f, -9));
  Array rounded = values.rounded_to(kTf32), turned = rounded;
  for (int64_t i = 0; i < values.size(); ++i) {
    turned.at(i) = rounded.at(i % kSide * kSide + i / kSide);
  }
  on_each_device_in_tf32([&](lk_device* device) {
    const auto forward = [&](const Array& x, const Array& w) {
      layer.x = x;
      layer.w = w;
      return run_forward(device, layer, LK_WEIGHT_PLAIN, false).y;
    };
    const auto backward = [&](const Array& dy, const Array& w, const Array& x) {
      layer.dy = dy;
      layer.w = w;
      layer.x = x;
      return run_backward(device, layer, LK_WEIGHT_PLAIN, {});
    };
    check_same_bits("x", forward(values, identity), rounded);
    check_same_bits("w", forward(identity, values), turned);
    check_same_bits("dy", backward(values, identity, identity).d_x, rounded);
    check_same_bits("w", backward(identity, values, identity).d_x, rounded);
    check_same_bits("dy", backward(values, identity, identity).d_weight, turned);
    check_same_bits("x", backward(identity, identity, values).d_weight, rounded);
  });
}

TEST_CASE("linear: what tf32 does not take is exact") {
  const Layer aligned({20, 24, 40}), off({20, 24, 40}, {1, 0, LK_F32}), odd({20, 25, 40});
  const Layer padded({20, 24, 40}, {0, 1, LK_F32}), narrow({20, 24, 42});
  Layer odd_x = aligned, odd_dy = aligned, odd_w = aligned, padded_w = aligned;
  odd_x.x = off.x;
  odd_dy.dy = off.dy;
  odd_w.w = off.w;
  padded_w.w = padded.w;
  on_each_device_in_tf32([&](lk_device* device) {
    const auto forward = [&](const Layer& layer, bool exact) {
      LK_REQUIRE_OK(lk_set_precision(device, exact ? LK_PRECISION_EXACT : LK_PRECISION_TF32));
      return run_forward(device, layer, LK_WEIGHT_PLAIN, true).y;
    };
    const auto backward = [&](const Layer& layer, bool exact) {
      LK_REQUIRE_OK(lk_set_precision(device, exact ? LK_PRECISION_EXACT : LK_PRECISION_TF32));
      return run_backward(device, layer, LK_WEIGHT_PLAIN, {true, true, 0});
    };
    for (const Layer& layer : {off, padded, odd_x, odd_w, padded_w, odd, narrow}) {
      check_same_bits("y", forward(layer, false), forward(layer, true));
    }
    for (const Layer& layer : {off, padded, odd_dy, odd_w, padded_w, odd, narrow}) {
      check_same_bits("d_x", backward(layer, false).d_x, backward(layer, true).d_x);
    }
    for (const Layer& layer : {off, padded, odd_dy, odd_x, odd, narrow}) {
      check_same_bits("d_weight", backward(layer, false).d_weight, backward(layer, true).d_weight);
    }
    forward(aligned, true);
    CHECK(!ran_in_tf32());
  });
}

TEST_CASE("linear: large layers in tf32") {
  on_each_device_in_tf32([&](lk_device* device) {
    const Layer wide({1293, 1096, 36});
    check_right("y", run_forward(device, wide, LK_WEIGHT_PLAIN, true).y,
                oracle_forward<double>(wide, true).y, oracle_forward<float>(in_tf32(wide), true).y);
    const Layer tall({1293, 36, 1096});
    const BackwardResult result = run_backward(device, tall, LK_WEIGHT_PACKED, {});
    const BackwardResult oracle = oracle_backward<double>(tall, {}), plain = tf32_backward(tall, {});
    check_right("d_x", result.d_x, oracle.d_x, plain.d_x);
    check_right("d_weight", result.d_weight, oracle.d_weight, plain.d_weight);
  });
}

TEST_CASE("linear: one operand off its alignment, the others aligned") {
  const Layout aligned = {0, 0, LK_BF16}, off = {1, 0, LK_BF16};
  Layer layer({20, 24, 40}, aligned), odd_w = layer, odd_x = layer, odd_dy = layer;
  odd_w.w = Array({24, 40}, off).randomize(2);
  odd_x.x = Array({20, 40}, off).randomize(1);
  odd_dy.dy = Array({20, 24}, off).randomize(6);
  on_each_device(LK_BF16, [&](lk_device* device) {
    for (const Layer& odd : {odd_w, odd_x, odd_dy}) {
      check_right("y", run_forward(device, odd, LK_WEIGHT_PLAIN, true).y,
                  oracle_forward<double>(odd, true).y, oracle_forward<float>(odd, true).y);
      const BackwardResult result = run_backward(device, odd, LK_WEIGHT_PLAIN, kOptions[0]);
      const BackwardResult oracle = oracle_backward<double>(odd, kOptions[0]);
      const BackwardResult plain = plain_backward(odd, kOptions[0]);
      check_right("d_x", result.d_x, oracle.d_x, plain.d_x);
      check_right("d_weight", result.d_weight, oracle.d_weight, plain.d_weight);
    }
  });
}

// Enough blocks for the large tiles of the tensor cores' products, with edges that do not fill one;
// scaled gradients have such tiles at any size.
TEST_CASE("linear: large layers in 16 bits") {
  const Options plain_options{}, scaled{true, true, 0};
  for (const int32_t dtype : {LK_BF16, LK_F16}) on_each_device(dtype, [&](lk_device* device) {
    const Layer wide({1293, 1096, 72}, {0, 0, dtype});
    check_right("y", run_forward(device, wide, LK_WEIGHT_PLAIN, true).y,
                oracle_forward<double>(wide, true).y, oracle_forward<float>(wide, true).y);
    for (const auto& [shape, options] : {std::pair{Shape{1293, 72, 1096}, plain_options},
                                         std::pair{Shape{64, 1160, 1240}, plain_options},
                                         std::pair{Shape{64, 264, 136}, scaled}}) {
      const Layer layer(shape, {0, 0, dtype});
      const BackwardResult result = run_backward(device, layer, LK_WEIGHT_PACKED, options);
      const BackwardResult oracle = oracle_backward<double>(layer, options);
      const BackwardResult plain = plain_backward(layer, options);
      check_gradients(result, oracle, plain);
    }
  });
}

TEST_CASE("linear: no bank conflicts, and no more matrix instructions than the tiles need") {
  const Shape shape = {130, 72, 96};
  const Layer layer(shape, {0, 0, LK_BF16});
  on_each_device(LK_BF16, [&](lk_device* device) {
    if (!is_simulated(device)) return;
    auto counters = count_kernels(device, [&] {
      run_forward(device, layer, LK_WEIGHT_PLAIN, true);
      run_backward(device, layer, LK_WEIGHT_PLAIN, kOptions[0]);
      run_backward(device, layer, LK_WEIGHT_PLAIN, kOptions[1]);
    });
    for (const auto& [kernel, counts] : counters) {
      CAPTURE(kernel);
      CHECK(counts.load_matrix_conflicts == 0);
    }
    // Tiles of 64 x 64 in steps of 16, each 4 x 8 instructions of 16 x 8.
    const auto tiles = [](int64_t size) { return (size + 63) / 64; };
    CHECK(counters["linear_forward"].mma == tiles(shape.m) * tiles(shape.n) * shape.k / 16 * 32);
    CHECK(counters["linear_d_weight_scaled"].load_matrix > 0);
  });
  const Layer wide(shape);
  on_each_device_in_tf32([&](lk_device* device) {
    if (!is_simulated(device)) return;
    auto counters = count_kernels(device, [&] {
      run_forward(device, wide, LK_WEIGHT_PLAIN, true);
      run_backward(device, wide, LK_WEIGHT_PLAIN, kOptions[1]);
    });
    for (const auto& [kernel, counts] : counters) {
      CAPTURE(kernel);
      CHECK(counts.load_matrix_conflicts == 0);
    }
    // The same tiles in steps of 8.
    CHECK(counters["linear_forward"].mma == 3 * 2 * shape.k / 8 * 32);
    CHECK(counters["linear_d_x"].mma == 3 * 2 * ((shape.n + 15) / 16 * 2) * 32);
    CHECK(counters["linear_d_weight_scaled"].mma > 0);
  });
}

TEST_CASE("linear: the oracle's gradients are its slopes") {
  // The loss is the sum of y ∘ dy, y with its row scale; x comes from gelu(x_pre_activation).
  Layer layer({4, 5, 6});
  const auto loss = [](Layer at) {
    for (int64_t i = 0; i < at.x.size(); ++i) {
      const double z = at.x_pre_activation.at(i);
      at.x.at(i) = static_cast<float>(z * (1 + std::erf(z * std::sqrt(0.5))) / 2);
    }
    Array y({at.shape.m, at.shape.n});
    linear::Forward call;
    call.x = at.x.matrix();
    call.w = at.weight();
    call.bias = at.bias.vector();
    call.epilogue.row_scale = at.scale();
    call.y = y.matrix();
    linear::reference_forward<double>(call);
    double sum = 0;
    for (int64_t i = 0; i < y.size(); ++i) sum += double(y.at(i)) * at.dy.at(i);
    return sum;
  };
  Layer activated = layer;
  for (int64_t i = 0; i < layer.x.size(); ++i) {
    const double z = layer.x_pre_activation.at(i);
    activated.x.at(i) = static_cast<float>(z * (1 + std::erf(z * std::sqrt(0.5))) / 2);
  }
  const BackwardResult gradient = oracle_backward<double>(activated, {true, true, 0});
  const auto check_slopes = [&](const char* what, Array Layer::*input, const Array& slopes) {
    CAPTURE(what);
    for (int64_t i = 0; i < slopes.size(); ++i) {
      Layer above = layer, below = layer;
      (above.*input).at(i) += 1.0f / 64;
      (below.*input).at(i) -= 1.0f / 64;
      const double step = double((above.*input).at(i)) - (below.*input).at(i);
      CHECK(slopes.at(i) == doctest::Approx((loss(above) - loss(below)) / step).epsilon(1e-3));
    }
  };
  check_slopes("x_pre_activation", &Layer::x_pre_activation, gradient.d_x);
  check_slopes("w", &Layer::w, gradient.d_weight);
  check_slopes("bias", &Layer::bias, gradient.d_bias);
}

TEST_CASE("linear: the same bits on any device of the processor and in either format") {
  const Layer layer({197, 131, 70});
  const Options options{true, true, LK_ADD_TO_PARAMETERS};
  ForwardResult first_forward;
  BackwardResult first_backward;
  on_each_device([&](lk_device* device) {
    for (int32_t format : kFormats) {
      const ForwardResult forward = run_forward(device, layer, format, true);
      const BackwardResult backward = run_backward(device, layer, format, options);
      if (first_forward.y.sizes().empty()) {
        first_forward = forward;
        first_backward = backward;
      }
      check_same_bits("y", forward.y, first_forward.y);
      check_same_bits("d_x", backward.d_x, first_backward.d_x);
      check_same_bits("d_weight", backward.d_weight, first_backward.d_weight);
      check_same_bits("d_bias", backward.d_bias, first_backward.d_bias);
    }
  });
}

TEST_CASE("linear: a row's result does not depend on the rows beside it") {
  const Layer layer({197, 45, 83});
  const Options options{};
  on_each_device([&](lk_device* device) {
    const ForwardResult all = run_forward(device, layer, LK_WEIGHT_PACKED, false);
    const BackwardResult all_back = run_backward(device, layer, LK_WEIGHT_PACKED, options);
    for (int64_t count : {1, 5, 12, 33}) {
      for (int64_t first : {0, 7, 160}) {
        Layer part({count, layer.shape.n, layer.shape.k});
        part.x = rows_of(layer.x, first, count);
        part.dy = rows_of(layer.dy, first, count);
        check_same_bits("y", run_forward(device, part, LK_WEIGHT_PACKED, false).y,
                        rows_of(all.y, first, count));
        check_same_bits("d_x", run_backward(device, part, LK_WEIGHT_PACKED, options).d_x,
                        rows_of(all_back.d_x, first, count));
      }
    }
  });
}

TEST_CASE("linear: each gradient on its own is the same as with the others") {
  Layer layer({37, 29, 50});
  on_each_device([&](lk_device* device) {
    const BackwardResult all = run_backward(device, layer, LK_WEIGHT_PACKED, {});
    const PreparedWeight w(device, layer.w, LK_WEIGHT_PACKED);
    size_t bytes = 0;
    LK_REQUIRE_OK(lk_linear_backward_workspace(device, 37, w.get(), &bytes));
    Workspace workspace(device, bytes);
    BackwardResult alone = backward_outputs(layer);
    const lk_tensor *dy = layer.dy.on(device), *x = layer.x.on(device);
    const auto backward = [&](const lk_tensor* given_x, const lk_tensor* d_x,
                              const lk_tensor* d_weight, const lk_tensor* d_bias) {
      return lk_linear_backward(device, dy, given_x, w.get(), nullptr, d_x, d_weight, d_bias,
                                workspace.data(), bytes);
    };
    LK_REQUIRE_OK(backward(nullptr, alone.d_x.on(device), nullptr, nullptr));
    LK_REQUIRE_OK(backward(x, nullptr, alone.d_weight.on(device), nullptr));
    LK_REQUIRE_OK(backward(nullptr, nullptr, nullptr, alone.d_bias.on(device)));
    alone.d_x.fetch();
    alone.d_weight.fetch();
    alone.d_bias.fetch();
    check_same_bits("d_x", alone.d_x, all.d_x);
    check_same_bits("d_weight", alone.d_weight, all.d_weight);
    check_same_bits("d_bias", alone.d_bias, all.d_bias);
    LK_REQUIRE_FAILS(backward(nullptr, nullptr, nullptr, nullptr), LK_BAD_ARGUMENT, "at least one");
    LK_REQUIRE_FAILS(backward(nullptr, nullptr, alone.d_weight.on(device), nullptr),
                     LK_BAD_ARGUMENT, "x: NULL");
  });
}

TEST_CASE("linear: in place, the residual and the pre-activation") {
  for (const int32_t dtype : activation_dtypes()) {
    Layer layer({29, 43, 31}, {0, 0, dtype});
    on_each_device(dtype, [&](lk_device* device) {
      const ForwardResult apart = run_forward(device, layer, LK_WEIGHT_PACKED, true);
      const BackwardResult back = run_backward(device, layer, LK_WEIGHT_PACKED, {false, true, 0});
      const PreparedWeight w(device, layer.w, LK_WEIGHT_PACKED);
      size_t bytes = 0, back_bytes = 0;
      LK_REQUIRE_OK(lk_linear_forward_workspace(device, 29, w.get(), &bytes));
      LK_REQUIRE_OK(lk_linear_backward_workspace(device, 29, w.get(), &back_bytes));
      Workspace workspace(device, bytes + back_bytes);

      Array y = layer.residual;
      const lk_tensor* both = y.on(device);
      lk_epilogue epilogue{nullptr, both, layer.row_scale.on(device), LK_ACTIVATION_GELU, 0};
      LK_REQUIRE_OK(lk_linear_forward(device, layer.x.on(device), w.get(), layer.bias.on(device),
                                      &epilogue, both, workspace.data(), bytes));
      y.fetch();
      check_same_bits("y", y, apart.y);

      Array d_x = layer.x_pre_activation;
      const lk_tensor* both_back = d_x.on(device);
      const lk_linear_backward_options options{nullptr, both_back, 0, 0};
      LK_REQUIRE_OK(lk_linear_backward(device, layer.dy.on(device), nullptr, w.get(), &options,
                                       both_back, nullptr, nullptr, workspace.data(), back_bytes));
      d_x.fetch();
      check_same_bits("d_x", d_x, back.d_x);
    });
  }
}

TEST_CASE("linear: what is wrong is named") {
  Layer layer({6, 7, 8});
  on_each_device([&](lk_device* device) {
    const PreparedWeight packed(device, layer.w, LK_WEIGHT_PACKED);
    const lk_tensor *x = layer.x.on(device), *bias = layer.bias.on(device);
    Array out({6, 7}), gradient({6, 8});
    const lk_tensor *y = out.on(device), *d_x = gradient.on(device), *dy = layer.dy.on(device);
    size_t bytes = 0;
    LK_REQUIRE_OK(lk_linear_backward_workspace(device, 6, packed.get(), &bytes));
    size_t forward_bytes = 0;
    LK_REQUIRE_OK(lk_linear_forward_workspace(device, 6, packed.get(), &forward_bytes));
    Workspace workspace(device, bytes + forward_bytes + LK_ALIGNMENT);
    void* memory = workspace.data();
    const auto forward = [&](const lk_weight* w, const lk_epilogue* epilogue) {
      return lk_linear_forward(device, x, w, bias, epilogue, y, memory, forward_bytes);
    };
    const auto broken = [&](auto change, lk_status status, const char* text) {
      lk_weight w = *packed.get();
      change(w);
      LK_REQUIRE_FAILS(forward(&w, nullptr), status, text);
    };
    broken([](lk_weight& w) { w.format = 7; }, LK_BAD_ARGUMENT, "format 7");
    broken([](lk_weight& w) { w.n = 0; }, LK_BAD_ARGUMENT, "w.n: 0");
    broken([](lk_weight& w) { w.k = int64_t{1} << 50; }, LK_BAD_ARGUMENT, "w.k");
    broken([](lk_weight& w) { w.k = 9; }, LK_BAD_ARGUMENT, "x:");
    broken([](lk_weight& w) { w.n = 8; }, LK_BAD_ARGUMENT, "bias:");
    broken([](lk_weight& w) { w.data = nullptr; }, LK_BAD_ARGUMENT, "w: data is NULL");
    broken([](lk_weight& w) { w.dtype = LK_F16; }, LK_BAD_ARGUMENT, "x: f32, expected f16 as w is");
    broken([](lk_weight& w) { w.dtype = LK_U8; }, LK_BAD_ARGUMENT, "w: dtype 4");
    broken([](lk_weight& w) { w.row_stride += 1; }, LK_BAD_ARGUMENT, "packed for another");
    broken([](lk_weight& w) { w.data = static_cast<const char*>(w.data) + 4; }, LK_BAD_ARGUMENT,
           "not aligned");
    LK_REQUIRE_FAILS(forward(nullptr, nullptr), LK_BAD_ARGUMENT, "w: NULL");

    lk_epilogue epilogue{};
    epilogue.activation = 5;
    LK_REQUIRE_FAILS(forward(packed.get(), &epilogue), LK_BAD_ARGUMENT, "activation: 5");
    epilogue = {nullptr, nullptr, bias, 0, 0};
    LK_REQUIRE_FAILS(forward(packed.get(), &epilogue), LK_BAD_ARGUMENT, "row_scale: 7 entries");
    epilogue = {y, nullptr, nullptr, 0, 0};
    LK_REQUIRE_FAILS(forward(packed.get(), &epilogue), LK_BAD_ARGUMENT, "share memory");
    epilogue = {nullptr, nullptr, nullptr, 0, 1};
    LK_REQUIRE_FAILS(forward(packed.get(), &epilogue), LK_BAD_ARGUMENT, "reserved");
    LK_REQUIRE_FAILS(lk_linear_forward(device, y, packed.get(), nullptr, nullptr, y, memory, bytes),
                     LK_BAD_ARGUMENT, "x:");
    if (forward_bytes > 0) {
      LK_REQUIRE_FAILS(lk_linear_forward(device, x, packed.get(), nullptr, nullptr, y, memory, 1),
                       LK_BAD_ARGUMENT, "workspace: 1 bytes");
      LK_REQUIRE_FAILS(
          lk_linear_forward(device, x, packed.get(), nullptr, nullptr, y,
                            static_cast<char*>(memory) + 4, forward_bytes),
          LK_BAD_ARGUMENT, "workspace: not aligned");
    }

    lk_linear_backward_options options{};
    const auto backward = [&] {
      return lk_linear_backward(device, dy, nullptr, packed.get(), &options, d_x, nullptr, nullptr,
                                memory, bytes);
    };
    options.flags = 8;
    LK_REQUIRE_FAILS(backward(), LK_BAD_ARGUMENT, "flags: 8");
    options.flags = LK_ADD_TO_D_X;
    options.x_pre_activation = x;
    LK_REQUIRE_FAILS(backward(), LK_BAD_ARGUMENT, "exclude each other");

    size_t size = 0;
    lk_weight unprepared{};
    unprepared.n = 7;
    unprepared.k = 8;
    unprepared.format = LK_WEIGHT_PACKED;
    LK_REQUIRE_OK(lk_linear_forward_workspace(device, 6, &unprepared, &size));
    CHECK(size == forward_bytes);
    LK_REQUIRE_FAILS(lk_linear_forward_workspace(device, 0, packed.get(), &size), LK_BAD_ARGUMENT,
                     "m: 0");
    LK_REQUIRE_FAILS(lk_linear_forward_workspace(device, 1, packed.get(), nullptr),
                     LK_BAD_ARGUMENT, "bytes: NULL");
    const lk_tensor* w = layer.w.on(device);
    lk_weight made{};
    LK_REQUIRE_FAILS(lk_weight_prepare_bytes(device, w, 3, &size), LK_BAD_ARGUMENT, "format: 3");
    LK_REQUIRE_OK(lk_weight_prepare_bytes(device, w, LK_WEIGHT_PACKED, &size));
    LK_REQUIRE_FAILS(lk_weight_prepare(device, w, LK_WEIGHT_PACKED, memory, size - 1, &made),
                     LK_BAD_ARGUMENT, "storage:");
    LK_REQUIRE_FAILS(lk_weight_prepare(device, w, LK_WEIGHT_PLAIN, memory, size, &made),
                     LK_BAD_ARGUMENT, "storage:");
    LK_REQUIRE_FAILS(lk_weight_prepare(device, w, LK_WEIGHT_PLAIN, nullptr, 0, nullptr),
                     LK_BAD_ARGUMENT, "weight: NULL");
    CHECK(made.data == nullptr);
  });
}

}  // namespace lk::test
