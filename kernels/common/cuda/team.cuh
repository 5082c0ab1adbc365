// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The threads that own one row, for kernels that go over a row several times: a warp, which keeps
// the row in registers, or, for rows too long for that, a block, which reads it again from cache.
// Both take kElements neighbours at a time, in the same few lines of a kernel.
#pragma once

#include "common/cuda/reduce.cuh"

namespace lk::cuda {

// Elements of a row that a warp keeps: 32 a lane.
constexpr int64_t kMaxWarpRow = 1024;

template <int kElements_>
struct WarpTeam {
  static constexpr int kElements = kElements_;
  static constexpr int kWarps = 4, kThreads = kWarps * kWarp;  // of a block
  static constexpr int kRows = kWarps;                         // that a block has at once
  static constexpr bool kKeeps = true;
  static constexpr int kSteps = static_cast<int>(kMaxWarpRow) / (kWarp * kElements);
  static constexpr int kSharedBytes = 0;

  LK_DEVICE int member() const { return lane_of_warp(); }  // of the team
  LK_DEVICE int row() const { return warp_of_block(); }    // of the block's

  // body(step, j) for the first columns j of this thread's pieces of a row of k.
  template <class Body>
  LK_DEVICE void over(int64_t k, const Body& body) const {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int64_t j = (step * kWarp + member()) * kElements;
      if (j < k) body(step, j);
    }
  }
  LK_DEVICE float sum(float value) const { return sum_of_lanes(value); }
};

template <int kElements_>
struct BlockTeam {
  static constexpr int kElements = kElements_;
  static constexpr int kWarps = 8, kThreads = kWarps * kWarp;
  static constexpr int kRows = 1;
  static constexpr bool kKeeps = false;
  static constexpr int kSteps = 1;
  static constexpr int kSharedBytes = kWarps * sizeof(float);

  LK_DEVICE int member() const { return static_cast<int>(threadIdx.x); }
  LK_DEVICE int row() const { return 0; }

  template <class Body>
  LK_DEVICE void over(int64_t k, const Body& body) const {
    for (int64_t j = member() * kElements; j < k; j += kThreads * kElements) body(0, j);
  }
  // All threads of the block call it.
  LK_DEVICE float sum(float value) const {
    return sum_of_block<kWarps>(value, shared_memory().as<float>());
  }
};

// A row as its team sees it: read(j) gives the kElements from column j on, Floats.
template <class Team, class Read>
class TeamRow {
 public:
  using Piece = Floats<Team::kElements>;

  LK_DEVICE TeamRow(const Team& team, int64_t k, const Read& read) : read_(read) {
    if constexpr (Team::kKeeps) {
      team.over(k, [&](int step, int64_t j) { kept_[step] = read(j); });
    }
  }
  // What over() hands out step and j of.
  LK_DEVICE Piece piece(int step, int64_t j) const {
    if constexpr (Team::kKeeps) {
      return kept_[step];
    } else {
      return read_(j);
    }
  }

 private:
  Read read_;
  Piece kept_[Team::kSteps];
};

// The sum over a row of k of all that term(step, j) makes of a piece, Floats<kElements>.
template <class Team, class Term>
LK_DEVICE float sum_over_row(const Team& team, int64_t k, const Term& term) {
  float sum = 0;
  team.over(k, [&](int step, int64_t j) {
    const Floats<Team::kElements> terms = term(step, j);
#pragma unroll
    for (int e = 0; e < Team::kElements; ++e) sum += terms.v[e];
  });
  return team.sum(sum);
}

}  // namespace lk::cuda
