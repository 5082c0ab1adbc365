// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The fused LoRA layer by plain products (common/cuda/gemm_plain.cuh): f32, and 16-bit calls whose
// shapes or alignment the tensor cores' kernels do not take. Sums in f32, in the order of
// reference.cpp.
#include "lora/cuda.cuh"

namespace lk::cuda {
namespace {

// mask ∘ x as a left operand: element (i, l) is x (i, l).
template <class T>
struct MaskedRows {
  static constexpr bool kAlongL = true;
  Rows<const T> x;
  Mask mask;
  LK_DEVICE float operator()(int64_t i, int64_t l) const {
    return mask.keeps(i, l) ? load_float(x.at(i, l)) : 0.0f;
  }
};
// The same for sums over rows: element (j, l) is x (l, j).
template <class T>
struct MaskedColumns {
  static constexpr bool kAlongL = false;
  Rows<const T> x;
  Mask mask;
  LK_DEVICE float operator()(int64_t j, int64_t l) const {
    return mask.keeps(l, j) ? load_float(x.at(l, j)) : 0.0f;
  }
};

// A multiple of the product, in rows of f32.
struct StoreScaled {
  Rows<float> out;
  float factor;
  LK_DEVICE void operator()(int64_t, int64_t i, int64_t j, float sum) const {
    store(out.at(i, j), factor * sum);
  }
};

// [x | h] [W | B]ᵀ, l over k and then over all ranks: those of other groups meet zeros.
template <class T>
struct InputAndRanks {
  static constexpr bool kAlongL = true;
  Rows<const T> x;
  Rows<const float> h;
  int64_t k;
  LK_DEVICE float operator()(int64_t i, int64_t l) const {
    return l < k ? load_float(x.at(i, l)) : load(h.at(i, l - k));
  }
};
template <class T>
struct WeightAndRanks {
  static constexpr bool kAlongL = true;
  Rows<const T> w;
  Rows<const float> b;
  Groups groups;
  int64_t k;
  LK_DEVICE float operator()(int64_t j, int64_t l) const {
    if (l < k) return load_float(w.at(j, l));
    const int g = static_cast<int>((l - k) / groups.rank);
    if (j < groups.first[g] || j >= groups.last[g]) return 0.0f;
    return load(b.at(groups.b_row[g] + j - groups.first[g], (l - k) % groups.rank));
  }
};

// d_x from dy W: mask ∘ (dh A) joins before the row scale.
template <class T>
struct LowRankGradient {
  InputGradientEpilogue<T> epilogue;
  Rows<const float> dh, a;
  int64_t ranks;
  Mask mask;
  LK_DEVICE void operator()(int64_t part, int64_t i, int64_t k, float product) const {
    float low = 0;
    if (mask.keeps(i, k)) {
      for (int64_t l = 0; l < ranks; ++l) low = fmaf(load(dh.at(i, l)), load(a.at(l, k)), low);
    }
    epilogue(part, i, k, product + low);
  }
};

template <class T>
lk_status forward(const Context& context, const lora::Forward& call, const Matrix& h) {
  const linear::Forward& base = call.linear;
  const lora::Adapter& adapter = call.adapter;
  const int64_t m = base.x.rows, n = base.w.n, k = base.w.k, ranks = adapter.rows();
  const Rows<const T> x = rows_of<const T>(base.x);
  LK_TRY(multiply_plain("lora_h_plain", context, m, ranks, k, 1, MaskedRows<T>{x, mask_of(adapter, k)},
                        RowsOperand<float>{rows_of<const float>(adapter.a)},
                        StoreScaled{rows_of<float>(h), adapter.factor()}));
  return multiply_plain("lora_forward_plain", context, m, n, k + ranks, 1,
                        InputAndRanks<T>{x, rows_of<const float>(h), k},
                        WeightAndRanks<T>{rows_of<T>(base.w), rows_of<const float>(adapter.b),
                                          groups_of(adapter), k},
                        ForwardEpilogue<T>(base));
}

// dh without the row scale, and the parts of d_b: a launch each a group.
template <class T>
lk_status group_gradients(const Context& context, const lora::Backward& call, const Scratch& scratch,
                          int64_t parts) {
  const linear::Backward& base = call.linear;
  const lora::Adapter& adapter = call.adapter;
  const int64_t m = base.dy.rows, rank = adapter.rank;
  const RowScale scale = scale_of(base.row_scale);
  const Rows<const T> dy = rows_of<const T>(base.dy);
  const Rows<const float> b = rows_of<const float>(adapter.b), h = rows_of<const float>(call.h);
  for (int64_t g = 0; g < adapter.groups; ++g) {
    const lora::Group& group = adapter.group[g];
    const Rows<const T> dy_g = {{dy.data.at + group.first}, dy.stride};
    const Rows<const float> b_g = {{b.data.at + group.b_row * b.stride}, b.stride};
    const Rows<const float> h_g = {{h.data.at + g * rank}, h.stride};
    const Rows<float> dh_g = {{scratch.dh.at + g * rank}, adapter.rows()};
    LK_TRY(multiply_plain("lora_dh_plain", context, m, rank, group.columns, 1, RowsOperand<T>{dy_g},
                          ColumnsOperand<float>{b_g}, StoreScaled{dh_g, adapter.factor()}));
    const StoreRankPart store_part = {{scratch.d_b.at + group.b_row * rank}, b_rows(adapter) * rank,
                                      rank, 1, rank};
    LK_TRY(multiply_plain("lora_d_b_plain", context, group.columns, rank, m, parts,
                          ScaledColumns<T>{dy_g, scale}, ColumnsOperand<float>{h_g}, store_part));
  }
  return LK_OK;
}

template <class T>
lk_status backward(const Context& context, const lora::Backward& call) {
  const linear::Backward& base = call.linear;
  const lora::Adapter& adapter = call.adapter;
  const int64_t m = base.dy.rows, k = base.w.k, ranks = adapter.rows();
  const Scratch scratch = scratch_of(context, call);
  const Mask mask = mask_of(adapter, k);
  const Rows<const float> dh = {{scratch.dh.at}, ranks};
  const int64_t d_b_count = split_of(b_rows(adapter), adapter.rank, m);
  const int64_t d_a_count = split_of(ranks, k, m);
  LK_TRY(group_gradients<T>(context, call, scratch, d_b_count));
  LK_TRY(multiply_plain("lora_d_a_plain", context, ranks, k, m, d_a_count,
                        ScaledColumns<float>{dh, scale_of(base.row_scale)},
                        MaskedColumns<T>{rows_of<const T>(base.x), mask},
                        StorePart{scratch.d_a, ranks, k}));
  LK_TRY(sum_gradients(context, call, d_b_count, d_a_count));
  if (!base.d_x) return LK_OK;
  return multiply_plain("lora_d_x_plain", context, m, k, base.w.n, 1,
                        RowsOperand<T>{rows_of<const T>(base.dy)}, ColumnsOperand<T>{rows_of<T>(base.w)},
                        LowRankGradient<T>{InputGradientEpilogue<T>(base), dh,
                                           rows_of<const float>(adapter.a), ranks, mask});
}

}  // namespace

lk_status lora_forward_plain(const Context& context, const lora::Forward& call, const Matrix& h) {
  describe_kernel("cuda plain");
  return with_type(call.dtype(), [&](auto type) { return forward<decltype(type)>(context, call, h); });
}

lk_status lora_backward_plain(const Context& context, const lora::Backward& call) {
  describe_kernel("cuda plain");
  return with_type(call.dtype(), [&](auto type) { return backward<decltype(type)>(context, call); });
}

}  // namespace lk::cuda
