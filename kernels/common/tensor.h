// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels receive instead of lk_tensor: small views whose shape was checked once, and the
// checks that make them. Every check names its argument as lorikeet.h does.
#pragma once

#include <initializer_list>

#include "common/error.h"

namespace lk {

// Rows of elements: element (i, j) is element i * stride + j from data on.
struct Matrix {
  void* data = nullptr;
  int64_t rows = 0, columns = 0;
  int64_t stride = 0;
  int32_t dtype = LK_F32;  // lk_dtype

  // T is the type of dtype's elements; row() is for f32.
  template <class T>
  T* row_of(int64_t i) const {
    return static_cast<T*>(data) + i * stride;
  }
  float* row(int64_t i) const { return row_of<float>(i); }
  explicit operator bool() const { return data != nullptr; }
};

// n f32 elements side by side.
struct Vector {
  float* data = nullptr;
  int64_t size = 0;

  explicit operator bool() const { return data != nullptr; }
};

// Strided elements of any rank up to LK_MAX_DIMS.
struct View {
  void* data = nullptr;
  int64_t sizes[LK_MAX_DIMS] = {};
  int64_t strides[LK_MAX_DIMS] = {};
  int rank = 0;
  int32_t dtype = LK_F32;  // lk_dtype

  // What follows indices b, t in the first two dimensions, such as the row of a token in a view
  // [batch, tokens, width]. T is the type of dtype's elements; row() is for f32.
  template <class T>
  T* row_of(int64_t b, int64_t t) const {
    return static_cast<T*>(data) + b * strides[0] + t * strides[1];
  }
  float* row(int64_t b, int64_t t) const { return row_of<float>(b, t); }
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

// The bytes [first, last) that a tensor touches; {0, 0} when empty.
struct Extent {
  uintptr_t first, last;
};
Extent extent(const lk_tensor& tensor);
inline bool overlap(const Extent& a, const Extent& b) { return a.first < b.last && b.first < a.last; }

// Learns which memory a call touches: while one is watching on a thread, the checks below tell it of
// every tensor and every piece of scratch memory that they find sound there.
class MemoryWatch {
 public:
  virtual ~MemoryWatch() = default;
  // A new call: nothing was touched so far.
  virtual void begin() = 0;
  virtual void touches(const Extent& memory) = 0;
};

// Lets `watch` (NULL: none) watch the calling thread for as long as this lives. Meanwhile tensors that
// share memory with the call's scratch memory are refused.
class Watching {
 public:
  explicit Watching(MemoryWatch* watch, void* scratch = nullptr, size_t scratch_bytes = 0);
  ~Watching();
  Watching(const Watching&) = delete;
};

// A tensor is well formed: known dtype, rank, sizes and strides in range (no extent beyond 2^62
// bytes), data present unless empty, data aligned to its element, apart from the call's scratch memory.
lk_status check_tensor(const char* name, const lk_tensor* tensor);

// The tensor for checks of its shape; `shape` takes its place where it has no data yet, with a place that
// passes the checks and is never read.
const lk_tensor* shape_of(const lk_tensor* tensor, lk_tensor& shape);

// The dtype an argument must have: f32, that of the call's activations, or, where the call's first
// activation is read, any that activations may have. Whether the device computes it is asked
// afterwards, of the whole call.
struct Expected {
  int32_t dtype = LK_F32;      // or kAnyActivation
  const char* like = nullptr;  // the activation that set it, for the message
};
constexpr int32_t kAnyActivation = -1;
constexpr Expected kActivation = {kAnyActivation, nullptr};
bool is_activation(int32_t dtype);

// Well formed and of the expected dtype.
lk_status check_dtype(const char* name, const lk_tensor* tensor, Expected expected);

// The tensor's leading dimensions collapse to rows; an empty tensor is an error. `rows` or
// `columns` of -1 accept any.
lk_status as_matrix(const char* name, const lk_tensor* tensor, int64_t rows, int64_t columns,
                    Matrix& matrix, Expected expected = {});

// Rank 1 (or leading ones), stride 1, `size` f32 elements (-1: any).
lk_status as_vector(const char* name, const lk_tensor* tensor, int64_t size, Vector& vector);

// Exactly `rank` dimensions with the last stride 1 and no empty dimension. sizes: what each must
// be, -1 for any.
lk_status as_view(const char* name, const lk_tensor* tensor, int rank, const int64_t* sizes,
                  View& view, Expected expected = {});

// Output tensors must not repeat elements: every dimension longer than 1 has a stride of at least
// the extent of the dimensions of smaller strides.
lk_status check_output(const char* name, const lk_tensor* tensor);

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
