// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The linear layer: what a kernel receives, and the checks that make it.
#pragma once

#include "common/tensor.h"

namespace lk {

struct Context;

}  // namespace lk

namespace lk::linear {

// W [n, k].
struct Weight {
  const void* data = nullptr;
  int64_t n = 0, k = 0;
  int64_t stride = 0;      // between rows, when not packed
  bool packed = false;     // in the device's own order
  int32_t dtype = LK_F32;  // lk_dtype, that of the call's activations
  int64_t packed_bytes = 0;

  // Row j, when not packed; all of it from row 0 on, when packed. T is the type of dtype's
  // elements; row() is for f32.
  template <class T>
  const T* row_of(int64_t j) const {
    return static_cast<const T*>(data) + j * stride;
  }
  const float* row(int64_t j) const { return row_of<float>(j); }
};

// One factor for every `rows` rows; 1 when there is none.
struct RowScale {
  const float* data = nullptr;
  int64_t rows = 1;

  explicit operator bool() const { return data != nullptr; }
  float operator[](int64_t row) const { return data != nullptr ? data[row / rows] : 1.0f; }
};

// y = residual + row_scale ∘ activation(z).
struct Epilogue {
  Matrix pre_activation;  // [m, n], optional output
  Matrix residual;        // [m, n], optional; may be y
  RowScale row_scale;
  bool gelu = false;
};

struct Prepare {
  Matrix w;             // [n, k]
  bool packed = false;  // else as it stands, and there is nothing to do
  void* storage = nullptr;

  int32_t dtype() const { return w.dtype; }
};

struct Forward {
  Matrix x;     // [m, k]
  Weight w;
  Vector bias;  // [n], optional
  Epilogue epilogue;
  Matrix y;     // [m, n]

  int32_t dtype() const { return w.dtype; }
};

struct Backward {
  Matrix dy;  // [m, n]
  Matrix x;   // [m, k], for d_weight
  Weight w;
  RowScale row_scale;
  Matrix x_pre_activation;  // [m, k], optional; may be d_x
  bool add_to_d_x = false, add_to_parameters = false;
  Matrix d_x;       // [m, k], optional
  Matrix d_weight;  // [n, k], optional
  Vector d_bias;    // [n], optional

  int32_t dtype() const { return w.dtype; }
};

// How a device packs weights.
struct Packing {
  int64_t layout;  // what it calls their order (lk_weight.row_stride of a packed one)
  size_t (*bytes)(const Context&, const Prepare&);
};

lk_status describe_weight(const lk_weight* w, const Packing& packing, Weight& weight);
lk_status describe_prepare(const lk_tensor* w, int32_t format, Prepare& call);
// Adds the storage, of at least `needed` bytes when packed, else none.
lk_status describe_storage(const lk_tensor& w, size_t needed, void* storage, size_t storage_bytes,
                           Prepare& call);
lk_status describe_forward(const lk_tensor* x, const lk_weight* w, const Packing& packing,
                           const lk_tensor* bias, const lk_epilogue* epilogue, const lk_tensor* y,
                           Forward& call);
lk_status describe_backward(const lk_tensor* dy, const lk_tensor* x, const lk_weight* w,
                            const Packing& packing, const lk_linear_backward_options* options,
                            const lk_tensor* d_x, const lk_tensor* d_weight,
                            const lk_tensor* d_bias, Backward& call);
// Whole matrices of a layer with m rows stay in range too, many times over.
lk_status check_product(int64_t m, const Weight& w);
// The sizes alone, for the workspace: m rows, a weight that need not be prepared yet.
lk_status describe_forward_sizes(int64_t m, const lk_weight* w, Forward& call);
lk_status describe_backward_sizes(int64_t m, const lk_weight* w, Backward& call);

// The parts that the fused LoRA layer shares; overlaps are not looked for.
lk_status describe_backward_inputs(const lk_tensor* dy, const lk_tensor* x, const lk_weight* w,
                                   const Packing& packing, const lk_linear_backward_options* options,
                                   Backward& call);
lk_status describe_gradients(const lk_tensor* d_x, const lk_tensor* d_weight,
                             const lk_tensor* d_bias, Backward& call);
// A weight as a tensor, to find what it overlaps: of a packed one, its bytes.
lk_tensor weight_extent(const Weight& weight);
// The tensors they name, for the search of overlaps; NULL where absent or rightly in place.
struct EpilogueTensors {
  const lk_tensor *pre_activation, *residual, *row_scale;
};
EpilogueTensors tensors_of(const lk_epilogue* epilogue, const Epilogue& checked, const Matrix& y);
struct OptionTensors {
  const lk_tensor *row_scale, *x_pre_activation;
};
OptionTensors tensors_of(const lk_linear_backward_options* options, const Backward& checked);

// Plain loops that read like the maths, computed in Real; weights must not be packed.
template <class Real>
void reference_forward(const Forward& call);
template <class Real>
void reference_backward(const Backward& call);

// What the fused LoRA layer's oracle shares.
template <class Real>
void reference_epilogue(const Epilogue& epilogue, int64_t i, int64_t j, Real z, const Matrix& y);
template <class Real>
void reference_input_gradient(const Backward& call, int64_t i, int64_t k, Real d_x);
template <class Real>
void reference_parameter_gradients(const Backward& call);

}  // namespace lk::linear
