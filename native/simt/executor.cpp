// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
#include "executor.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "worker.h"

namespace lk::simt {

bool parse_schedule(const std::string& text, Schedule& schedule) {
  static const std::pair<const char*, Order> kOrders[] = {{"round-robin", Order::kRoundRobin},
                                                          {"up", Order::kUp},
                                                          {"down", Order::kDown},
                                                          {"random", Order::kRandom}};
  const size_t colon = text.find(':');
  for (const auto& [name, order] : kOrders) {
    if (text.substr(0, colon) != name) continue;
    schedule.order = order;
    if (colon == std::string::npos) return true;
    if (order != Order::kRandom || colon + 1 == text.size() || text.size() > colon + 10 ||
        text.find_first_not_of("0123456789", colon + 1) != std::string::npos) {
      return false;
    }
    schedule.seed = std::stoull(text.substr(colon + 1));
    return true;
  }
  return false;
}

Executor::Executor(Schedule schedule, int threads, size_t shared_bytes)
    : schedule_(schedule), shared_bytes_(shared_bytes) {
  for (int i = 0; i < threads; ++i) workers_.push_back(std::make_unique<Worker>(memory_));
}

Executor::~Executor() = default;

namespace {

// The order of blocks, as far as it is not their own: every block once, scattered. Odd steps
// through a power of two meet every place.
std::vector<int64_t> scattered(uint64_t seed, int64_t count) {
  int64_t places = 1;
  while (places < count) places *= 2;
  std::vector<int64_t> order;
  order.reserve(count);
  const int64_t step = static_cast<int64_t>(seed * 2 + 5), start = static_cast<int64_t>(seed * 7 + 3);
  for (int64_t i = 0; i < places; ++i) {
    const int64_t place = (start + i * step) & (places - 1);
    if (place < count) order.push_back(place);
  }
  return order;
}

}  // namespace

std::string Executor::run(const char* kernel, const Shape& shape,
                          const std::function<void()>& body) {
  constexpr unsigned kWarp = 32, kMaxThreads = 1024;
  if (shape.block.x == 0 || shape.block.x % kWarp != 0 || shape.block.x > kMaxThreads ||
      shape.block.y != 1 || shape.block.z != 1) {
    return "a block of " + std::to_string(shape.block.x) + " threads, expected whole warps, 1024 at most";
  }
  if (shape.shared_bytes > shared_bytes_) {
    return std::to_string(shape.shared_bytes) + " bytes of shared memory, expected at most " +
           std::to_string(shared_bytes_);
  }
  memory_.begin_launch();
  const int64_t count = int64_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  const bool descending = schedule_.order == Order::kDown;
  std::vector<int64_t> order;
  if (schedule_.order == Order::kRandom) order = scattered(schedule_.seed, count);
  std::atomic<int64_t> next{0};
  std::atomic<bool> wrong{false};
  std::string finding;
  const auto work = [&](Worker& worker) {
    worker.counters = {};
    for (int64_t i = next++; i < count && !wrong; i = next++) {
      const int64_t block = order.empty() ? (descending ? count - 1 - i : i) : order[i];
      const std::string found = worker.run(shape, schedule_, block, body);
      if (found.empty()) continue;
      std::lock_guard<std::mutex> lock(mutex_);
      if (!wrong.exchange(true)) finding = found;
    }
  };
  std::vector<std::thread> threads;
  const auto used = std::min<int64_t>(count, static_cast<int64_t>(workers_.size()));
  for (int64_t i = 1; i < used; ++i) threads.emplace_back(work, std::ref(*workers_[i]));
  work(*workers_[0]);
  for (std::thread& thread : threads) thread.join();

  Counters sum;
  for (int64_t i = 0; i < used; ++i) sum.add(workers_[i]->counters);
  sum.launches = 1;
  sum.threads = shape.block.x;
  sum.shared_bytes = static_cast<int64_t>(shape.shared_bytes);
  sum.touched_read_bytes = memory_.touched_read_bytes();
  sum.touched_write_bytes = memory_.touched_write_bytes();
  counters_[kernel].add(sum);
  Launched& launched = launched_[shape.entry];
  launched.threads = std::max(launched.threads, shape.block.x);
  launched.shared_bytes = std::max(launched.shared_bytes, shape.shared_bytes);
  return finding;
}

std::map<std::string, Counters> Executor::counters() { return counters_; }
void Executor::reset_counters() { counters_.clear(); }

// ---- What kernels call

const Identity& identity() { return Worker::current().lane().identity; }

char* shared_memory() { return Worker::current().shared().data(); }

void shared_read(const void* data, size_t bytes, const Site& site) {
  Worker::current().access_shared(data, bytes, false, site);
}
void shared_write(const void* data, size_t bytes, const Site& site) {
  Worker::current().access_shared(data, bytes, true, site);
}
void global_read(const void* data, size_t bytes, const Site& site) {
  Worker::current().access_global(data, bytes, false, site);
}
void global_write(const void* data, size_t bytes, const Site& site) {
  Worker::current().access_global(data, bytes, true, site);
}
void copy_async(void* shared, const void* global, size_t bytes, bool inside, const Site& site) {
  Worker::current().copy_async(shared, global, bytes, inside, site);
}
void copy_async_commit() { Worker::current().commit_copies(); }
void copy_async_wait(int pending) { Worker::current().await_copies(pending); }

void barrier(const Site& site) { Worker::current().barrier(site); }
void warp_barrier(const Site& site) {
  Worker::current().collective(Collective::kWarpBarrier, 0, site);
}

uint32_t shuffle(uint32_t value, int from_lane, const Site& site) {
  Lane& lane = Worker::current().lane();
  lane.in[0] = value;
  lane.in[1] = static_cast<uint32_t>(from_lane);
  Worker::current().collective(Collective::kShuffle, 0, site);
  return lane.out[0];
}

uint32_t ballot(bool vote, const Site& site) {
  Lane& lane = Worker::current().lane();
  lane.in[0] = vote;
  Worker::current().collective(Collective::kBallot, 0, site);
  return lane.out[0];
}

void load_matrix(uint32_t* fragments, const void* row, int matrices, bool transposed,
                 const Site& site) {
  Worker& worker = Worker::current();
  Lane& lane = worker.lane();
  if (lane.number % 32 < 8 * matrices) worker.access_shared(row, 16, false, site);
  lane.row = row;
  worker.collective(Collective::kLoadMatrix, 2 * matrices + transposed, site);
  std::memcpy(fragments, lane.out, 4 * matrices);
}

uint32_t load_word(const void* word, const Site& site) {
  Worker& worker = Worker::current();
  Lane& lane = worker.lane();
  worker.access_shared(word, 4, false, site);
  lane.row = word;
  worker.collective(Collective::kLoadWord, 0, site);
  return lane.out[0];
}

void mma(MmaType type, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
         const Site& site) {
  Worker& worker = Worker::current();
  Lane& lane = worker.lane();
  std::memcpy(lane.in, a, 16);
  std::memcpy(lane.in + 4, b, 8);
  std::memcpy(lane.in + 6, d, 16);
  worker.collective(Collective::kMma, static_cast<int>(type), site);
  std::memcpy(d, lane.out, 16);
}

}  // namespace lk::simt
