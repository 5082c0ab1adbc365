// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "lora/lora.h"

#include <cmath>

#include "common/half_scalar.h"
#include "common/philox.h"
#include "support.h"

namespace lk::test {
namespace {

struct Shape {
  int64_t m, n, k;
  std::vector<lk_lora_group> groups;
  int32_t rank;
  float dropout;
};
// Plain LoRA and merged query-key-value; groups that begin and end inside a panel; rows of x that
// begin inside a Philox block; ranks 1, 4, 16, odd ones and the largest; chunks of plain weights.
const std::vector<Shape>& shapes() {
  static const std::vector<Shape> list = {
      {1, 1, 1, {{0, 1}}, 1, 0},
      {7, 12, 4, {{0, 12}}, 4, 0.1f},
      {197, 96, 32, {{0, 32}, {64, 32}}, 4, 0.1f},
      {53, 131, 37, {{3, 50}, {60, 71}}, 5, 0.5f},
      {64, 192, 64, {{0, 64}, {128, 64}}, 16, 0.1f},
      {33, 40, 101, {{1, 2}, {5, 3}, {9, 1}, {10, 5}, {17, 2}, {20, 7}, {30, 4}, {36, 4}}, 3, 0.25f},
      {300, 70, 66, {{0, 70}}, 33, 0},
      {5, 48, 20, {{0, 48}}, 256, 0.1f},
      {3, 2000, 700, {{0, 700}, {1400, 600}}, 4, 0.1f},
      // Whole chunks: what tensor cores take.
      {1, 8, 8, {{0, 8}}, 1, 0.5f},
      {130, 192, 136, {{0, 192}}, 8, 0.1f},
      {7, 576, 40, {{0, 192}, {384, 192}}, 5, 0.1f},
      {257, 64, 24, {{32, 32}}, 16, 0.1f},
      {140, 40, 24, {{0, 40}}, 16, 0.1f},
      {40, 104, 136, {{0, 104}}, 20, 0},
      {12, 64, 16, {{0, 32}, {32, 32}}, 32, 0.1f},
      {33, 200, 72, {{8, 40}, {56, 144}}, 33, 0.25f},
      {20, 96, 32, {{0, 32}, {32, 32}, {64, 32}}, 32, 0.1f},
      {5, 48, 24, {{0, 48}}, 256, 0.1f},
  };
  return list;
}

struct Layer {
  Shape shape;
  Layout layout;
  int32_t products;  // what the yardstick rounds to where it multiplies
  Array x, w, a, b, bias, residual, row_scale, dy, x_pre_activation;

  explicit Layer(const Shape& shape, Layout layout = {})
      : shape(shape),
        layout(layout),
        products(layout.dtype),
        x(Array({shape.m, shape.k}, layout).randomize(1)),
        w(Array({shape.n, shape.k}, layout).randomize(2)),
        a(Array({width(), shape.k}, layout.f32()).randomize(3)),
        b(Array({b_rows(), shape.rank}, layout.f32()).randomize(4)),
        bias(Array({shape.n}).randomize(5)),
        residual(Array({shape.m, shape.n}, layout).randomize(6)),
        row_scale(Array({shape.m % 4 == 0 ? shape.m / 4 : shape.m}).randomize(7, 0, 2)),
        dy(Array({shape.m, shape.n}, layout).randomize(8)),
        x_pre_activation(Array({shape.m, shape.k}, layout).randomize(9, -3, 3)) {}

  int64_t width() const { return static_cast<int64_t>(shape.groups.size()) * shape.rank; }
  int64_t b_rows() const {
    int64_t rows = 0;
    for (const lk_lora_group& group : shape.groups) rows += group.columns;
    return rows;
  }

  // As the ABI takes it, and as the oracle does.
  lk_lora adapter() const {
    lk_lora lora{};
    for (size_t g = 0; g < shape.groups.size(); ++g) lora.group[g] = shape.groups[g];
    lora.groups = static_cast<int32_t>(shape.groups.size());
    lora.rank = shape.rank;
    lora.scaling = 1.5f;
    lora.dropout = shape.dropout;
    lora.random = {uint64_t{77} << 32 | 5, 3, 9};
    return lora;
  }
  lora::Adapter oracle_adapter() {
    const lk_lora given = adapter();
    lora::Adapter result;
    result.a = a.matrix();
    result.b = b.matrix();
    int64_t row = 0;
    for (int g = 0; g < given.groups; ++g) {
      result.group[g] = {given.group[g].first_column, given.group[g].columns, row};
      row += given.group[g].columns;
    }
    result.groups = given.groups;
    result.rank = given.rank;
    result.scaling = given.scaling;
    result.dropout = given.dropout;
    result.random = given.random;
    return result;
  }
  linear::Weight weight() {
    const Matrix rows = w.matrix();
    return {rows.data, rows.rows, rows.columns, rows.stride, false};
  }
  linear::RowScale scale() { return {row_scale.vector().data, shape.m / row_scale.size()}; }
};

struct ForwardResult {
  Array y, h, pre_activation;

  explicit ForwardResult(const Layer& layer)
      : y({layer.shape.m, layer.shape.n}, layer.layout),
        h({layer.shape.m, layer.width()}, layer.layout.f32()),
        pre_activation({layer.shape.m, layer.shape.n}, layer.layout) {}
};

// The yardstick, plain maths in the activations' dtype or in tf32, rounds the rank-r tensors to it; the
// oracle does not.
template <class Real>
int32_t rank_dtype(const Layer& layer) {
  return std::is_same_v<Real, float> ? layer.products : LK_F32;
}

template <class Real>
ForwardResult oracle_forward(Layer layer, bool whole) {
  ForwardResult result(layer);
  lora::Forward call;
  call.linear.x = layer.x.matrix();
  call.linear.w = layer.weight();
  call.linear.y = result.y.matrix();
  if (whole) {
    call.linear.bias = layer.bias.vector();
    call.linear.epilogue = {result.pre_activation.matrix(), layer.residual.matrix(), layer.scale(),
                            true};
  }
  call.adapter = layer.oracle_adapter();
  call.h = result.h.matrix();
  lora::reference_forward<Real>(call, rank_dtype<Real>(layer));
  return result;
}

ForwardResult run_forward(lk_device* device, Layer layer, int32_t format, bool whole,
                          bool keep_h = true) {
  ForwardResult result(layer);
  const PreparedWeight w(device, layer.w, format);
  lk_lora lora = layer.adapter();
  size_t bytes = 0;
  LK_REQUIRE_OK(
      lk_lora_linear_forward_workspace(device, layer.shape.m, w.get(), &lora, &bytes));
  Workspace workspace(device, bytes);
  lora.a = layer.a.on(device);
  lora.b = layer.b.on(device);
  const lk_epilogue epilogue{result.pre_activation.on(device), layer.residual.on(device),
                             layer.row_scale.on(device), LK_ACTIVATION_GELU, 0};
  const lk_tensor* h = result.h.on(device);
  LK_REQUIRE_OK(lk_lora_linear_forward(device, layer.x.on(device), w.get(),
                                       whole ? layer.bias.on(device) : nullptr, &lora,
                                       whole ? &epilogue : nullptr, keep_h ? h : nullptr,
                                       result.y.on(device), workspace.data(), bytes));
  result.y.fetch();
  result.h.fetch();
  result.pre_activation.fetch();
  return result;
}

struct Options {
  bool row_scale = false, x_pre_activation = false;
  int32_t flags = 0;
  bool d_x = true, weight = false;  // which optional gradients to ask for
};
const Options kOptions[] = {{false, false, 0, true, true},
                            {true, true, LK_ADD_TO_PARAMETERS, true, false},
                            {true, false, LK_ADD_TO_D_X, true, false},
                            {false, false, LK_ADD_TO_PARAMETERS, false, true}};

// Gradients start from numbers of their own, for the flags that add to them.
struct BackwardResult {
  Array d_x, d_a, d_b, d_weight, d_bias;

  explicit BackwardResult(const Layer& layer)
      : d_x(Array({layer.shape.m, layer.shape.k}, layer.layout).randomize(11)),
        d_a(Array({layer.width(), layer.shape.k}, layer.layout.f32()).randomize(12)),
        d_b(Array({layer.b_rows(), layer.shape.rank}, layer.layout.f32()).randomize(13)),
        d_weight(Array({layer.shape.n, layer.shape.k}, layer.layout.f32()).randomize(14)),
        d_bias(Array({layer.shape.n}).randomize(15)) {}
};

template <class Real>
BackwardResult oracle_backward(Layer layer, const Array& h, const Options& options) {
  BackwardResult result(layer);
  Array saved = h;
  lora::Backward call;
  linear::Backward& base = call.linear;
  base.dy = layer.dy.matrix();
  base.x = layer.x.matrix();
  base.w = layer.weight();
  if (options.row_scale) base.row_scale = layer.scale();
  if (options.x_pre_activation) base.x_pre_activation = layer.x_pre_activation.matrix();
  base.add_to_d_x = options.flags & LK_ADD_TO_D_X;
  base.add_to_parameters = options.flags & LK_ADD_TO_PARAMETERS;
  if (options.d_x) base.d_x = result.d_x.matrix();
  if (options.weight) {
    base.d_weight = result.d_weight.matrix();
    base.d_bias = result.d_bias.vector();
  }
  call.adapter = layer.oracle_adapter();
  call.h = saved.matrix();
  call.d_a = result.d_a.matrix();
  call.d_b = result.d_b.matrix();
  lora::reference_backward<Real>(call, rank_dtype<Real>(layer));
  return result;
}

BackwardResult run_backward(lk_device* device, Layer layer, Array h, int32_t format,
                            const Options& options) {
  BackwardResult result(layer);
  const PreparedWeight w(device, layer.w, format);
  lk_lora lora = layer.adapter();
  size_t bytes = 0;
  LK_REQUIRE_OK(
      lk_lora_linear_backward_workspace(device, layer.shape.m, w.get(), &lora, &bytes));
  Workspace workspace(device, bytes);
  lora.a = layer.a.on(device);
  lora.b = layer.b.on(device);
  lk_linear_backward_options given{};
  if (options.row_scale) given.row_scale = layer.row_scale.on(device);
  if (options.x_pre_activation) given.x_pre_activation = layer.x_pre_activation.on(device);
  given.flags = options.flags;
  const lk_tensor *d_x = result.d_x.on(device), *d_weight = result.d_weight.on(device);
  const lk_tensor* d_bias = result.d_bias.on(device);
  LK_REQUIRE_OK(lk_lora_linear_backward(
      device, layer.dy.on(device), layer.x.on(device), w.get(), &lora, h.on(device), &given,
      options.d_x ? d_x : nullptr, result.d_a.on(device), result.d_b.on(device),
      options.weight ? d_weight : nullptr, options.weight ? d_bias : nullptr, workspace.data(),
      bytes));
  for (Array* array : {&result.d_x, &result.d_a, &result.d_b, &result.d_weight, &result.d_bias}) {
    array->fetch();
  }
  return result;
}

void check_same_gradients(const BackwardResult& a, const BackwardResult& b) {
  check_same_bits("d_x", a.d_x, b.d_x);
  check_same_bits("d_a", a.d_a, b.d_a);
  check_same_bits("d_b", a.d_b, b.d_b);
  check_same_bits("d_weight", a.d_weight, b.d_weight);
  check_same_bits("d_bias", a.d_bias, b.d_bias);
}

const int32_t kFormats[] = {LK_WEIGHT_PLAIN, LK_WEIGHT_PACKED};

bool is_large(const Shape& shape) { return shape.m * shape.n * shape.k > 500000; }
// Do all rows begin at whole chunks of 16 bytes, of 16-bit activations?
bool has_chunks(const Layer& layer) {
  return layer.layout.dtype != LK_F32 && layer.layout.offset == 0 && layer.layout.row_padding == 0 &&
         layer.shape.n % 8 == 0 && layer.shape.k % 8 == 0;
}

// What a simulated device, being slow, leaves out of the ways to call a layer, numbered so that
// neighbours differ in the weight's format. Formats alternate; other layouts than the first are
// called one way each, f16 in fewer than bf16, and large layers on tensor cores alone.
bool leaves_out(lk_device* device, const Layer& layer, int way, int ways) {
  if (!is_simulated(device)) return false;
  const Layout& layout = layer.layout;
  if (is_large(layer.shape) && !has_chunks(layer)) return true;
  if (layout.offset == 0 && layout.row_padding == 0) {
    return (way / 2 + way) % 2 == 1 || (layout.dtype == LK_F16 && way > 3);
  }
  const int only = layout.offset == 1 ? 3 : layout.offset == 0 ? 4 : 7;
  return layout.dtype == LK_F16 || way != only % ways;
}

template <class Body>
void on_each_shape(const Body& body) {
  for (const Shape& shape : shapes()) {
    for (const Layout& layout : activation_layouts()) {
      const Layer layer(shape, layout);
      const bool whole = layout.offset != 0 && layout.row_padding != 0;
      if (is_large(shape) && !has_chunks(layer) && (layout.dtype != LK_F32 || !whole)) continue;
      CAPTURE(shape.m);
      CAPTURE(shape.n);
      CAPTURE(shape.k);
      CAPTURE(shape.rank);
      CAPTURE(layout.offset);
      CAPTURE(layout.row_padding);
      body(layer);
    }
  }
}

// Merged qkv of three tokens' width, odd enough to need every edge.
Layer small_layer(float dropout) { return Layer({29, 93, 31, {{0, 31}, {62, 31}}, 3, dropout}); }

Array rows_of(const Array& array, int64_t count) {
  Array part({count, array.sizes().back()});
  for (int64_t i = 0; i < part.size(); ++i) part.at(i) = array.at(i);
  return part;
}

void check_gradients(const BackwardResult& result, const BackwardResult& oracle,
                     const BackwardResult& plain) {
  check_right("d_x", result.d_x, oracle.d_x, plain.d_x);
  check_right("d_a", result.d_a, oracle.d_a, plain.d_a);
  check_right("d_b", result.d_b, oracle.d_b, plain.d_b);
  check_right("d_weight", result.d_weight, oracle.d_weight, plain.d_weight);
  check_right("d_bias", result.d_bias, oracle.d_bias, plain.d_bias);
}

}  // namespace

TEST_CASE("lora: forward is right, plain and packed alike") {
  on_each_shape([](const Layer& layer) {
    for (bool whole : {false, true}) {
      const ForwardResult oracle = oracle_forward<double>(layer, whole);
      const ForwardResult plain = oracle_forward<float>(layer, whole);
      on_each_device(layer.layout.dtype, [&](lk_device* device) {
        for (int32_t format : kFormats) {
          if (leaves_out(device, layer, 2 * whole + format, 4)) continue;
          CAPTURE(format);
          CAPTURE(whole);
          const ForwardResult result = run_forward(device, layer, format, whole);
          check_right("y", result.y, oracle.y, plain.y);
          check_right("h", result.h, oracle.h, plain.h);
          check_right("pre_activation", result.pre_activation, oracle.pre_activation,
                      plain.pre_activation);
          const ForwardResult without = run_forward(device, layer, format, whole, false);
          check_same_bits("y without h", without.y, result.y);
        }
      });
    }
  });
}

TEST_CASE("lora: backward is right, plain and packed alike") {
  on_each_shape([](const Layer& layer) {
    const Array h = oracle_forward<double>(layer, false).h;
    for (const Options& options : kOptions) {
      const BackwardResult oracle = oracle_backward<double>(layer, h, options);
      const BackwardResult plain = oracle_backward<float>(layer, h, options);
      CAPTURE(options.row_scale);
      CAPTURE(options.x_pre_activation);
      CAPTURE(options.flags);
      on_each_device(layer.layout.dtype, [&](lk_device* device) {
        for (int32_t format : kFormats) {
          const int way = static_cast<int>(2 * (&options - kOptions)) + format;
          if (leaves_out(device, layer, way, 8)) continue;
          CAPTURE(format);
          const BackwardResult result = run_backward(device, layer, h, format, options);
          check_gradients(result, oracle, plain);
        }
      });
    }
  });
}

Layer in_tf32(Layer layer) {
  layer.products = kTf32;
  for (Array* operand : {&layer.x, &layer.w, &layer.dy}) *operand = operand->rounded_to(kTf32);
  return layer;
}
// d_b and d_weight multiply dy scaled, which is rounded then; d_bias sums it exactly.
BackwardResult tf32_backward(const Layer& layer, const Array& h, const Options& options) {
  BackwardResult result = oracle_backward<float>(in_tf32(layer), h, options);
  result.d_bias = oracle_backward<float>(layer, h, options).d_bias;
  return result;
}

TEST_CASE("lora: tf32 is right") {
  for (const Shape& shape : shapes()) {
    if (shape.n % 8 != 0 || shape.k % 4 != 0 || is_large(shape)) continue;
    CAPTURE(shape.m);
    CAPTURE(shape.n);
    CAPTURE(shape.k);
    CAPTURE(shape.rank);
    const Layer layer(shape);
    const Array h = oracle_forward<double>(layer, false).h;
    const auto oracle = oracle_forward<double>(layer, true);
    const auto plain = oracle_forward<float>(in_tf32(layer), true);
    on_each_device_in_tf32([&](lk_device* device) {
      const ForwardResult result = run_forward(device, layer, LK_WEIGHT_PACKED, true);
      CHECK(std::string(lk_describe()).find("tf32") != std::string::npos);
      check_right("y", result.y, oracle.y, plain.y);
      check_right("h", result.h, oracle.h, plain.h);
      check_right("pre_activation", result.pre_activation, oracle.pre_activation,
                  plain.pre_activation);
    });
    for (const Options& options : kOptions) {
      const BackwardResult exact = oracle_backward<double>(layer, h, options);
      const BackwardResult yardstick = tf32_backward(layer, h, options);
      CAPTURE(options.row_scale);
      CAPTURE(options.flags);
      on_each_device_in_tf32([&](lk_device* device) {
        const BackwardResult result = run_backward(device, layer, h, LK_WEIGHT_PLAIN, options);
        check_gradients(result, exact, yardstick);
      });
    }
  }
}

TEST_CASE("lora: what tf32 does not take is exact") {
  const Shape shape = {20, 48, 24, {{0, 48}}, 8, 0.1f};
  const Layer off(shape, {1, 0, LK_F32}), padded(shape, {0, 1, LK_F32}), small = small_layer(0.1f);
  on_each_device_in_tf32([&](lk_device* device) {
    for (const Layer& layer : {off, padded, small}) {
      const Array h = oracle_forward<double>(layer, false).h;
      const auto run = [&](int32_t precision) {
        LK_REQUIRE_OK(lk_set_precision(device, precision));
        return std::pair(run_forward(device, layer, LK_WEIGHT_PLAIN, true),
                         run_backward(device, layer, h, LK_WEIGHT_PLAIN, {}));
      };
      const auto tf32 = run(LK_PRECISION_TF32), exact = run(LK_PRECISION_EXACT);
      check_same_bits("y", tf32.first.y, exact.first.y);
      check_same_bits("h", tf32.first.h, exact.first.h);
      check_same_gradients(tf32.second, exact.second);
    }
  });
}

TEST_CASE("lora: no bank conflicts in tf32") {
  const Layer layer({128, 96, 72, {{0, 32}, {64, 32}}, 16, 0.1f});
  const Array h = oracle_forward<double>(layer, false).h;
  on_each_device_in_tf32([&](lk_device* device) {
    if (!is_simulated(device)) return;
    const auto counted = count_kernels(device, [&] {
      run_forward(device, layer, LK_WEIGHT_PLAIN, false);
      run_backward(device, layer, h, LK_WEIGHT_PLAIN, {});
    });
    for (const auto& [kernel, counters] : counted) {
      CAPTURE(kernel);
      CHECK(counters.load_matrix_conflicts == 0);
      CHECK((counters.mma > 0) == (kernel != "lora_sum" && kernel != "weight_prepare"));
    }
  });
}

// Enough blocks for the large tiles of the forward pass, with edges that do not fill one.
TEST_CASE("lora: large layers in 16 bits") {
  for (const int32_t dtype : {LK_BF16, LK_F16}) {
    const Layer layer({1293, 1096, 72, {{0, 360}, {720, 360}}, 16, 0.1f}, {0, 0, dtype});
    on_each_device(dtype, [&](lk_device* device) {
      const ForwardResult result = run_forward(device, layer, LK_WEIGHT_PACKED, true);
      const ForwardResult oracle = oracle_forward<double>(layer, true);
      const ForwardResult plain = oracle_forward<float>(layer, true);
      check_right("y", result.y, oracle.y, plain.y);
      check_right("h", result.h, oracle.h, plain.h);
    });
  }
}

TEST_CASE("lora: a large layer in tf32") {
  const Layer layer({1293, 1096, 36, {{0, 360}, {720, 360}}, 16, 0.1f});
  const auto oracle = oracle_forward<double>(layer, true);
  const auto plain = oracle_forward<float>(in_tf32(layer), true);
  on_each_device_in_tf32([&](lk_device* device) {
    const ForwardResult result = run_forward(device, layer, LK_WEIGHT_PACKED, true);
    check_right("y", result.y, oracle.y, plain.y);
    check_right("h", result.h, oracle.h, plain.h);
  });
}

TEST_CASE("lora: the oracle's gradients are its slopes") {
  // The loss is the sum of y ∘ dy, y with its row scale. It is linear in each input alone.
  const Layer layer({4, 15, 5, {{0, 5}, {10, 5}}, 2, 0.3f});
  const auto loss = [](Layer at) {
    Array y({at.shape.m, at.shape.n});
    lora::Forward call;
    call.linear.x = at.x.matrix();
    call.linear.w = at.weight();
    call.linear.bias = at.bias.vector();
    call.linear.epilogue.row_scale = at.scale();
    call.linear.y = y.matrix();
    call.adapter = at.oracle_adapter();
    lora::reference_forward<double>(call);
    double sum = 0;
    for (int64_t i = 0; i < y.size(); ++i) sum += double(y.at(i)) * at.dy.at(i);
    return sum;
  };
  const Array h = oracle_forward<double>(layer, false).h;
  const BackwardResult gradient = oracle_backward<double>(layer, h, {true, false, 0, true, true});
  const auto check_slopes = [&](const char* what, Array Layer::*input, const Array& slopes) {
    CAPTURE(what);
    for (int64_t i = 0; i < slopes.size(); ++i) {
      Layer above = layer, below = layer;
      (above.*input).at(i) += 0.5f;
      (below.*input).at(i) -= 0.5f;
      const double step = double((above.*input).at(i)) - (below.*input).at(i);
      CHECK(slopes.at(i) == doctest::Approx((loss(above) - loss(below)) / step).epsilon(1e-4));
    }
  };
  check_slopes("x", &Layer::x, gradient.d_x);
  check_slopes("a", &Layer::a, gradient.d_a);
  check_slopes("b", &Layer::b, gradient.d_b);
  check_slopes("w", &Layer::w, gradient.d_weight);
  check_slopes("bias", &Layer::bias, gradient.d_bias);
}

// What README.md counts, bytes: forward and backward of a layer in 16 bits, `columns` of it adapted.
double bytes_of(double m, double n, double k, double groups, double rank, double columns) {
  const double x = 2 * m * k, y = 2 * m * n, w = 2 * n * k, ranks = groups * rank;
  const double h = 4 * m * ranks, a = 4 * ranks * k, b = 4 * columns * rank;
  const double b_parts = std::ceil(m / 128) * b, a_parts = std::ceil(m / 256) * a;
  const double product_h = x + a + h, forward = x + w + h + b + y;
  const double gradient = y + w + h + a + b + x + h + b_parts, d_a = h + x + a_parts;
  return product_h + forward + gradient + d_a + (b_parts + a_parts + b + a);
}

TEST_CASE("lora: bytes and launches are as counted") {
  // At the size of a ViT-B's qkv, batch 64: plain and merged.
  CHECK(bytes_of(12608, 2304, 768, 1, 16, 2304) < 262e6);
  CHECK(bytes_of(12608, 2304, 768, 2, 16, 1536) < 245e6);
  on_each_device(LK_BF16, [&](lk_device* device) {
    if (!is_simulated(device)) return;
    for (const Shape& shape : {Shape{128, 96, 136, {{0, 96}}, 16, 0.1f},
                               Shape{384, 192, 64, {{0, 64}, {128, 64}}, 16, 0.1f}}) {
      CAPTURE(shape.m);
      const Layer layer(shape, {0, 0, LK_BF16});
      const Array h = oracle_forward<double>(layer, false).h;
      const auto counted = count_kernels(device, [&] {
        run_forward(device, layer, LK_WEIGHT_PLAIN, false);
        run_backward(device, layer, h, LK_WEIGHT_PLAIN, {});
      });
      double bytes = 0;
      int64_t launches = 0, conflicts = 0;
      for (const auto& [kernel, counters] : counted) {
        INFO(kernel, ": ", counters.touched_read_bytes, " read, ", counters.touched_write_bytes, " written");
        CHECK(counters.launches == 1);
        launches += counters.launches;
        conflicts += counters.load_matrix_conflicts;
        bytes += static_cast<double>(counters.touched_read_bytes + counters.touched_write_bytes);
      }
      CHECK(launches == 5);
      CHECK(conflicts == 0);
      const double groups = static_cast<double>(shape.groups.size());
      CHECK(bytes == bytes_of(shape.m, shape.n, shape.k, groups, shape.rank, layer.b_rows()));
    }
  });
}

TEST_CASE("lora: the mask is Philox's, element by element") {
  // With A the identity and B zero, h is c (mask ∘ x).
  const int64_t m = 9, k = 7;
  Layer layer({m, 5, k, {{0, 5}}, static_cast<int32_t>(k), 0.4f});
  layer.x.fill(1);
  layer.a.fill(0);
  for (int64_t i = 0; i < k; ++i) layer.a.at(i * k + i) = 1;
  const lk_lora lora = layer.adapter();
  on_each_device([&](lk_device* device) {
    const ForwardResult result = run_forward(device, layer, LK_WEIGHT_PACKED, false);
    int64_t kept = 0;
    for (int64_t e = 0; e < m * k; ++e) {
      const bool keep = philox_word(lora.random, e) >= 0.4 * 4294967296.0;
      kept += keep;
      CHECK(result.h.at(e) == (keep ? lora.scaling / (1 - lora.dropout) : 0.0f));
    }
    CHECK(kept > m * k / 3);
    CHECK(kept < m * k);
  });
}

TEST_CASE("lora: with B zero it is the linear layer, bit for bit") {
  Layer layer = small_layer(0.1f);
  layer.b.fill(0);
  on_each_device([&](lk_device* device) {
    const ForwardResult adapted = run_forward(device, layer, LK_WEIGHT_PACKED, true);
    const PreparedWeight w(device, layer.w, LK_WEIGHT_PACKED);
    size_t bytes = 0;
    LK_REQUIRE_OK(lk_linear_forward_workspace(device, layer.shape.m, w.get(), &bytes));
    Workspace workspace(device, bytes);
    Array y({layer.shape.m, layer.shape.n});
    const lk_epilogue epilogue{nullptr, layer.residual.on(device), layer.row_scale.on(device),
                               LK_ACTIVATION_GELU, 0};
    LK_REQUIRE_OK(lk_linear_forward(device, layer.x.on(device), w.get(), layer.bias.on(device),
                                    &epilogue, y.on(device), workspace.data(), bytes));
    y.fetch();
    check_same_bits("y", y, adapted.y);
  });
}

TEST_CASE("lora: the same bits on any device of the processor and in either format") {
  const Layer layer = small_layer(0.1f);
  const Options options{true, false, LK_ADD_TO_PARAMETERS, true, true};
  std::vector<ForwardResult> forwards;
  std::vector<BackwardResult> backwards;
  on_each_device([&](lk_device* device) {
    for (int32_t format : kFormats) {
      forwards.push_back(run_forward(device, layer, format, true));
      backwards.push_back(run_backward(device, layer, forwards[0].h, format, options));
    }
  });
  for (size_t i = 1; i < forwards.size(); ++i) {
    check_same_bits("y", forwards[i].y, forwards[0].y);
    check_same_bits("h", forwards[i].h, forwards[0].h);
    check_same_gradients(backwards[i], backwards[0]);
  }
}

TEST_CASE("lora: a row's result does not depend on the rows after it") {
  const Layer layer = small_layer(0.2f);
  on_each_device([&](lk_device* device) {
    const ForwardResult all = run_forward(device, layer, LK_WEIGHT_PACKED, false);
    const BackwardResult all_back = run_backward(device, layer, all.h, LK_WEIGHT_PACKED, {});
    for (int64_t count : {1, 5, 12, 17}) {
      Shape shape = layer.shape;
      shape.m = count;
      Layer part(shape);
      part.x = rows_of(layer.x, count);
      part.dy = rows_of(layer.dy, count);
      const ForwardResult forward = run_forward(device, part, LK_WEIGHT_PACKED, false);
      check_same_bits("y", forward.y, rows_of(all.y, count));
      check_same_bits("h", forward.h, rows_of(all.h, count));
      check_same_bits("d_x", run_backward(device, part, forward.h, LK_WEIGHT_PACKED, {}).d_x,
                      rows_of(all_back.d_x, count));
    }
  });
}

TEST_CASE("lora: what is wrong is named") {
  Layer layer = small_layer(0.1f);
  on_each_device([&](lk_device* device) {
    const PreparedWeight w(device, layer.w, LK_WEIGHT_PACKED);
    lk_lora good = layer.adapter();
    good.a = layer.a.on(device);
    good.b = layer.b.on(device);
    ForwardResult outputs(layer);
    BackwardResult gradients(layer);
    const lk_tensor *x = layer.x.on(device), *dy = layer.dy.on(device);
    const lk_tensor *y = outputs.y.on(device), *h = outputs.h.on(device);
    const lk_tensor *d_a = gradients.d_a.on(device), *d_b = gradients.d_b.on(device);
    size_t bytes = 0, back_bytes = 0;
    LK_REQUIRE_OK(lk_lora_linear_forward_workspace(device, 29, w.get(), &good, &bytes));
    LK_REQUIRE_OK(lk_lora_linear_backward_workspace(device, 29, w.get(), &good, &back_bytes));
    Workspace workspace(device, bytes + back_bytes);
    const auto forward = [&](const lk_lora* lora, const lk_tensor* h_given) {
      return lk_lora_linear_forward(device, x, w.get(), nullptr, lora, nullptr, h_given, y,
                                    workspace.data(), bytes);
    };
    const auto broken = [&](auto change, const char* text) {
      lk_lora bad = good;
      change(bad);
      LK_REQUIRE_FAILS(forward(&bad, h), LK_BAD_ARGUMENT, text);
    };
    broken([](lk_lora& l) { l.groups = 0; }, "lora.groups: 0");
    broken([](lk_lora& l) { l.groups = 9; }, "lora.groups: 9");
    broken([](lk_lora& l) { l.rank = 257; }, "lora.rank: 257");
    broken([](lk_lora& l) { l.group[1].first_column = 30; }, "lora.group[1]");
    broken([](lk_lora& l) { l.group[1].columns = 32; }, "lora.group[1]");
    broken([](lk_lora& l) { l.group[0].columns = 0; }, "lora.group[0]");
    broken([](lk_lora& l) { l.group[0].columns = INT64_MAX; }, "lora.group[0]");
    broken([](lk_lora& l) { l.dropout = 1; }, "lora.dropout: 1");
    broken([](lk_lora& l) { l.scaling = 1e38f * 10; }, "lora.scaling: inf");
    broken([](lk_lora& l) { l.a = nullptr; }, "lora.a: NULL");
    broken([](lk_lora& l) { l.b = l.a; }, "lora.b:");
    LK_REQUIRE_FAILS(forward(nullptr, h), LK_BAD_ARGUMENT, "lora: NULL");
    LK_REQUIRE_FAILS(forward(&good, x), LK_BAD_ARGUMENT, "h:");
    lk_tensor inside = *h;
    inside.data = y->data;
    LK_REQUIRE_FAILS(forward(&good, &inside), LK_BAD_ARGUMENT, "share memory");
    LK_REQUIRE_FAILS(lk_lora_linear_forward(device, x, w.get(), nullptr, &good, nullptr, h, y,
                                            workspace.data(), bytes - 1),
                     LK_BAD_ARGUMENT, "workspace");

    const auto backward = [&](const lk_tensor* x_given, const lk_tensor* h_given,
                              const lk_tensor* d_a_given, const lk_tensor* d_b_given) {
      return lk_lora_linear_backward(device, dy, x_given, w.get(), &good, h_given, nullptr, nullptr,
                                     d_a_given, d_b_given, nullptr, nullptr, workspace.data(),
                                     back_bytes);
    };
    LK_REQUIRE_FAILS(backward(nullptr, h, d_a, d_b), LK_BAD_ARGUMENT, "x: NULL");
    LK_REQUIRE_FAILS(backward(x, nullptr, d_a, d_b), LK_BAD_ARGUMENT, "h: NULL");
    LK_REQUIRE_FAILS(backward(x, h, nullptr, d_b), LK_BAD_ARGUMENT, "d_a: NULL");
    LK_REQUIRE_FAILS(backward(x, h, d_a, d_a), LK_BAD_ARGUMENT, "d_b:");
    LK_REQUIRE_FAILS(backward(x, h, good.a, d_b), LK_BAD_ARGUMENT, "share memory");
    LK_REQUIRE_OK(backward(x, h, d_a, d_b));
  });
}

}  // namespace lk::test
