// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/thread_pool.h"

namespace lk {
namespace {

// Operations of one training step follow each other within microseconds, and waking a sleeping
// thread costs tens of them: wait this many pauses (some 50 us) before sleeping.
constexpr int kSpins = 2000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(threads) {
  helpers_.reserve(threads - 1);
  try {
    for (int worker = 1; worker < threads; ++worker) {
      helpers_.emplace_back([this, worker] { helper_loop(worker); });
    }
  } catch (...) {
    // No destructor runs, and those that have started would wait for ever.
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    round_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void ThreadPool::run_tasks(int64_t tasks, int shares, Call call, const void* function) {
  if (tasks <= 0) return;
  if (helpers_.empty() || tasks == 1) {
    for (int64_t task = 0; task < tasks; ++task) call(function, task, 0);
    return;
  }
  for (int i = 0; i < shares; ++i) {
    shares_[i].next.store(tasks * i / shares);
    shares_[i].end = tasks * (i + 1) / shares;
  }
  shares_in_use_ = shares;
  call_ = call;
  function_ = function;
  working_.store(static_cast<int>(helpers_.size()));
  {
    // Under the lock, so that a helper about to sleep cannot miss it.
    std::lock_guard<std::mutex> lock(mutex_);
    round_.fetch_add(1);
  }
  wake_.notify_all();
  take_tasks(0);
  for (int spin = 0; working_.load() != 0; ++spin) {
    if (spin < kSpins) pause(); else std::this_thread::yield();
  }
}

void ThreadPool::take_tasks(int worker) {
  for (int i = 0; i < shares_in_use_; ++i) {
    Share& share = shares_[(worker + i) % shares_in_use_];
    for (int64_t task = share.next.fetch_add(1); task < share.end; task = share.next.fetch_add(1)) {
      call_(function_, task, worker);
    }
  }
}

void ThreadPool::helper_loop(int worker) {
  uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < kSpins && round_.load() == seen; ++spin) pause();
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return round_.load() != seen; });
      seen = round_.load();
      if (stop_) return;
    }
    take_tasks(worker);
    working_.fetch_sub(1);
  }
}

}  // namespace lk
