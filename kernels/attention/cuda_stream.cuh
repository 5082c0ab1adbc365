// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the streaming kernels share: a block of kWarps warps owns kOwn rows of one head, 16 a warp, as
// fragments in registers, and walks over kStreamed rows of two tensors at a time in shared memory.
#pragma once

#include "attention/cuda_kernels.h"
#include "attention/cuda_tile.cuh"

namespace lk::cuda {

constexpr int kStreamWarps = 4, kStreamThreads = kStreamWarps * kWarp;
constexpr int kOwn = kStreamWarps * kProduct;
constexpr int kStreamed = 64;

// A launch shape: head dimensions up to kDim_, kBlocks blocks on an SM.
template <int kDim_, int kBlocks_>
struct StreamShape {
  static constexpr int kDim = kDim_, kBlocks = kBlocks_;
  static constexpr int kSteps = kDim / kProduct, kTiles = kDim / 8;
};

// Where a block is: its head, and the first row of its own and of the warp's.
struct StreamPlace {
  int batch, head, first;

  template <class Call>
  LK_DEVICE explicit StreamPlace(const Call& a) {
    const int block = static_cast<int>(blockIdx.x), tiles = (a.tokens + kOwn - 1) / kOwn;
    batch = block / tiles / a.heads;
    head = block / tiles % a.heads;
    first = block % tiles * kOwn + warp_of_block() * kProduct;
  }
};

// Two tensors' streamed rows, twice: while one stage is read the other is filled.
template <class T, int kDim>
struct Stages {
  using Rows = Tile<T, kDim>;
  static constexpr int kTensor = Rows::bytes(kStreamed), kBytes = 4 * kTensor;

  LK_DEVICE static Rows first(int stage) { return {stage * 2 * kTensor}; }
  LK_DEVICE static Rows second(int stage) { return {(stage * 2 + 1) * kTensor}; }

  template <class Call>
  LK_DEVICE static void copy(int stage, const Call& a, HeadRows<const T> one, HeadRows<const T> two,
                             int row) {
    copy_rows(first(stage), kStreamed, one, row, a.tokens, a.head_dim);
    copy_rows(second(stage), kStreamed, two, row, a.tokens, a.head_dim);
  }
};
static_assert(Stages<Bf16, 128>::kBytes <= kSmallestShared);

inline LaunchShape stream_launch(const attention::Sizes& s, int shared_bytes) {
  return {s.batch * s.heads * ceil_divide(s.tokens, kOwn), kStreamThreads, shared_bytes};
}

}  // namespace lk::cuda
