// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// One pass, vectors of kLanes, fixed chunks of elements shared out among the threads.
#include "common/gelu_simd.h"
#include "common/loops.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {

lk_status gelu_forward(const Context& context, const gelu::Forward& call) {
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    const bool past_caches = passes_caches(call.y, call.x.data);
    over_rows(*context.pool, call.x.rows, call.x.columns, [&](int64_t i, int64_t first, int64_t n) {
      const T* x = call.x.row_of<T>(i) + first;
      T* y = call.y.row_of<T>(i) + first;
      over_output_groups<OrderFor<T>, kGeluTogether>(y, n, past_caches, [&](int64_t j, auto group) {
        Vec v[group.kCount];
        group.load(x + j, v);
        gelu_each<T>(v);
        group.store(y + j, v);
      });
    }, past_caches);
  });
  return LK_OK;
}

lk_status gelu_backward(const Context& context, const gelu::Backward& call) {
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    const bool past_caches = passes_caches(call.d_x, call.x.data, call.dy.data);
    over_rows(*context.pool, call.x.rows, call.x.columns, [&](int64_t i, int64_t first, int64_t n) {
      const T* x = call.x.row_of<T>(i) + first;
      const T* dy = call.dy.row_of<T>(i) + first;
      T* d_x = call.d_x.row_of<T>(i) + first;
      over_output_groups<OrderFor<T>, kGeluTogether>(d_x, n, past_caches, [&](int64_t j, auto group) {
        Vec v[group.kCount], gradient[group.kCount];
        group.load(x + j, v);
        gelu_derivative_each<T>(v);
        group.load(dy + j, gradient);
        for (int i = 0; i < group.kCount; ++i) v[i] *= gradient[i];
        group.store(d_x + j, v);
      });
    }, past_caches);
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
