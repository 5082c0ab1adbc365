// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The product of bf16 pairs on tile registers: four of sums, two of scalars, two of vectors.
#include "common/gemm.h"

#if LK_TILES
#include "common/tiles.h"

namespace lk::LK_ISA {
namespace {

// Of a tile register: rows, and units in a row, which of scalars are steps.
constexpr int kSide = 16;
constexpr int64_t kBytes = 4;  // of a unit
static_assert(kTileRows == 2 * kSide && kPanel == 2 * kSide);
// Registers. Of sums 2 r + c, the r-th half of the rows by the c-th of the columns.
constexpr int kSums = 0, kScalars = 4, kVectors = 6;

// Rows that the thread's registers are shaped for; kNone in a task that has not multiplied yet.
constexpr int64_t kNone = 0, kOutside = -1;
thread_local int64_t shaped_for = kOutside;

// Some 200 cycles: a change of rows is worth it, every product would not be.
void shape_for(int64_t rows) {
  if (rows == shaped_for) return;
  if (shaped_for == kOutside) __builtin_trap();  // the task holds no TileRegisters
  tiles::Shapes shapes;
  const auto shape = [&](int tile, int64_t tile_rows) {
    shapes.rows[tile] = static_cast<uint8_t>(tile_rows);
    shapes.row_bytes[tile] = tile_rows > 0 ? kSide * kBytes : 0;
  };
  for (int r = 0; r < 2; ++r) {
    const int64_t half = smaller(kSide, larger(0, rows - r * kSide));
    shape(kSums + 2 * r, half);
    shape(kSums + 2 * r + 1, half);
    shape(kScalars + r, half);
    shape(kVectors + r, kSide);
  }
  tiles::configure(shapes);
  shaped_for = rows;
}

// The sums += kSide steps, scalars in rows `row` units apart.
template <int Rows, int Columns>
inline void add_steps(const float* scalars, int64_t row, const float* vectors) {
  tiles::load<kScalars>(scalars, row * kBytes);
  tiles::load<kVectors>(vectors, kPanel * kBytes);
  tiles::dot<kSums, kScalars, kVectors>();
  if constexpr (Columns == 2) {
    tiles::load<kVectors + 1>(vectors + kSide, kPanel * kBytes);
    tiles::dot<kSums + 1, kScalars, kVectors + 1>();
  }
  if constexpr (Rows == 2) {
    tiles::load<kScalars + 1>(scalars + kSide * row, row * kBytes);
    tiles::dot<kSums + 2, kScalars + 1, kVectors>();
    if constexpr (Columns == 2) tiles::dot<kSums + 3, kScalars + 1, kVectors + 1>();
  }
}

// Fewer than kSide steps, filled up with zeros: what lies behind the last may be anything, and NaN
// times 0 is no 0.
template <int Rows, int Columns>
[[gnu::noinline]] void add_last_steps(const float* scalars, const float* vectors, int64_t count,
                                      int64_t rows) {
  alignas(64) float last_scalars[Rows * kSide * kSide];
  alignas(64) float last_vectors[kSide * kPanel];
  const __mmask16 first = static_cast<__mmask16>((1 << count) - 1);
  for (int64_t r = 0; r < rows; ++r) {
    _mm512_store_ps(last_scalars + r * kSide, _mm512_maskz_loadu_ps(first, scalars + r * kPanel));
  }
  for (int64_t s = 0; s < kSide; ++s) {
    for (int at = 0; at < Columns * kSide; at += kSide) {
      store(last_vectors + s * kPanel + at, s < count ? load(vectors + s * kPanel + at) : Vec{});
    }
  }
  add_steps<Rows, Columns>(last_scalars, kSide, last_vectors);
}

// Steps that vectors are prefetched ahead of their use: two times four dots' time.
constexpr int kAhead = 2 * kSide;
// Blocks of steps in which what the sums will meet is prefetched: the last ones.
constexpr int64_t kLate = 4;

// With the block that begins with `step`: the next one's scalars, where blocks lie apart, and late what
// the sums will meet.
[[gnu::noinline]] void prefetch_others(const Operands& steps, const Later (&laters)[2], int64_t step,
                                       int64_t rows) {
  // The compiler takes functions of nothing but prefetches as having no effect, and leaves them out.
  asm volatile("");
  if (steps.block != rows * kPanel && step + kPanel < steps.count) {
    const float* scalars = steps.scalars + (step / kPanel + 1) * steps.block;
    for (int64_t r = 0; r < rows; ++r) {
      __builtin_prefetch(scalars + r * kPanel);
      __builtin_prefetch(scalars + r * kPanel + kSide);
    }
  }
  const int64_t left = divide_up(steps.count - step, kPanel);
  if (left > kLate) return;
  const Range some = part(rows, kLate - left, kLate);
  for (const Later& later : laters) {
    if (later.first == nullptr) continue;
    for (int64_t r = some.first; r < some.last; ++r) {
      const char* row = static_cast<const char*>(later.first) + r * later.stride;
      __builtin_prefetch(row);
      __builtin_prefetch(row + 64);
    }
  }
}

// The steps' products onto the sums.
template <int Rows, int Columns>
void add_all_steps(const Operands& steps, const Later (&laters)[2], int64_t rows) {
  const int64_t block = steps.block, count = steps.count;
  const float* scalars = steps.scalars;
  const float* vectors = steps.vectors;
  int64_t s = 0;
  for (; s + kSide <= count; s += kSide, vectors += kSide * kPanel) {
    if (s % kPanel == 0) prefetch_others(steps, laters, s, rows);
#pragma GCC unroll 16
    for (int ahead = kAhead; ahead < kAhead + kSide; ++ahead) {
      __builtin_prefetch(vectors + ahead * kPanel);
      if constexpr (Columns == 2) __builtin_prefetch(vectors + ahead * kPanel + kSide);
    }
    add_steps<Rows, Columns>(scalars, kPanel, vectors);
    scalars += s % kPanel == 0 ? kSide : block - kSide;
  }
  if (s < count) add_last_steps<Rows, Columns>(scalars, vectors, count - s, rows);
}

// The microkernel. Contract: like multiply of gemm.cpp, with Rows by Columns registers of sums, shaped
// for `rows`. By Intel's figures of the first processors with AMX four dots, of 16 rows by 16 columns by
// 32 terms, take 64 cycles (512 multiply-adds each); their four loads and the prefetches take 48 of the
// load ports from the first-level cache; and no dot waits for its own sums, which are ready after 52.
// Where neither operand stays in the first level, 4 KB in 64 cycles are the second one's very peak:
// there loads set the pace.
template <int Rows, int Columns>
void multiply(const Steps& steps, int64_t rows, float* tile, int64_t stride, bool add) {
  const auto over_sums = [&](const auto& each) {
    const auto at = [&](int r, int c) { return tile + r * kSide * stride + c * kSide; };
    each.template operator()<kSums>(at(0, 0));
    if constexpr (Columns == 2) each.template operator()<kSums + 1>(at(0, 1));
    if constexpr (Rows == 2) each.template operator()<kSums + 2>(at(1, 0));
    if constexpr (Rows == 2 && Columns == 2) each.template operator()<kSums + 3>(at(1, 1));
  };
  if (add) {
    over_sums([&]<int Tile>(const float* from) { tiles::load<Tile>(from, stride * kBytes); });
  } else {
    over_sums([&]<int Tile>(const float*) { tiles::zero<Tile>(); });
  }
  add_all_steps<Rows, Columns>(steps, steps.later, rows);
  add_all_steps<Rows, Columns>(steps.then, {}, rows);
  over_sums([&]<int Tile>(float* to) { tiles::store<Tile>(to, stride * kBytes); });
}

}  // namespace

TileRegisters::TileRegisters() {
  tiles::expect_released();
  shaped_for = kNone;
}
TileRegisters::~TileRegisters() {
  if (shaped_for != kNone) tiles::release();
  shaped_for = kOutside;
}

void multiply_by_tiles(const Steps& steps, int64_t rows, int64_t columns, float* tile,
                       int64_t stride, bool add) {
  if (steps.stride != kPanel) __builtin_trap();
  if (steps.then.count > 0 && steps.then.stride != kPanel) __builtin_trap();
  shape_for(rows);
  if (rows > kSide) {
    (columns > kSide ? multiply<2, 2> : multiply<2, 1>)(steps, rows, tile, stride, add);
  } else {
    (columns > kSide ? multiply<1, 2> : multiply<1, 1>)(steps, rows, tile, stride, add);
  }
}

}  // namespace lk::LK_ISA
#endif
