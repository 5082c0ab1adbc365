// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "patch_embed/patch_embed.h"

namespace lk::patch_embed {
namespace {

constexpr int64_t kAnyImages[4] = {-1, -1, -1, -1};
constexpr int64_t kAnyTokens[3] = {-1, -1, -1};

lk_status describe_patches(const lk_tensor* images, int64_t patch, Patches& patches) {
  LK_TRY(as_view("images", images, 4, kAnyImages, patches.images));
  const int64_t height = patches.images.sizes[2], width = patches.images.sizes[3];
  if (patch < 1 || height % patch != 0 || width % patch != 0) {
    return fail(LK_BAD_ARGUMENT, "patch: %lld, expected a divisor of the images' %lld x %lld",
                static_cast<long long>(patch), static_cast<long long>(height),
                static_cast<long long>(width));
  }
  // As many as a linear layer may have inputs.
  constexpr int64_t kMostPixels = int64_t{1} << 40;
  patches.size = patch;
  if (patches.pixels() > kMostPixels) {
    return fail(LK_BAD_ARGUMENT, "patch: %lld, %lld pixels with the images' channels, expected at most 2^40",
                static_cast<long long>(patch), static_cast<long long>(patches.pixels()));
  }
  patches.across = width / patch;
  patches.count = height / patch * patches.across;
  return LK_OK;
}

lk_status check_weight(const linear::Weight& w, const Patches& patches) {
  if (w.k == patches.pixels()) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "w: %lld columns, expected the %lld pixels of a patch",
              static_cast<long long>(w.k), static_cast<long long>(patches.pixels()));
}

}  // namespace

lk_status describe_forward(const lk_tensor* images, int64_t patch, const lk_weight* w,
                           const linear::Packing& packing, const lk_tensor* bias, const lk_tensor* position,
                           const lk_tensor* class_token, const lk_tensor* y, Forward& call) {
  LK_TRY(describe_patches(images, patch, call.patches));
  LK_TRY(linear::describe_weight(w, packing, call.w));
  LK_TRY(check_weight(call.w, call.patches));
  const int64_t n = call.w.n, tokens = call.patches.count + (class_token != nullptr ? 1 : 0);
  if (bias != nullptr) LK_TRY(as_vector("bias", bias, n, call.bias));
  if (position != nullptr) LK_TRY(as_matrix("position", position, tokens, n, call.position));
  if (class_token != nullptr) LK_TRY(as_vector("class_token", class_token, n, call.class_token));
  const int64_t sizes[3] = {call.patches.batch(), tokens, n};
  LK_TRY(as_view("y", y, 3, sizes, call.y, {call.w.dtype, "w"}));
  LK_TRY(check_output("y", y));
  const lk_tensor weight = linear::weight_extent(call.w);
  return check_outputs_apart({{"images", images},
                              {"w", &weight},
                              {"bias", bias},
                              {"position", position},
                              {"class_token", class_token}},
                             {{"y", y}});
}

lk_status describe_backward(const lk_tensor* dy, const lk_tensor* images, int64_t patch,
                            int32_t flags, const lk_tensor* d_weight, const lk_tensor* d_bias,
                            const lk_tensor* d_position, const lk_tensor* d_class_token,
                            Backward& call) {
  LK_TRY(describe_patches(images, patch, call.patches));
  LK_TRY(as_view("dy", dy, 3, kAnyTokens, call.dy, kActivation));
  const int64_t tokens = call.dy.sizes[1], n = call.dy.sizes[2], count = call.patches.count;
  const bool extra = tokens == count + 1;
  if (call.dy.sizes[0] != call.patches.batch() || (tokens != count && !extra) ||
      (d_class_token != nullptr && !extra)) {
    return fail(LK_BAD_ARGUMENT, "dy: %s, expected [%lld, %lld%s, n]", shape_text(*dy).text,
                static_cast<long long>(call.patches.batch()), static_cast<long long>(count),
                d_class_token != nullptr ? " + 1" : " or one more");
  }
  if ((flags & ~LK_ADD_TO_PARAMETERS) != 0) {
    return fail(LK_BAD_ARGUMENT, "flags: %d, expected 0 or LK_ADD_TO_PARAMETERS", flags);
  }
  call.add_to_parameters = flags != 0;
  if (d_weight == nullptr && d_bias == nullptr && d_position == nullptr &&
      d_class_token == nullptr) {
    return fail(LK_BAD_ARGUMENT,
                "d_weight, d_bias, d_position, d_class_token: all NULL, expected at least one");
  }
  if (d_weight != nullptr) {
    LK_TRY(as_matrix("d_weight", d_weight, n, call.patches.pixels(), call.d_weight));
    LK_TRY(check_output("d_weight", d_weight));
  }
  if (d_bias != nullptr) LK_TRY(as_vector("d_bias", d_bias, n, call.d_bias));
  if (d_position != nullptr) {
    LK_TRY(as_matrix("d_position", d_position, tokens, n, call.d_position));
    LK_TRY(check_output("d_position", d_position));
  }
  if (d_class_token != nullptr) {
    LK_TRY(as_vector("d_class_token", d_class_token, n, call.d_class_token));
  }
  return check_outputs_apart({{"dy", dy}, {"images", images}},
                             {{"d_weight", d_weight},
                              {"d_bias", d_bias},
                              {"d_position", d_position},
                              {"d_class_token", d_class_token}});
}

lk_status describe_forward_sizes(const lk_tensor* images, int64_t patch, const lk_weight* w,
                                 Forward& call) {
  lk_tensor shape;
  LK_TRY(describe_patches(shape_of(images, shape), patch, call.patches));
  linear::Forward one_row;
  LK_TRY(linear::describe_forward_sizes(1, w, one_row));
  call.w = one_row.w;
  return check_weight(call.w, call.patches);
}

lk_status describe_backward_sizes(const lk_tensor* images, int64_t patch, int64_t n,
                                  Backward& call) {
  lk_tensor shape;
  LK_TRY(describe_patches(shape_of(images, shape), patch, call.patches));
  if (n < 1 || n > int64_t{1} << 40) {
    return fail(LK_BAD_ARGUMENT, "n: %lld, expected 1 to 2^40", static_cast<long long>(n));
  }
  linear::Weight weight;
  weight.n = n;
  weight.k = call.patches.pixels();
  LK_TRY(linear::check_product(1, weight));  // the rows may be one, repeated
  call.dy.sizes[0] = call.patches.batch();
  call.dy.sizes[1] = call.patches.count;
  call.dy.sizes[2] = n;
  return LK_OK;
}

}  // namespace lk::patch_embed
