// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What oracles share: sums of whole rows, whose loops run along memory. Every element's sum still has
// the order of the calls.
#pragma once

#include <cstdint>
#include <vector>

namespace lk {

// target += factor * row
template <class Real, class Value>
void add_scaled(Real factor, const Value* row, int64_t n, Real* target) {
  for (int64_t i = 0; i < n; ++i) target[i] += factor * row[i];
}

// Rows of x Wᵀ for W [n, k], each element summed in the order of k.
template <class Real>
class ProductWithTransposed {
 public:
  template <class Weight>
  explicit ProductWithTransposed(const Weight& w) : n_(w.n), k_(w.k), transposed_(w.k * w.n) {
    for (int64_t j = 0; j < n_; ++j) {
      for (int64_t k = 0; k < k_; ++k) transposed_[k * n_ + j] = w.row(j)[k];
    }
  }

  std::vector<Real> of(const float* x) const {
    std::vector<Real> z(n_, 0);
    for (int64_t k = 0; k < k_; ++k) add_scaled(Real(x[k]), &transposed_[k * n_], n_, z.data());
    return z;
  }

 private:
  int64_t n_, k_;
  std::vector<Real> transposed_;  // [k, n]
};

}  // namespace lk
