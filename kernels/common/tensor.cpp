// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/tensor.h"

#include <cstdio>

namespace lk {
namespace {

constexpr int64_t kMaxExtentBytes = int64_t{1} << 62;

// Of the call that the thread is in.
thread_local MemoryWatch* watch_of_thread = nullptr;
thread_local Extent scratch_of_thread = {0, 0};

int append_list(char* text, size_t size, const char* label, const int64_t* values, int count) {
  int used = std::snprintf(text, size, "%s[", label);
  for (int i = 0; i < count && used < static_cast<int>(size); ++i) {
    used += std::snprintf(text + used, size - used, "%s%lld", i ? ", " : "",
                          static_cast<long long>(values[i]));
  }
  if (used < static_cast<int>(size)) used += std::snprintf(text + used, size - used, "]");
  return used < static_cast<int>(size) ? used : static_cast<int>(size) - 1;
}

// A size that is wanted, for messages: -1 is any.
struct SizeText {
  char text[24] = "any";
  explicit SizeText(int64_t size) {
    if (size >= 0) std::snprintf(text, sizeof(text), "%lld", static_cast<long long>(size));
  }
};

bool is_empty(const lk_tensor& tensor) {
  for (int d = 0; d < tensor.rank; ++d) {
    if (tensor.sizes[d] == 0) return true;
  }
  return false;
}

// Elements from data to behind the last one; -1 when it leaves the address range.
int64_t extent_elements(const lk_tensor& tensor) {
  int64_t last = 0;
  for (int d = 0; d < tensor.rank; ++d) {
    int64_t span = 0;
    if (__builtin_mul_overflow(tensor.sizes[d] - 1, tensor.strides[d], &span) ||
        __builtin_add_overflow(last, span, &last)) {
      return -1;
    }
  }
  return last < kMaxExtentBytes / 4 ? last + 1 : -1;
}

void tell_watch(const Extent& memory) {
  if (watch_of_thread != nullptr) watch_of_thread->touches(memory);
}

}  // namespace

Watching::Watching(MemoryWatch* watch, void* scratch, size_t scratch_bytes) {
  watch_of_thread = watch;
  if (watch != nullptr) watch->begin();
  const auto first = reinterpret_cast<uintptr_t>(scratch);
  const bool ends = scratch_bytes <= UINTPTR_MAX - first;
  scratch_of_thread = {first, scratch == nullptr ? first : ends ? first + scratch_bytes : UINTPTR_MAX};
}

Watching::~Watching() {
  watch_of_thread = nullptr;
  scratch_of_thread = {0, 0};
}

const char* dtype_name(int32_t dtype) {
  switch (dtype) {
    case LK_F32: return "f32";
    case LK_BF16: return "bf16";
    case LK_F16: return "f16";
    case LK_I32: return "i32";
    case LK_U8: return "u8";
    default: return "unknown dtype";
  }
}

int64_t dtype_bytes(int32_t dtype) {
  switch (dtype) {
    case LK_F32:
    case LK_I32: return 4;
    case LK_BF16:
    case LK_F16: return 2;
    case LK_U8: return 1;
    default: return 0;
  }
}

int64_t element_count(const lk_tensor& tensor) {
  int64_t count = 1;
  for (int d = 0; d < tensor.rank; ++d) count *= tensor.sizes[d];
  return count;
}

ShapeText shape_text(const lk_tensor& tensor) {
  ShapeText result;
  char* text = result.text;
  const size_t size = sizeof(result.text);
  const int rank = tensor.rank < 0 ? 0 : tensor.rank > LK_MAX_DIMS ? LK_MAX_DIMS : tensor.rank;
  int used = std::snprintf(text, size, "%s ", dtype_name(tensor.dtype));
  used += append_list(text + used, size - used, "", tensor.sizes, rank);
  append_list(text + used, size - used, " strides ", tensor.strides, rank);
  return result;
}

lk_status check_tensor(const char* name, const lk_tensor* tensor) {
  if (tensor == nullptr) return fail(LK_BAD_ARGUMENT, "%s: NULL, expected a tensor", name);
  if (dtype_bytes(tensor->dtype) == 0) {
    return fail(LK_BAD_ARGUMENT, "%s: dtype %d, expected one of lk_dtype", name, tensor->dtype);
  }
  if (tensor->rank < 0 || tensor->rank > LK_MAX_DIMS) {
    return fail(LK_BAD_ARGUMENT, "%s: rank %d, expected 0 to %d", name, tensor->rank, LK_MAX_DIMS);
  }
  int64_t count = 1;
  for (int d = 0; d < tensor->rank; ++d) {
    if (tensor->sizes[d] < 0 || tensor->strides[d] < 0 ||
        __builtin_mul_overflow(count, tensor->sizes[d] == 0 ? 1 : tensor->sizes[d], &count) ||
        count > kMaxExtentBytes / 4) {
      return fail(LK_BAD_ARGUMENT, "%s: %s, expected sizes and strides of zero or more in range",
                  name, shape_text(*tensor).text);
    }
  }
  if (is_empty(*tensor)) return LK_OK;
  if (extent_elements(*tensor) < 0) {
    return fail(LK_BAD_ARGUMENT, "%s: %s reaches beyond any memory", name,
                shape_text(*tensor).text);
  }
  if (tensor->data == nullptr) {
    return fail(LK_BAD_ARGUMENT, "%s: data is NULL for %s", name, shape_text(*tensor).text);
  }
  if (reinterpret_cast<uintptr_t>(tensor->data) % dtype_bytes(tensor->dtype) != 0) {
    return fail(LK_BAD_ARGUMENT, "%s: data is not aligned to its %s elements", name,
                dtype_name(tensor->dtype));
  }
  if (overlap(extent(*tensor), scratch_of_thread)) {
    return fail(LK_BAD_ARGUMENT, "%s and workspace: share memory, expected apart", name);
  }
  tell_watch(extent(*tensor));
  return LK_OK;
}

const lk_tensor* shape_of(const lk_tensor* tensor, lk_tensor& shape) {
  if (tensor == nullptr || tensor->data != nullptr) return tensor;
  alignas(LK_ALIGNMENT) static char somewhere;
  shape = *tensor;
  shape.data = &somewhere;
  return &shape;
}

bool is_activation(int32_t dtype) {
  return dtype == LK_F32 || dtype == LK_BF16 || dtype == LK_F16;
}

lk_status check_dtype(const char* name, const lk_tensor* tensor, Expected expected) {
  LK_TRY(check_tensor(name, tensor));
  const char* given = dtype_name(tensor->dtype);
  if (expected.dtype == kAnyActivation) {
    if (is_activation(tensor->dtype)) return LK_OK;
    return fail(LK_BAD_ARGUMENT, "%s: %s, expected f32, bf16 or f16", name, given);
  }
  if (tensor->dtype == expected.dtype) return LK_OK;
  const char* wanted = dtype_name(expected.dtype);
  if (expected.like == nullptr) {
    return fail(LK_BAD_ARGUMENT, "%s: %s, expected %s", name, given, wanted);
  }
  return fail(LK_BAD_ARGUMENT, "%s: %s, expected %s as %s is", name, given, wanted, expected.like);
}

lk_status as_matrix(const char* name, const lk_tensor* tensor, int64_t rows, int64_t columns,
                    Matrix& matrix, Expected expected) {
  LK_TRY(check_dtype(name, tensor, expected));
  const int last = tensor->rank - 1;
  const bool unit = last >= 0 && (tensor->strides[last] == 1 || tensor->sizes[last] == 1);
  bool collapses = unit && !is_empty(*tensor);
  int64_t count = 1, stride = last >= 0 ? tensor->sizes[last] : 0;
  for (int d = last - 1; d >= 0 && collapses; --d) {
    if (tensor->sizes[d] == 1) continue;
    if (count == 1) {
      stride = tensor->strides[d];
    } else {
      collapses = tensor->strides[d] == stride * count;
    }
    count *= tensor->sizes[d];
  }
  if (!collapses) {
    return fail(LK_BAD_ARGUMENT,
                "%s: %s, expected rows: not empty, last stride 1, one stride between rows", name,
                shape_text(*tensor).text);
  }
  if ((rows >= 0 && count != rows) || (columns >= 0 && tensor->sizes[last] != columns)) {
    return fail(LK_BAD_ARGUMENT, "%s: %s, expected %s rows of %s elements", name,
                shape_text(*tensor).text, SizeText(rows).text, SizeText(columns).text);
  }
  matrix = {tensor->data, count, tensor->sizes[last], stride, tensor->dtype};
  return LK_OK;
}

lk_status as_vector(const char* name, const lk_tensor* tensor, int64_t size, Vector& vector) {
  Matrix matrix;
  LK_TRY(as_matrix(name, tensor, -1, -1, matrix));
  if (matrix.rows != 1 || (size >= 0 && matrix.columns != size)) {
    return fail(LK_BAD_ARGUMENT, "%s: %s, expected %s element%s side by side", name,
                shape_text(*tensor).text, SizeText(size).text, size == 1 ? "" : "s");
  }
  vector = {matrix.row(0), matrix.columns};
  return LK_OK;
}

lk_status as_view(const char* name, const lk_tensor* tensor, int rank, const int64_t* sizes,
                  View& view, Expected expected) {
  LK_TRY(check_dtype(name, tensor, expected));
  bool fits = tensor->rank == rank && !is_empty(*tensor) &&
              (tensor->strides[rank - 1] == 1 || tensor->sizes[rank - 1] == 1);
  for (int d = 0; d < rank && fits; ++d) fits = sizes[d] < 0 || sizes[d] == tensor->sizes[d];
  if (!fits) {
    char wanted[120];
    int used = 0;
    for (int d = 0; d < rank; ++d) {
      used += std::snprintf(wanted + used, sizeof(wanted) - used, "%s%s", d == 0 ? "" : ", ",
                            SizeText(sizes[d]).text);
    }
    return fail(LK_BAD_ARGUMENT, "%s: %s, expected [%s], not empty, last stride 1", name,
                shape_text(*tensor).text, wanted);
  }
  view.data = tensor->data;
  view.rank = rank;
  view.dtype = tensor->dtype;
  for (int d = 0; d < rank; ++d) {
    view.sizes[d] = tensor->sizes[d];
    view.strides[d] = tensor->strides[d];
  }
  return LK_OK;
}

lk_status check_output(const char* name, const lk_tensor* tensor) {
  if (is_empty(*tensor)) return LK_OK;
  // Dimensions from the densest to the widest, whatever their order in the tensor.
  int order[LK_MAX_DIMS], count = 0;
  for (int d = 0; d < tensor->rank; ++d) {
    if (tensor->sizes[d] <= 1) continue;
    int at = count++;
    for (; at > 0 && tensor->strides[order[at - 1]] > tensor->strides[d]; --at) {
      order[at] = order[at - 1];
    }
    order[at] = d;
  }
  int64_t inner = 1;
  bool distinct = true;
  for (int i = 0; i < count; ++i) {
    const int64_t stride = tensor->strides[order[i]];
    distinct = distinct && stride >= inner;
    inner += stride * (tensor->sizes[order[i]] - 1);
  }
  if (!distinct) {
    return fail(LK_BAD_ARGUMENT, "%s: %s, expected an output whose elements do not overlap", name,
                shape_text(*tensor).text);
  }
  return LK_OK;
}

Extent extent(const lk_tensor& tensor) {
  if (is_empty(tensor)) return {0, 0};
  const auto first = reinterpret_cast<uintptr_t>(tensor.data);
  return {first, first + static_cast<uintptr_t>(extent_elements(tensor)) * dtype_bytes(tensor.dtype)};
}

lk_status check_apart(const char* name_a, const lk_tensor* a, const char* name_b,
                      const lk_tensor* b) {
  if (a == nullptr || b == nullptr || !overlap(extent(*a), extent(*b))) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "%s and %s: share memory, expected apart", name_a, name_b);
}

lk_status check_outputs_apart(std::initializer_list<Named> inputs,
                              std::initializer_list<Named> outputs) {
  for (const Named& out : outputs) {
    for (const Named& in : inputs) LK_TRY(check_apart(in.name, in.tensor, out.name, out.tensor));
    for (const Named* other = outputs.begin(); other != &out; ++other) {
      LK_TRY(check_apart(other->name, other->tensor, out.name, out.tensor));
    }
  }
  return LK_OK;
}

lk_status check_same_or_apart(const char* name_in, const lk_tensor* in, const Matrix& in_rows,
                              const char* name_out, const lk_tensor* out, const Matrix& out_rows) {
  if (in_rows.data == out_rows.data && in_rows.stride == out_rows.stride) return LK_OK;
  return check_apart(name_in, in, name_out, out);
}

lk_status check_scratch(const char* name, const void* memory, size_t bytes, size_t needed) {
  if (bytes < needed || (needed > 0 && memory == nullptr)) {
    return fail(LK_BAD_ARGUMENT, "%s: %zu bytes, expected at least %zu", name,
                memory == nullptr ? size_t{0} : bytes, needed);
  }
  if (needed > 0 && reinterpret_cast<uintptr_t>(memory) % LK_ALIGNMENT != 0) {
    return fail(LK_BAD_ARGUMENT, "%s: not aligned to %d bytes", name, LK_ALIGNMENT);
  }
  const auto first = reinterpret_cast<uintptr_t>(memory);
  tell_watch({first, first + needed});
  return LK_OK;
}

lk_status check_probability(const char* name, float p) {
  if (p >= 0.0f && p < 1.0f) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "%s: %g, expected 0 <= p < 1", name, static_cast<double>(p));
}

}  // namespace lk
