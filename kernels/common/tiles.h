// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Intel AMX's tile registers, eight of at most 16 rows of 64 bytes: the few instructions that a bf16
// product needs. LK_TILE_MODEL puts a model of them in their place (tile_model.h), for processors
// that have none. A register's number is a template argument: it is part of the instruction.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lk::LK_ISA::tiles {

// What LDTILECFG reads.
struct Shapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(Shapes) == 64);

}  // namespace lk::LK_ISA::tiles

#if defined(LK_TILE_MODEL)
#include "common/tile_model.h"
#else

namespace lk::LK_ISA::tiles {

// Written out, because the compiler's own intrinsics do not tell it that a load reads memory: it may
// leave out stores that only a tile would see.

// Gives every register its shape and fills it with zeros.
inline void configure(const Shapes& shapes) {
  asm volatile("ldtilecfg %0" ::"m"(shapes) : "memory");
}
// Empties all registers, so that the system has nothing of them to save.
inline void release() { asm volatile("tilerelease" ::: "memory"); }
// For the model to check.
inline void expect_released() {}

template <int Tile>
inline void zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(Tile));
}
// Rows lie `stride` bytes apart.
template <int Tile>
inline void load(const float* from, int64_t stride) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(Tile), "r"(from), "r"(stride) : "memory");
}
template <int Tile>
inline void store(float* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(Tile), "r"(to), "r"(stride) : "memory");
}
// sums[m][n] += the sum over k of scalars[m][k] * vectors[k][n], each a pair of bf16 numbers: the
// first numbers' products are summed from 0 in the order of k, so are the second ones', then both
// are added, then that to the sums. Subnormal numbers count as 0, and become it.
template <int Sums, int Scalars, int Vectors>
inline void dot() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sums), "i"(Scalars), "i"(Vectors));
}

}  // namespace lk::LK_ISA::tiles

#endif
