// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The parts of the C ABI that are no operation: devices, memory, errors.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cfenv>
#include <cstring>
#include <vector>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "linear/linear.h"
#include "support.h"

namespace lk::test {

TEST_CASE("abi: the version is the header's") { CHECK(lk_abi_version() == LK_ABI_VERSION); }

TEST_CASE("abi: a device that does not exist is named in the error") {
  lk_device* device = nullptr;
  LK_REQUIRE_FAILS(lk_device_open("abacus", 0, &device), LK_UNSUPPORTED, "abacus");
  LK_REQUIRE_FAILS(lk_device_open(nullptr, 0, &device), LK_BAD_ARGUMENT, "name");
  LK_REQUIRE_FAILS(lk_device_open("cpu", -1, &device), LK_BAD_ARGUMENT, "threads: -1");
  LK_REQUIRE_FAILS(lk_device_open("cpu", 0, nullptr), LK_BAD_ARGUMENT, "device");
}

TEST_CASE("abi: a device whose threads cannot be started is refused") {
  // In a child, that may address but little: each thread's stack takes 8 MB of it.
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    rlimit limit = {size_t{3} << 30, size_t{3} << 30};
    setrlimit(RLIMIT_AS, &limit);
    lk_device* device = nullptr;
    const lk_status status = lk_device_open("cpu", 1024, &device);
    const bool named = std::strstr(lk_last_error(), "threads: 1024") != nullptr;
    _exit(status == LK_UNSUPPORTED && named ? 0 : 1 + status);
  }
  int how = 0;
  REQUIRE(waitpid(child, &how, 0) == child);
  CHECK(how == 0);
}

TEST_CASE("abi: memory is counted to the byte and given back") {
  on_each_device([](lk_device* device) {
    lk_memory_info before, info;
    LK_REQUIRE_OK(lk_memory(device, &before));
    LK_REQUIRE_OK(lk_memory_reset_peak(device));
    void *a = nullptr, *b = nullptr;
    LK_REQUIRE_OK(lk_allocate(device, 1000, &a));
    LK_REQUIRE_OK(lk_allocate(device, 24, &b));
    CHECK(reinterpret_cast<uintptr_t>(a) % LK_ALIGNMENT == 0);
    LK_REQUIRE_OK(lk_free(device, a));
    LK_REQUIRE_OK(lk_memory(device, &info));
    CHECK(info.live_bytes == before.live_bytes + 24);
    CHECK(info.peak_bytes == before.live_bytes + 1024);
    CHECK(info.allocations == before.allocations + 2);
    LK_REQUIRE_FAILS(lk_device_close(device), LK_BAD_ARGUMENT, "still allocated");
    LK_REQUIRE_OK(lk_free(device, b));
    LK_REQUIRE_FAILS(lk_free(device, b), LK_BAD_ARGUMENT, "live block");
    LK_REQUIRE_OK(lk_free(device, nullptr));
    LK_REQUIRE_FAILS(lk_allocate(device, 0, &a), LK_BAD_ARGUMENT, "bytes");
    LK_REQUIRE_FAILS(lk_allocate(device, SIZE_MAX, &a), LK_BAD_ARGUMENT, "bytes");
    LK_REQUIRE_FAILS(lk_allocate(device, size_t{1} << 60, &a), LK_OUT_OF_MEMORY, "no block");
  });
}

TEST_CASE("abi: an allocation told to fail leaves nothing behind") {
  on_each_device([](lk_device* device) {
    lk_memory_info before, after;
    LK_REQUIRE_OK(lk_memory(device, &before));
    LK_REQUIRE_OK(lk_fail_allocation(device, 2));
    void *a = nullptr, *b = nullptr;
    LK_REQUIRE_OK(lk_allocate(device, 8, &a));
    LK_REQUIRE_FAILS(lk_allocate(device, 8, &b), LK_OUT_OF_MEMORY, "asked for");
    CHECK(b == nullptr);
    LK_REQUIRE_OK(lk_allocate(device, 8, &b));
    LK_REQUIRE_OK(lk_free(device, a));
    LK_REQUIRE_OK(lk_free(device, b));
    LK_REQUIRE_OK(lk_memory(device, &after));
    CHECK(after.live_bytes == before.live_bytes);
  });
}

TEST_CASE("abi: upload and download carry bytes") {
  on_each_device([](lk_device* device) {
    const float sent[3] = {1, 2, 3};
    float received[3] = {};
    void* block = nullptr;
    LK_REQUIRE_OK(lk_allocate(device, sizeof(sent), &block));
    LK_REQUIRE_OK(lk_upload(device, block, sent, sizeof(sent)));
    LK_REQUIRE_OK(lk_download(device, received, block, sizeof(sent)));
    CHECK(std::memcmp(sent, received, sizeof(sent)) == 0);
    LK_REQUIRE_OK(lk_free(device, block));
    LK_REQUIRE_FAILS(lk_upload(device, nullptr, sent, 4), LK_BAD_ARGUMENT, "destination");
  });
}

TEST_CASE("abi: uploads from host blocks arrive before later work, and blocks must be freed") {
  on_each_device([](lk_device* device) {
    void *host = nullptr, *block = nullptr;
    LK_REQUIRE_OK(lk_allocate_host(device, 12, &host));
    CHECK(reinterpret_cast<uintptr_t>(host) % LK_ALIGNMENT == 0);
    LK_REQUIRE_FAILS(lk_device_close(device), LK_BAD_ARGUMENT, "1 host blocks still allocated");
    LK_REQUIRE_OK(lk_allocate(device, 12, &block));
    float received[3] = {};
    for (float first = 1; first < 20; ++first) {
      const float sent[3] = {first, 2, 3};
      LK_REQUIRE_OK(lk_await_uploads(device));
      std::memcpy(host, sent, sizeof(sent));
      LK_REQUIRE_OK(lk_upload_async(device, block, host, sizeof(sent)));
      LK_REQUIRE_OK(lk_download(device, received, block, sizeof(sent)));
      CHECK(std::memcmp(sent, received, sizeof(sent)) == 0);
    }
    LK_REQUIRE_OK(lk_free(device, block));
    LK_REQUIRE_FAILS(lk_free(device, host), LK_BAD_ARGUMENT, "live block");
    LK_REQUIRE_OK(lk_free_host(device, host));
    LK_REQUIRE_FAILS(lk_free_host(device, host), LK_BAD_ARGUMENT, "live host block");
    LK_REQUIRE_OK(lk_free_host(device, nullptr));
    LK_REQUIRE_FAILS(lk_upload_async(device, nullptr, received, 4), LK_BAD_ARGUMENT, "destination");
    LK_REQUIRE_FAILS(lk_allocate_host(device, 0, &host), LK_BAD_ARGUMENT, "bytes");
  });
}

TEST_CASE("abi: a watch is told of all the memory that a call's arguments lie in") {
  struct Told : MemoryWatch {
    std::vector<Extent> told;
    void begin() override { told.clear(); }
    void touches(const Extent& memory) override { told.push_back(memory); }
    bool of(const void* data, size_t bytes) const {
      const auto first = reinterpret_cast<uintptr_t>(data);
      return std::any_of(told.begin(), told.end(), [&](const Extent& extent) {
        return extent.first <= first && first + bytes <= extent.last;
      });
    }
  } watch;
  float memory[6][64] = {};
  alignas(LK_ALIGNMENT) static float packed[5 * 8];  // its rows padded to 32 bytes
  const auto rows = [&](int i, int64_t m, int64_t k) {
    return lk_tensor{memory[i], {m, k}, {9, 1}, LK_F32, 2};
  };
  const lk_tensor x = rows(0, 4, 7), y = rows(1, 4, 5), z = rows(2, 4, 5), residual = rows(3, 4, 5),
                  bias = rows(4, 1, 5), scale = rows(5, 1, 2);
  const lk_weight w = {packed, 5, 7, -16, LK_WEIGHT_PACKED, LK_F32};
  const lk_epilogue epilogue = {&z, &residual, &scale, 0, 0};
  {
    const Watching watching(&watch);
    linear::Forward call;
    const linear::Packing packing = {-16, [](const Context&, const linear::Prepare&) {
                                       return sizeof(packed);
                                     }};
    LK_REQUIRE_OK(linear::describe_forward(&x, &w, packing, &bias, &epilogue, &y, call));
    LK_REQUIRE_OK(check_workspace(packed, 64, 64));
  }
  for (const lk_tensor* tensor : {&x, &y, &z, &residual}) {
    CHECK(watch.of(tensor->data, (3 * 9 + tensor->sizes[1]) * sizeof(float)));
  }
  CHECK(watch.of(bias.data, 5 * sizeof(float)));
  CHECK(watch.of(scale.data, 2 * sizeof(float)));
  CHECK(watch.of(packed, sizeof(packed)));
  CHECK(watch.told.back().last == watch.told.back().first + 64);
  const size_t told = watch.told.size();
  LK_REQUIRE_OK(check_tensor("x", &x));
  CHECK(watch.told.size() == told);  // no longer watching
}

TEST_CASE("abi: uploads and the calls before and after them come in their order") {
  on_each_device([](lk_device* device) {
    constexpr int kRounds = 40, kCount = 1 << 16;
    void* host = nullptr;
    LK_REQUIRE_OK(lk_allocate_host(device, kRounds * kCount * 4, &host));
    float* sources = static_cast<float*>(host);
    for (int i = 0; i < kRounds * kCount; ++i) sources[i] = static_cast<float>(i / kCount);
    Array input({kCount}), outputs({kRounds, kCount});
    const lk_tensor* from = input.on(device);
    lk_tensor to = *outputs.on(device);
    to.rank = 1;
    to.sizes[0] = kCount;
    to.strides[0] = 1;
    const int rounds = is_simulated(device) ? 2 : kRounds;
    for (int i = 0; i < rounds; ++i) {
      LK_REQUIRE_OK(lk_upload_async(device, from->data, sources + i * kCount, kCount * 4));
      LK_REQUIRE_OK(lk_convert(device, from, &to));
      to.data = static_cast<float*>(to.data) + kCount;
    }
    LK_REQUIRE_OK(lk_synchronize(device));
    outputs.fetch();
    int wrong = 0;
    for (int i = 0; i < rounds * kCount; ++i) wrong += outputs.at(i) != sources[i];
    CHECK(wrong == 0);
    LK_REQUIRE_OK(lk_free_host(device, host));
  });
}

TEST_CASE("abi: the caller's rounding and flushing change no result, and are the caller's afterwards") {
  // Sums that are rounded, of subnormal numbers one half of the time; enough for every thread.
  Array a = Array({1'000'003}).randomize(1), b = Array({1'000'003}).randomize(2);
  for (int64_t i = 0; i < a.size(); i += 2) a.at(i) = b.at(i) = 1e-40f;
  const auto sum_on = [&](lk_device* device) {
    Array x = a, y = b, sum(a.sizes());
    LK_REQUIRE_OK(lk_add(device, x.on(device), y.on(device), sum.on(device)));
    sum.fetch();
    std::vector<float> values(sum.size());
    for (int64_t i = 0; i < sum.size(); ++i) values[i] = sum.at(i);
    return values;
  };
  lk_device *before = nullptr, *meanwhile = nullptr;
  LK_REQUIRE_OK(lk_device_open("cpu", 3, &before));
  const std::vector<float> usual = sum_on(before);
  std::fenv_t mode;
  REQUIRE(std::fegetenv(&mode) == 0);
  std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
  constexpr unsigned kFlushAll = 0x8040;
  _mm_setcsr(_mm_getcsr() | kFlushAll);
#endif
  const bool opened = lk_device_open("cpu", 3, &meanwhile) == LK_OK;
  const std::vector<float> first = sum_on(before), second = sum_on(opened ? meanwhile : before);
  const bool kept = std::fegetround() == FE_UPWARD;
#if defined(__x86_64__)
  const bool flushes = (_mm_getcsr() & kFlushAll) == kFlushAll;
#else
  const bool flushes = true;
#endif
  std::fesetenv(&mode);
  REQUIRE(opened);
  CHECK((kept && flushes));
  CHECK((first == usual));
  CHECK((second == usual));
  LK_REQUIRE_OK(lk_device_close(meanwhile));
  LK_REQUIRE_OK(lk_device_close(before));
}

TEST_CASE("abi: a stream for a device that has none, and CUDA's own two for one that has") {
  on_each_device([](lk_device* device) {
    lk_device_info info;
    LK_REQUIRE_OK(lk_device_describe(device, &info));
    LK_REQUIRE_OK(lk_set_stream(device, nullptr));
    LK_REQUIRE_FAILS(lk_set_stream(nullptr, nullptr), LK_BAD_ARGUMENT, "device: NULL");
    if (std::strncmp(info.name, "cuda", 4) != 0) {
      LK_REQUIRE_FAILS(lk_set_stream(device, &info), LK_UNSUPPORTED, "no streams");
      return;
    }
    float value = 0;
    Array array({1});
    const lk_tensor* tensor = array.on(device);
    for (uintptr_t stream : {1, 2, 0}) {  // cudaStreamLegacy, cudaStreamPerThread, the device's
      LK_REQUIRE_OK(lk_upload_async(device, tensor->data, &value, sizeof(value)));
      LK_REQUIRE_OK(lk_set_stream(device, reinterpret_cast<void*>(stream)));
      LK_REQUIRE_OK(lk_fill(device, tensor, static_cast<float>(stream) + 5));
      array.fetch();
      CHECK(array.at(0) == static_cast<float>(stream) + 5);
    }
  });
}

TEST_CASE("abi: f32 is multiplied exactly unless tf32 was asked for, where there is tf32") {
  on_each_device([](lk_device* device) {
    lk_device_info info;
    LK_REQUIRE_OK(lk_device_describe(device, &info));
    LK_REQUIRE_FAILS(lk_set_precision(nullptr, LK_PRECISION_EXACT), LK_BAD_ARGUMENT, "device: NULL");
    LK_REQUIRE_FAILS(lk_set_precision(device, 2), LK_BAD_ARGUMENT, "precision: 2");
    LK_REQUIRE_FAILS(lk_set_precision(device, -1), LK_BAD_ARGUMENT, "precision: -1");
    LK_REQUIRE_OK(lk_set_precision(device, LK_PRECISION_EXACT));
    if (std::strcmp(info.name, "cpu") == 0) {
      LK_REQUIRE_FAILS(lk_set_precision(device, LK_PRECISION_TF32), LK_UNSUPPORTED,
                       "tf32, but device cpu multiplies f32 exactly only");
    } else {
      LK_REQUIRE_OK(lk_set_precision(device, LK_PRECISION_TF32));
      LK_REQUIRE_OK(lk_set_precision(device, LK_PRECISION_EXACT));
    }
  });
}

TEST_CASE("abi: malformed tensors are refused before memory is touched") {
  on_each_device([](lk_device* device) {
    Array good({2, 3}), out({2, 3});
    const lk_tensor x = *good.on(device);
    const lk_tensor* y = out.on(device);
    const auto broken = [&](auto change, lk_status status, const char* text) {
      lk_tensor bad = x;
      change(bad);
      LK_REQUIRE_FAILS(lk_gelu_forward(device, &bad, y), status, text);
    };
    broken([](lk_tensor& t) { t.data = nullptr; }, LK_BAD_ARGUMENT, "x: data is NULL");
    broken([](lk_tensor& t) { t.dtype = 9; }, LK_BAD_ARGUMENT, "dtype 9");
    broken([](lk_tensor& t) { t.dtype = LK_U8; }, LK_BAD_ARGUMENT,
           "x: u8, expected f32, bf16 or f16");
    broken([](lk_tensor& t) { t.rank = 6; }, LK_BAD_ARGUMENT, "rank 6");
    broken([](lk_tensor& t) { t.rank = -1; }, LK_BAD_ARGUMENT, "rank -1");
    broken([](lk_tensor& t) { t.sizes[0] = -2; }, LK_BAD_ARGUMENT, "[-2, 3]");
    broken([](lk_tensor& t) { t.sizes[0] = 0; }, LK_BAD_ARGUMENT, "not empty");
    broken([](lk_tensor& t) { t.sizes[0] = INT64_MAX; }, LK_BAD_ARGUMENT, "x:");
    broken([](lk_tensor& t) { t.strides[0] = INT64_MAX; }, LK_BAD_ARGUMENT, "beyond");
    broken([](lk_tensor& t) { t.strides[1] = 2; }, LK_BAD_ARGUMENT, "last stride 1");
    broken([](lk_tensor& t) { t.sizes[1] = 2; }, LK_BAD_ARGUMENT, "y:");
    broken([](lk_tensor& t) { t.data = static_cast<char*>(t.data) + 1; }, LK_BAD_ARGUMENT,
           "aligned");
    LK_REQUIRE_FAILS(lk_gelu_forward(device, nullptr, y), LK_BAD_ARGUMENT, "x: NULL");
    LK_REQUIRE_FAILS(lk_gelu_forward(nullptr, &x, y), LK_BAD_ARGUMENT, "device: NULL");
    lk_tensor repeated = *y;
    repeated.strides[0] = 0;
    LK_REQUIRE_FAILS(lk_gelu_forward(device, &x, &repeated), LK_BAD_ARGUMENT, "y:");
  });
}

}  // namespace lk::test
