// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/indices.h"

namespace lk {
namespace {

// Marks [0, kWindow), on the stack: operations allocate nothing.
constexpr int64_t kWindow = 32768;
struct Marks {
  uint64_t words[kWindow / 64] = {};

  // Whether i was marked before.
  bool set(int64_t i) {
    const uint64_t bit = uint64_t{1} << (i % 64);
    const bool before = (words[i / 64] & bit) != 0;
    words[i / 64] |= bit;
    return before;
  }
};

lk_status check_distinct_in_entry(const char* name, const Indices& indices, int64_t b,
                                  int64_t limit, const char* things) {
  // A window of the marks at a time; one is enough for any image's tokens.
  for (int64_t window = 0; window < limit; window += kWindow) {
    Marks marks;
    for (int64_t i = 0; i < indices.count; ++i) {
      const int64_t index = indices.at(b, i) - window;
      if (index < 0 || index >= kWindow || !marks.set(index)) continue;
      return fail(LK_BAD_ARGUMENT, "%s: [%lld, %lld] is %d for the second time, expected distinct %s",
                  name, static_cast<long long>(b), static_cast<long long>(i), indices.at(b, i),
                  things);
    }
  }
  return LK_OK;
}

}  // namespace

lk_status as_indices(const char* name, const lk_tensor* tensor, int64_t batch, Indices& indices) {
  LK_TRY(check_tensor(name, tensor));
  if (tensor->dtype != LK_I32 || tensor->rank != 2 || element_count(*tensor) == 0 ||
      tensor->sizes[0] != batch) {
    return fail(LK_BAD_ARGUMENT, "%s: %s, expected i32 [%lld, any], not empty", name,
                shape_text(*tensor).text, static_cast<long long>(batch));
  }
  indices = {static_cast<const int32_t*>(tensor->data), tensor->sizes[0], tensor->sizes[1],
             tensor->strides[0], tensor->strides[1]};
  return LK_OK;
}

lk_status check_range(const char* name, const Indices& indices, int64_t limit, const char* things) {
  for (int64_t b = 0; b < indices.batch; ++b) {
    for (int64_t i = 0; i < indices.count; ++i) {
      const int32_t index = indices.at(b, i);
      if (index >= 0 && index < limit) continue;
      return fail(LK_BAD_ARGUMENT, "%s: [%lld, %lld] is %d, expected 0 to %lld (%lld %s)", name,
                  static_cast<long long>(b), static_cast<long long>(i), index,
                  static_cast<long long>(limit - 1), static_cast<long long>(limit), things);
    }
  }
  return LK_OK;
}

lk_status check_distinct(const char* name, const Indices& indices, int64_t limit,
                         const char* things) {
  LK_TRY(check_range(name, indices, limit, things));
  for (int64_t b = 0; b < indices.batch; ++b) {
    LK_TRY(check_distinct_in_entry(name, indices, b, limit, things));
  }
  return LK_OK;
}

}  // namespace lk
