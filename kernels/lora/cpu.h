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
        k_(static_cast<uint64_t>(k)),
        active_(adapter.dropout > 0) {}

  bool active() const { return active_; }

  // Where kLanes elements of a row begin.
  struct Place {
    int64_t row, column;
  };
  // Their masks. Four together take half the time of one by one.
  void masks(const Place (&places)[4], Int (&kept)[4]) const {
    uint64_t first[4];
    for (int i = 0; i < 4; ++i) {
      first[i] = static_cast<uint64_t>(places[i].row) * k_ + static_cast<uint64_t>(places[i].column);
    }
    Uint words[4];
    philox_.words_each(first, words);
    for (int i = 0; i < 4; ++i) kept[i] = words[i] >= threshold_;
  }
  // Those of kPanel elements of a row, then of the next row's.
  void masks_of_two_rows(int64_t row, int64_t column, Int (&kept)[4]) const {
    masks({{row, column}, {row, column + kLanes}, {row + 1, column}, {row + 1, column + kLanes}},
          kept);
  }

  // Sets dropped elements of rows that pack_rows packed to 0; `row` is the first one's number.
  template <class T>
  void drop_from_rows(int64_t row, int64_t rows, float* packed) const {
    constexpr int kRows = 4 / kDepth<T>;
    for (int64_t s = 0; s < steps_of<T>(static_cast<int64_t>(k_)); s += kLanes) {
      for (int64_t r = 0; r < rows; r += kRows) {
        Place places[4];
        Int kept[4];
        for (int i = 0; i < 4; ++i) {
          places[i] = {row + r + i / kDepth<T>, s * kDepth<T> + i % kDepth<T> * kLanes};
        }
        masks(places, kept);
        for (int64_t i = 0; i < kRows && r + i < rows; ++i) {
          float* units = packed + (s / kPanel * rows + r + i) * kPanel + s % kPanel;
          store(units, keep(load(units), mask_of_units<T>(kept + i * kDepth<T>)));
        }
      }
    }
  }

  // The same in what pack_columns packed.
  template <class T>
  void drop_from_columns(int64_t row, int64_t rows, int64_t column, float* packed) const {
    for (int64_t r = 0; r < rows; r += 2) {
      // Rows r and r + 1: two steps, or the two halves of one.
      Int kept[4];
      masks_of_two_rows(row + r, column, kept);
      if constexpr (kDepth<T> == 2) {
        kept[0] = (kept[0] & 0xFFFF) | (kept[2] & ~0xFFFF);
        kept[1] = (kept[1] & 0xFFFF) | (kept[3] & ~0xFFFF);
      }
      const int vectors = kDepth<T> == 2 || r + 1 == rows ? 2 : 4;
      for (int i = 0; i < vectors; ++i, packed += kLanes) store(packed, keep(load(packed), kept[i]));
    }
  }

 private:
  static Vec keep(Vec units, Int kept) {
    return reinterpret_cast<Vec>(reinterpret_cast<Int>(units) & kept);
  }
  // Of a row's kLanes units, from the masks of their kDepth<T> kLanes elements.
  template <class T>
  static Int mask_of_units(const Int* kept) {
    if constexpr (kDepth<T> == 2) {
      const HalfWords halves[2] = {narrow(reinterpret_cast<Uint>(kept[0])),
                                   narrow(reinterpret_cast<Uint>(kept[1]))};
      Int both;
      __builtin_memcpy(&both, halves, sizeof(both));
      return both;
    }
    return kept[0];
  }

  Philox philox_;
  Uint threshold_;
  uint64_t k_;
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
