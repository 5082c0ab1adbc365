// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "linear/linear.h"

#include "operations.h"

namespace lk::linear {
namespace {

// Far beyond any layer, and small enough that sizes multiplied by threads and ranks stay in range.
constexpr int64_t kMaxSize = int64_t{1} << 40;

lk_status check_size(const char* name, int64_t size) {
  if (size >= 1 && size <= kMaxSize) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "%s: %lld, expected 1 to 2^40", name, static_cast<long long>(size));
}

lk_status describe_row_scale(const lk_tensor* tensor, int64_t m, RowScale& scale) {
  if (tensor == nullptr) return LK_OK;
  Vector entries;
  LK_TRY(as_vector("row_scale", tensor, -1, entries));
  if (m % entries.size != 0) {
    return fail(LK_BAD_ARGUMENT, "row_scale: %lld entries, expected a divisor of the %lld rows",
                static_cast<long long>(entries.size), static_cast<long long>(m));
  }
  scale = {entries.data, m / entries.size};
  return LK_OK;
}

lk_status check_reserved(const char* name, int32_t reserved) {
  if (reserved == 0) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "%s.reserved: %d, expected 0", name, reserved);
}

lk_status optional_matrix(const char* name, const lk_tensor* tensor, int64_t rows, int64_t columns,
                          Matrix& matrix, Expected expected) {
  return tensor != nullptr ? as_matrix(name, tensor, rows, columns, matrix, expected) : LK_OK;
}

lk_status optional_output(const char* name, const lk_tensor* tensor, int64_t rows, int64_t columns,
                          Matrix& matrix, Expected expected) {
  if (tensor == nullptr) return LK_OK;
  LK_TRY(as_matrix(name, tensor, rows, columns, matrix, expected));
  return check_output(name, tensor);
}

// The weight's dtype is the call's.
Expected like_w(const Weight& w) { return {w.dtype, "w"}; }

bool same_rows(const Matrix& a, const Matrix& b) {
  return a && a.data == b.data && a.stride == b.stride;
}

}  // namespace

lk_status check_product(int64_t m, const Weight& w) {
  constexpr int64_t kMost = int64_t{1} << 50;
  const int64_t columns = w.n > w.k ? w.n : w.k;
  if (m <= kMost / columns && w.n <= kMost / w.k) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "m %lld, n %lld, k %lld: expected no matrix of more than 2^50 elements",
              static_cast<long long>(m), static_cast<long long>(w.n), static_cast<long long>(w.k));
}

EpilogueTensors tensors_of(const lk_epilogue* epilogue, const Epilogue& checked, const Matrix& y) {
  if (epilogue == nullptr) return {};
  return {epilogue->pre_activation, same_rows(checked.residual, y) ? nullptr : epilogue->residual,
          epilogue->row_scale};
}

OptionTensors tensors_of(const lk_linear_backward_options* options, const Backward& checked) {
  if (options == nullptr) return {};
  return {options->row_scale, same_rows(checked.x_pre_activation, checked.d_x)
                                  ? nullptr
                                  : options->x_pre_activation};
}

lk_tensor weight_extent(const Weight& weight) {
  void* data = const_cast<void*>(weight.data);
  if (weight.packed) return {data, {weight.packed_bytes}, {1}, LK_U8, 1};
  return {data, {weight.n, weight.k}, {weight.stride, 1}, weight.dtype, 2};
}

lk_status describe_weight_sizes(const lk_weight* w, Weight& weight) {
  if (w == nullptr) return fail(LK_BAD_ARGUMENT, "w: NULL, expected a weight");
  if (w->format != LK_WEIGHT_PLAIN && w->format != LK_WEIGHT_PACKED) {
    return fail(LK_BAD_ARGUMENT, "w: format %d, expected one of lk_weight_format", w->format);
  }
  if (!is_activation(w->dtype)) {
    return fail(LK_BAD_ARGUMENT, "w: dtype %d, expected f32, bf16 or f16", w->dtype);
  }
  LK_TRY(check_size("w.n", w->n));
  LK_TRY(check_size("w.k", w->k));
  weight = {w->data, w->n, w->k, w->row_stride, w->format == LK_WEIGHT_PACKED, w->dtype};
  return LK_OK;
}

lk_status describe_weight(const lk_weight* w, const Packing& packing, Weight& weight) {
  LK_TRY(describe_weight_sizes(w, weight));
  if (weight.packed && w->row_stride != packing.layout) {
    return fail(LK_BAD_ARGUMENT,
                "w: packed for another device or instruction set: prepare it again on this device");
  }
  if (weight.packed) {
    const lk_tensor numbers = {const_cast<void*>(w->data), {w->n, w->k}, {w->k, 1}, w->dtype, 2};
    LK_TRY(check_tensor("w", &numbers));
    if (reinterpret_cast<uintptr_t>(w->data) % LK_ALIGNMENT != 0) {
      return fail(LK_BAD_ARGUMENT, "w: packed data is not aligned to %d bytes", LK_ALIGNMENT);
    }
    Prepare prepare;
    prepare.w = {nullptr, w->n, w->k, w->k, w->dtype};
    prepare.packed = true;
    weight.packed_bytes = static_cast<int64_t>(packing.bytes({}, prepare));
  }
  const lk_tensor tensor = weight_extent(weight);
  return check_tensor("w", &tensor);
}

lk_status describe_prepare(const lk_tensor* w, int32_t format, Prepare& call) {
  if (format != LK_WEIGHT_PLAIN && format != LK_WEIGHT_PACKED) {
    return fail(LK_BAD_ARGUMENT, "format: %d, expected one of lk_weight_format", format);
  }
  call.packed = format == LK_WEIGHT_PACKED;
  LK_TRY(as_matrix("w", w, -1, -1, call.w, kActivation));
  LK_TRY(check_size("w rows", call.w.rows));
  return check_size("w columns", call.w.columns);
}

lk_status describe_storage(const lk_tensor& w, size_t needed, void* storage, size_t storage_bytes,
                           Prepare& call) {
  if (!call.packed) {
    if (storage == nullptr) return LK_OK;
    return fail(LK_BAD_ARGUMENT, "storage: given, expected NULL for LK_WEIGHT_PLAIN");
  }
  LK_TRY(check_scratch("storage", storage, storage_bytes, needed));
  const auto first = reinterpret_cast<uintptr_t>(storage);
  if (overlap(extent(w), {first, first + needed})) {
    return fail(LK_BAD_ARGUMENT, "w and storage: share memory, expected apart");
  }
  call.storage = storage;
  return LK_OK;
}

lk_status describe_epilogue(const lk_epilogue* epilogue, int64_t m, const Weight& w,
                            Epilogue& result) {
  if (epilogue == nullptr) return LK_OK;
  if (epilogue->activation != LK_ACTIVATION_NONE && epilogue->activation != LK_ACTIVATION_GELU) {
    return fail(LK_BAD_ARGUMENT, "epilogue.activation: %d, expected one of lk_activation",
                epilogue->activation);
  }
  LK_TRY(check_reserved("epilogue", epilogue->reserved));
  LK_TRY(optional_output("pre_activation", epilogue->pre_activation, m, w.n, result.pre_activation,
                         like_w(w)));
  LK_TRY(optional_matrix("residual", epilogue->residual, m, w.n, result.residual, like_w(w)));
  LK_TRY(describe_row_scale(epilogue->row_scale, m, result.row_scale));
  result.gelu = epilogue->activation == LK_ACTIVATION_GELU;
  return LK_OK;
}

lk_status describe_forward(const lk_tensor* x, const lk_weight* w, const Packing& packing,
                           const lk_tensor* bias, const lk_epilogue* epilogue, const lk_tensor* y,
                           Forward& call) {
  LK_TRY(describe_weight(w, packing, call.w));
  LK_TRY(as_matrix("x", x, -1, call.w.k, call.x, like_w(call.w)));
  LK_TRY(check_size("x rows", call.x.rows));
  if (bias != nullptr) LK_TRY(as_vector("bias", bias, call.w.n, call.bias));
  LK_TRY(describe_epilogue(epilogue, call.x.rows, call.w, call.epilogue));
  LK_TRY(as_matrix("y", y, call.x.rows, call.w.n, call.y, like_w(call.w)));
  LK_TRY(check_output("y", y));
  const lk_tensor weight = weight_extent(call.w);
  const EpilogueTensors after = tensors_of(epilogue, call.epilogue, call.y);
  return check_outputs_apart({{"x", x},
                              {"w", &weight},
                              {"bias", bias},
                              {"residual", after.residual},
                              {"row_scale", after.row_scale}},
                             {{"y", y}, {"pre_activation", after.pre_activation}});
}

lk_status describe_options(const lk_linear_backward_options* options, Backward& call) {
  if (options == nullptr) return LK_OK;
  if ((options->flags & ~(LK_ADD_TO_D_X | LK_ADD_TO_PARAMETERS)) != 0) {
    return fail(LK_BAD_ARGUMENT, "options.flags: %d, expected LK_ADD_TO_D_X, LK_ADD_TO_PARAMETERS",
                options->flags);
  }
  LK_TRY(check_reserved("options", options->reserved));
  call.add_to_d_x = (options->flags & LK_ADD_TO_D_X) != 0;
  call.add_to_parameters = (options->flags & LK_ADD_TO_PARAMETERS) != 0;
  LK_TRY(describe_row_scale(options->row_scale, call.dy.rows, call.row_scale));
  LK_TRY(optional_matrix("x_pre_activation", options->x_pre_activation, call.dy.rows, call.w.k,
                         call.x_pre_activation, like_w(call.w)));
  if (call.x_pre_activation && call.add_to_d_x) {
    return fail(LK_BAD_ARGUMENT, "options: x_pre_activation and LK_ADD_TO_D_X exclude each other");
  }
  return LK_OK;
}

lk_status describe_backward_inputs(const lk_tensor* dy, const lk_tensor* x, const lk_weight* w,
                                   const Packing& packing, const lk_linear_backward_options* options,
                                   Backward& call) {
  LK_TRY(describe_weight(w, packing, call.w));
  LK_TRY(as_matrix("dy", dy, -1, call.w.n, call.dy, like_w(call.w)));
  LK_TRY(check_size("dy rows", call.dy.rows));
  LK_TRY(optional_matrix("x", x, call.dy.rows, call.w.k, call.x, like_w(call.w)));
  return describe_options(options, call);
}

lk_status describe_gradients(const lk_tensor* d_x, const lk_tensor* d_weight,
                             const lk_tensor* d_bias, Backward& call) {
  LK_TRY(optional_output("d_x", d_x, call.dy.rows, call.w.k, call.d_x, like_w(call.w)));
  LK_TRY(optional_output("d_weight", d_weight, call.w.n, call.w.k, call.d_weight, {}));
  if (d_bias != nullptr) LK_TRY(as_vector("d_bias", d_bias, call.w.n, call.d_bias));
  if (call.x_pre_activation && !call.d_x) {
    return fail(LK_BAD_ARGUMENT, "x_pre_activation: given, expected NULL without d_x");
  }
  return LK_OK;
}

lk_status describe_backward(const lk_tensor* dy, const lk_tensor* x, const lk_weight* w,
                            const Packing& packing, const lk_linear_backward_options* options,
                            const lk_tensor* d_x, const lk_tensor* d_weight,
                            const lk_tensor* d_bias, Backward& call) {
  LK_TRY(describe_backward_inputs(dy, x, w, packing, options, call));
  LK_TRY(describe_gradients(d_x, d_weight, d_bias, call));
  if (!call.d_x && !call.d_weight && !call.d_bias) {
    return fail(LK_BAD_ARGUMENT, "d_x, d_weight, d_bias: all NULL, expected at least one");
  }
  if (call.d_weight && !call.x) {
    return fail(LK_BAD_ARGUMENT, "x: NULL, expected the input for d_weight");
  }
  const lk_tensor weight = weight_extent(call.w);
  const OptionTensors given = tensors_of(options, call);
  return check_outputs_apart({{"dy", dy},
                              {"x", x},
                              {"w", &weight},
                              {"row_scale", given.row_scale},
                              {"x_pre_activation", given.x_pre_activation}},
                             {{"d_x", d_x}, {"d_weight", d_weight}, {"d_bias", d_bias}});
}

lk_status describe_forward_sizes(int64_t m, const lk_weight* w, Forward& call) {
  LK_TRY(check_size("m", m));
  LK_TRY(describe_weight_sizes(w, call.w));
  LK_TRY(check_product(m, call.w));
  call.x.rows = call.y.rows = m;
  call.x.columns = call.w.k;
  call.y.columns = call.w.n;
  return LK_OK;
}

lk_status describe_backward_sizes(int64_t m, const lk_weight* w, Backward& call) {
  LK_TRY(check_size("m", m));
  LK_TRY(describe_weight_sizes(w, call.w));
  LK_TRY(check_product(m, call.w));
  call.dy.rows = m;
  call.dy.columns = call.w.n;
  return LK_OK;
}

}  // namespace lk::linear
