// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The CUDA runtime's errors as statuses.
#pragma once

#include <cuda_runtime.h>

#include "common/error.h"

namespace lk::cuda {

// What may be wrong with a call alone leaves the device in order; the rest has lost it.
inline lk_status status_of(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return LK_OK;
    case cudaErrorInvalidValue: return LK_BAD_ARGUMENT;
    case cudaErrorMemoryAllocation: return LK_OUT_OF_MEMORY;
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorNoKernelImageForDevice: return LK_UNSUPPORTED;
    default: return LK_DEVICE_LOST;
  }
}

inline lk_status check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return LK_OK;
  cudaGetLastError();  // it is told here; a later call would tell it again as its own
  return fail(status_of(error), "%s: %s", what, cudaGetErrorString(error));
}

}  // namespace lk::cuda
