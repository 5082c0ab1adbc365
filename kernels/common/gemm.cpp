// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/gemm.h"

namespace lk::LK_ISA {
namespace {

// ---- Units ----

#if LK_AVX512_BF16
typedef int16_t Halves __attribute__((vector_size(LK_VECTOR_BYTES)));

// The other way round than pair_up: of 2 kLanes pairs, all first numbers and all second ones.
inline void part_pairs(Vec low, Vec high, Vec& first, Vec& second) {
  Halves firsts;
  for (int i = 0; i < 2 * kLanes; ++i) firsts[i] = static_cast<int16_t>(2 * i);
  const Halves a = reinterpret_cast<Halves>(low), b = reinterpret_cast<Halves>(high);
  first = reinterpret_cast<Vec>(__builtin_shuffle(a, b, firsts));
  second = reinterpret_cast<Vec>(__builtin_shuffle(a, b, firsts + 1));
}
#endif

// kLanes units of the numbers at p, 0 from the n-th number on.
template <class T, class Number>
inline Vec load_units(const Number* p, int64_t n) {
#if LK_AVX512_BF16
  if constexpr (kDepth<T> == 2 && sizeof(Number) == 2) {
    Vec units{};
    if (n >= 2 * kLanes) {
      __builtin_memcpy(&units, p, sizeof(units));
    } else if (n > 0) {
      __builtin_memcpy(&units, p, static_cast<size_t>(n) * sizeof(Number));
    }
    return units;
  } else if constexpr (kDepth<T> == 2) {
    return round_to_pairs(load_up_to(p, n), load_up_to(p + kLanes, n - kLanes));
  }
#endif
  return load_up_to(p, n);
}

// The same, each number times `scale`.
template <class T, class Number>
inline Vec load_scaled_units(const Number* p, int64_t n, float scale) {
#if LK_AVX512_BF16
  if constexpr (kDepth<T> == 2) {
    return round_to_pairs(load_up_to(p, n) * scale, load_up_to(p + kLanes, n - kLanes) * scale);
  }
#endif
  return load_up_to(p, n) * scale;
}

// ---- The tile ----

template <class T>
inline Vec multiply_add(Vec sum, float scalar, Vec vector) {
#if LK_AVX512_BF16
  if constexpr (kDepth<T> == 2) {
    return dot_pairs(sum, splat(scalar), vector);
  }
#endif
#if defined(__FMA__) && LK_VECTOR_BYTES == 32
  // Onto the sum's own register: where steps are unrolled, gcc lets other forms of the instruction move
  // the sums about until some no longer fit.
  asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(splat(scalar)), "x"(vector));
  return sum;
#else
  return sum + splat(scalar) * vector;
#endif
}

// Steps that vectors are prefetched ahead of their use: some two or three hundred cycles, what the
// second-level cache and a bit of the third take. A step of 14 rows takes 28 cycles, one of 6 rows 6.
constexpr int64_t kAhead = LK_VECTOR_BYTES == 64 ? 8 : 48;
// Whether a block of steps is unrolled whole. With AVX2's two multiply-adds a cycle what counts the steps
// and moves the pointers would be a sixth of their instructions, and a core that runs a second thread beside
// this one takes in only three of those a cycle.
constexpr bool kWholeBlocks = LK_VECTOR_BYTES == 32;
constexpr int kLineFloats = 16;
// Blocks of steps in which what the sums will meet is prefetched: the last ones.
constexpr int kLate = 4;

// A step's products onto the sums.
template <class T, int Rows, int Vectors>
inline void add_step(const float* scalars, const float* vectors, int64_t stride,
                     Vec (&sum)[Rows][Vectors]) {
  Vec vector[Vectors];
#pragma GCC unroll 2
  for (int v = 0; v < Vectors; ++v) {
    vector[v] = load(vectors + v * kLanes);
    if (v * kLanes % kLineFloats == 0) {
      __builtin_prefetch(vectors + kAhead * stride + v * kLanes);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      sum[r][v] = multiply_add<T>(sum[r][v], scalars[r * kPanel], vector[v]);
    }
  }
}

// Those of a whole block.
template <class T, int Rows, int Vectors>
inline void add_block(const float* scalars, const float* vectors, int64_t stride,
                      Vec (&sum)[Rows][Vectors]) {
#pragma GCC unroll 16
  for (int s = 0; s < kPanel; ++s, vectors += stride) {
    add_step<T>(scalars + s, vectors, stride, sum);
    // Each step's pointer is news to the compiler: else it asks for all 16 steps' vectors at once, which find
    // no room.
    asm volatile("" : "+r"(vectors));
  }
}

// Many steps' products.
template <class T, int Rows, int Vectors>
inline void add_steps(const Operands& steps, const Later (&laters)[2],
                      Vec (&sum)[Rows][Vectors]) {
  const float* scalars = steps.scalars;
  const float* vectors = steps.vectors;
  const int64_t stride = steps.stride;
  for (int64_t left = steps.count; left > 0; left -= kPanel, scalars += steps.block) {
    const int64_t count = smaller(left, kPanel);
    // Blocks far apart are a pattern no hardware prefetcher follows: ask for the next one now.
    if (steps.block != Rows * kPanel && left > kPanel) {
      const float* next = scalars + steps.block;
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        __builtin_prefetch(next + r * kPanel);
        if (kPanel > kLineFloats) __builtin_prefetch(next + r * kPanel + kLineFloats);
      }
    }
    // Late, for the first-level cache holds little more than these blocks' operands; and some rows at a
    // time, for requests that find no room hold up the steps.
    if (left <= kLate * kPanel) {
      constexpr int kRows = (Rows + kLate - 1) / kLate;
      const int64_t first = Rows - (left + kPanel - 1) / kPanel * kRows;
      for (const Later& later : laters) {
        if (later.first == nullptr) continue;
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          const auto* tile_row = static_cast<const char*>(later.first);
          tile_row += larger(0, first + r) * later.stride;
          __builtin_prefetch(tile_row);
          __builtin_prefetch(tile_row + 64);
        }
      }
    }
    if (kWholeBlocks && count == kPanel) {
      add_block<T>(scalars, vectors, stride, sum);
      vectors += kPanel * stride;
      continue;
    }
    for (int64_t s = 0; s < count; ++s, vectors += stride) {
      add_step<T>(scalars + s, vectors, stride, sum);
    }
  }
}

// The microkernel. Contract: Rows * Vectors sums live in registers from the first step to the last,
// read from the tile first if `add`; a step loads Vectors vectors and Rows scalars (broadcasts) and
// does Rows * Vectors multiply-adds; `count` may be any number, operands need no alignment; nothing
// beyond the steps is read, but vectors kAhead steps on, the next block of scalars and, late, what the
// sums will meet are prefetched.
template <class T, int Rows, int Vectors>
void multiply(const Steps& steps, float* tile, int64_t tile_stride, bool add) {
  Vec sum[Rows][Vectors] = {};
  if (add) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) sum[r][v] = load(tile + r * tile_stride + v * kLanes);
    }
  }
  add_steps<T>(steps, steps.later, sum);
  add_steps<T>(steps.then, {}, sum);
  // Another pointer, as far as the compiler knows: else it makes 28 addresses before the first step, to
  // keep them in memory for the last.
  asm("" : "+r"(tile), "+r"(tile_stride));
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) store(tile + r * tile_stride + v * kLanes, sum[r][v]);
  }
}

using Multiply = void (*)(const Steps&, float*, int64_t, bool);

template <class T, int Rows, int Vectors>
Multiply choose(int64_t rows) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return choose<T, Rows - 1, Vectors>(rows);
  }
  return multiply<T, Rows, Vectors>;
}

}  // namespace

template <class T>
void multiply_tile(const Steps& steps, int64_t rows, int64_t columns, float* tile, int64_t stride,
                   bool add) {
  if constexpr (kDepth<T> == 1 && sizeof(T) != sizeof(float)) {
    multiply_tile<float>(steps, rows, columns, tile, stride, add);
#if LK_TILES
  } else if constexpr (kDepth<T> == 2) {
    multiply_by_tiles(steps, rows, columns, tile, stride, add);
  } else if (rows > kVectorRows) {
    const int64_t parts = divide_up(rows, kVectorRows);
    for (int64_t p = 0; p < parts; ++p) {
      const Range some = part(rows, p, parts);
      multiply_tile<T>(steps.from_row(some.first), some.size(), columns,
                       tile + some.first * stride, stride, add);
    }
#endif
  } else {
    const Multiply multiply_rows =
        columns > kLanes ? choose<T, kVectorRows, 2>(rows) : choose<T, kVectorRows, 1>(rows);
    multiply_rows(steps, tile, stride, add);
  }
}

// ---- Packing ----

template <class T, class Number>
void pack_rows(const Number* matrix, int64_t stride, int64_t rows, int64_t columns, float* packed) {
  constexpr int64_t kNumbers = kPanel * kDepth<T>;
  for (int64_t r = 0; r < rows; ++r) {
    const Number* from = matrix + r * stride;
    float* to = packed + r * kPanel;
    for (int64_t j = 0; j < columns; j += kNumbers, to += rows * kPanel) {
      store(to, load_units<T>(from + j, columns - j));
      store(to + kLanes, load_units<T>(from + j + kNumbers / 2, columns - j - kNumbers / 2));
    }
  }
}

template <class T, class Number>
void pack_turned(const Number* matrix, int64_t stride, int64_t rows, int64_t columns,
                 float* packed) {
  const int64_t steps = steps_of<T>(columns);
  for (int half = 0; half < kPanel; half += kLanes, matrix += kLanes * stride) {
    const int64_t height = larger(0, smaller(kLanes, rows - half));
    for (int64_t s = 0; s < steps; s += kLanes) {
      const int64_t width = smaller(kLanes, steps - s), j = s * kDepth<T>;
      float* to = packed + s * kPanel + half;
      Vec block[kLanes];
      if (height == kLanes && columns - j >= kLanes * kDepth<T>) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) {
          block[i] = load_units<T>(matrix + i * stride + j, kLanes * kDepth<T>);
        }
      } else {
        for (int i = 0; i < kLanes; ++i) {
          block[i] = i < height ? load_units<T>(matrix + i * stride + j, columns - j) : Vec{};
        }
      }
      transpose(block);
      for (int i = 0; i < width; ++i) store(to + i * kPanel, block[i]);
    }
  }
}

template <class T, class Number>
void pack_column_scalars(const Number* matrix, int64_t stride, int64_t rows, int64_t columns,
                         const float* scales, float* packed) {
  // A step of kLanes units down the rows becomes half a row of the block: kLanes * kDepth<T> rows of
  // the matrix, turned, are kLanes columns, or, of pairs, twice as many that must be parted.
  constexpr int64_t kRows = kLanes * kDepth<T>;
  for (int64_t half = 0; half < 2; ++half, matrix += kRows * stride) {
    for (int64_t j = 0; j < columns; j += kRows) {
      Vec block[kDepth<T>][kLanes];
      for (int d = 0; d < kDepth<T>; ++d) {
        for (int i = 0; i < kLanes; ++i) {
          const int64_t row = d * kLanes + i;
          const Number* from = matrix + row * stride + j;
          if (half * kRows + row >= rows) {
            block[d][i] = Vec{};
          } else if (scales == nullptr) {
            block[d][i] = load_units<T>(from, columns - j);
          } else {
            block[d][i] = load_scaled_units<T>(from, columns - j, scales[half * kRows + row]);
          }
        }
        transpose(block[d]);
      }
      float* to = packed + j * kPanel + half * kLanes;
      for (int64_t i = 0; i < kLanes && j + i * kDepth<T> < columns; ++i) {
#if LK_AVX512_BF16
        if constexpr (kDepth<T> == 2) {
          Vec even, odd;
          part_pairs(block[0][i], block[1][i], even, odd);
          store(to + 2 * i * kPanel, even);
          if (j + 2 * i + 1 < columns) store(to + (2 * i + 1) * kPanel, odd);
          continue;
        }
#endif
        store(to + i * kPanel, block[0][i]);
      }
    }
  }
}

template <class T, class Number>
void pack_columns(const Number* matrix, int64_t stride, int64_t rows, int64_t columns, float* packed,
                  const uint32_t* kept) {
  // Of row i, from column j on.
  const auto units_of = [&](int64_t i, int64_t j) {
    const Vec units = load_units<T>(matrix + i * stride + j, columns - j);
    return kept != nullptr ? keep_numbers<T>(units, kept[i] >> j) : units;
  };
  for (int64_t i = 0; i < rows; i += kDepth<T>, packed += kPanel) {
#if LK_AVX512_BF16
    if constexpr (kDepth<T> == 2) {
      Vec low, high;
      pair_up(units_of(i, 0), i + 1 < rows ? units_of(i + 1, 0) : Vec{}, low, high);
      store(packed, low);
      store(packed + kLanes, high);
      continue;
    }
#endif
    store(packed, units_of(i, 0));
    store(packed + kLanes, units_of(i, kLanes));
  }
}

template <class T>
void turn_panel(const float* turned, int64_t rows, int64_t first, int64_t columns, float* packed) {
  const float* from = turned + first / kDepth<T> * kPanel;
  for (int64_t half = 0; half < rows; half += kLanes) {
    for (int64_t j = 0; j < kPanel; j += kLanes * kDepth<T>) {
      Vec block[kLanes];
      for (int i = 0; i < kLanes; ++i) {
        const int64_t step = j / kDepth<T> + i;
        block[i] = step < steps_of<T>(columns) ? load(from + step * kPanel + half) : Vec{};
      }
      transpose(block);
#if LK_AVX512_BF16
      if constexpr (kDepth<T> == 2) {
        float* to = packed + half / 2 * kPanel;
        for (int64_t i = 0; i < kLanes && half + i < rows; i += 2, to += kPanel) {
          Vec low, high;
          pair_up(block[i], block[i + 1], low, high);
          store(to, low);
          store(to + kLanes, high);
        }
        continue;
      }
#endif
      float* to = packed + half * kPanel + j;
      for (int64_t i = 0; i < kLanes && half + i < rows; ++i) store(to + i * kPanel, block[i]);
    }
  }
}

#define LK_INSTANTIATE(T, Number)                                                               \
  template void pack_rows<T, Number>(const Number*, int64_t, int64_t, int64_t, float*);         \
  template void pack_turned<T, Number>(const Number*, int64_t, int64_t, int64_t, float*);       \
  template void pack_columns<T, Number>(const Number*, int64_t, int64_t, int64_t, float*,       \
                                        const uint32_t*);                                       \
  template void pack_column_scalars<T, Number>(const Number*, int64_t, int64_t, int64_t,        \
                                               const float*, float*);
LK_INSTANTIATE(float, float)
LK_INSTANTIATE(Bf16, Bf16)
LK_INSTANTIATE(Bf16, float)
#undef LK_INSTANTIATE
template void multiply_tile<float>(const Steps&, int64_t, int64_t, float*, int64_t, bool);
template void multiply_tile<Bf16>(const Steps&, int64_t, int64_t, float*, int64_t, bool);
template void turn_panel<float>(const float*, int64_t, int64_t, int64_t, float*);
template void turn_panel<Bf16>(const float*, int64_t, int64_t, int64_t, float*);

}  // namespace lk::LK_ISA
