// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A linear layer with everything that it reads, run by the oracle and by devices.
#pragma once

#include "common/half_scalar.h"
#include "linear/linear.h"
#include "support.h"

namespace lk::test::linear_layer {

struct Shape {
  int64_t m, n, k;
};
// On the host.
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

inline ForwardResult forward_outputs(const Layer& layer) {
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

inline ForwardResult run_forward(lk_device* device, Layer layer, int32_t format, bool whole) {
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
inline BackwardResult backward_outputs(const Layer& layer) {
  return {Array({layer.shape.m, layer.shape.k}, layer.layout).randomize(11),
          Array({layer.shape.n, layer.shape.k}, layer.layout.f32()).randomize(12),
          Array({layer.shape.n}).randomize(13)};
}

struct Options {
  bool row_scale = false, x_pre_activation = false;
  int32_t flags = 0;
};
inline const Options kOptions[] = {{false, false, 0},
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
inline BackwardResult plain_backward(const Layer& layer, const Options& options) {
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

inline BackwardResult run_backward(lk_device* device, Layer layer, int32_t format,
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

inline const int32_t kFormats[] = {LK_WEIGHT_PLAIN, LK_WEIGHT_PACKED};

// Both, but on a simulated device, where each is a second's work, one for each layout.
inline std::vector<int32_t> formats(lk_device* device, const Layer& layer) {
  if (!is_simulated(device)) return {kFormats[0], kFormats[1]};
  return {kFormats[layer.layout.offset % 2]};
}

inline void check_gradients(const BackwardResult& result, const BackwardResult& oracle,
                            const BackwardResult& plain) {
  check_right("d_x", result.d_x, oracle.d_x, plain.d_x);
  check_right("d_weight", result.d_weight, oracle.d_weight, plain.d_weight);
  check_right("d_bias", result.d_bias, oracle.d_bias, plain.d_bias);
}

}  // namespace lk::test::linear_layer
