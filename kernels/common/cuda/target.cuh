// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A CUDA source is compiled twice: by nvcc for the device, and by the C++ compiler for the executor
// (native/simt), which runs it thread by thread and reports what a GPU would punish. Everything that
// differs between the two is in this folder, and only here.
#pragma once

#if LK_SIMT
#include "simt/kernel.h"
// The last parameter of a primitive: the line that called it.
#define LK_SITE ::lk::simt::Site site = ::lk::simt::Site::current()
#define LK_AND_SITE , LK_SITE
#else
#include <cuda_runtime.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "common/error.h"
#define LK_SITE
#define LK_AND_SITE
#endif

#define LK_DEVICE __device__ __forceinline__

// Of a large kernel parameter, const: read where it was passed, even at an index, and never copied.
#if LK_SIMT
#define LK_IN_PLACE
#else
#define LK_IN_PLACE __grid_constant__
#endif

namespace lk::cuda {

constexpr int kWarp = 32;

// The same value, for the inside of a loop: what follows from it is computed there, where a compiler
// that saw through it would compute it once before the loop and keep it in registers.
LK_DEVICE int fresh(int value) {
#if !LK_SIMT
  asm volatile("" : "+r"(value));
#endif
  return value;
}

}  // namespace lk::cuda
