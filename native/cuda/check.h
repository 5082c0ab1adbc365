// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The CUDA runtime's errors as statuses.
#pragma once

#include <cuda_runtime.h>

#include "common/error.h"

namespace lk::cuda {

inline lk_status check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return LK_OK;
  cudaGetLastError();  // it is told here; the next launch would tell it again as its own
  return fail(LK_DEVICE_LOST, "%s: %s", what, cudaGetErrorString(error));
}

}  // namespace lk::cuda
