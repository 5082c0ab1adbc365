// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "common/half_scalar.h"
#include "common/philox.h"
#include "common/reference.h"
#include "lora/lora.h"

namespace lk::lora {
namespace {

bool keeps(const Adapter& adapter, uint64_t element) {
  return adapter.dropout == 0 ||
         philox_word(adapter.random, element) >= keep_threshold(adapter.dropout);
}

// A row of mask ∘ x.
template <class Real>
std::vector<Real> kept(const Adapter& adapter, const Matrix& x, int64_t i) {
  std::vector<Real> row(x.columns);
  for (int64_t k = 0; k < x.columns; ++k) {
    row[k] = keeps(adapter, static_cast<uint64_t>(i) * x.columns + k) ? Real(x.row(i)[k]) : 0;
  }
  return row;
}

template <class Real>
Real factor(const Adapter& adapter) {
  return Real(adapter.scaling) / (1 - Real(adapter.dropout));
}

// What is left of a number of a rank-r tensor.
template <class Real>
Real narrow(int32_t dtype, Real value) {
  return dtype == LK_F32 ? value : Real(round_to(dtype, static_cast<float>(value)));
}

void put(bool add, float& place, double value) {
  place = static_cast<float>(add ? place + value : value);
}

}  // namespace

template <class Real>
void reference_forward(const Forward& call, int32_t rank_dtype) {
  const linear::Forward& base = call.linear;
  const Adapter& adapter = call.adapter;
  const ProductWithTransposed<Real> product(base.w);
  for (int64_t i = 0; i < base.x.rows; ++i) {
    const std::vector<Real> x = kept<Real>(adapter, base.x, i);
    const std::vector<Real> frozen = product.of(base.x.row(i));
    std::vector<Real> h(adapter.rows());
    for (int64_t j = 0; j < adapter.rows(); ++j) {
      Real sum = 0;
      for (int64_t k = 0; k < base.w.k; ++k) {
        sum += x[k] * narrow<Real>(rank_dtype, adapter.a.row(j)[k]);
      }
      h[j] = factor<Real>(adapter) * sum;
      if (call.h) call.h.row(i)[j] = static_cast<float>(h[j]);
      h[j] = narrow(rank_dtype, h[j]);
    }
    for (int64_t n = 0; n < base.w.n; ++n) {
      Real z = frozen[n];
      for (int64_t g = 0; g < adapter.groups; ++g) {
        const Group& group = adapter.group[g];
        if (n < group.first || n >= group.last()) continue;
        const float* b = adapter.b.row(group.b_row + n - group.first);
        for (int64_t j = 0; j < adapter.rank; ++j) {
          z += h[g * adapter.rank + j] * narrow<Real>(rank_dtype, b[j]);
        }
      }
      if (base.bias) z += base.bias.data[n];
      linear::reference_epilogue(base.epilogue, i, n, z, base.y);
    }
  }
}

template <class Real>
void reference_backward(const Backward& call, int32_t rank_dtype) {
  const linear::Backward& base = call.linear;
  const Adapter& adapter = call.adapter;
  const int64_t m = base.dy.rows, k = base.w.k, rank = adapter.rank;
  const auto dy = [&](int64_t i, int64_t n) {
    return Real(base.dy.row(i)[n]) * Real(base.row_scale[i]);
  };

  std::vector<Real> dh(m * adapter.rows());
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t g = 0; g < adapter.groups; ++g) {
      const Group& group = adapter.group[g];
      for (int64_t j = 0; j < rank; ++j) {
        Real sum = 0;
        for (int64_t n = 0; n < group.columns; ++n) {
          sum += dy(i, group.first + n) * narrow<Real>(rank_dtype, adapter.b.row(group.b_row + n)[j]);
        }
        dh[i * adapter.rows() + g * rank + j] = narrow(rank_dtype, factor<Real>(adapter) * sum);
      }
    }
  }
  for (int64_t g = 0; g < adapter.groups; ++g) {
    const Group& group = adapter.group[g];
    for (int64_t n = 0; n < group.columns; ++n) {
      for (int64_t j = 0; j < rank; ++j) {
        Real sum = 0;
        for (int64_t i = 0; i < m; ++i) {
          sum += dy(i, group.first + n) * narrow<Real>(rank_dtype, call.h.row(i)[g * rank + j]);
        }
        put(base.add_to_parameters, call.d_b.row(group.b_row + n)[j], sum);
      }
    }
  }
  std::vector<Real> d_a(adapter.rows() * k, 0);
  for (int64_t i = 0; i < m; ++i) {
    const std::vector<Real> x = kept<Real>(adapter, base.x, i);
    for (int64_t j = 0; j < adapter.rows(); ++j) {
      add_scaled(dh[i * adapter.rows() + j], x.data(), k, &d_a[j * k]);
    }
  }
  for (int64_t j = 0; j < adapter.rows(); ++j) {
    for (int64_t c = 0; c < k; ++c) put(base.add_to_parameters, call.d_a.row(j)[c], d_a[j * k + c]);
  }
  for (int64_t i = 0; i < m && base.d_x; ++i) {
    std::vector<Real> frozen(k, 0);
    for (int64_t n = 0; n < base.w.n; ++n) add_scaled(dy(i, n), base.w.row(n), k, frozen.data());
    for (int64_t c = 0; c < k; ++c) {
      Real low = 0;
      for (int64_t j = 0; j < adapter.rows(); ++j) {
        low += dh[i * adapter.rows() + j] * narrow<Real>(rank_dtype, adapter.a.row(j)[c]);
      }
      const Real d_x = keeps(adapter, i * k + c) ? frozen[c] + low : frozen[c];
      linear::reference_input_gradient(base, i, c, d_x);
    }
  }
  linear::reference_parameter_gradients<Real>(base);
}

template void reference_forward<double>(const Forward&, int32_t);
template void reference_forward<float>(const Forward&, int32_t);
template void reference_backward<double>(const Backward&, int32_t);
template void reference_backward<float>(const Backward&, int32_t);

}  // namespace lk::lora
