// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What launches of one kernel did, in CUDA's terms.
#pragma once

#include <cstdint>

namespace lk::simt {

struct Counters {
  int64_t launches = 0;
  int64_t blocks = 0;
  int64_t threads = 0;       // of a block, of the last launch
  int64_t shared_bytes = 0;  // of a block, of the last launch
  int64_t mma = 0;           // warp instructions
  int64_t load_matrix = 0;   // warp instructions
  int64_t load_matrix_conflicts = 0;  // extra passes of theirs, and of word loads, through the banks
  // Bytes that threads asked for, and bytes of the 32-byte sectors that launches touched: what a
  // kernel moves when each sector goes over the memory bus once.
  int64_t global_read_bytes = 0;
  int64_t global_write_bytes = 0;
  int64_t touched_read_bytes = 0;
  int64_t touched_write_bytes = 0;

  void add(const Counters& other) {
    launches += other.launches;
    blocks += other.blocks;
    threads = other.threads > threads ? other.threads : threads;
    shared_bytes = other.shared_bytes > shared_bytes ? other.shared_bytes : shared_bytes;
    mma += other.mma;
    load_matrix += other.load_matrix;
    load_matrix_conflicts += other.load_matrix_conflicts;
    global_read_bytes += other.global_read_bytes;
    global_write_bytes += other.global_write_bytes;
    touched_read_bytes += other.touched_read_bytes;
    touched_write_bytes += other.touched_write_bytes;
  }
};

}  // namespace lk::simt
