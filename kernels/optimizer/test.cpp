// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "optimizer/optimizer.h"

#include <cmath>
#include <cstring>

#include "support.h"

namespace lk::test {
namespace {

using Shapes = std::vector<std::vector<int64_t>>;

// Tensors of several parameters, on the host or on a device.
struct Model {
  std::vector<Array> value, gradient, first, second;
  std::vector<lk_parameter> list;

  explicit Model(const Shapes& shapes) {
    for (size_t i = 0; i < shapes.size(); ++i) {
      // Every third parameter has one tensor off the alignment of vectors.
      const auto offset = [&](size_t tensor) { return Layout{i % 12 == 3 * tensor ? 1 : 0, 0}; };
      value.push_back(Array(shapes[i], offset(0)).randomize(10 * i + 1));
      gradient.push_back(Array(shapes[i], offset(1)).randomize(10 * i + 2));
      first.push_back(Array(shapes[i], offset(2)).randomize(10 * i + 3));
      second.push_back(Array(shapes[i], offset(3)).randomize(10 * i + 4, 0, 1));
    }
    list.resize(shapes.size());
    for (size_t i = 0; i < list.size(); ++i) {
      list[i].learning_rate_scale = 1.0f / (1 + i);
      list[i].weight_decay = i % 2 ? 0.0f : 0.05f;
    }
  }

  Model& on(lk_device* device) {
    for (size_t i = 0; i < list.size(); ++i) {
      list[i].value = *value[i].on(device);
      list[i].gradient = *gradient[i].on(device);
      list[i].first_moment = *first[i].on(device);
      list[i].second_moment = *second[i].on(device);
    }
    return *this;
  }
  Model& on_host() {
    const auto describe = [](Array& array) {
      lk_tensor tensor{};
      tensor.data = array.matrix().data;
      tensor.dtype = LK_F32;
      tensor.rank = 1;
      tensor.sizes[0] = array.size();
      tensor.strides[0] = 1;
      return tensor;
    };
    for (size_t i = 0; i < list.size(); ++i) {
      list[i].value = describe(value[i]);
      list[i].gradient = describe(gradient[i]);
      list[i].first_moment = describe(first[i]);
      list[i].second_moment = describe(second[i]);
    }
    return *this;
  }
  void fetch() {
    for (size_t i = 0; i < list.size(); ++i) {
      value[i].fetch();
      gradient[i].fetch();
      first[i].fetch();
      second[i].fetch();
    }
  }
  optimizer::Parameters parameters() { return {list.data(), count()}; }
  int64_t count() const { return static_cast<int64_t>(list.size()); }
};

// More parameters than any kernel takes at once; those that a kernel cuts into chunks, and those of
// a few elements.
Shapes make_shapes() {
  Shapes shapes = {{1},    {37},   {768, 33}, {8192},       {8193}, {3, 5, 7},
                   {4097}, {5, 1}, {8191},    {2, 1, 1, 197}};
  for (int64_t i = 0; i < 130; ++i) shapes.push_back({1 + i % 9, 3});
  return shapes;
}
const Shapes kShapes = make_shapes();

void check_all(const char* what, Model& actual, Model& oracle, Model& plain) {
  INFO(what);
  for (size_t i = 0; i < actual.list.size(); ++i) {
    CAPTURE(i);
    check_right("value", actual.value[i], oracle.value[i], plain.value[i]);
    check_right("first moment", actual.first[i], oracle.first[i], plain.first[i]);
    check_right("second moment", actual.second[i], oracle.second[i], plain.second[i]);
  }
}

bool same_bits(const Array& a, const Array& b) {
  return std::memcmp(a.row(0), b.row(0), static_cast<size_t>(a.size()) * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("optimizer: sgd and adamw are right, the same bits on each device") {
  for (const bool clipped : {false, true}) {
    Array scale = Array({1}).fill(0.37f);
    const float* host_scale = clipped ? scale.vector().data : nullptr;
    Model sgd_oracle(kShapes), sgd_plain(kShapes), adamw_oracle(kShapes), adamw_plain(kShapes);
    optimizer::reference_sgd<double>({sgd_oracle.on_host().parameters(), 0.1f, 0.9f, host_scale});
    optimizer::reference_sgd<float>({sgd_plain.on_host().parameters(), 0.1f, 0.9f, host_scale});
    optimizer::reference_adamw<double>(
        {adamw_oracle.on_host().parameters(), 0.01f, 0.9f, 0.999f, 1e-8f, 3, host_scale});
    optimizer::reference_adamw<float>(
        {adamw_plain.on_host().parameters(), 0.01f, 0.9f, 0.999f, 1e-8f, 3, host_scale});
    std::vector<SameBits> bits(kShapes.size());
    on_each_device([&](lk_device* device) {
      const lk_tensor* device_scale = clipped ? scale.on(device) : nullptr;
      Model sgd(kShapes), adamw(kShapes);
      LK_REQUIRE_OK(lk_sgd_step(device, sgd.on(device).list.data(), sgd.count(), 0.1f, 0.9f,
                                device_scale));
      sgd.fetch();
      check_all("sgd", sgd, sgd_oracle, sgd_plain);
      LK_REQUIRE_OK(lk_adamw_step(device, adamw.on(device).list.data(), adamw.count(), 0.01f, 0.9f,
                                  0.999f, 1e-8f, 3, device_scale));
      adamw.fetch();
      check_all("adamw", adamw, adamw_oracle, adamw_plain);
      for (size_t i = 0; i < bits.size(); ++i) {
        bits[i].check("adamw's value between devices", device, adamw.value[i]);
      }
    });
  }
}

// So many elements that a task is several chunks, of more than one parameter.
TEST_CASE("optimizer: a long list makes the same bits as its parameters one by one") {
  Shapes shapes = {{1'400'001}, {8192}, {3}, {50'000}, {8193}, {640'000}, {1}};
  shapes.insert(shapes.end(), kShapes.begin(), kShapes.end());
  on_each_device([&](lk_device* device) {
    if (is_too_large(device, 2'000'000)) return;
    Model together(shapes), apart(shapes);
    const auto steps = [&](Model& model, int64_t first, int64_t count) {
      const lk_parameter* list = model.list.data() + first;
      LK_REQUIRE_OK(lk_sgd_step(device, list, count, 0.1f, 0.9f, nullptr));
      LK_REQUIRE_OK(lk_adamw_step(device, list, count, 0.01f, 0.9f, 0.999f, 1e-8f, 3, nullptr));
    };
    steps(together.on(device), 0, together.count());
    apart.on(device);
    for (int64_t i = 0; i < apart.count(); ++i) steps(apart, i, 1);
    together.fetch();
    apart.fetch();
    for (size_t i = 0; i < shapes.size(); ++i) {
      CAPTURE(i);
      CHECK(same_bits(together.value[i], apart.value[i]));
      CHECK(same_bits(together.first[i], apart.first[i]));
      CHECK(same_bits(together.second[i], apart.second[i]));
    }

    Array norm({1}), scale({1});
    size_t bytes = 0;
    together.on(device);
    LK_REQUIRE_OK(lk_gradient_norm_workspace(device, together.list.data(), together.count(), &bytes));
    Workspace workspace(device, bytes);
    LK_REQUIRE_OK(lk_gradient_norm(device, together.list.data(), together.count(), 1, norm.on(device),
                                   scale.on(device), workspace.data(), bytes));
    norm.fetch();
    double squares = 0;
    for (Array& gradient : together.gradient) {
      for (int64_t i = 0; i < gradient.size(); ++i) squares += 1.0 * gradient.at(i) * gradient.at(i);
    }
    CHECK(norm.at(0) == doctest::Approx(std::sqrt(squares)).epsilon(1e-7));
  });
}

// Worked by hand. SGD: g = 0.5 + 0.1 * 2 = 0.7, m = 0.9 * 1 + 0.7 = 1.6, w = 2 - 0.1 * 0.5 * 1.6.
// AdamW, first step from zero moments: m = 0.05, v = 0.00025, so that m / 0.1 = sqrt(v / 0.001) =
// 0.5 and the step is lr whatever the gradient: w = 2 (1 - 0.05 * 0.1) - 0.05.
TEST_CASE("optimizer: steps worked by hand") {
  on_each_device([](lk_device* device) {
    Model model(Shapes{{1}});
    model.list[0].learning_rate_scale = 0.5f;
    model.list[0].weight_decay = 0.1f;
    model.value[0].fill(2);
    model.gradient[0].fill(0.5f);
    model.first[0].fill(1);
    LK_REQUIRE_OK(lk_sgd_step(device, model.on(device).list.data(), 1, 0.1f, 0.9f, nullptr));
    model.fetch();
    CHECK(model.first[0].at(0) == doctest::Approx(1.6).epsilon(1e-6));
    CHECK(model.value[0].at(0) == doctest::Approx(1.92).epsilon(1e-6));

    model.value[0].fill(2);
    model.first[0].fill(0);
    model.second[0].fill(0);
    LK_REQUIRE_OK(lk_adamw_step(device, model.on(device).list.data(), 1, 0.1f, 0.9f, 0.999f, 1e-8f,
                                1, nullptr));
    model.fetch();
    CHECK(model.first[0].at(0) == doctest::Approx(0.05).epsilon(1e-6));
    CHECK(model.second[0].at(0) == doctest::Approx(0.00025).epsilon(1e-5));
    CHECK(model.value[0].at(0) == doctest::Approx(2 * (1 - 0.05 * 0.1) - 0.05).epsilon(1e-6));
  });
}

TEST_CASE("optimizer: the gradients' norm and the clipping scale") {
  Model oracle(kShapes), plain(kShapes);
  Array norm_oracle({1}), scale_oracle({1}), norm_plain({1}), scale_plain({1});
  optimizer::reference_norm<double>({oracle.on_host().parameters(), 1.5f,
                                     norm_oracle.vector().data, scale_oracle.vector().data});
  optimizer::reference_norm<float>({plain.on_host().parameters(), 1.5f, norm_plain.vector().data,
                                    scale_plain.vector().data});
  on_each_device([&](lk_device* device) {
    Model model(kShapes);
    Array norm({1}), scale({1});
    size_t bytes = 0;
    model.on(device);
    LK_REQUIRE_OK(lk_gradient_norm_workspace(device, model.list.data(), model.count(), &bytes));
    Workspace workspace(device, bytes);
    const auto run = [&](float max_norm) {
      LK_REQUIRE_OK(lk_gradient_norm(device, model.list.data(), model.count(), max_norm,
                                     norm.on(device), scale.on(device), workspace.data(), bytes));
      norm.fetch();
      scale.fetch();
    };
    run(1.5f);
    check_right("norm", norm, norm_oracle, norm_plain);
    check_right("scale", scale, scale_oracle, scale_plain);
    run(1e6f);
    CHECK(scale.at(0) == 1);
    run(0);
    CHECK(scale.at(0) == 1);
    LK_REQUIRE_FAILS(lk_gradient_norm(device, model.list.data(), model.count(), 1, norm.on(device),
                                      scale.on(device), workspace.data(), bytes - 1),
                     LK_BAD_ARGUMENT, "workspace");
  });
}

TEST_CASE("optimizer: huge gradients do not overflow the norm, NaN is not hidden") {
  on_each_device([](lk_device* device) {
    Model model(Shapes{{100}});
    model.gradient[0].fill(1e30f);
    Array norm({1}), scale({1});
    size_t bytes = 0;
    LK_REQUIRE_OK(lk_gradient_norm_workspace(device, model.on(device).list.data(), 1, &bytes));
    Workspace workspace(device, bytes);
    LK_REQUIRE_OK(lk_gradient_norm(device, model.list.data(), 1, 1, norm.on(device),
                                   scale.on(device), workspace.data(), bytes));
    norm.fetch();
    CHECK(norm.at(0) == doctest::Approx(1e31).epsilon(1e-6));
    model.gradient[0].at(57) = NAN;
    LK_REQUIRE_OK(lk_gradient_norm(device, model.on(device).list.data(), 1, 1, norm.on(device),
                                   scale.on(device), workspace.data(), bytes));
    norm.fetch();
    scale.fetch();
    CHECK(std::isnan(norm.at(0)));
    CHECK(std::isnan(scale.at(0)));
  });
}

TEST_CASE("optimizer: simulated kernels move each byte once, in as few launches as README.md says") {
  on_each_device([](lk_device* device) {
    if (!is_simulated(device)) return;
    constexpr int64_t count = 70, elements = 4104;  // two launches; a chunk and a piece of one
    Model model(Shapes(count, {elements}));
    model.on(device);
    const int64_t array = count * elements * 4;
    const auto adamw = count_kernels(device, [&] {
      LK_REQUIRE_OK(lk_adamw_step(device, model.list.data(), count, 0.1f, 0.9f, 0.999f, 1e-8f, 1,
                                  nullptr));
    });
    REQUIRE(adamw.size() == 1);
    const simt::Counters& step = adamw.at("adamw_step");
    CHECK(step.launches == 2);
    CHECK(step.blocks == 2 * count);
    CHECK(step.global_read_bytes == 4 * array);
    CHECK(step.global_write_bytes == 3 * array);

    size_t bytes = 0;
    LK_REQUIRE_OK(lk_gradient_norm_workspace(device, model.list.data(), count, &bytes));
    Workspace workspace(device, bytes);
    Array norm({1}), scale({1});
    const auto counted = count_kernels(device, [&] {
      LK_REQUIRE_OK(lk_gradient_norm(device, model.list.data(), count, 1, norm.on(device),
                                     scale.on(device), workspace.data(), bytes));
    });
    REQUIRE(counted.size() == 2);
    CHECK(counted.at("gradient_norm").launches == 2);
    CHECK(counted.at("gradient_norm").global_read_bytes == array);
    CHECK(counted.at("gradient_norm_finish").launches == 1);
  });
}

TEST_CASE("optimizer: bad arguments change nothing") {
  on_each_device([](lk_device* device) {
    Model model(Shapes{{4}, {6}});
    const std::vector<Array> before = model.value;
    model.on(device);
    const auto sgd = [&](auto change, const char* text) {
      std::vector<lk_parameter> list = model.list;
      change(list);
      LK_REQUIRE_FAILS(lk_sgd_step(device, list.data(), 2, 0.1f, 0.9f, nullptr), LK_BAD_ARGUMENT,
                       text);
    };
    sgd([](auto& list) { list[1].gradient.sizes[0] = 5; }, "parameters[1].gradient");
    sgd([](auto& list) { list[1].first_moment.data = nullptr; }, "parameters[1].first_moment");
    sgd([](auto& list) { list[1].gradient = list[1].value; }, "share memory");
    sgd([](auto& list) { list[1] = list[0]; }, "share memory");
    sgd([](auto& list) { list[1].value.data = static_cast<float*>(list[0].gradient.data) + 3; },
        "parameters[0].gradient and parameters[1].value: share memory");
    // Within a long gradient, behind the end of a short one that begins later.
    sgd([](auto& list) {
      float* gradient = static_cast<float*>(list[1].gradient.data);
      list[0].value.sizes[0] = list[0].gradient.sizes[0] = list[0].first_moment.sizes[0] = 1;
      list[0].gradient.data = gradient + 1;
      list[0].first_moment.data = gradient + 3;
    }, "parameters[1].gradient and parameters[0].first_moment: share memory");
    sgd([](auto& list) { list[1].value.strides[0] = 2; }, "contiguous");
    sgd([](auto& list) { list[1].learning_rate_scale = NAN; }, "learning_rate_scale");
    sgd([](auto& list) { list[1].weight_decay = INFINITY; }, "weight_decay");
    lk_parameter* list = model.list.data();
    LK_REQUIRE_FAILS(lk_sgd_step(device, nullptr, 2, 0.1f, 0.9f, nullptr), LK_BAD_ARGUMENT, "NULL");
    LK_REQUIRE_FAILS(lk_sgd_step(device, list, 0, 0.1f, 0.9f, nullptr), LK_BAD_ARGUMENT, "count");
    LK_REQUIRE_FAILS(lk_sgd_step(device, list, 2, NAN, 0.9f, nullptr), LK_BAD_ARGUMENT,
                     "learning_rate");
    LK_REQUIRE_FAILS(lk_sgd_step(device, list, 2, 0.1f, 1, nullptr), LK_BAD_ARGUMENT, "momentum");
    std::vector<lk_parameter> fast = model.list;
    fast[1].learning_rate_scale = 3e38f;
    LK_REQUIRE_FAILS(lk_sgd_step(device, fast.data(), 2, 10, 0.9f, nullptr), LK_BAD_ARGUMENT,
                     "parameters[1].learning_rate_scale: 3e+38, expected a finite product");
    lk_tensor inside = list[1].value;
    inside.sizes[0] = 1;
    LK_REQUIRE_FAILS(lk_sgd_step(device, list, 2, 0.1f, 0.9f, &inside), LK_BAD_ARGUMENT,
                     "gradient_scale");
    inside.data = list[1].gradient.data;
    LK_REQUIRE_FAILS(lk_gradient_norm(device, list, 2, 1, &inside, &list[0].value, nullptr, 0),
                     LK_BAD_ARGUMENT, "scale: ");
    lk_tensor apart = list[0].value;
    apart.sizes[0] = 1;
    LK_REQUIRE_FAILS(lk_gradient_norm(device, list, 2, 1, &inside, &apart, nullptr, 0),
                     LK_BAD_ARGUMENT, "parameters[1].gradient and norm: share memory");
    LK_REQUIRE_FAILS(lk_adamw_step(device, list, 2, 0.1f, 0.9f, 0.999f, 1e-8f, 0, nullptr),
                     LK_BAD_ARGUMENT, "step");
    LK_REQUIRE_FAILS(lk_adamw_step(device, list, 2, 0.1f, 0.9f, 0.999f, 0, 1, nullptr),
                     LK_BAD_ARGUMENT, "eps");
    model.fetch();
    for (size_t i = 0; i < before.size(); ++i) check_same_bits("value", model.value[i], before[i]);
  });
}

}  // namespace lk::test
