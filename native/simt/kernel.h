// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What a CUDA source sees of the executor: CUDA's own names, and the events that the primitives of
// kernels/common/cuda report. Every event carries the source line it happened on.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>

#include "common/error.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)

namespace lk::simt {

using Site = std::source_location;

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

// The identity of the running thread, as CUDA names it.
struct Identity {
  Index thread, block, block_size, grid_size;
};
const Identity& identity();

// ---- Memory. An access that is wrong ends the launch with a message and does not return.

// The block's dynamic shared memory.
char* shared_memory();
// One thread is about to read or write bytes of shared or of global memory.
void shared_read(const void* data, size_t bytes, const Site& site);
void shared_write(const void* data, size_t bytes, const Site& site);
void global_read(const void* data, size_t bytes, const Site& site);
void global_write(const void* data, size_t bytes, const Site& site);
// cp.async: bytes from global to shared memory; zeros instead, and no read, unless inside.
void copy_async(void* shared, const void* global, size_t bytes, bool inside, const Site& site);
void copy_async_commit();
// Waits for all but the newest `pending` groups of this thread.
void copy_async_wait(int pending);

// ---- Synchronisation

void barrier(const Site& site);
void warp_barrier(const Site& site);

// ---- Warp collectives: all 32 lanes take part

uint32_t shuffle(uint32_t value, int from_lane, const Site& site);
uint32_t ballot(bool vote, const Site& site);
// 8x8 matrices of 16-bit elements; lane 8 i + r points at row r of matrix i.
void load_matrix(uint32_t* fragments, const void* row, int matrices, bool transposed,
                 const Site& site);
// A 4-byte word of each lane.
uint32_t load_word(const void* word, const Site& site);
enum class MmaType { kBf16, kF16, kTf32 };
// d += a b for 16x8 d; depth 16 (16-bit types) or 8 (tf32).
void mma(MmaType type, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
         const Site& site);

// ---- Launch

struct Shape {
  Index grid, block;
  size_t shared_bytes = 0;
  const void* entry = nullptr;  // the kernel's function
};
// Runs body once a thread on `executor`, an Executor. LK_INTERNAL with the executor's findings when
// the kernel is wrong.
lk_status run(void* executor, const char* kernel, const Shape& shape,
              const std::function<void()>& body);

}  // namespace lk::simt

#define threadIdx (::lk::simt::identity().thread)
#define blockIdx (::lk::simt::identity().block)
#define blockDim (::lk::simt::identity().block_size)
#define gridDim (::lk::simt::identity().grid_size)
