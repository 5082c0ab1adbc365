// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// f32 multiplied in tf32, on the devices that can.
#include "linear/test.h"

#include <cmath>

#include "common/half_scalar.h"

namespace lk::test {
namespace {

using namespace linear_layer;

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

}  // namespace

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

TEST_CASE("linear: no bank conflicts in tf32, and no needless matrix instructions") {
  const Shape shape = {130, 72, 96};
  const Layer layer(shape);
  on_each_device_in_tf32([&](lk_device* device) {
    if (!is_simulated(device)) return;
    auto counters = count_kernels(device, [&] {
      run_forward(device, layer, LK_WEIGHT_PLAIN, true);
      run_backward(device, layer, LK_WEIGHT_PLAIN, kOptions[1]);
    });
    for (const auto& [kernel, counts] : counters) {
      CAPTURE(kernel);
      CHECK(counts.load_matrix_conflicts == 0);
    }
    // Tiles of 64 x 64 in steps of 8, each 4 x 8 instructions of 16 x 8.
    CHECK(counters["linear_forward"].mma == 3 * 2 * shape.k / 8 * 32);
    CHECK(counters["linear_d_x"].mma == 3 * 2 * ((shape.n + 15) / 16 * 2) * 32);
    CHECK(counters["linear_d_weight_scaled"].mma > 0);
  });
}

}  // namespace lk::test
