// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the forward and the backward kernels of the fused LoRA layer share. A, B, h and dh are packed
// in the units of the activations' type T, as x, dy and W are: rounded where those are pairs of bf16
// numbers.
#pragma once

#include "common/philox.h"
#include "common/philox_simd.h"
#include "linear/cpu.h"

namespace lk::LK_ISA {

// Which elements of x [m, k] reach A.
class Dropout {
 public:
  Dropout(const lora::Adapter& adapter, int64_t k)
      : philox_(adapter.random),
        threshold_(keep_threshold(adapter.dropout) - Uint{}),
        k_(k),
        active_(adapter.dropout > 0) {}

  bool active() const { return active_; }

  // kPanel elements from a column on, of some rows: bit j of kept[i] is set if element j of row + i
  // reaches A.
  void draw(int64_t row, int64_t rows, int64_t column, uint32_t* kept) const {
    int64_t i = 0;
    for (; i + 2 < rows; i += 4) draw_rows<4>(row + i, smaller(4, rows - i), column, kept + i);
    if (i < rows) draw_rows<2>(row + i, rows - i, column, kept + i);
  }

  // Rows that pack_rows packed, without the dropped elements; `row` is the first one's number.
  template <class T>
  void drop(int64_t row, int64_t rows, const float* packed, float* dropped) const {
    uint32_t kept[kTileRows];
    for (int64_t column = 0; column < k_; column += kPanel) {
      const int64_t step = column / kDepth<T>;
      draw(row, rows, column, kept);
      int64_t at = step / kPanel * rows * kPanel + step % kPanel;
      for (int64_t i = 0; i < rows; ++i, at += kPanel) {
        for (int j = 0; j < kPanel / kDepth<T>; j += kLanes) {
          store(dropped + at + j, keep_numbers<T>(load(packed + at + j), kept[i] >> j));
        }
      }
    }
  }

 private:
  // The same of at most Rows rows. Each register's words wait for themselves in every round: four registers together
  // take half the time of one after the other, eight a bit less still.
  template <int Rows>
  void draw_rows(int64_t row, int64_t rows, int64_t column, uint32_t* kept) const {
    uint64_t first[2 * Rows];
    for (int i = 0; i < Rows; ++i) {
      first[2 * i] = static_cast<uint64_t>((row + i) * k_ + column);
      first[2 * i + 1] = first[2 * i] + kLanes;
    }
    Uint words[2 * Rows];
    philox_.words_each(first, words);
    for (int i = 0; i < smaller(Rows, rows); ++i) {
      kept[i] = lanes_at_least(words[2 * i], threshold_) |
                lanes_at_least(words[2 * i + 1], threshold_) << kLanes;
    }
  }

  Philox philox_;
  Uint threshold_;
  int64_t k_;
  bool active_;
};

// The product of a tile of packed rows with panels [panels of `columns`][panel_floats], times a
// factor: rows of results [rows][columns].
template <class T>
void project(const float* packed, int64_t rows, const float* panels, int64_t panel_floats,
             int64_t terms, int64_t columns, float factor, float* results, int64_t stride) {
  for (int64_t column = 0; column < columns; column += kPanel) {
    alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
    multiply_tile<T>({packed, rows * kPanel, panels + column / kPanel * panel_floats, kPanel,
                      steps_of<T>(terms)},
                     rows, columns - column, tile, kPanel, false);
    for (int64_t r = 0; r < rows; ++r) {
      over_vectors(smaller(kPanel, columns - column), [&](int64_t j, auto part) {
        part.store(results + r * stride + column + j, load(tile + r * kPanel + j) * factor);
      });
    }
  }
}

}  // namespace lk::LK_ISA
