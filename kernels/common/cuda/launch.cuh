// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How a launcher starts a kernel on the device's stream.
#pragma once

#include "common/cuda/memory.cuh"
#include "operations.h"
#if !LK_SIMT
#include "common/cuda/check.h"
#endif

namespace lk::cuda {

struct LaunchShape {
  int64_t blocks;       // gridDim.x
  int threads;          // a multiple of 32
  int shared_bytes = 0;  // dynamic
  int64_t blocks_y = 1;
  int64_t blocks_z = 1;
};

constexpr int64_t kMaxGridX = 2147483647;
constexpr int64_t kMaxGridYZ = 65535;

constexpr int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// name: a literal, for messages, traces and the executor's counts.
template <class... Parameters, class... Arguments>
lk_status launch(const char* name, void (*kernel)(Parameters...), const Context& context,
                 const LaunchShape& shape, const Arguments&... arguments) {
  if (shape.blocks < 1 || shape.blocks > kMaxGridX || shape.blocks_y < 1 ||
      shape.blocks_y > kMaxGridYZ || shape.blocks_z < 1 || shape.blocks_z > kMaxGridYZ) {
    return fail(LK_UNSUPPORTED, "%s: a grid of %lld x %lld x %lld blocks is beyond the device", name,
                static_cast<long long>(shape.blocks), static_cast<long long>(shape.blocks_y),
                static_cast<long long>(shape.blocks_z));
  }
#if LK_SIMT
  const simt::Shape simulated = {
      {static_cast<unsigned>(shape.blocks), static_cast<unsigned>(shape.blocks_y),
       static_cast<unsigned>(shape.blocks_z)},
      {static_cast<unsigned>(shape.threads), 1, 1},
      static_cast<size_t>(shape.shared_bytes),
      reinterpret_cast<const void*>(kernel)};
  return simt::run(context.stream, name, simulated, [&] { kernel(Parameters(arguments)...); });
#else
  const dim3 grid(static_cast<unsigned>(shape.blocks), static_cast<unsigned>(shape.blocks_y),
                  static_cast<unsigned>(shape.blocks_z));
  constexpr int kSharedWithoutAsking = 48 * 1024;
  cudaError_t error = cudaSuccess;
  if (shape.shared_bytes > kSharedWithoutAsking) {
    error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                 cudaFuncAttributeMaxDynamicSharedMemorySize, shape.shared_bytes);
  }
  // Not <<< >>>, whose errors come by way of cudaGetLastError: that may be another call's, an embedder's
  // among them.
  const auto start = [&](Parameters... values) {
    void* pointers[] = {&values...};
    return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, dim3(shape.threads), pointers,
                            static_cast<size_t>(shape.shared_bytes),
                            static_cast<cudaStream_t>(context.stream));
  };
  if (error == cudaSuccess) error = start(Parameters(arguments)...);
  return check(error, name);
#endif
}

}  // namespace lk::cuda
