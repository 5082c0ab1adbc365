// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the CUDA kernels of the fused LoRA layer share: the dropout mask, the groups, the scratch
// memory of the backward pass, and the two ways to compute it.
#pragma once

#include "common/philox.h"
#include "linear/cuda.cuh"
#include "lora/lora.h"

namespace lk::cuda {

// The dropout mask of x [m, columns], drawn where it is needed.
struct Mask {
  lk_random random;
  uint32_t threshold;  // elements whose word is below are dropped; 0: none, and nothing is drawn
  int64_t columns;

  LK_DEVICE bool keeps(int64_t i, int64_t c) const {
    if (threshold == 0) return true;
    const uint64_t element = static_cast<uint64_t>(i * columns + c);
    const PhiloxBlock block = philox_block(random, element / 4);
    // Not word[element % 4]: registers have no index.
    const uint32_t low = element & 1 ? block.word[1] : block.word[0];
    const uint32_t high = element & 1 ? block.word[3] : block.word[2];
    return (element & 2 ? high : low) >= threshold;
  }
  // Bit e says that element (i, c + e) is kept. One block of the generator: columns and c are
  // multiples of 4.
  LK_DEVICE uint32_t four(int64_t i, int64_t c) const {
    if (threshold == 0) return 0xF;
    const PhiloxBlock block = philox_block(random, static_cast<uint64_t>(i * columns + c) / 4);
    uint32_t bits = 0;
#pragma unroll
    for (int e = 0; e < 4; ++e) bits |= (block.word[e] >= threshold ? 1u : 0u) << e;
    return bits;
  }
};
inline Mask mask_of(const lora::Adapter& adapter, int64_t columns) {
  return {adapter.random, keep_threshold(adapter.dropout), columns};
}

struct Groups {
  int64_t first[LK_MAX_LORA_GROUPS], last[LK_MAX_LORA_GROUPS];  // columns [first, last)
  int64_t b_row[LK_MAX_LORA_GROUPS];                            // the first's row in B
  int count, rank;

  // -1 where there is none.
  LK_DEVICE int of_column(int64_t j) const {
    for (int g = 0; g < count; ++g) {
      if (j >= first[g] && j < last[g]) return g;
    }
    return -1;
  }
};
Groups groups_of(const lora::Adapter& adapter);
// Rows of B.
int64_t b_rows(const lora::Adapter& adapter);

// The backward pass's scratch memory: dh [m, groups * rank] without the row scale, and the parts of
// sums, d_b's [parts][b rows][rank] and d_a's [parts][groups * rank][k].
struct Scratch {
  Global<float> dh, d_b, d_a;
};
Scratch scratch_of(const Context& context, const lora::Backward& call);

// Element (i, l) of a row of f32 ranks into a part of d_b, transposed or not.
struct StoreRankPart {
  Global<float> parts;
  int64_t part_stride, i_stride, j_stride, columns;

  LK_DEVICE void operator()(int64_t part, int64_t i, int64_t j, float sum) const {
    store(parts + (part * part_stride + i * i_stride + j * j_stride), sum);
  }
  LK_DEVICE void pair(int64_t part, int64_t i, int64_t j, float sum0, float sum1) const {
    (*this)(part, i, j, sum0);
    if (j + 1 < columns) (*this)(part, i, j + 1, sum1);
  }
};

// Both compute all but d_weight and d_bias. h: call.h, or scratch where the caller wants none.
lk_status lora_forward_plain(const Context& context, const lora::Forward& call, const Matrix& h);
lk_status lora_backward_plain(const Context& context, const lora::Backward& call);
// On tensor cores; for calls that they take.
bool takes_tensor_cores(const Context& context, const lora::Forward& call);
bool takes_tensor_cores(const Context& context, const lora::Backward& call);
lk_status lora_forward_tensor(const Context& context, const lora::Forward& call, const Matrix& h);
lk_status lora_backward_tensor(const Context& context, const lora::Backward& call);

// How many parts the tensor cores' kernels cut the sums over m rows into.
int64_t d_a_parts(int64_t m, int64_t ranks, int64_t k);
int64_t d_b_parts(int64_t m);

// d_b and d_a: their parts added in order, in one launch.
lk_status sum_gradients(const Context& context, const lora::Backward& call, int64_t d_b_count,
                        int64_t d_a_count);

}  // namespace lk::cuda
