// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The CUDA device over a made-up runtime: in which order its streams do what calls give them, what
// the host waits for, and what is left when something fails.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <dlfcn.h>
#include <doctest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "fake.h"

namespace lk::fake {
namespace {

#define REQUIRE_OK(call)                \
  do {                                  \
    const lk_status got = (call);       \
    INFO(std::string(lk_last_error())); \
    REQUIRE(got == LK_OK);              \
  } while (0)
#define REQUIRE_FAILS(call, status, text)                              \
  do {                                                                 \
    REQUIRE((call) == (status));                                       \
    CHECK(std::string(lk_last_error()).find(text) != std::string::npos); \
  } while (0)

const Runtime& runtime() {
  static const Runtime* found = [] {
    void* library = dlopen(std::getenv("LORIKEET_CUDA_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    REQUIRE(library != nullptr);
    return reinterpret_cast<decltype(&lk_fake_runtime)>(dlsym(library, "lk_fake_runtime"))();
  }();
  return *found;
}

// A device whose own stream, and whose stream of uploads, are eager or not. Nothing may be left of it.
class Device {
 public:
  Device(bool eager_work, bool eager_uploads, const char* name = "cuda:0") {
    before_ = runtime().live();
    runtime().make_eager(eager_work);
    REQUIRE_OK(lk_device_open(name, 0, &device_));
    runtime().make_eager(eager_uploads);
  }
  ~Device() {
    for (float* block : blocks_) CHECK(lk_free(device_, block) == LK_OK);
    CHECK(lk_device_close(device_) == LK_OK);
    CHECK(runtime().live() == before_);
    CHECK(std::string(runtime().misuse()) == "");
  }
  operator lk_device*() { return device_; }

  // Numbers of the device, which are the host's too: what was done so far can be looked at.
  float* numbers(int count) {
    void* block = nullptr;
    REQUIRE_OK(lk_allocate(device_, count * sizeof(float), &block));
    blocks_.push_back(static_cast<float*>(block));
    std::memset(block, 0, count * sizeof(float));
    return blocks_.back();
  }
  void fill(float* to, float value, int count = 1) {
    const lk_tensor tensor = dense(to, count);
    REQUIRE_OK(lk_fill(device_, &tensor, value));
  }
  void copy(float* from, float* to, int count = 1) {
    const lk_tensor source = dense(from, count), destination = dense(to, count);
    REQUIRE_OK(lk_convert(device_, &source, &destination));
  }
  void upload(float* to, const float* from, int count = 1) {
    REQUIRE_OK(lk_upload_async(device_, to, from, count * sizeof(float)));
  }
  float download(const float* from) {
    float value = 0;
    REQUIRE_OK(lk_download(device_, &value, from, sizeof(float)));
    return value;
  }

 private:
  static lk_tensor dense(float* data, int count) {
    lk_tensor tensor{};
    tensor.data = data;
    tensor.dtype = LK_F32;
    tensor.rank = 1;
    tensor.sizes[0] = count;
    tensor.strides[0] = 1;
    return tensor;
  }

  lk_device* device_ = nullptr;
  int before_ = 0;
  std::vector<float*> blocks_;
};

// Runs body with either stream eager, and with none.
template <class Body>
void in_any_order(const Body& body) {
  for (const bool eager_work : {false, true}) {
    for (const bool eager_uploads : {false, true}) {
      CAPTURE(eager_work);
      CAPTURE(eager_uploads);
      Device device(eager_work, eager_uploads);
      body(device);
    }
  }
}

}  // namespace

TEST_CASE("uploads and calls that meet in memory come in the order they were made") {
  in_any_order([](Device& device) {
    float host[20], *input = device.numbers(1), *outputs = device.numbers(20);
    const int waits = runtime().waits();
    for (int i = 0; i < 20; ++i) {
      host[i] = static_cast<float>(i + 1);
      device.upload(input, &host[i]);
      device.copy(input, outputs + i);
      if (i % 3 == 0) device.fill(input, -1);  // a call may write there, too
    }
    CHECK(runtime().waits() == waits);
    for (int i = 0; i < 20; ++i) CHECK(device.download(outputs + i) == i + 1);
  });
}

TEST_CASE("an upload runs beside the calls that do not touch its destination") {
  Device device(false, true);
  const float first = 1, second = 2;
  float *input = device.numbers(1), *other = device.numbers(2);
  device.upload(input, &first);
  device.copy(input, other);
  REQUIRE_OK(lk_synchronize(device));
  device.fill(other + 1, 5);
  device.upload(input, &second);
  CHECK(*input == 2);      // already there,
  CHECK(other[1] == 0);  // while the call before it has not run
  device.copy(input, other);
  device.upload(input, &first);
  CHECK(*input == 2);  // this one waits for the copy
  REQUIRE_OK(lk_synchronize(device));
  CHECK(*input == 1);
  CHECK(other[0] == 2);
  CHECK(other[1] == 5);
}

TEST_CASE("a call does not wait for uploads to what it does not touch") {
  Device device(true, false);
  const float one = 1;
  float *input = device.numbers(1), *other = device.numbers(1);
  device.upload(input, &one);
  device.fill(other, 7);
  CHECK(*other == 7);
  CHECK(*input == 0);
  device.copy(input, other);
  CHECK(*other == 7);  // held back by the upload
  REQUIRE_OK(lk_synchronize(device));
  CHECK(*other == 1);
}

TEST_CASE("copies that the host waits for are in order with uploads") {
  in_any_order([](Device& device) {
    const float one = 1, two = 2;
    float* input = device.numbers(1);
    for (int i = 0; i < 3; ++i) {
      device.upload(input, &one);
      CHECK(device.download(input) == 1);
      device.upload(input, &one);
      REQUIRE_OK(lk_upload(device, input, &two, sizeof(two)));
      CHECK(device.download(input) == 2);
    }
  });
}

TEST_CASE("uploads whose destinations overlap, and more of them than are remembered") {
  in_any_order([](Device& device) {
    constexpr int kMany = 24;
    const float host[4] = {1, 2, 3, 4};
    float *input = device.numbers(kMany + 4), *outputs = device.numbers(2 * kMany);
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < kMany; ++i) {
        device.upload(input + i, host, 4);      // 1 2 3 4
        device.upload(input + i + 1, host, 2);  // 1 1 2 4
        device.copy(input + i + 2, outputs + round * kMany + i);
      }
    }
    for (int i = 0; i < 2 * kMany; ++i) CHECK(device.download(outputs + i) == 2);
    for (int i = 0; i < kMany; ++i) device.upload(input + i, host + 3);  // the first is forgotten,
    device.copy(input, outputs);                                         // its upload is not
    CHECK(device.download(outputs) == 4);
  });
}

TEST_CASE("sources may be changed after lk_await_uploads, and lk_synchronize waits for uploads") {
  in_any_order([](Device& device) {
    float host = 0, *input = device.numbers(1), *outputs = device.numbers(10);
    for (int i = 0; i < 10; ++i) {
      REQUIRE_OK(lk_await_uploads(device));
      host = static_cast<float>(i);
      device.upload(input, &host);
      device.copy(input, outputs + i);
    }
    float* other = device.numbers(1);
    device.upload(other, &host);
    REQUIRE_OK(lk_synchronize(device));
    host = -1;
    CHECK(*input == 9);
    CHECK(*other == 9);
    for (int i = 0; i < 10; ++i) CHECK(outputs[i] == i);
  });
}

TEST_CASE("a stream handed in is in order with the caller's work on it, and with the device's before") {
  in_any_order([](Device& device) {
    for (const bool eager : {false, true}) {
      void* stream = runtime().make_stream(eager);
      const float four = 4;
      float *input = device.numbers(1), *outputs = device.numbers(4);
      float *second = device.numbers(1), *third = device.numbers(1);
      const int waits = runtime().waits();
      device.upload(input, &four);
      device.upload(second, &four);
      device.upload(third, &four);
      REQUIRE_OK(lk_set_stream(device, stream));
      runtime().write(stream, second, 5);  // after its upload
      runtime().write(stream, third, 5);
      device.copy(input, outputs);
      runtime().write(stream, input, 5);  // after the copy, before the next
      device.copy(input, outputs + 1);
      device.upload(input, &four);
      runtime().write(stream, input, 6);  // after the upload
      device.copy(input, outputs + 2);
      REQUIRE_OK(lk_set_stream(device, stream));
      REQUIRE_OK(lk_set_stream(device, nullptr));
      device.upload(third, &four);  // after the caller's write
      device.copy(input, outputs + 3);
      device.upload(input, &four);
      CHECK(runtime().waits() == waits);
      runtime().destroy_stream(stream);
      for (int i = 0; i < 4; ++i) {
        CAPTURE(i);
        CHECK(device.download(outputs + i) == (i == 3 ? 6 : i + 4));
      }
      CHECK(device.download(input) == 4);
      CHECK(device.download(second) == 5);
      CHECK(device.download(third) == 4);
    }
  });
}

TEST_CASE("a device may be closed while it has a stream that was handed in") {
  void* stream = runtime().make_stream(false);
  {
    Device device(false, false);
    REQUIRE_OK(lk_set_stream(device, stream));
    device.fill(device.numbers(1), 1);
  }
  runtime().write(stream, new float, 1);  // still there
  runtime().destroy_stream(stream);
}

TEST_CASE("launches go to their device, whichever the thread used last") {
  const float one = 1;
  Device first(false, false, "cuda:0");
  float* here = first.numbers(1);
  first.upload(here, &one);
  Device second(false, false, "cuda:1");
  float* there = second.numbers(1);
  first.fill(here, 2);
  second.fill(there, 3);
  first.upload(here, &one);
  second.fill(there, 4);
  first.fill(here, 5);
  CHECK(first.download(here) == 5);
  CHECK(second.download(there) == 4);
}

TEST_CASE("what fails leaves the device in order, and nothing behind") {
  const float one = 1;
  for (const char* call : {"cudaStreamCreateWithFlags", "cudaEventCreateWithFlags"}) {
    CAPTURE(std::string(call));
    lk_device* device = nullptr;
    const int before = runtime().live();
    runtime().fail_next(call, false);
    REQUIRE_FAILS(lk_device_open("cuda:0", 0, &device), LK_DEVICE_LOST, "made to fail");
    CHECK(device == nullptr);
    CHECK(runtime().live() == before);
  }
  for (const char* call : {"cudaStreamCreateWithFlags", "cudaEventCreateWithFlags", "cudaEventRecord",
                           "cudaMemcpyAsync"}) {
    CAPTURE(std::string(call));
    Device device(false, false);
    float* input = device.numbers(1);
    runtime().fail_next(call, false);
    REQUIRE_FAILS(lk_upload_async(device, input, &one, sizeof(one)), LK_DEVICE_LOST, "made to fail");
    device.fill(input, 3);  // does not report the failure again
    CHECK(device.download(input) == 3);
    device.upload(input, &one);
    CHECK(device.download(input) == 1);
  }
  Device device(false, false);
  float* kept = device.numbers(1);
  device.fill(kept, 8);
  void* block = nullptr;
  runtime().fail_next("cudaMalloc", true);
  REQUIRE_FAILS(lk_allocate(device, 64, &block), LK_OUT_OF_MEMORY, "no block of 64 bytes");
  // A smaller block would not help then.
  runtime().fail_next("cudaMalloc", false);
  REQUIRE_FAILS(lk_allocate(device, 64, &block), LK_DEVICE_LOST, "allocate: made to fail");
  runtime().fail_next("cudaMalloc", false);
  REQUIRE_FAILS(lk_allocate_host(device, 64, &block), LK_DEVICE_LOST, "allocate host memory: made to fail");
  device.fill(kept, 9);
  CHECK(device.download(kept) == 9);
  REQUIRE_OK(lk_allocate_host(device, 64, &block));
  REQUIRE_OK(lk_free_host(device, block));
}

}  // namespace lk::fake
