// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "linear/test.h"

#include <cmath>

namespace lk::test {
namespace {

using namespace linear_layer;

// Single elements and rows, primes, edges of every tile, several blocks of rows and, for plain
// weights, several chunks.
const Shape kShapes[] = {{1, 1, 1},     {1, 14, 768},   {2, 33, 17}, {13, 131, 64},
                         {53, 97, 31},  {197, 37, 129}, {64, 96, 48}, {300, 61, 70},
                         {5, 2000, 700}, {270, 20, 24}};

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
    lk_tensor scratch = *x;
    scratch.data = memory;
    LK_REQUIRE_FAILS(
        lk_linear_forward(device, &scratch, packed.get(), nullptr, nullptr, y, memory, bytes),
        LK_BAD_ARGUMENT, "x and workspace: share memory");
    size_t packed_bytes = 0;
    LK_REQUIRE_OK(lk_weight_prepare_bytes(device, layer.w.on(device), LK_WEIGHT_PACKED, &packed_bytes));
    lk_tensor last = {nullptr, {1, 7}, {7, 1}, LK_F32, 2}, one_row = *x;
    last.data = static_cast<char*>(const_cast<void*>(packed.get()->data)) + packed_bytes - 28;
    one_row.sizes[0] = 1;
    LK_REQUIRE_FAILS(
        lk_linear_forward(device, &one_row, packed.get(), nullptr, nullptr, &last, memory, bytes),
        LK_BAD_ARGUMENT, "w and y: share memory");

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
    lk_weight large = unprepared;
    large.k = int64_t{1} << 34;
    LK_REQUIRE_FAILS(lk_linear_backward_workspace(device, int64_t{1} << 34, &large, &size),
                     LK_BAD_ARGUMENT, "no matrix of more than 2^50 elements");
    const lk_tensor* w = layer.w.on(device);
    lk_tensor shape = *w;
    shape.data = nullptr;
    LK_REQUIRE_OK(lk_weight_prepare_bytes(device, &shape, LK_WEIGHT_PACKED, &size));
    lk_weight made{};
    LK_REQUIRE_FAILS(lk_weight_prepare(device, &shape, LK_WEIGHT_PLAIN, nullptr, 0, &made),
                     LK_BAD_ARGUMENT, "w: data is NULL");
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
