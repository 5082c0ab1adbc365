// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A CUDA device: "cuda" or "cuda:N". Kernels run on one stream, the device's own or one that the
// caller hands in; what is given to it is ordered, so an operation returns without waiting. Beside
// the device's own run uploads (uploads.h).
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "common/cuda/check.h"
#include "cuda_operations.h"
#include "plugin.h"
#include "uploads.h"

namespace lk::cuda {
namespace {

class CudaDevice final : public lk_device {
 public:
  CudaDevice(std::string name, int index, const cudaDeviceProp& properties)
      : lk_device(std::move(name), &cuda::operations), index_(index), properties_(properties) {
    context_.shared_bytes = static_cast<int64_t>(properties.sharedMemPerBlockOptin);
  }
  ~CudaDevice() override {
    cudaSetDevice(index_);
    if (switched_ != nullptr) cudaEventDestroy(switched_);
    if (own_ != nullptr) cudaStreamDestroy(own_);  // which lets its work end
  }

  // What can fail of the constructor.
  lk_status start() {
    LK_TRY(check(cudaSetDevice(index_), "device"));
    LK_TRY(check(cudaStreamCreateWithFlags(&own_, cudaStreamNonBlocking), "device: stream"));
    LK_TRY(check(cudaEventCreateWithFlags(&switched_, cudaEventDisableTiming), "device: event"));
    context_.stream = own_;
    return LK_OK;
  }

  lk_status describe(lk_device_info& info) override {
    info = {};
    std::snprintf(info.name, sizeof(info.name), "%s", name().c_str());
    std::snprintf(info.isa, sizeof(info.isa), "sm_%d%d", properties_.major, properties_.minor);
    std::snprintf(info.supported, sizeof(info.supported), "%s", info.isa);
    std::snprintf(info.processor, sizeof(info.processor), "%.100s", properties_.name);
    info.threads = properties_.multiProcessorCount;
    info.dtypes = operations().dtypes;
    info.total_memory = static_cast<int64_t>(properties_.totalGlobalMem);
    return LK_OK;
  }

  lk_status set_stream(void* handed_in) override {
    const cudaStream_t next = handed_in != nullptr ? static_cast<cudaStream_t>(handed_in) : own_;
    if (next == stream()) return LK_OK;
    LK_TRY(check(cudaSetDevice(index_), "device"));
    LK_TRY(uploads_.join(stream()));
    LK_TRY(check(cudaEventRecord(switched_, stream()), "stream"));
    LK_TRY(check(cudaStreamWaitEvent(next, switched_, 0), "stream"));
    context_.stream = next;
    return LK_OK;
  }

  lk_status synchronize() override {
    LK_TRY(check(cudaSetDevice(index_), "device"));
    LK_TRY(check(cudaStreamSynchronize(stream()), "synchronize"));
    return uploads_.await();
  }
  lk_status upload(void* destination, const void* source, size_t bytes) override {
    return copy(destination, source, bytes, destination, cudaMemcpyHostToDevice, "upload");
  }
  lk_status download(void* destination, const void* source, size_t bytes) override {
    return copy(destination, source, bytes, source, cudaMemcpyDeviceToHost, "download");
  }
  lk_status upload_async(void* destination, const void* source, size_t bytes) override {
    LK_TRY(check(cudaSetDevice(index_), "device"));
    return stream() == own_ ? uploads_.copy_beside(own_, destination, source, bytes)
                            : uploads_.copy_on(stream(), destination, source, bytes);
  }
  lk_status await_uploads() override { return uploads_.await(); }

  MemoryWatch* watch() override { return &uploads_; }
  lk_status begin_work() override {
    LK_TRY(check(cudaSetDevice(index_), "device"));  // where launches go
    return uploads_.begin_work(stream());
  }
  lk_status end_work() override { return uploads_.end_work(stream()); }

 protected:
  lk_status allocate_block(size_t bytes, void*& block) override {
    LK_TRY(check(cudaSetDevice(index_), "device"));
    return check_memory(cudaMalloc(&block, bytes), "allocate", block);
  }
  // Waits for all work of the device, on any stream.
  void release_block(void* block, size_t) override { cudaFree(block); }
  int64_t free_bytes() override {
    size_t free = 0, total = 0;
    return cudaMemGetInfo(&free, &total) == cudaSuccess ? static_cast<int64_t>(free) : -1;
  }
  lk_status allocate_host_block(size_t bytes, void*& block) override {
    LK_TRY(check(cudaSetDevice(index_), "device"));
    return check_memory(cudaHostAlloc(&block, bytes, cudaHostAllocDefault), "allocate host memory", block);
  }
  void release_host_block(void* block) override { cudaFreeHost(block); }

 private:
  // An allocation that found no room leaves the device in order. Any other failure may be an earlier
  // kernel's, and no smaller block would help.
  static lk_status check_memory(cudaError_t error, const char* what, void*& block) {
    if (error != cudaSuccess) block = nullptr;
    if (error != cudaErrorMemoryAllocation) return check(error, what);
    cudaGetLastError();
    return LK_OK;
  }

  cudaStream_t stream() const { return static_cast<cudaStream_t>(context_.stream); }

  // A copy that has ended on return; `memory` is its end on the device.
  lk_status copy(void* destination, const void* source, size_t bytes, const void* memory,
                 cudaMemcpyKind kind, const char* what) {
    LK_TRY(check(cudaSetDevice(index_), "device"));
    const auto first = reinterpret_cast<uintptr_t>(memory);
    uploads_.begin();
    uploads_.touches({first, first + bytes});
    LK_TRY(uploads_.begin_work(stream()));
    LK_TRY(check(cudaMemcpyAsync(destination, source, bytes, kind, stream()), what));
    return check(cudaStreamSynchronize(stream()), what);
  }

  int index_;
  cudaDeviceProp properties_;
  cudaStream_t own_ = nullptr;
  cudaEvent_t switched_ = nullptr;  // the end of what the stream before was given
  Uploads uploads_;
};

lk_status parse_index(const char* name, int& index) {
  const char* colon = std::strchr(name, ':');
  index = 0;
  if (colon == nullptr) return LK_OK;
  char* end = nullptr;
  const long value = std::strtol(colon + 1, &end, 10);
  if (end == colon + 1 || *end != '\0' || value < 0 || value > 1023) {
    return fail(LK_BAD_ARGUMENT, "name: %.40s, expected cuda or cuda:N with the number of a device",
                name);
  }
  index = static_cast<int>(value);
  return LK_OK;
}

}  // namespace
}  // namespace lk::cuda

lk_status lk::open_plugin_device(const char* name, int32_t, lk_device** device) {
  int index = 0, count = 0;
  LK_TRY(cuda::parse_index(name, index));
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    return fail(LK_UNSUPPORTED, "name: no CUDA device: %s", cudaGetErrorString(error));
  }
  if (index >= count) {
    return fail(LK_BAD_ARGUMENT, "name: %.40s, but the CUDA devices of this machine end with cuda:%d",
                name, count - 1);
  }
  cudaDeviceProp properties;
  LK_TRY(cuda::check(cudaGetDeviceProperties(&properties, index), "device"));
  constexpr int kOldest = 8;  // sm_80: asynchronous copies and bf16 matrix instructions
  if (properties.major < kOldest) {
    return fail(LK_UNSUPPORTED, "name: %.40s is a %s (sm_%d%d), the kernels need sm_80 or newer", name,
                properties.name, properties.major, properties.minor);
  }
  auto opened = std::make_unique<cuda::CudaDevice>(name, index, properties);
  LK_TRY(opened->start());
  *device = opened.release();
  return LK_OK;
}
