// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the last lane to arrive at a warp collective does for all 32; accesses to memory; copies.
#include <cstring>

#include "common/half_scalar.h"
#include "worker.h"

namespace lk::simt {
namespace {

constexpr int kWarp = 32;

float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

// Element `half` of a register of two 16-bit numbers.
float half_of(uint32_t pair, int half, MmaType type) {
  const auto bits = static_cast<uint16_t>(pair >> (16 * half));
  return type == MmaType::kBf16 ? bf16_to_float(bits) : f16_to_float(bits);
}

// tf32 keeps 10 bits of the mantissa; the hardware leaves the others out.
float tf32_of(uint32_t bits) { return float_of(bits & 0xFFFFE000u); }

constexpr int kB = 4, kD = 6;  // where b and d begin in Lane::in

// The matrices of a warp's mma, from the fragments that kernels/common/cuda/mma.cuh describes.
struct Operands {
  float a[16][16], b[16][8];
  int depth;

  Operands(const Lane* lanes, MmaType type) : depth(type == MmaType::kTf32 ? 8 : 16) {
    for (int lane = 0; lane < kWarp; ++lane) {
      const uint32_t* in = lanes[lane].in;
      const int g = lane / 4, t = lane % 4;
      for (int r = 0; r < 4; ++r) {
        const int row = g + r % 2 * 8;
        if (type == MmaType::kTf32) {
          a[row][t + r / 2 * 4] = tf32_of(in[r]);
          continue;
        }
        for (int half = 0; half < 2; ++half) {
          a[row][2 * t + half + r / 2 * 8] = half_of(in[r], half, type);
        }
      }
      for (int r = 0; r < 2; ++r) {
        if (type == MmaType::kTf32) {
          b[t + r * 4][g] = tf32_of(in[kB + r]);
          continue;
        }
        for (int half = 0; half < 2; ++half) {
          b[2 * t + half + r * 8][g] = half_of(in[kB + r], half, type);
        }
      }
    }
  }
};

// Where element (row, column) of d is: its lane and which of the lane's four registers.
int lane_of(int row, int column) { return row % 8 * 4 + column / 2; }
int register_of(int row, int column) { return row / 8 * 2 + column % 2; }

// Products are exact and summed in double, then rounded once: tensor cores sum in an order and with
// a rounding of their own, which no kernel may lean on.
void execute_mma(Lane* lanes, MmaType type) {
  const Operands operands(lanes, type);
  for (int row = 0; row < 16; ++row) {
    double sums[8];
    for (int column = 0; column < 8; ++column) {
      sums[column] = float_of(lanes[lane_of(row, column)].in[kD + register_of(row, column)]);
    }
    for (int k = 0; k < operands.depth; ++k) {
      const double a = operands.a[row][k];
      for (int column = 0; column < 8; ++column) sums[column] += a * operands.b[k][column];
    }
    for (int column = 0; column < 8; ++column) {
      lanes[lane_of(row, column)].out[register_of(row, column)] =
          bits_of(static_cast<float>(sums[column]));
    }
  }
}

}  // namespace

void Worker::execute_load_matrix(Lane* lanes) {
  const int matrices = lanes[0].variant / 2;
  const bool transposed = lanes[0].variant % 2 != 0;
  for (int m = 0; m < matrices; ++m) {
    uint16_t rows[8][8];
    int in_bank[8] = {};
    for (int r = 0; r < 8; ++r) {
      const void* row = lanes[8 * m + r].row;
      std::memcpy(rows[r], row, sizeof(rows[r]));
      // Eight groups of four banks; rows of one group follow each other, unless they are one row.
      bool first_of_row = true;
      for (int before = 0; before < r; ++before) first_of_row &= lanes[8 * m + before].row != row;
      in_bank[(static_cast<const char*>(row) - shared_.data()) / 16 % 8] += first_of_row;
    }
    int passes = 1;
    for (int count : in_bank) passes = count > passes ? count : passes;
    counters.load_matrix_conflicts += passes - 1;
    for (int lane = 0; lane < kWarp; ++lane) {
      const int g = lane / 4, t = lane % 4;
      const uint16_t low = transposed ? rows[2 * t][g] : rows[g][2 * t];
      const uint16_t high = transposed ? rows[2 * t + 1][g] : rows[g][2 * t + 1];
      lanes[lane].out[m] = low | static_cast<uint32_t>(high) << 16;
    }
  }
}

void Worker::execute_load_word(Lane* lanes) {
  int in_bank[32] = {}, passes = 1;
  for (int i = 0; i < kWarp; ++i) {
    std::memcpy(lanes[i].out, lanes[i].row, 4);
    bool first_of_word = true;
    for (int before = 0; before < i; ++before) first_of_word &= lanes[before].row != lanes[i].row;
    int& count = in_bank[(static_cast<const char*>(lanes[i].row) - shared_.data()) / 4 % 32];
    count += first_of_word;
    passes = count > passes ? count : passes;
  }
  counters.load_matrix_conflicts += passes - 1;
}

void Worker::execute_collective(Warp& warp, Lane* lanes) {
  switch (lanes[0].collective) {
    case Collective::kNone: break;
    case Collective::kWarpBarrier: ++warp.epoch; break;
    case Collective::kShuffle:
      for (int i = 0; i < kWarp; ++i) lanes[i].out[0] = lanes[lanes[i].in[1] % kWarp].in[0];
      break;
    case Collective::kBallot: {
      uint32_t votes = 0;
      for (int i = 0; i < kWarp; ++i) votes |= (lanes[i].in[0] != 0 ? 1u : 0u) << i;
      for (int i = 0; i < kWarp; ++i) lanes[i].out[0] = votes;
      break;
    }
    case Collective::kLoadMatrix:
      counters.load_matrix += 1;
      execute_load_matrix(lanes);
      break;
    case Collective::kLoadWord: execute_load_word(lanes); break;
    case Collective::kMma:
      counters.mma += 1;
      execute_mma(lanes, static_cast<MmaType>(lanes[0].variant));
      break;
  }
}

Toucher Worker::toucher() const {
  return {running_->number, running_->warp, epoch_, warps_[running_->warp].epoch};
}

void Worker::access_shared(const void* data, size_t bytes, bool write, const Site& site) {
  const bool right = write ? shared_.write(data, bytes, toucher(), site)
                           : shared_.read(data, bytes, toucher(), site);
  if (!right) stop(shared_.finding());
}

void Worker::access_global(const void* data, size_t bytes, bool write, const Site& site) {
  const char* what = write ? "writes" : "reads";
  if (reinterpret_cast<uintptr_t>(data) % bytes != 0) {
    stop(std::string(what) + " " + std::to_string(bytes) + " bytes of global memory off their alignment at " +
         place(site));
  }
  switch (memory_.touch(data, bytes, write, block_number_)) {
    case GlobalMemory::Finding::kNone: break;
    case GlobalMemory::Finding::kOutside:
      stop(std::string(what) + " " + std::to_string(bytes) + " bytes outside any allocation at " +
           place(site));
    case GlobalMemory::Finding::kRace:
      stop(std::string("race: ") + what + " at " + place(site) +
           " global memory that another block of the launch " + (write ? "touches" : "writes"));
  }
  (write ? counters.global_write_bytes : counters.global_read_bytes) += static_cast<int64_t>(bytes);
}

void Worker::copy_async(void* to, const void* from, size_t bytes, bool inside, const Site& site) {
  if (inside) access_global(from, bytes, false, site);
  if (!shared_.begin_copy(to, bytes, toucher(), site)) stop(shared_.finding());
  Lane::Copy copy = {to, from, bytes, inside, false};
  const bool at_once = schedule_.order == Order::kDown ||
                       (schedule_.order == Order::kRandom && random() % 2 == 0);
  if (at_once) land(copy);
  running_->copies.push_back(copy);
}

void Worker::land(Lane::Copy& copy) {
  if (copy.landed) return;
  copy.landed = true;
  if (copy.inside) {
    std::memcpy(copy.to, copy.from, copy.bytes);
  } else {
    std::memset(copy.to, 0, copy.bytes);
  }
}

void Worker::commit_copies() { running_->groups.push_back(running_->copies.size()); }

void Worker::await_copies(int pending) {
  Lane& lane = *running_;
  if (static_cast<int>(lane.groups.size()) <= pending) return;
  const size_t done = lane.groups.size() - pending;
  const size_t copies = lane.groups[done - 1];
  for (size_t i = 0; i < copies; ++i) {
    land(lane.copies[i]);
    shared_.end_copy(lane.copies[i].to, lane.copies[i].bytes, toucher());
  }
  lane.copies.erase(lane.copies.begin(), lane.copies.begin() + copies);
  lane.groups.erase(lane.groups.begin(), lane.groups.begin() + done);
  for (size_t& end : lane.groups) end -= copies;
}

}  // namespace lk::simt
