// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of tokens move by index, f32, bf16 or f16; fill, position and d_fill are f32. All
// architectures; checked against reference.cpp. Indices are looked at where they are used: one out of
// range reads NaN, and nothing is written for it.
#include "common/cuda/batch.cuh"
#include "common/cuda/reduce.cuh"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

constexpr int64_t kNowhere = -1;

struct IndexRows {
  Global<const int32_t> data;
  int64_t batch_stride, stride, count;

  LK_DEVICE int32_t at(int64_t b, int64_t i) const {
    return load(data + (b * batch_stride + i * stride));
  }
};
IndexRows index_rows_of(const Indices& indices) {
  return {{indices.data}, indices.batch_stride, indices.stride, indices.count};
}

// The first of entry b's indices that names token t, kNowhere when none does. A warp together.
LK_DEVICE int64_t find(const IndexRows& indices, int64_t b, int64_t t) {
  for (int64_t first = 0; first < indices.count; first += kWarp) {
    const int64_t i = first + lane_of_warp();
    const uint32_t hits = ballot(i < indices.count && indices.at(b, i) == t);
    if (hits != 0) return first + lowest_bit(hits);
  }
  return kNowhere;
}

// A row of `to` for each warp, 8 warps a block, no shared memory.
constexpr int kMoveWarps = 8, kMoveThreads = kMoveWarps * kWarp;

// to[b, r] = a row of `from`, else `missing`; plus position[r].
// kByIndex: r counts the indices, and the row is the token that the index names. Otherwise r is a
// token, and the row is that of the index that names it, found in its entry's list.
struct Move {
  IndexRows indices;
  int64_t batch, rows, width;   // of `to`
  int64_t from_rows;            // of an entry
  float missing;                // in every column, where fill is NULL
  Global<const float> fill;     // [width], optional
  Rows<const float> position;   // [rows, width], optional
};

template <class T, int kElements, bool kByIndex>
__global__ void __launch_bounds__(kMoveThreads)
    move_kernel(Move move, BatchRows<const T> from, BatchRows<T> to) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kMoveWarps + warp_of_block();
  if (row >= move.batch * move.rows) return;
  const int64_t b = row / move.rows, r = row - b * move.rows;
  int64_t source = kByIndex ? move.indices.at(b, r) : find(move.indices, b, r);
  if (source >= move.from_rows) source = kNowhere;
  for (int64_t j = lane_of_warp() * kElements; j < move.width; j += kWarp * kElements) {
    Floats<kElements> piece;
    if (source >= 0) {
      piece = load_floats<kElements>(from.at(b, source, j));
    } else if (move.fill) {
      piece = load_floats<kElements>(move.fill + j);
    } else {
#pragma unroll
      for (float& v : piece.v) v = move.missing;
    }
    if (move.position.data) {
      const auto shift = load_floats<kElements>(move.position.at(r, j));
#pragma unroll
      for (int e = 0; e < kElements; ++e) piece.v[e] += shift.v[e];
    }
    store_floats(to.at(b, r, j), piece);
  }
}

template <class T, bool kByIndex>
lk_status move_rows(const char* name, const Context& context, const Move& move, const View& from,
                    const View& to, bool wide) {
  const LaunchShape shape = {ceil_divide(move.batch * move.rows, kMoveWarps), kMoveThreads};
  const auto kernel = wide && has_chunks<T>(from) && has_chunks<T>(to)
                          ? move_kernel<T, kChunkElements<T>, kByIndex>
                          : move_kernel<T, 1, kByIndex>;
  return launch(name, kernel, context, shape, move, batch_rows_of<const T>(from),
                batch_rows_of<T>(to));
}

// Rows `indices` of `from`, for gather and for scatter's gradient.
lk_status take_rows(const char* name, const Context& context, int32_t dtype, const View& from,
                    const Indices& indices, const View& to) {
  return with_type(dtype, [&](auto type) {
    const Move move = {index_rows_of(indices), to.sizes[0], to.sizes[1], to.sizes[2], from.sizes[1],
                       NAN, {}, {}};
    return move_rows<decltype(type), true>(name, context, move, from, to, true);
  });
}

// The sum of an entry's tokens that no index names, by column. A block of 8 warps has 32 chunks of
// columns of one entry; shared memory and barrier as sum_over_rows has them.
constexpr int kFillWarps = 8;

template <class T, int kElements>
__global__ void __launch_bounds__(kFillWarps * kWarp, 4)
    unnamed_sums_kernel(IndexRows indices, BatchRows<const T> dy, int64_t tokens, int64_t k,
                        int64_t column_blocks, Global<float> sums) {
  const int64_t b = blockIdx.x / column_blocks, column_block = blockIdx.x - b * column_blocks;
  const int64_t j = (column_block * kWarp + lane_of_warp()) * kElements;
  const auto sum = sum_over_rows<kElements, kFillWarps>(
      tokens,
      [&](int64_t t) {
        Floats<kElements> piece = {};
        if (find(indices, b, t) == kNowhere && j < k) piece = load_floats<kElements>(dy.at(b, t, j));
        return piece;
      },
      shared_memory().as<float>());
  if (warp_of_block() == 0 && j < k) store_floats(sums + (b * k + j), sum);
}

}  // namespace

lk_status token_gather_forward(const Context& context, const tokens::GatherForward& call) {
  return take_rows("token_gather_forward", context, call.dtype(), call.x, call.indices, call.y);
}

lk_status token_gather_backward(const Context& context, const tokens::GatherBackward& call) {
  return with_type(call.dtype(), [&](auto type) {
    const View& d_x = call.d_x;
    const Move move = {index_rows_of(call.indices), d_x.sizes[0], d_x.sizes[1], d_x.sizes[2],
                       call.indices.count, 0.0f, {}, {}};
    return move_rows<decltype(type), false>("token_gather_backward", context, move, call.dy, d_x,
                                            true);
  });
}

// Tokens look for their index themselves.
size_t token_scatter_forward_workspace(const Context&, const tokens::ScatterForward&) { return 0; }

lk_status token_scatter_forward(const Context& context, const tokens::ScatterForward& call) {
  return with_type(call.dtype(), [&](auto type) {
    const View& y = call.y;
    const Move move = {index_rows_of(call.indices), y.sizes[0], y.sizes[1], y.sizes[2],
                       call.indices.count, 0.0f, {call.fill.data},
                       rows_of<const float>(call.position)};
    const bool wide = is_chunk_aligned(call.fill.data) &&
                      (!call.position || has_chunks<float>(call.position));
    return move_rows<decltype(type), false>("token_scatter_forward", context, move, call.x, y, wide);
  });
}

size_t token_scatter_backward_workspace(const Context&, const tokens::ScatterBackward& call) {
  // The sum of each entry's gradients [batch, k].
  return static_cast<size_t>(call.dy.sizes[0] * call.dy.sizes[2]) * sizeof(float);
}

lk_status token_scatter_backward(const Context& context, const tokens::ScatterBackward& call) {
  if (call.d_x) {
    LK_TRY(take_rows("token_scatter_backward", context, call.dtype(), call.dy, call.indices,
                     call.d_x));
  }
  if (!call.d_fill) return LK_OK;
  const int64_t batch = call.dy.sizes[0], k = call.dy.sizes[2];
  auto* sums = static_cast<float*>(context.workspace);
  LK_TRY(with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    const auto run = [&](auto kernel, int elements) {
      const int64_t column_blocks = ceil_divide(k, kWarp * elements);
      const LaunchShape shape = {batch * column_blocks, kFillWarps * kWarp,
                                 kFillWarps * kWarp * elements * static_cast<int>(sizeof(float))};
      return launch("token_scatter_backward_fill", kernel, context, shape,
                    index_rows_of(call.indices), batch_rows_of<const T>(call.dy), call.dy.sizes[1],
                    k, column_blocks, Global<float>{sums});
    };
    return has_chunks<T>(call.dy) ? run(unnamed_sums_kernel<T, kChunkElements<T>>, kChunkElements<T>)
                                  : run(unnamed_sums_kernel<T, 1>, 1);
  }));
  return sum_columns("token_scatter_backward_fill_sum", context,
                     {batch, k, k, {sums, nullptr}, {call.d_fill.data, nullptr}, call.add_to_d_fill});
}

}  // namespace lk::cuda
