// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Patch embedding on CUDA devices: the linear layer's products with an operand that reads the pixels
// of a patch straight from the images, so that no matrix of patches is ever stored. In 16 bits with
// patches and widths of whole chunks the tensor cores multiply; else the plain product does.
#include "common/cuda/batch.cuh"
#include "cuda_operations.h"
#include "linear/cuda.cuh"
#include "patch_embed/patch_embed.h"

namespace lk::cuda {
namespace {

constexpr int kThreads = 256;

// A batch's patches and a patch's pixels are counted in 32 bits: a division of 64 is a call.
constexpr int64_t kMost = UINT32_MAX;

lk_status check_counts(const patch_embed::Patches& patches) {
  if (patches.batch() > kMost / patches.count) {
    return fail(LK_UNSUPPORTED, "images: %lld of %lld patches, this device takes up to %lld in all",
                static_cast<long long>(patches.batch()), static_cast<long long>(patches.count),
                static_cast<long long>(kMost));
  }
  if (patches.pixels() <= kMost) return LK_OK;
  return fail(LK_UNSUPPORTED, "patch: %lld pixels, this device takes up to %lld",
              static_cast<long long>(patches.pixels()), static_cast<long long>(kMost));
}

struct Divided {
  uint32_t quotient, rest;
};
LK_DEVICE Divided divide(int64_t number, uint32_t by) {
  const uint32_t n = static_cast<uint32_t>(number), quotient = n / by;
  return {quotient, n - quotient * by};
}

// The images as a matrix: row l is patch l of the batch, column k its pixel in the order channel,
// row, column.
struct PatchRows {
  Global<const float> images;
  int64_t image_stride, channel_stride, row_stride;
  uint32_t size, across, count;

  explicit PatchRows(const patch_embed::Patches& patches)
      : images{static_cast<const float*>(patches.images.data)},
        image_stride(patches.images.strides[0]),
        channel_stride(patches.images.strides[1]),
        row_stride(patches.images.strides[2]),
        size(static_cast<uint32_t>(patches.size)),
        across(static_cast<uint32_t>(patches.across)),
        count(static_cast<uint32_t>(patches.count)) {}

  LK_DEVICE Global<const float> at(int64_t l, int64_t k) const {
    const Divided image = divide(l, count), down = divide(image.rest, across);
    const Divided channel = divide(k, size * size), row = divide(channel.rest, size);
    const int64_t y = int64_t{down.quotient} * size + row.quotient;
    const int64_t x = int64_t{down.rest} * size + row.rest;
    return images + (image.quotient * image_stride + channel.quotient * channel_stride +
                     y * row_stride + x);
  }
};

// As an operand: stored along k, which is l of the forward product and i or j of d_weight's.
template <bool kForward>
struct PatchOperand {
  static constexpr bool kAlongL = kForward;
  PatchRows rows;

  LK_DEVICE float operator()(int64_t i, int64_t l) const {
    return load(kForward ? rows.at(i, l) : rows.at(l, i));
  }
};

// The same in chunks, rounded to T: a patch's side is a whole number of chunks.
template <class T, bool kForward>
struct PatchChunks {
  static constexpr bool kAlongL = kForward;
  PatchRows rows;

  LK_DEVICE Pack<T, kChunk> chunk(int64_t i, int64_t l, int64_t count, int64_t l_end) const {
    Pack<T, kChunk> chunk = {};
    if (i >= count || l >= l_end) return chunk;
    const Global<const float> from = kForward ? rows.at(i, l) : rows.at(l, i);
#pragma unroll
    for (int e = 0; e < kChunk; ++e) chunk.v[e] = from_float<T>(load(from + e));
    return chunk;
  }
};

// Tokens of [batch, tokens, n] that come from patches: row l is patch l of the batch.
template <class T>
struct TokenRows {
  BatchRows<T> rows;
  uint32_t count, leading;  // patches of an image; tokens before them

  TokenRows(const View& view, int64_t count, int64_t leading)
      : rows(batch_rows_of<T>(view)),
        count(static_cast<uint32_t>(count)),
        leading(static_cast<uint32_t>(leading)) {}

  LK_DEVICE uint32_t token(int64_t l) const { return divide(l, count).rest + leading; }
  LK_DEVICE Global<T> at(int64_t l, int64_t j) const {
    return rows.at(divide(l, count).quotient, token(l), j);
  }
};

template <class T>
struct EmbedEpilogue {
  Global<const float> bias;      // optional
  Rows<const float> position;    // optional
  TokenRows<T> y;

  LK_DEVICE float finish(int64_t l, int64_t j, float z) const {
    if (bias) z += load(bias + j);
    return position.data ? z + load(position.at(y.token(l), j)) : z;
  }
  LK_DEVICE void operator()(int64_t, int64_t l, int64_t j, float z) const {
    store_float(y.at(l, j), finish(l, j, z));
  }
  LK_DEVICE void pair(int64_t, int64_t l, int64_t j, float z0, float z1) const {
    store_pair(y.at(l, j), finish(l, j, z0), finish(l, j + 1, z1));
  }
};

// Token 0 of every entry, a thread an element.
template <class T>
__global__ void write_class_token(int64_t batch, int64_t n, Global<const float> class_token,
                                  Rows<const float> position, Rows<T> y) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= batch * n) return;
  const int64_t j = index % n;
  const float token = load(class_token + j);
  store_float(y.at(index / n, j), position.data ? token + load(position.at(0, j)) : token);
}

// dy of patches as the left operand of d_weight: element (j, l) is in row l.
template <class T>
struct TokenColumns {
  static constexpr bool kAlongL = false;
  TokenRows<const T> rows;
  LK_DEVICE float operator()(int64_t j, int64_t l) const { return load_float(rows.at(l, j)); }
};
template <class T>
struct TokenChunks {
  static constexpr bool kAlongL = false;
  TokenRows<const T> rows;
  LK_DEVICE Pack<T, kChunk> chunk(int64_t j, int64_t l, int64_t count, int64_t l_end) const {
    if (j >= count || l >= l_end) return {};
    return load(rows.at(l, j).template as<const Pack<T, kChunk>>());
  }
};

// d_position: the sum over the batch, a thread an element, in the order of the entries.
template <class T>
__global__ void sum_entries(int64_t batch, int64_t tokens, int64_t n, BatchRows<const T> dy,
                            Global<float> sums) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= tokens * n) return;
  const int64_t token = index / n, j = index - token * n;
  float sum = 0;
  for (int64_t b = 0; b < batch; ++b) sum += load_float(dy.at(b, token, j));
  store(sums + index, sum);
}

size_t bytes_of(int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); }

template <class T>
lk_status forward(const Context& context, const patch_embed::Forward& call) {
  const patch_embed::Patches& patches = call.patches;
  LK_TRY(check_counts(patches));
  const int64_t leading = call.class_token ? 1 : 0, m = patches.batch() * patches.count;
  const Rows<const float> position = rows_of<const float>(call.position);
  const EmbedEpilogue<T> epilogue = {{call.bias.data}, position, {call.y, patches.count, leading}};
  if (call.class_token) {
    const Rows<T> first = {{static_cast<T*>(call.y.data)}, call.y.strides[0]};
    LK_TRY(launch("patch_embed_class_token", write_class_token<T>, context,
                  LaunchShape{ceil_divide(patches.batch() * call.w.n, kThreads), kThreads},
                  patches.batch(), call.w.n, Global<const float>{call.class_token.data}, position,
                  first));
  }
  if constexpr (!std::is_same_v<T, float>) {
    if (patches.size % kChunk == 0 && has_chunks<T>(call.w) && has_chunks<T>(call.y)) {
      return multiply_chunks<T, SmallTile>("patch_embed", context, m, call.w.n, call.w.k, 1,
                                           PatchChunks<T, true>{PatchRows(patches)},
                                           RowChunks<T>{rows_of<T>(call.w)}, epilogue);
    }
  }
  return multiply_plain("patch_embed_plain", context, m, call.w.n, call.w.k, 1,
                        PatchOperand<true>{PatchRows(patches)}, RowsOperand<T>{rows_of<T>(call.w)},
                        epilogue);
}

template <class T>
lk_status weight_gradient(const Context& context, const patch_embed::Backward& call) {
  LK_TRY(check_counts(call.patches));
  const int64_t n = call.dy.sizes[2], k = call.patches.pixels();
  const int64_t m = call.patches.batch() * call.patches.count, parts = split_of(n, k, m);
  const Global<float> scratch = {static_cast<float*>(context.workspace)};
  const StorePart store_part = {scratch, n, k};
  const TokenRows<const T> dy(call.dy, call.patches.count, call.leading_tokens());
  const PatchRows patches(call.patches);
  bool done = false;
  if constexpr (!std::is_same_v<T, float>) {
    if (call.patches.size % kChunk == 0 && has_chunks<T>(call.dy)) {
      LK_TRY((multiply_chunks<T, SmallTile>("patch_embed_d_weight", context, n, k, m, parts,
                                            TokenChunks<T>{dy}, PatchChunks<T, false>{patches},
                                            store_part)));
      done = true;
    }
  }
  if (!done) {
    LK_TRY(multiply_plain("patch_embed_d_weight_plain", context, n, k, m, parts, TokenColumns<T>{dy},
                          PatchOperand<false>{patches}, store_part));
  }
  return sum_parts("patch_embed_d_weight_sum", context,
                   SumParts{scratch, parts, n, k, rows_of<float>(call.d_weight), call.add_to_parameters});
}

// d_position, d_class_token and d_bias from the sums over the batch.
template <class T>
lk_status token_gradients(const Context& context, const patch_embed::Backward& call) {
  const int64_t tokens = call.dy.sizes[1], n = call.dy.sizes[2], leading = call.leading_tokens();
  const Global<float> sums = {static_cast<float*>(context.workspace)};
  LK_TRY(launch("patch_embed_sum_entries", sum_entries<T>, context,
                LaunchShape{ceil_divide(tokens * n, kThreads), kThreads}, call.dy.sizes[0], tokens, n,
                batch_rows_of<const T>(call.dy), sums));
  const bool add = call.add_to_parameters;
  if (call.d_position) {
    LK_TRY(sum_parts("patch_embed_d_position", context,
                     SumParts{sums, 1, tokens, n, rows_of<float>(call.d_position), add}));
  }
  if (call.d_class_token) {
    LK_TRY(sum_parts("patch_embed_d_class_token", context,
                     SumParts{sums, 1, 1, n, {{call.d_class_token.data}, n}, add}));
  }
  if (!call.d_bias) return LK_OK;
  return sum_parts("patch_embed_d_bias", context,
                   SumParts{sums + leading * n, tokens - leading, 1, n, {{call.d_bias.data}, n}, add});
}

}  // namespace

size_t patch_embed_forward_workspace(const Context&, const patch_embed::Forward&) { return 0; }

lk_status patch_embed_forward(const Context& context, const patch_embed::Forward& call) {
  return with_type(call.dtype(), [&](auto type) { return forward<decltype(type)>(context, call); });
}

size_t patch_embed_backward_workspace(const Context&, const patch_embed::Backward& call) {
  const int64_t n = call.dy.sizes[2], k = call.patches.pixels();
  const int64_t m = call.patches.batch() * call.patches.count;
  // A class token adds one to the patches.
  const int64_t weight = split_of(n, k, m) * n * k, tokens = (call.patches.count + 1) * n;
  return bytes_of(weight > tokens ? weight : tokens);
}

lk_status patch_embed_backward(const Context& context, const patch_embed::Backward& call) {
  return with_type(call.dtype(), [&](auto type) -> lk_status {
    using T = decltype(type);
    if (call.d_weight) LK_TRY(weight_gradient<T>(context, call));
    const bool tokens = call.d_bias || call.d_position || call.d_class_token;
    return tokens ? token_gradients<T>(context, call) : LK_OK;
  });
}

}  // namespace lk::cuda
