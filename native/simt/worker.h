// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs one block after another: its threads as fibres, in the order of the schedule.
#pragma once

#include <string>
#include <vector>

#include "counters.h"
#include "executor.h"
#include "fibre.h"
#include "shared_memory.h"

namespace lk::simt {

// What lanes of a warp do together.
enum class Collective { kNone, kWarpBarrier, kShuffle, kBallot, kLoadMatrix, kLoadWord, kMma };

struct Lane {
  enum State { kReady, kAtBarrier, kInCollective, kEnded };

  Identity identity;
  int number = 0;  // in the block
  int warp = 0;
  State state = kReady;
  Site site;  // where it waits
  Continuation fibre;

  // What it brings to a collective and takes from it.
  Collective collective = Collective::kNone;
  int variant = 0;            // must agree as well: matrices and transposition, or MmaType
  uint32_t in[10];            // a shuffle's value and source; a[4], b[2], d[4] of an mma
  const void* row = nullptr;  // of a matrix load, or the word
  uint32_t out[4];

  struct Copy {
    void* to;
    const void* from;
    size_t bytes;
    bool inside;
    bool landed;
  };
  std::vector<Copy> copies;           // in flight, oldest first
  std::vector<size_t> groups;         // where each committed group ends in copies
};

class Worker {
 public:
  explicit Worker(GlobalMemory& memory) : memory_(memory) {}
  ~Worker();
  Worker(const Worker&) = delete;

  // Runs block `number` of the grid; what is wrong with it, "" if nothing.
  std::string run(const Shape& shape, const Schedule& schedule, int64_t number,
                  const std::function<void()>& body);

  // The worker and the thread that run on this operating system thread.
  static Worker& current() { return *current_; }
  Lane& lane() { return *running_; }

  // Events of the running thread.
  void barrier(const Site& site);
  void collective(Collective what, int variant, const Site& site);
  void access_shared(const void* data, size_t bytes, bool write, const Site& site);
  void access_global(const void* data, size_t bytes, bool write, const Site& site);
  void copy_async(void* to, const void* from, size_t bytes, bool inside, const Site& site);
  void commit_copies();
  void await_copies(int pending);

  SharedMemory& shared() { return shared_; }
  Counters counters;

 private:
  struct Warp {
    uint32_t epoch = 0;
    uint32_t ready = 0;  // a bit a lane
    int waiting = 0;     // lanes in the collective under way
  };

  static void lane_entry();
  void prepare(const Shape& shape, int64_t number);
  int next_lane();
  int next_of_warps(int first, int step);
  uint64_t random();
  void suspend();
  void make_ready(Lane& lane);
  // Ends the launch with a finding; does not return to the kernel.
  [[noreturn]] void stop(const std::string& finding);
  std::string describe(const Lane& lane) const;
  std::string stuck() const;
  void release_barrier();
  void execute_collective(Warp& warp, Lane* lanes);
  void execute_load_matrix(Lane* lanes);
  void execute_load_word(Lane* lanes);
  void land(Lane::Copy& copy);
  Toucher toucher() const;

  static constinit inline thread_local Worker* current_ = nullptr;
  GlobalMemory& memory_;
  SharedMemory shared_;
  Schedule schedule_;
  const std::function<void()>* body_ = nullptr;
  uint32_t block_number_ = 0;
  uint64_t random_state_ = 0;
  char* stacks_ = nullptr;
  std::vector<Lane> lanes_;
  std::vector<Warp> warps_;
  int alive_ = 0, at_barrier_ = 0;
  uint32_t epoch_ = 0;
  Lane* running_ = nullptr;
  int last_ = 0;  // the lane that ran last
  Continuation scheduler_;
  std::string finding_;
};

}  // namespace lk::simt
