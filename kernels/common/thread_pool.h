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
  // Not reentrant.
  template <class Function>
  void run(int64_t tasks, const Function& function) {
    run_tasks(tasks, [](const void* f, int64_t task, int worker) {
      (*static_cast<const Function*>(f))(task, worker);
    }, &function);
  }

 private:
  using Call = void (*)(const void* function, int64_t task, int worker);

  void stop();
  void run_tasks(int64_t tasks, Call call, const void* function);
  void take_tasks(int worker);
  void helper_loop(int worker);

  std::vector<std::thread> helpers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> round_{0};  // raised for every run: what helpers wait for
  std::atomic<int> working_{0};     // helpers that have not finished this round
  std::atomic<int64_t> next_{0};    // the next task to hand out
  bool stop_ = false;
  int64_t tasks_ = 0;
  Call call_ = nullptr;
  const void* function_ = nullptr;
};

}  // namespace lk
