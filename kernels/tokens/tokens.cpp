// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "tokens/tokens.h"

namespace lk::tokens {
namespace {

constexpr int64_t kAnySizes[3] = {-1, -1, -1};
constexpr int64_t kMaxElements = int64_t{1} << 59;

// The long side [batch, tokens, k], the indices [batch, s] and the short side [batch, s, k] of a
// gather or a scatter.
lk_status check_sides(const char* long_name, const lk_tensor* long_side, View& long_view,
                      const lk_tensor* indices, Indices& index_view) {
  LK_TRY(as_view(long_name, long_side, 3, kAnySizes, long_view, kActivation));
  return as_indices("indices", indices, long_view.sizes[0], index_view);
}

lk_status as_short_side(const char* name, const lk_tensor* tensor, const char* long_name,
                        const View& long_side, const Indices& indices, View& view) {
  const int64_t sizes[3] = {long_side.sizes[0], indices.count, long_side.sizes[2]};
  return as_view(name, tensor, 3, sizes, view, {long_side.dtype, long_name});
}

lk_status check_sizes(int64_t batch, int64_t tokens, int64_t k) {
  const int64_t sizes[3] = {batch, tokens, k};
  int64_t elements = 1;
  for (const int64_t size : sizes) {
    if (size < 1 || __builtin_mul_overflow(elements, size, &elements) || elements > kMaxElements) {
      return fail(LK_BAD_ARGUMENT, "batch, tokens, k: %lld, %lld, %lld, expected sizes of a tensor",
                  static_cast<long long>(batch), static_cast<long long>(tokens),
                  static_cast<long long>(k));
    }
  }
  return LK_OK;
}

}  // namespace

lk_status describe_gather_forward(const lk_tensor* x, const lk_tensor* indices, const lk_tensor* y,
                                  GatherForward& call) {
  LK_TRY(check_sides("x", x, call.x, indices, call.indices));
  LK_TRY(as_short_side("y", y, "x", call.x, call.indices, call.y));
  LK_TRY(check_output("y", y));
  return check_outputs_apart({{"x", x}, {"indices", indices}}, {{"y", y}});
}

lk_status describe_gather_backward(const lk_tensor* dy, const lk_tensor* indices,
                                   const lk_tensor* d_x, GatherBackward& call) {
  LK_TRY(check_sides("d_x", d_x, call.d_x, indices, call.indices));
  LK_TRY(check_output("d_x", d_x));
  LK_TRY(as_short_side("dy", dy, "d_x", call.d_x, call.indices, call.dy));
  return check_outputs_apart({{"dy", dy}, {"indices", indices}}, {{"d_x", d_x}});
}

lk_status describe_scatter_forward(const lk_tensor* x, const lk_tensor* indices,
                                   const lk_tensor* fill, const lk_tensor* position,
                                   const lk_tensor* y, ScatterForward& call) {
  LK_TRY(check_sides("y", y, call.y, indices, call.indices));
  LK_TRY(check_output("y", y));
  LK_TRY(as_short_side("x", x, "y", call.y, call.indices, call.x));
  LK_TRY(as_vector("fill", fill, call.y.sizes[2], call.fill));
  if (position != nullptr) {
    LK_TRY(as_matrix("position", position, call.y.sizes[1], call.y.sizes[2], call.position));
  }
  return check_outputs_apart(
      {{"x", x}, {"indices", indices}, {"fill", fill}, {"position", position}}, {{"y", y}});
}

lk_status describe_scatter_backward(const lk_tensor* dy, const lk_tensor* indices, int32_t flags,
                                    const lk_tensor* d_x, const lk_tensor* d_fill,
                                    ScatterBackward& call) {
  LK_TRY(check_sides("dy", dy, call.dy, indices, call.indices));
  if ((flags & ~LK_ADD_TO_PARAMETERS) != 0) {
    return fail(LK_BAD_ARGUMENT, "flags: %d, expected 0 or LK_ADD_TO_PARAMETERS", flags);
  }
  call.add_to_d_fill = (flags & LK_ADD_TO_PARAMETERS) != 0;
  if (d_x == nullptr && d_fill == nullptr) {
    return fail(LK_BAD_ARGUMENT, "d_x, d_fill: both NULL, expected one at least");
  }
  if (d_x != nullptr) {
    LK_TRY(as_short_side("d_x", d_x, "dy", call.dy, call.indices, call.d_x));
    LK_TRY(check_output("d_x", d_x));
  }
  if (d_fill != nullptr) LK_TRY(as_vector("d_fill", d_fill, call.dy.sizes[2], call.d_fill));
  return check_outputs_apart({{"dy", dy}, {"indices", indices}},
                             {{"d_x", d_x}, {"d_fill", d_fill}});
}

lk_status describe_scatter_forward_sizes(int64_t batch, int64_t tokens, ScatterForward& call) {
  LK_TRY(check_sizes(batch, tokens, 1));
  call.y.sizes[0] = batch;
  call.y.sizes[1] = tokens;
  return LK_OK;
}

lk_status describe_scatter_backward_sizes(int64_t batch, int64_t tokens, int64_t k,
                                          ScatterBackward& call) {
  LK_TRY(check_sizes(batch, tokens, k));
  call.dy.sizes[0] = batch;
  call.dy.sizes[1] = tokens;
  call.dy.sizes[2] = k;
  return LK_OK;
}

}  // namespace lk::tokens
