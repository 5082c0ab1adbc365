// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// One pass over the rows, vectors of kLanes, rows shared out among the threads.
#include "cpu_operations.h"

namespace lk::LK_ISA {
namespace {

// Applies function(element offsets...) to every vector of a row, the tail with fewer lanes.
template <class Full, class Tail>
void over_row(int64_t columns, const Full& full, const Tail& tail) {
  int64_t j = 0;
  for (; j + kLanes <= columns; j += kLanes) full(j);
  if (j < columns) tail(j, columns - j);
}

}  // namespace

lk_status gelu_forward(const Context& context, const gelu::Forward& call) {
  context.pool->run(call.x.rows, [&](int64_t i, int) {
    const float* x = call.x.row(i);
    float* y = call.y.row(i);
    over_row(
        call.x.columns, [&](int64_t j) { store(y + j, gelu(load(x + j))); },
        [&](int64_t j, int64_t n) { store_first(y + j, gelu(load_first(x + j, n)), n); });
  });
  return LK_OK;
}

lk_status gelu_backward(const Context& context, const gelu::Backward& call) {
  context.pool->run(call.x.rows, [&](int64_t i, int) {
    const float* x = call.x.row(i);
    const float* dy = call.dy.row(i);
    float* d_x = call.d_x.row(i);
    over_row(
        call.x.columns,
        [&](int64_t j) { store(d_x + j, load(dy + j) * gelu_derivative(load(x + j))); },
        [&](int64_t j, int64_t n) {
          store_first(d_x + j, load_first(dy + j, n) * gelu_derivative(load_first(x + j, n)), n);
        });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
