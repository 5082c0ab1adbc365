// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
#include "worker.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace lk::simt {
namespace {

constexpr int kWarp = 32;
constexpr int kMaxThreads = 1024;  // of a block, CUDA's own limit
constexpr size_t kStackBytes = 128 * 1024;

const char* name(Collective what) {
  switch (what) {
    case Collective::kWarpBarrier: return "warp barrier";
    case Collective::kShuffle: return "shuffle";
    case Collective::kBallot: return "ballot";
    case Collective::kLoadMatrix: return "matrix load";
    case Collective::kLoadWord: return "word load";
    case Collective::kMma: return "mma";
    case Collective::kNone: break;
  }
  return "nothing";
}

}  // namespace

Worker::~Worker() {
  if (stacks_ != nullptr) munmap(stacks_, kMaxThreads * kStackBytes);
}

void Worker::lane_entry() {
  Worker& worker = current();
  (*worker.body_)();
  Lane& lane = worker.lane();
  lane.state = Lane::kEnded;
  --worker.alive_;
  worker.suspend();
}

void Worker::prepare(const Shape& shape, int64_t number) {
  if (stacks_ == nullptr) {
    void* made = mmap(nullptr, kMaxThreads * kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) throw std::bad_alloc();
    stacks_ = static_cast<char*>(made);
  }
  const Index& grid = shape.grid;
  const Index block = {static_cast<unsigned>(number % grid.x),
                       static_cast<unsigned>(number / grid.x % grid.y),
                       static_cast<unsigned>(number / grid.x / grid.y)};
  const int threads = static_cast<int>(shape.block.x);
  shared_.begin_block(shape.shared_bytes);
  lanes_.resize(threads);
  warps_.assign(threads / kWarp, {});
  for (int i = 0; i < threads; ++i) {
    Lane& lane = lanes_[i];
    lane.identity = {{static_cast<unsigned>(i), 0, 0}, block, shape.block, grid};
    lane.number = i;
    lane.warp = i / kWarp;
    lane.collective = Collective::kNone;
    lane.copies.clear();
    lane.groups.clear();
    make_ready(lane);
    prepare_fibre(lane.fibre, stacks_ + i * kStackBytes, kStackBytes, &Worker::lane_entry);
  }
  alive_ = threads;
  at_barrier_ = 0;
  epoch_ = 1;
  last_ = schedule_.order == Order::kDown ? 0 : threads - 1;
  finding_.clear();
}

std::string Worker::run(const Shape& shape, const Schedule& schedule, int64_t number,
                        const std::function<void()>& body) {
  current_ = this;
  schedule_ = schedule;
  body_ = &body;
  block_number_ = static_cast<uint32_t>(number + 1);
  random_state_ = schedule.seed * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(number);
  prepare(shape, number);
  while (alive_ > 0 && finding_.empty()) {
    const int next = next_lane();
    if (next < 0) return stuck();
    running_ = &lanes_[next];
    last_ = next;
    switch_fibre(scheduler_, running_->fibre);
  }
  counters.blocks += 1;
  return finding_;
}

// SplitMix64 (Steele et al., "Fast splittable pseudorandom number generators", OOPSLA'14).
uint64_t Worker::random() {
  uint64_t z = random_state_ += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

// The first ready lane of the warps first, first + step, ...; -1 if none is ready.
int Worker::next_of_warps(int first, int step) {
  const int count = static_cast<int>(warps_.size());
  for (int i = 0; i < count; ++i) {
    const int warp = ((first + i * step) % count + count) % count;
    if (warps_[warp].ready != 0) return warp * kWarp + __builtin_ctz(warps_[warp].ready);
  }
  return -1;
}

int Worker::next_lane() {
  const int count = static_cast<int>(warps_.size()), last_warp = last_ / kWarp;
  switch (schedule_.order) {
    case Order::kRoundRobin: {
      const uint32_t later =
          last_ % kWarp == kWarp - 1 ? 0 : warps_[last_warp].ready & ~uint32_t{0} << (last_ % kWarp + 1);
      return later != 0 ? last_warp * kWarp + __builtin_ctz(later)
                        : next_of_warps(last_warp + 1, 1);
    }
    case Order::kUp:
      return warps_[last_warp].ready != 0 ? next_of_warps(last_warp, 1) : next_of_warps(0, 1);
    case Order::kDown:
      return warps_[last_warp].ready != 0 ? next_of_warps(last_warp, 1)
                                          : next_of_warps(count - 1, -1);
    case Order::kRandom: break;
  }
  const int found = next_of_warps(static_cast<int>(random() % count), 1);
  if (found < 0) return found;
  uint32_t ready = warps_[found / kWarp].ready;
  for (uint64_t skip = random() % __builtin_popcount(ready); skip > 0; --skip) ready &= ready - 1;
  return found / kWarp * kWarp + __builtin_ctz(ready);
}

void Worker::make_ready(Lane& lane) {
  lane.state = Lane::kReady;
  warps_[lane.warp].ready |= uint32_t{1} << lane.number % kWarp;
}

void Worker::suspend() {
  warps_[running_->warp].ready &= ~(uint32_t{1} << running_->number % kWarp);
  switch_fibre(running_->fibre, scheduler_);
}

void Worker::stop(const std::string& finding) {
  const Index& block = running_->identity.block;
  finding_ = "block (" + std::to_string(block.x) + ", " + std::to_string(block.y) + ", " +
             std::to_string(block.z) + ") thread " + std::to_string(running_->number) + ": " + finding;
  switch_fibre(running_->fibre, scheduler_);
  __builtin_unreachable();
}

std::string Worker::describe(const Lane& lane) const {
  switch (lane.state) {
    case Lane::kEnded: return "has ended";
    case Lane::kAtBarrier: return "waits at the barrier of " + place(lane.site);
    case Lane::kInCollective:
      return std::string("waits in the ") + name(lane.collective) + " of " + place(lane.site);
    case Lane::kReady: break;
  }
  return "runs";
}

// No thread can run, but not all have ended: two of them wait for different things.
std::string Worker::stuck() const {
  for (const Lane& lane : lanes_) {
    if (lane.state == Lane::kInCollective) {
      const Lane* warp = &lanes_[lane.warp * kWarp];
      const Lane* other = std::find_if(warp, warp + kWarp, [&](const Lane& each) {
        return each.state != Lane::kInCollective;
      });
      return "divergent collective: thread " + std::to_string(lane.number) + " " + describe(lane) +
             ", thread " + std::to_string(other->number) + " of the same warp " + describe(*other);
    }
  }
  const auto waiting = std::find_if(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
    return lane.state == Lane::kAtBarrier;
  });
  const auto ended = std::find_if(lanes_.begin(), lanes_.end(),
                                  [](const Lane& lane) { return lane.state == Lane::kEnded; });
  return "divergent barrier: thread " + std::to_string(waiting->number) + " " + describe(*waiting) +
         ", thread " + std::to_string(ended->number) + " has ended";
}

void Worker::barrier(const Site& site) {
  Lane& lane = *running_;
  lane.state = Lane::kAtBarrier;
  lane.site = site;
  if (++at_barrier_ == static_cast<int>(lanes_.size())) {
    release_barrier();
  } else {
    suspend();
  }
}

void Worker::release_barrier() {
  for (const Lane& lane : lanes_) {
    if (lane.site.line() == running_->site.line()) continue;
    stop("divergent barrier: " + describe(*running_) + ", thread " + std::to_string(lane.number) +
         " " + describe(lane));
  }
  at_barrier_ = 0;
  ++epoch_;
  for (Warp& warp : warps_) ++warp.epoch;
  for (Lane& lane : lanes_) make_ready(lane);
}

void Worker::collective(Collective what, int variant, const Site& site) {
  Lane& lane = *running_;
  Warp& warp = warps_[lane.warp];
  Lane* lanes = &lanes_[lane.warp * kWarp];
  lane.collective = what;
  lane.variant = variant;
  lane.site = site;
  lane.state = Lane::kInCollective;
  if (++warp.waiting < kWarp) return suspend();
  warp.waiting = 0;
  for (int i = 0; i < kWarp; ++i) {
    const bool same = lanes[i].collective == what && lanes[i].variant == variant &&
                      lanes[i].site.line() == site.line();
    if (same) continue;
    stop("divergent collective: " + describe(lane) + ", thread " + std::to_string(lanes[i].number) +
         " " + describe(lanes[i]));
  }
  execute_collective(warp, lanes);
  for (int i = 0; i < kWarp; ++i) make_ready(lanes[i]);
}

}  // namespace lk::simt
