// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Small kernels, right and with one defect each: what the executor computes, and that it names the
// defect. Kernels see the executor through the primitives of kernels/common/cuda, as all do.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest.h>

#include <vector>

#include "common/cuda/mma.cuh"
#include "common/cuda/reduce.cuh"
#include "executor.h"

namespace lk::cuda {
namespace {

using simt::Counters;
using simt::Executor;
using simt::Order;
using simt::parse_schedule;
using simt::Schedule;
using simt::Shape;

const Schedule kSchedules[] = {{Order::kRoundRobin, 0}, {Order::kUp, 0}, {Order::kDown, 0},
                               {Order::kRandom, 1},     {Order::kRandom, 2}};

const char* const kUnwritten = "which nobody wrote";

Shape shape(unsigned blocks, unsigned threads, size_t shared_bytes = 0) {
  return {{blocks, 1, 1}, {threads, 1, 1}, shared_bytes};
}

// Runs the kernel under every schedule, with memory for it.
struct Bench {
  std::vector<float> memory;
  Global<float> global() { return {memory.data()}; }

  explicit Bench(size_t elements) : memory(elements) {}

  // The finding under each schedule.
  template <class Kernel>
  std::vector<std::string> run(const Shape& shape, const Kernel& kernel) {
    std::vector<std::string> findings;
    for (const Schedule& schedule : kSchedules) {
      Executor executor(schedule, 2);
      executor.memory().add(memory.data(), memory.size() * sizeof(float));
      findings.push_back(executor.run("kernel", shape, kernel));
    }
    return findings;
  }
  template <class Kernel>
  void is_right(const Shape& shape, const Kernel& kernel) {
    for (const std::string& finding : run(shape, kernel)) CHECK(finding == "");
  }
  // Every schedule finds it; which of two words it is may depend on who runs first.
  template <class Kernel>
  void is_found(const Shape& shape, const char* words, const Kernel& kernel,
                const char* or_words = nullptr) {
    for (const std::string& finding : run(shape, kernel)) {
      INFO(finding);
      const auto says = [&](const char* text) {
        return text != nullptr && finding.find(text) != std::string::npos;
      };
      CHECK((says(words) || says(or_words)));
    }
  }
};

int thread() { return static_cast<int>(threadIdx.x); }
Shared<float> shared() { return shared_memory().as<float>(); }

TEST_CASE("executor: a block reverses an array through shared memory") {
  Bench bench(64);
  bench.is_right(shape(1, 64, 256), [&] {
    store(shared() + thread(), static_cast<float>(thread()));
    barrier();
    store(bench.global() + thread(), load(shared() + (63 - thread())));
  });
  for (int i = 0; i < 64; ++i) CHECK(bench.memory[i] == 63 - i);
}

TEST_CASE("executor: a missing barrier between write and read is a race, with both lines") {
  Bench bench(64);
  bench.is_found(
      shape(1, 64, 256), "simt/test.cpp:",
      [&] {
        store(shared() + thread(), 1.0f);
        store(bench.global() + thread(), load(shared() + (63 - thread())));
      },
      kUnwritten);
}

TEST_CASE("executor: a missing barrier between read and the next write is a race") {
  Bench bench(64);
  bench.is_found(shape(1, 64, 256), "race: thread", [&] {
    for (int round = 0; round < 2; ++round) {
      store(shared() + thread(), static_cast<float>(round));
      barrier();
      store(bench.global() + thread(), load(shared() + (63 - thread())));
    }
  });
}

TEST_CASE("executor: two threads that write one word are a race") {
  Bench bench(1);
  bench.is_found(shape(1, 64, 256), "race: thread", [&] { store(shared() + thread() / 2, 1.0f); });
}

TEST_CASE("executor: a warp orders itself by a warp barrier, not by shuffles") {
  Bench bench(32);
  bench.is_right(shape(1, 32, 128), [&] {
    store(shared() + thread(), 1.0f);
    warp_barrier();
    store(bench.global() + thread(), load(shared() + (31 - thread())));
  });
  bench.is_found(shape(1, 32, 128), "race: thread", [&] {
    store(shared() + thread(), 1.0f);
    const float other = shuffle(1.0f, 0);
    store(bench.global() + thread(), other + load(shared() + (31 - thread())));
  });
}

TEST_CASE("executor: a warp barrier does not order two warps") {
  Bench bench(64);
  bench.is_found(
      shape(1, 64, 256), "race: thread",
      [&] {
        if (thread() < 32) store(shared() + thread(), 1.0f);
        warp_barrier();
        if (thread() >= 32) store(bench.global() + thread(), load(shared() + (63 - thread())));
      },
      kUnwritten);
}

TEST_CASE("executor: shared memory that nobody wrote") {
  Bench bench(32);
  bench.is_found(shape(1, 32, 256), kUnwritten, [&] {
    store(shared() + thread(), 1.0f);
    barrier();
    store(bench.global() + thread(), load(shared() + thread() + 1));
  });
}

TEST_CASE("executor: shared memory beyond its end, and off its alignment") {
  Bench bench(32);
  bench.is_found(shape(1, 32, 128), "outside the 128 bytes", [&] { store(shared() + thread() + 1, 1.0f); });
  bench.is_found(shape(1, 32, 256), "not aligned to the 8 bytes", [&] {
    store((shared() + 2 * thread() + 1).as<Pack<float, 2>>(), {{1, 2}});
  });
}

TEST_CASE("executor: global memory outside allocations, and off its alignment") {
  Bench bench(32);
  bench.is_found(shape(1, 32), "outside any allocation", [&] { store(bench.global() + thread() + 1, 1.0f); });
  bench.is_found(shape(1, 32), "off their alignment", [&] {
    if (thread() == 0) load((bench.global() + 1).as<const Pack<float, 2>>());
  });
}

TEST_CASE("executor: two blocks that meet at one word of global memory") {
  Bench bench(64);
  bench.is_found(shape(2, 32), "another block of the launch", [&] { store(bench.global() + thread(), 1.0f); });
  bench.is_found(shape(2, 32), "another block of the launch", [&] {
    if (blockIdx.x == 0) store(bench.global() + thread(), 1.0f);
    if (blockIdx.x == 1) store(bench.global() + 32 + thread(), load(bench.global() + thread()));
  });
  bench.is_right(shape(2, 32), [&] {
    store(bench.global() + (blockIdx.x * 32 + thread()), static_cast<float>(blockIdx.x));
  });
}

TEST_CASE("executor: a barrier that some threads miss, and two that are not the same") {
  Bench bench(64);
  bench.is_found(shape(1, 64), "divergent barrier", [&] {
    if (thread() < 32) barrier();
  });
  bench.is_found(shape(1, 64), "divergent barrier", [&] {
    if (thread() < 32) {
      barrier();
    } else {
      barrier();
    }
  });
}

TEST_CASE("executor: a collective that some lanes miss, and two that are not the same") {
  Bench bench(64);
  bench.is_found(shape(1, 32), "divergent collective", [&] {
    if (thread() != 7) ballot(true);
  });
  bench.is_found(shape(1, 32), "divergent collective", [&] {
    if (thread() < 16) {
      ballot(true);
    } else {
      warp_barrier();
    }
  });
}

TEST_CASE("executor: sums of a warp's lanes and of a block, and a vote's lowest lane") {
  Bench bench(64);
  bench.is_right(shape(1, 64, 16), [&] {
    // Beyond what f32 holds: the sum tells the numbers apart in double alone.
    const double number = 16777216.0 * (thread() + 1) + 1;
    const double lanes = sum_of_lanes(number) - 16777216.0 * (thread() < 32 ? 528 : 1552);
    const double block = sum_of_block<2>(number, shared_memory().as<double>());
    const float small = sum_of_block<2>(1.5f, shared());
    const bool right = lanes == 32 && block == 16777216.0 * 2080 + 64 && small == 96;
    const int first = lowest_bit(ballot(thread() % 32 >= 7));
    store(bench.global() + thread(), right ? static_cast<float>(first) : -1.0f);
  });
  for (int i = 0; i < 64; ++i) CHECK(bench.memory[i] == 7);
}

// Each thread copies 16 bytes.
TEST_CASE("executor: asynchronous copies arrive by their wait, and outside ones as zeros") {
  Bench bench(256);
  for (int i = 0; i < 128; ++i) bench.memory[i] = static_cast<float>(i + 1);
  const auto copy = [&](int group) {
    copy_async16(shared() + 128 * group + 4 * thread(), bench.global() + 4 * thread(),
                 group == 0 || thread() % 2 == 0);
    copy_async_commit();
  };
  bench.is_right(shape(1, 32, 1024), [&] {
    copy(0);
    copy(1);
    copy_async_wait<1>();
    barrier();
    const float first = load(shared() + (127 - 4 * thread()));
    copy_async_wait<0>();
    barrier();
    store(bench.global() + 128 + thread(), first);
    store(bench.global() + 160 + thread(), load(shared() + 128 + 4 * thread()));
  });
  for (int i = 0; i < 32; ++i) {
    CHECK(bench.memory[128 + i] == 128 - 4 * i);
    CHECK(bench.memory[160 + i] == (i % 2 == 0 ? 4 * i + 1 : 0));
  }
}

TEST_CASE("executor: an asynchronous copy read before its wait, or by others before a barrier") {
  Bench bench(256);
  const auto copy = [&] {
    copy_async16(shared() + 4 * thread(), bench.global() + 4 * thread(), true);
    copy_async_commit();
  };
  bench.is_found(shape(1, 32, 512), "still on its way", [&] {
    copy();
    copy_async_wait<1>();
    warp_barrier();
    store(bench.global() + 128 + thread(), load(shared() + 4 * thread()));
  });
  bench.is_found(
      shape(1, 32, 512), "race: thread",
      [&] {
        copy();
        copy_async_wait<0>();
        store(bench.global() + 128 + thread(), load(shared() + (127 - 4 * thread())));
      },
      kUnwritten);
}

TEST_CASE("executor: asynchronous copies of 4 bytes") {
  Bench bench(64);
  for (int i = 0; i < 32; ++i) bench.memory[i] = static_cast<float>(i + 1);
  bench.is_right(shape(1, 32, 128), [&] {
    copy_async4(shared() + thread(), bench.global() + thread(), thread() != 5);
    copy_async_commit();
    copy_async_wait<0>();
    store(bench.global() + 32 + thread(), load(shared() + thread()));
  });
  for (int i = 0; i < 32; ++i) CHECK(bench.memory[32 + i] == (i == 5 ? 0 : i + 1));
}

TEST_CASE("executor: four lanes transpose their words") {
  Bench bench(128);
  bench.is_right(shape(1, 32), [&] {
    uint32_t words[4];
    for (int i = 0; i < 4; ++i) words[i] = 4 * thread() + i;
    transpose_quad(words);
    for (int i = 0; i < 4; ++i) {
      store(bench.global() + (4 * thread() + i), static_cast<float>(words[i]));
    }
  });
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      CHECK(bench.memory[4 * lane + i] == 4 * (lane / 4 * 4 + i) + lane % 4);
    }
  }
}

TEST_CASE("executor: powers of two") {
  for (const float x : {-1.5f, 0.0f, 3.25f}) CHECK(std::abs(exp2_fast(x) / std::exp2(x) - 1) < 1e-6);
  CHECK(exp2_fast(-INFINITY) == 0);
  CHECK(fresh(7) == 7);
}

template <class T>
void check_mma(float tolerance) {
  constexpr int kDepth = std::is_same_v<T, Tf32> ? 8 : 16;
  Bench bench(16 * 8 * 32);
  const auto a = [](int i, int k) { return 0.25f * static_cast<float>((7 * i + 3 * k) % 11 - 5); };
  const auto b = [](int k, int j) { return 0.5f * static_cast<float>((5 * k + 2 * j) % 7 - 3); };
  bench.is_right(shape(1, 32), [&] {
    const int g = thread() / 4, t = thread() % 4;
    uint32_t fa[4], fb[2];
    for (int r = 0; r < 4; ++r) {
      const int i = g + r % 2 * 8;
      if constexpr (kDepth == 8) {
        const float value = a(i, t + r / 2 * 4);
        std::memcpy(&fa[r], &value, 4);
      } else {
        fa[r] = pack_pair<T>(a(i, 2 * t + r / 2 * 8), a(i, 2 * t + 1 + r / 2 * 8));
      }
    }
    for (int r = 0; r < 2; ++r) {
      if constexpr (kDepth == 8) {
        const float value = b(t + 4 * r, g);
        std::memcpy(&fb[r], &value, 4);
      } else {
        fb[r] = pack_pair<T>(b(2 * t + 8 * r, g), b(2 * t + 1 + 8 * r, g));
      }
    }
    float d[4] = {1, 1, 1, 1};
    mma<T>(d, fa, fb);
    for (int r = 0; r < 4; ++r) {
      store(bench.global() + ((g + r / 2 * 8) * 8 + 2 * t + r % 2), d[r]);
    }
  });
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 8; ++j) {
      float expected = 1;
      for (int k = 0; k < kDepth; ++k) expected += a(i, k) * b(k, j);
      CHECK(std::abs(bench.memory[i * 8 + j] - expected) <= tolerance);
    }
  }
}

TEST_CASE("executor: matrix products of each type") {
  check_mma<Bf16>(1e-5f);
  check_mma<F16>(1e-5f);
  check_mma<Tf32>(1e-5f);
}

TEST_CASE("executor: matrix loads, plain and transposed, and their bank conflicts") {
  std::vector<uint32_t> plain(128), transposed(128);
  for (const bool padded : {false, true}) {
    // Four 8x8 matrices side by side in rows of 32 or, padded, 40 elements.
    const int pitch = padded ? 40 : 64;
    Executor executor({}, 1);
    const std::string finding = executor.run("kernel", shape(1, 32, 8 * 2 * pitch), [&] {
      Shared<uint16_t> tile = shared_memory().as<uint16_t>();
      for (int i = thread(); i < 8 * pitch; i += 32) store(tile + i, static_cast<uint16_t>(i));
      warp_barrier();
      uint32_t fragments[4];
      const Shared<uint16_t> row = tile + (thread() % 8 * pitch + thread() / 8 * 8);
      load_matrices(fragments, row);
      for (int m = 0; m < 4; ++m) plain[4 * thread() + m] = fragments[m];
      load_matrices_transposed(fragments, row);
      for (int m = 0; m < 4; ++m) transposed[4 * thread() + m] = fragments[m];
    });
    CHECK(finding == "");
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int m = 0; m < 4; ++m) {
        const auto at = [&](int row, int column) { return static_cast<uint32_t>(row * pitch + 8 * m + column); };
        CHECK(plain[4 * lane + m] == (at(g, 2 * t) | at(g, 2 * t + 1) << 16));
        CHECK(transposed[4 * lane + m] == (at(2 * t, g) | at(2 * t + 1, g) << 16));
      }
    }
    const Counters counters = executor.counters()["kernel"];
    CHECK(counters.load_matrix == 2);
    // Rows of 128 bytes all begin at bank 0: eight passes instead of one, four matrices, two loads.
    CHECK(counters.load_matrix_conflicts == (padded ? 0 : 7 * 4 * 2));
  }
}

TEST_CASE("executor: word loads and their bank conflicts") {
  for (const int pitch : {0, 1, 32, 33}) {
    CAPTURE(pitch);
    std::vector<float> words(32);
    Executor executor({}, 1);
    const std::string finding = executor.run("kernel", shape(1, 32, 4 * 32 * 33), [&] {
      const Shared<float> tile = shared_memory().as<float>();
      for (int i = thread(); i < 32 * 33; i += 32) store(tile + i, static_cast<float>(i));
      warp_barrier();
      words[thread()] = load_word(tile + pitch * thread());
    });
    CHECK(finding == "");
    for (int lane = 0; lane < 32; ++lane) CHECK(words[lane] == static_cast<float>(pitch * lane));
    // At a pitch of 32 all words are of bank 0: 32 passes instead of one.
    CHECK(executor.counters()["kernel"].load_matrix_conflicts == (pitch == 32 ? 31 : 0));
  }
}

TEST_CASE("executor: rounding to tf32") {
  const auto rounded = [](float x) {
    const uint32_t bits = to_tf32(x);
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
  };
  const float unit = std::ldexp(1.0f, -10);
  CHECK(rounded(1 + unit / 2) == 1 + unit);
  CHECK(rounded(-1 - unit / 2) == -1 - unit);
  CHECK(rounded(1 + unit / 4) == 1);
  CHECK(rounded(2 - unit / 4) == 2);
  CHECK(rounded(INFINITY) == INFINITY);
  CHECK(std::isnan(rounded(NAN)));
}

TEST_CASE("executor: counts bytes asked for and sectors touched") {
  Bench bench(64);
  Executor executor({}, 2);
  executor.memory().add(bench.memory.data(), 256);
  for (int launch = 0; launch < 2; ++launch) {
    CHECK(executor.run("copy", shape(1, 32), [&] {
      store(bench.global() + 32 + thread(), load(bench.global() + thread() / 8));
    }) == "");
  }
  const Counters counters = executor.counters()["copy"];
  CHECK(counters.launches == 2);
  CHECK(counters.global_read_bytes == 2 * 128);
  CHECK(counters.global_write_bytes == 2 * 128);
  CHECK(counters.touched_read_bytes == 2 * 32);
  CHECK(counters.touched_write_bytes == 2 * 128);
}

TEST_CASE("executor: shapes that no device launches") {
  Executor executor({}, 1);
  const auto nothing = [] {};
  CHECK(executor.run("kernel", shape(1, 48), nothing).find("whole warps") != std::string::npos);
  CHECK(executor.run("kernel", shape(1, 2048), nothing).find("1024 at most") != std::string::npos);
  CHECK(executor.run("kernel", shape(1, 32, 300000), nothing).find("expected at most") != std::string::npos);
  Executor smaller({}, 1, 99 * 1024);
  CHECK(smaller.run("kernel", shape(1, 32, 99 * 1024), nothing) == "");
  CHECK(smaller.run("kernel", shape(1, 32, 99 * 1024 + 16), nothing).find("at most 101376") != std::string::npos);
}

TEST_CASE("executor: schedules by name") {
  Schedule schedule;
  CHECK(parse_schedule("up", schedule));
  CHECK(parse_schedule("random:42", schedule));
  CHECK(schedule.order == Order::kRandom);
  CHECK(schedule.seed == 42);
  for (const char* wrong : {"", "sideways", "up:1", "random:", "random:x", "random:12345678901"}) {
    CHECK_FALSE(parse_schedule(wrong, schedule));
  }
}

}  // namespace
}  // namespace lk::cuda
