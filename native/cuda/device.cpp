// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A CUDA device: "cuda" or "cuda:N". Kernels run on the legacy default stream unless the caller
// hands one in; what is enqueued there is ordered, so an operation returns without waiting.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cuda_operations.h"
#include "plugin.h"

namespace lk::cuda {
namespace {

lk_status check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return LK_OK;
  return fail(LK_DEVICE_LOST, "%s: %s", what, cudaGetErrorString(error));
}

class CudaDevice final : public lk_device {
 public:
  CudaDevice(std::string name, int index, const cudaDeviceProp& properties)
      : lk_device(std::move(name), &cuda::operations), index_(index), properties_(properties) {
    context_.shared_bytes = static_cast<int64_t>(properties.sharedMemPerBlockOptin);
  }
  ~CudaDevice() override {
    if (uploaded_ != nullptr) cudaEventDestroy(uploaded_);
  }

  lk_status describe(lk_device_info& info) override {
    info = {};
    std::snprintf(info.name, sizeof(info.name), "%s", name().c_str());
    std::snprintf(info.isa, sizeof(info.isa), "sm_%d%d", properties_.major, properties_.minor);
    std::snprintf(info.supported, sizeof(info.supported), "%s", info.isa);
    std::snprintf(info.processor, sizeof(info.processor), "%.100s", properties_.name);
    info.dtypes = operations().dtypes;
    info.threads = properties_.multiProcessorCount;
    info.dtypes = operations().dtypes;
    info.total_memory = static_cast<int64_t>(properties_.totalGlobalMem);
    return LK_OK;
  }

  lk_status synchronize() override {
    LK_TRY(check(cudaSetDevice(index_), "device"));
    return check(cudaStreamSynchronize(stream()), "synchronize");
  }
  lk_status upload(void* destination, const void* source, size_t bytes) override {
    return copy(destination, source, bytes, cudaMemcpyHostToDevice, "upload");
  }
  lk_status download(void* destination, const void* source, size_t bytes) override {
    return copy(destination, source, bytes, cudaMemcpyDeviceToHost, "download");
  }
  lk_status upload_async(void* destination, const void* source, size_t bytes) override {
    LK_TRY(check(cudaSetDevice(index_), "device"));
    if (uploaded_ == nullptr) {
      LK_TRY(check(cudaEventCreateWithFlags(&uploaded_, cudaEventDisableTiming), "upload"));
    }
    LK_TRY(check(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyHostToDevice, stream()),
                 "upload"));
    return check(cudaEventRecord(uploaded_, stream()), "upload");
  }
  lk_status await_uploads() override {
    return uploaded_ == nullptr ? LK_OK : check(cudaEventSynchronize(uploaded_), "uploads");
  }

 protected:
  void* allocate_block(size_t bytes) override {
    void* block = nullptr;
    if (cudaSetDevice(index_) != cudaSuccess || cudaMalloc(&block, bytes) != cudaSuccess) {
      cudaGetLastError();  // an allocation that failed leaves the device in order
      return nullptr;
    }
    return block;
  }
  void release_block(void* block, size_t) override { cudaFree(block); }
  int64_t free_bytes() override {
    size_t free = 0, total = 0;
    return cudaMemGetInfo(&free, &total) == cudaSuccess ? static_cast<int64_t>(free) : -1;
  }
  void* allocate_host_block(size_t bytes) override {
    void* block = nullptr;
    if (cudaSetDevice(index_) != cudaSuccess ||
        cudaHostAlloc(&block, bytes, cudaHostAllocDefault) != cudaSuccess) {
      cudaGetLastError();
      return nullptr;
    }
    return block;
  }
  void release_host_block(void* block) override { cudaFreeHost(block); }

 private:
  cudaStream_t stream() const { return static_cast<cudaStream_t>(context_.stream); }

  lk_status copy(void* destination, const void* source, size_t bytes, cudaMemcpyKind kind,
                 const char* what) {
    LK_TRY(check(cudaSetDevice(index_), "device"));
    LK_TRY(check(cudaMemcpyAsync(destination, source, bytes, kind, stream()), what));
    return check(cudaStreamSynchronize(stream()), what);
  }

  int index_;
  cudaDeviceProp properties_;
  cudaEvent_t uploaded_ = nullptr;  // the last upload_async, once there was one
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
  LK_TRY(cuda::check(cudaSetDevice(index), "device"));
  *device = new cuda::CudaDevice(name, index, properties);
  return LK_OK;
}
