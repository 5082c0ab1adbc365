// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels receive instead of lk_tensor: small views whose shape was checked once, and the
// checks that make them. Every check names its argument as lorikeet.h does.
#pragma once

#include <initializer_list>

#include "common/error.h"

namespace lk {

// Rows of f32 elements: element (i, j) is data[i * stride + j].
struct Matrix {
  float* data = nullptr;
  int64_t rows = 0, columns = 0;
  int64_t stride = 0;

  float* row(int64_t i) const { return data + i * stride; }
  explicit operator bool() const { return data != nullptr; }
};

// n f32 elements side by side.
struct Vector {
  float* data = nullptr;
  int64_t size = 0;

  explicit operator bool() const { return data != nullptr; }
};

// Strided f32 elements of any rank up to LK_MAX_DIMS.
struct View {
  float* data = nullptr;
  int64_t sizes[LK_MAX_DIMS] = {};
  int64_t strides[LK_MAX_DIMS] = {};
  int rank = 0;

  // Of a view [batch, tokens, width] whose last stride is 1: token t of entry b.
  float* row(int64_t b, int64_t t) const { return data + b * strides[0] + t * strides[1]; }
  explicit operator bool() const { return data != nullptr; }
};

const char* dtype_name(int32_t dtype);
// Bytes of one element; 0 for an unknown dtype.
int64_t dtype_bytes(int32_t dtype);

// Elements of a tensor whose sizes were checked.
int64_t element_count(const lk_tensor& tensor);

// Writes "f32 [2, 3] strides [3, 1]" for messages.
struct ShapeText {
  char text[160];
};
ShapeText shape_text(const lk_tensor& tensor);

// A tensor is well formed: known dtype, rank, sizes and strides in range (no extent beyond 2^62
// bytes), data present unless empty, data aligned to its element.
lk_status check_tensor(const char* name, const lk_tensor* tensor);

// Well formed and f32; other dtypes are LK_UNSUPPORTED here.
lk_status check_f32(const char* name, const lk_tensor* tensor);

// The tensor's leading dimensions collapse to rows; an empty tensor is an error. `rows` or
// `columns` of -1 accept any.
lk_status as_matrix(const char* name, const lk_tensor* tensor, int64_t rows, int64_t columns,
                    Matrix& matrix);

// Rank 1 (or leading ones), stride 1, `size` elements (-1: any).
lk_status as_vector(const char* name, const lk_tensor* tensor, int64_t size, Vector& vector);

// Exactly `rank` dimensions with the last stride 1 and no empty dimension. sizes: what each must
// be, -1 for any.
lk_status as_view(const char* name, const lk_tensor* tensor, int rank, const int64_t* sizes,
                  View& view);

// Output tensors must not repeat elements: every dimension longer than 1 has a stride of at least
// the extent of the dimensions of smaller strides.
lk_status check_output(const char* name, const lk_tensor* tensor);

// The bytes [first, last) that a tensor touches; {0, 0} when empty.
struct Extent {
  uintptr_t first, last;
};
Extent extent(const lk_tensor& tensor);
inline bool overlap(const Extent& a, const Extent& b) { return a.first < b.last && b.first < a.last; }

// Two tensors share no memory.
lk_status check_apart(const char* name_a, const lk_tensor* a, const char* name_b,
                      const lk_tensor* b);

// An argument for messages; a NULL tensor is an optional one left out.
struct Named {
  const char* name;
  const lk_tensor* tensor;
};
// No output shares memory with an input or with another output.
lk_status check_outputs_apart(std::initializer_list<Named> inputs,
                              std::initializer_list<Named> outputs);

// The same for an operation that may run in place: elementwise kernels read an element before they
// write it, so that an output may be an input. A shifted overlap is still wrong.
lk_status check_same_or_apart(const char* name_in, const lk_tensor* in, const Matrix& in_rows,
                              const char* name_out, const lk_tensor* out, const Matrix& out_rows);

// Memory for kernels' own use: at least `needed` bytes, aligned to LK_ALIGNMENT.
lk_status check_scratch(const char* name, const void* memory, size_t bytes, size_t needed);
inline lk_status check_workspace(const void* workspace, size_t bytes, size_t needed) {
  return check_scratch("workspace", workspace, bytes, needed);
}

// Probability 0 <= p < 1.
lk_status check_probability(const char* name, float p);

}  // namespace lk
