// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "lora/lora.h"

#include <cmath>

namespace lk::lora {
namespace {

// Groups and rank; adds up the columns of all groups.
lk_status describe_sizes(const lk_lora* lora, int64_t n, Adapter& adapter, int64_t& columns) {
  if (lora == nullptr) return fail(LK_BAD_ARGUMENT, "lora: NULL, expected an lk_lora");
  if (lora->groups < 1 || lora->groups > LK_MAX_LORA_GROUPS) {
    return fail(LK_BAD_ARGUMENT, "lora.groups: %d, expected 1 to %d", lora->groups,
                LK_MAX_LORA_GROUPS);
  }
  if (lora->rank < 1 || lora->rank > LK_MAX_LORA_RANK) {
    return fail(LK_BAD_ARGUMENT, "lora.rank: %d, expected 1 to %d", lora->rank, LK_MAX_LORA_RANK);
  }
  adapter.groups = lora->groups;
  adapter.rank = lora->rank;
  columns = 0;
  int64_t free_from = 0;  // columns below are taken
  for (int g = 0; g < lora->groups; ++g) {
    const lk_lora_group& group = lora->group[g];
    if (group.first_column < free_from || group.first_column >= n || group.columns < 1 ||
        group.columns > n - group.first_column) {
      return fail(LK_BAD_ARGUMENT,
                  "lora.group[%d]: %lld columns from %lld on, expected one or more between %lld "
                  "and the weight's %lld",
                  g, static_cast<long long>(group.columns),
                  static_cast<long long>(group.first_column), static_cast<long long>(free_from),
                  static_cast<long long>(n));
    }
    adapter.group[g] = {group.first_column, group.columns, columns};
    columns += group.columns;
    free_from = group.first_column + group.columns;
  }
  return LK_OK;
}

lk_status describe_adapter(const lk_lora* lora, int64_t n, int64_t k, Adapter& adapter) {
  int64_t columns = 0;
  LK_TRY(describe_sizes(lora, n, adapter, columns));
  LK_TRY(as_matrix("lora.a", lora->a, adapter.rows(), k, adapter.a));
  LK_TRY(as_matrix("lora.b", lora->b, columns, adapter.rank, adapter.b));
  if (!std::isfinite(lora->scaling)) {
    return fail(LK_BAD_ARGUMENT, "lora.scaling: %g, expected a finite number",
                static_cast<double>(lora->scaling));
  }
  LK_TRY(check_probability("lora.dropout", lora->dropout));
  adapter.scaling = lora->scaling;
  adapter.dropout = lora->dropout;
  adapter.random = lora->random;
  return LK_OK;
}

}  // namespace

lk_status describe_forward(const lk_tensor* x, const lk_weight* w, const linear::Packing& packing,
                           const lk_tensor* bias, const lk_lora* lora, const lk_epilogue* epilogue,
                           const lk_tensor* h, const lk_tensor* y, Forward& call) {
  LK_TRY(linear::describe_forward(x, w, packing, bias, epilogue, y, call.linear));
  LK_TRY(describe_adapter(lora, call.linear.w.n, call.linear.w.k, call.adapter));
  if (h != nullptr) {
    LK_TRY(as_matrix("h", h, call.linear.x.rows, call.adapter.rows(), call.h));
    LK_TRY(check_output("h", h));
  }
  const lk_tensor weight = linear::weight_extent(call.linear.w);
  const linear::EpilogueTensors after =
      linear::tensors_of(epilogue, call.linear.epilogue, call.linear.y);
  // In place with y or not, the residual may not be h.
  const lk_tensor* residual = epilogue != nullptr ? epilogue->residual : nullptr;
  LK_TRY(check_outputs_apart({{"lora.a", lora->a}, {"lora.b", lora->b}},
                             {{"y", y}, {"pre_activation", after.pre_activation}}));
  return check_outputs_apart({{"lora.a", lora->a},
                              {"lora.b", lora->b},
                              {"x", x},
                              {"w", &weight},
                              {"bias", bias},
                              {"residual", residual},
                              {"row_scale", after.row_scale},
                              {"y", y},
                              {"pre_activation", after.pre_activation}},
                             {{"h", h}});
}

lk_status describe_backward(const lk_tensor* dy, const lk_tensor* x, const lk_weight* w,
                            const linear::Packing& packing, const lk_lora* lora, const lk_tensor* h,
                            const lk_linear_backward_options* options, const lk_tensor* d_x,
                            const lk_tensor* d_a, const lk_tensor* d_b, const lk_tensor* d_weight,
                            const lk_tensor* d_bias, Backward& call) {
  LK_TRY(linear::describe_backward_inputs(dy, x, w, packing, options, call.linear));
  if (!call.linear.x) return fail(LK_BAD_ARGUMENT, "x: NULL, expected the forward pass's input");
  LK_TRY(linear::describe_gradients(d_x, d_weight, d_bias, call.linear));
  LK_TRY(describe_adapter(lora, call.linear.w.n, call.linear.w.k, call.adapter));
  const Adapter& adapter = call.adapter;
  LK_TRY(as_matrix("h", h, call.linear.dy.rows, adapter.rows(), call.h));
  LK_TRY(as_matrix("d_a", d_a, adapter.rows(), call.linear.w.k, call.d_a));
  LK_TRY(as_matrix("d_b", d_b, adapter.b.rows, adapter.rank, call.d_b));
  LK_TRY(check_output("d_a", d_a));
  LK_TRY(check_output("d_b", d_b));
  const lk_tensor weight = linear::weight_extent(call.linear.w);
  const linear::OptionTensors given = linear::tensors_of(options, call.linear);
  return check_outputs_apart({{"dy", dy},
                              {"x", x},
                              {"w", &weight},
                              {"lora.a", lora->a},
                              {"lora.b", lora->b},
                              {"h", h},
                              {"row_scale", given.row_scale},
                              {"x_pre_activation", given.x_pre_activation}},
                             {{"d_x", d_x},
                              {"d_a", d_a},
                              {"d_b", d_b},
                              {"d_weight", d_weight},
                              {"d_bias", d_bias}});
}

lk_status describe_forward_sizes(int64_t m, const lk_weight* w, const lk_lora* lora,
                                 Forward& call) {
  LK_TRY(linear::describe_forward_sizes(m, w, call.linear));
  int64_t columns = 0;
  return describe_sizes(lora, call.linear.w.n, call.adapter, columns);
}

lk_status describe_backward_sizes(int64_t m, const lk_weight* w, const lk_lora* lora,
                                  Backward& call) {
  LK_TRY(linear::describe_backward_sizes(m, w, call.linear));
  int64_t columns = 0;
  return describe_sizes(lora, call.linear.w.n, call.adapter, columns);
}

}  // namespace lk::lora
