// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The CPU device's threads: started once, asleep between operations.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace lk {

// Runs numbered tasks over a fixed set of threads, the caller being worker 0. Which worker takes
// which task is left to chance, so a task's results must depend on its number alone: that is what
// makes results the same at any thread count.
class ThreadPool {
 public:
  // Throws std::system_error where the system starts no more threads.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls function(task, worker) for every task in [0, tasks) and returns when all have ended.
  // Not reentrant. A worker begins with its share, neighbouring tasks one after the other, and then
  // helps with the others': so most of what lies side by side is read and written by the same processor,
  // in one operation and the next, and found in its caches. That matters most where processors have
  // last caches of their own: up to 1.6x.
  template <class Function>
  void run(int64_t tasks, const Function& function) {
    run_tasks(tasks, threads(), call_of<Function>, &function);
  }
  // The same with tasks handed out in their order, for such as become smaller towards the end.
  template <class Function>
  void run_in_order(int64_t tasks, const Function& function) {
    run_tasks(tasks, 1, call_of<Function>, &function);
  }

 private:
  using Call = void (*)(const void* function, int64_t task, int worker);
  // Tasks that are handed out in their order. On a cache line of its own.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  template <class Function>
  static void call_of(const void* function, int64_t task, int worker) {
    (*static_cast<const Function*>(function))(task, worker);
  }
  void stop();
  void run_tasks(int64_t tasks, int shares, Call call, const void* function);
  void take_tasks(int worker);
  void helper_loop(int worker);

  std::vector<std::thread> helpers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> round_{0};  // raised for every run: what helpers wait for
  std::atomic<int> working_{0};     // helpers that have not finished this round
  std::vector<Share> shares_;       // one a thread, of which the first shares_in_use_ have tasks
  int shares_in_use_ = 0;
  bool stop_ = false;
  Call call_ = nullptr;
  const void* function_ = nullptr;
};

}  // namespace lk
