// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs CUDA kernels on the CPU, for correctness alone: a fibre a thread, an operating system thread
// a block, and checks of what a GPU punishes without a word: races in shared memory, reads of what
// was never written or has not arrived, barriers and warp collectives that not every thread
// reaches, accesses outside allocations or off their alignment.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "counters.h"
#include "global_memory.h"
#include "kernel.h"

namespace lk::simt {

// In which order threads that could run do run, and when asynchronous copies land. A missing
// barrier may show under one and not under another.
enum class Order {
  kRoundRobin,  // every thread in turn; copies land when waited for; blocks ascend
  kUp,          // a warp as far as it gets, the lowest first; copies land when waited for
  kDown,        // the highest warp first; copies land at once; blocks descend
  kRandom       // by the seed; copies land at once or when waited for
};

struct Schedule {
  Order order = Order::kRoundRobin;
  uint64_t seed = 0;
};

// "round-robin", "up", "down", "random" or "random:SEED".
bool parse_schedule(const std::string& text, Schedule& schedule);

class Worker;

// Shared memory of a block, on the architectures that have the most.
constexpr size_t kMostShared = 227 * 1024;

class Executor {
 public:
  // shared_bytes: the most that a block may ask for.
  Executor(Schedule schedule, int threads, size_t shared_bytes = kMostShared);
  ~Executor();

  // Runs body once a thread of the grid, all blocks. The text of the first finding, "" if none.
  std::string run(const char* kernel, const Shape& shape, const std::function<void()>& body);

  GlobalMemory& memory() { return memory_; }
  // What each kernel did since the last reset, by kernel name.
  std::map<std::string, Counters> counters();
  void reset_counters();
  // The most threads and shared memory that each kernel's function was launched with.
  struct Launched {
    unsigned threads = 0;
    size_t shared_bytes = 0;
  };
  const std::map<const void*, Launched>& launched() const { return launched_; }

 private:
  Schedule schedule_;
  size_t shared_bytes_;
  std::vector<std::unique_ptr<Worker>> workers_;
  GlobalMemory memory_;
  std::mutex mutex_;
  std::map<std::string, Counters> counters_;
  std::map<const void*, Launched> launched_;
};

}  // namespace lk::simt
