// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the forward and the backward kernels of the fused LoRA layer share: A and B packed for the
// call, and dropout's mask drawn in registers.
#pragma once

#include "common/philox.h"
#include "common/philox_simd.h"
#include "linear/cpu.h"

namespace lk::LK_ISA {

// A as a weight's panels [rows / kPanel][k][kPanel]; B of each group as panels of y's columns,
// [panels the group touches][rank][kPanel], zero in the columns outside the group.
class PackedAdapter {
 public:
  PackedAdapter(const lora::Adapter& adapter, int64_t n, int64_t k, Scratch& scratch)
      : adapter_(adapter), n_(n), k_(k) {
    a_ = scratch.floats(packed_weight_floats(adapter.rows(), k));
    for (int64_t g = 0; g < adapter.groups; ++g) {
      b_[g] = scratch.floats((panels(g).last - panels(g).first) * adapter.rank * kPanel);
    }
  }

  void pack(const Context& context) const;

  const lora::Adapter& adapter() const { return adapter_; }
  const float* a() const { return a_; }
  // Panels of y's columns that group g touches.
  Range panels(int64_t g) const {
    return {adapter_.group[g].first / kPanel, divide_up(adapter_.group[g].last(), kPanel)};
  }
  bool touches(int64_t g, int64_t panel) const {
    return panel >= panels(g).first && panel < panels(g).last;
  }
  const float* b(int64_t g, int64_t panel) const {
    return b_[g] + (panel - panels(g).first) * adapter_.rank * kPanel;
  }
  // y's columns in the panels of group g.
  Range columns(int64_t g) const {
    return {panels(g).first * kPanel, smaller(panels(g).last * kPanel, n_)};
  }

 private:
  const lora::Adapter& adapter_;
  int64_t n_, k_;
  float *a_, *b_[LK_MAX_LORA_GROUPS];
};

// Which elements of x [m, k] reach A.
class Dropout {
 public:
  Dropout(const lora::Adapter& adapter, int64_t k)
      : philox_(adapter.random),
        threshold_(keep_threshold(adapter.dropout) - Uint{}),
        k_(static_cast<uint64_t>(k)),
        active_(adapter.dropout > 0) {}

  bool active() const { return active_; }

  // The mask of kLanes elements of a row, from a column on.
  Int mask(int64_t row, int64_t column) const {
    return philox_.words(static_cast<uint64_t>(row) * k_ + static_cast<uint64_t>(column)) >=
           threshold_;
  }

 private:
  Philox philox_;
  Uint threshold_;
  uint64_t k_;
  bool active_;
};

}  // namespace lk::LK_ISA
