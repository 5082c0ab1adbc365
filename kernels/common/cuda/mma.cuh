// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The tensor cores' matrix instructions. With g = lane / 4 and t = lane % 4, the fragments of
// D (16x8) += A (16x16) B (16x8) hold, two 16-bit elements a register (PTX ISA, mma.m16n8k16):
//   a[0] A[g][2t..]   a[1] A[g + 8][2t..]   a[2] A[g][2t + 8..]   a[3] A[g + 8][2t + 8..]
//   b[0] B[2t..][g]   b[1] B[2t + 8..][g]
//   d[0..1] D[g][2t..]   d[2..3] D[g + 8][2t..]
// tf32 (m16n8k8) holds one element a register, columns t and t + 4 of A, rows t and t + 4 of B.
#pragma once

#include "common/cuda/number.cuh"
#include "common/cuda/warp.cuh"

namespace lk::cuda {

struct Tf32 {};

template <class T>
LK_DEVICE void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2] LK_AND_SITE) {
#if LK_SIMT
  constexpr auto type = std::is_same_v<T, Bf16>  ? simt::MmaType::kBf16
                        : std::is_same_v<T, F16> ? simt::MmaType::kF16
                                                 : simt::MmaType::kTf32;
  simt::mma(type, d, a, b, site);
#else
#define LK_MMA(instruction)                                                            \
  asm volatile(instruction " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                        \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
  if constexpr (std::is_same_v<T, Bf16>) {
    LK_MMA("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");
  } else if constexpr (std::is_same_v<T, F16>) {
    LK_MMA("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
  } else {
    static_assert(std::is_same_v<T, Tf32>);
    LK_MMA("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32");
  }
#undef LK_MMA
#endif
}

// Four 8x8 matrices of 16-bit elements from shared memory: lane 8 i + r points at row r of matrix
// i, 16 bytes aligned to 16. fragments[i] of a lane is then elements [g][2t..] of matrix i, or
// [2t..][g] when transposed.
template <class T>
LK_DEVICE void load_matrices(uint32_t (&fragments)[4], Shared<T> row LK_AND_SITE) {
#if LK_SIMT
  simt::load_matrix(fragments, row.at, 4, false, site);
#else
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row.at));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(address)
               : "memory");
#endif
}

// A 4-byte element of shared memory for each lane; all 32 take part.
template <class T>
LK_DEVICE T load_word(Shared<T> word LK_AND_SITE) {
  static_assert(sizeof(T) == 4);
#if LK_SIMT
  const uint32_t bits = simt::load_word(word.at, site);
  T element;
  std::memcpy(&element, &bits, 4);
  return element;
#else
  return load(word);
#endif
}

// The bits of a number rounded to tf32, to nearest and ties away from zero. Matrix instructions
// cut what they are given off, which costs a bit.
LK_DEVICE uint32_t to_tf32(float x) {
#if LK_SIMT
  const float rounded = float_to_tf32(x);
  uint32_t bits;
  std::memcpy(&bits, &rounded, 4);
  return bits;
#else
  uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
  return rounded;
#endif
}

// The same, of an f32 number's bits.
LK_DEVICE uint32_t to_tf32(uint32_t bits) {
#if LK_SIMT
  float x;
  std::memcpy(&x, &bits, 4);
  return to_tf32(x);
#else
  return to_tf32(__uint_as_float(bits));
#endif
}

template <class T>
LK_DEVICE void load_matrices_transposed(uint32_t (&fragments)[4], Shared<T> row LK_AND_SITE) {
#if LK_SIMT
  simt::load_matrix(fragments, row.at, 4, true, site);
#else
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row.at));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(address)
               : "memory");
#endif
}

}  // namespace lk::cuda
