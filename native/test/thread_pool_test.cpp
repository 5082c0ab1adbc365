// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/thread_pool.h"

#include <doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace lk::test {
namespace {

// The tasks that each worker took, in the order in which it did.
template <class Run>
std::vector<std::vector<int64_t>> taken(ThreadPool& pool, const Run& run) {
  std::vector<std::vector<int64_t>> by_worker(pool.threads());
  run([&](int64_t task, int worker) { by_worker[worker].push_back(task); });
  return by_worker;
}

// The same where task 0 runs until all others have ended, which others must take.
template <class Run>
std::vector<std::vector<int64_t>> taken_beside_first(ThreadPool& pool, int64_t tasks, const Run& run) {
  std::atomic<int64_t> ended{0};
  return taken(pool, [&](const auto& take) {
    run([&](int64_t task, int worker) {
      take(task, worker);
      while (task == 0 && ended.load() < tasks - 1) std::this_thread::yield();
      ended.fetch_add(1);
    });
  });
}

void check_each_once(const std::vector<std::vector<int64_t>>& by_worker, int64_t tasks) {
  std::vector<int64_t> all;
  for (const auto& own : by_worker) all.insert(all.end(), own.begin(), own.end());
  std::sort(all.begin(), all.end());
  REQUIRE(static_cast<int64_t>(all.size()) == tasks);
  for (int64_t i = 0; i < tasks; ++i) CHECK(all[i] == i);
}

}  // namespace

TEST_CASE("thread pool: every task runs once, fewer than threads and many") {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (const int64_t tasks : {0, 1, 2, 7, 8, 1000}) {
      CAPTURE(threads);
      CAPTURE(tasks);
      check_each_once(taken(pool, [&](const auto& take) { pool.run(tasks, take); }), tasks);
      check_each_once(taken(pool, [&](const auto& take) { pool.run_in_order(tasks, take); }), tasks);
    }
  }
}

TEST_CASE("thread pool: a worker begins with its own neighbours, and helps the others") {
  ThreadPool pool(3);
  const auto by_worker = taken_beside_first(pool, 300, [&](const auto& take) {
    pool.run(300, [&](int64_t task, int worker) {
      take(task, worker);
      std::this_thread::sleep_for(std::chrono::microseconds(20));  // so that all come in time
    });
  });
  check_each_once(by_worker, 300);
  for (int worker = 0; worker < 3; ++worker) {
    const auto& own = by_worker[worker];
    const auto mine = [&](int64_t task) { return task / 100 == worker; };
    CHECK(std::is_partitioned(own.begin(), own.end(), mine));
    CHECK(std::is_sorted(own.begin(), std::partition_point(own.begin(), own.end(), mine)));
  }
}

TEST_CASE("thread pool: in order nobody takes a task before one of a smaller number") {
  ThreadPool pool(3);
  const auto by_worker =
      taken_beside_first(pool, 300, [&](const auto& take) { pool.run_in_order(300, take); });
  check_each_once(by_worker, 300);
  for (const auto& own : by_worker) CHECK(std::is_sorted(own.begin(), own.end()));
}

}  // namespace lk::test
