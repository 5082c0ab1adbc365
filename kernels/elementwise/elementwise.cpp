// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "elementwise/elementwise.h"

#include <algorithm>

namespace lk::elementwise {
namespace {

struct Dimension {
  int64_t size, source, destination;
};

Walk make_walk(const lk_tensor* source, const lk_tensor& destination) {
  Dimension dimensions[LK_MAX_DIMS];
  int count = 0;
  for (int d = 0; d < destination.rank; ++d) {
    if (destination.sizes[d] == 1) continue;
    dimensions[count++] = {destination.sizes[d], source != nullptr ? source->strides[d] : 0,
                           destination.strides[d]};
  }
  std::stable_sort(dimensions, dimensions + count, [](const Dimension& a, const Dimension& b) {
    return a.destination > b.destination;
  });
  Walk walk{};
  walk.elements = element_count(destination);
  for (int d = 0; d < count; ++d) {
    const Dimension& next = dimensions[d];
    const int outer = walk.rank - 1;
    if (outer >= 0 && walk.source_strides[outer] == next.size * next.source &&
        walk.destination_strides[outer] == next.size * next.destination) {
      walk.sizes[outer] *= next.size;
      walk.source_strides[outer] = next.source;
      walk.destination_strides[outer] = next.destination;
      continue;
    }
    walk.sizes[walk.rank] = next.size;
    walk.source_strides[walk.rank] = next.source;
    walk.destination_strides[walk.rank] = next.destination;
    walk.rank += 1;
  }
  if (walk.rank == 0) {
    walk.rank = 1;
    walk.sizes[0] = 1;
  }
  return walk;
}

bool convertible(int32_t from, int32_t to) {
  return (is_activation(from) && is_activation(to)) || (from == LK_U8 && to == LK_F32) ||
         (from == LK_I32 && to == LK_I32);
}

}  // namespace

lk_status describe_fill(const lk_tensor* tensor, float value, Fill& call) {
  LK_TRY(check_dtype("tensor", tensor, kActivation));
  LK_TRY(check_output("tensor", tensor));
  call = {make_walk(nullptr, *tensor), tensor->data, tensor->dtype, value};
  return LK_OK;
}

lk_status describe_add(const lk_tensor* a, const lk_tensor* b, const lk_tensor* y, Add& call) {
  LK_TRY(as_matrix("a", a, -1, -1, call.a, kActivation));
  const Expected like_a = {call.a.dtype, "a"};
  LK_TRY(as_matrix("b", b, call.a.rows, call.a.columns, call.b, like_a));
  LK_TRY(as_matrix("y", y, call.a.rows, call.a.columns, call.y, like_a));
  LK_TRY(check_output("y", y));
  LK_TRY(check_same_or_apart("a", a, call.a, "y", y, call.y));
  return check_same_or_apart("b", b, call.b, "y", y, call.y);
}

lk_status describe_convert(const lk_tensor* source, const lk_tensor* destination, Convert& call) {
  LK_TRY(check_tensor("source", source));
  LK_TRY(check_tensor("destination", destination));
  if (!convertible(source->dtype, destination->dtype)) {
    return fail(LK_BAD_ARGUMENT,
                "source: %s into %s, expected f32, bf16 and f16 into each other, u8 into f32 or "
                "i32 into i32",
                dtype_name(source->dtype), dtype_name(destination->dtype));
  }
  if (source->rank != destination->rank ||
      !std::equal(source->sizes, source->sizes + source->rank, destination->sizes)) {
    return fail(LK_BAD_ARGUMENT, "destination: %s, expected the sizes of source, %s",
                shape_text(*destination).text, shape_text(*source).text);
  }
  LK_TRY(check_output("destination", destination));
  LK_TRY(check_apart("source", source, "destination", destination));
  call = {make_walk(source, *destination), source->data, destination->data, source->dtype,
          destination->dtype};
  return LK_OK;
}

}  // namespace lk::elementwise
