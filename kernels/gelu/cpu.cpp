// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// One pass, vectors of kLanes, fixed chunks of elements shared out among the threads.
#include "common/loops.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {

lk_status gelu_forward(const Context& context, const gelu::Forward& call) {
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    over_rows(*context.pool, call.x.rows, call.x.columns, [&](int64_t i, int64_t first, int64_t n) {
      const T* x = call.x.row_of<T>(i) + first;
      T* y = call.y.row_of<T>(i) + first;
      over_vectors(n, [&](int64_t j, auto part) { part.store(y + j, gelu(part.load(x + j))); });
    });
  });
  return LK_OK;
}

lk_status gelu_backward(const Context& context, const gelu::Backward& call) {
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    over_rows(*context.pool, call.x.rows, call.x.columns, [&](int64_t i, int64_t first, int64_t n) {
      const T* x = call.x.row_of<T>(i) + first;
      const T* dy = call.dy.row_of<T>(i) + first;
      T* d_x = call.d_x.row_of<T>(i) + first;
      over_vectors(n, [&](int64_t j, auto part) {
        part.store(d_x + j, part.load(dy + j) * gelu_derivative(part.load(x + j)));
      });
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
