// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The embedded default device: host memory, a thread pool, and the best kernels that this
// processor runs.
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>

#include "amx.h"
#include "common/thread_pool.h"
#include "device.h"

namespace lk {

namespace generic { extern const Operations operations; }
#if defined(__x86_64__)
namespace avx2 { extern const Operations operations; }
namespace avx512 { extern const Operations operations; }
namespace avx512_bf16 { extern const Operations operations; }
namespace amx { extern const Operations operations; }
namespace avx512_model { extern const Operations operations; }
namespace amx_model { extern const Operations operations; }
#endif

namespace {

constexpr int32_t kMaxThreads = 1024;

struct Choice {
  const Operations* operations;
  bool runs;
  bool (*permitted)() = nullptr;  // asks the system, if it must be asked
};

// Best first.
const Choice* choices(int& count) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  static const bool avx512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("fma");
  static const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  static const Choice list[] = {
#if defined(LK_AMX)
      {&amx::operations, bf16 && has_amx(), permit_amx},
#endif
      {&avx512_bf16::operations, bf16},
      {&avx512::operations, avx512},
      {&avx2::operations, avx2},
      {&generic::operations, true},
#if defined(LK_MODELS)
      {&amx_model::operations, avx2},
      {&avx512_model::operations, avx2},
#endif
  };
#else
  static const Choice list[] = {{&generic::operations, true}};
#endif
  count = sizeof(list) / sizeof(list[0]);
  return list;
}

void list_supported(char* text, size_t size) {
  int count = 0;
  const Choice* list = choices(count);
  text[0] = '\0';
  for (int i = 0; i < count; ++i) {
    if (!list[i].runs) continue;
    if (text[0] != '\0') std::strncat(text, " ", size - std::strlen(text) - 1);
    std::strncat(text, list[i].operations->kernel, size - std::strlen(text) - 1);
  }
}

lk_status choose_operations(const Operations** chosen) {
  int count = 0;
  const Choice* list = choices(count);
  const char* wanted = std::getenv("LORIKEET_ISA");
  for (int i = 0; i < count; ++i) {
    const bool named = wanted != nullptr && wanted[0] != '\0';
    if (!list[i].runs || (named && std::strcmp(wanted, list[i].operations->kernel) != 0)) continue;
    if (list[i].permitted != nullptr && !list[i].permitted()) {
      if (!named) continue;
      return fail(LK_UNSUPPORTED, "LORIKEET_ISA: the system does not let this process use %s", wanted);
    }
    *chosen = list[i].operations;
    return LK_OK;
  }
  char supported[64];
  list_supported(supported, sizeof(supported));
  return fail(LK_UNSUPPORTED, "LORIKEET_ISA: %s, expected one of: %s", wanted, supported);
}

// The processor's own name, from the system.
void read_processor(char* text, size_t size) {
  std::snprintf(text, size, "unknown processor");
  FILE* file = std::fopen("/proc/cpuinfo", "r");
  if (file == nullptr) return;
  char line[256];
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    const char* value = std::strchr(line, ':');
    if (std::strncmp(line, "model name", 10) != 0 || value == nullptr) continue;
    std::snprintf(text, size, "%.*s", static_cast<int>(std::strcspn(value + 2, "\n")), value + 2);
    break;
  }
  std::fclose(file);
}

// Those that taskset, a batch system or a container left to this process.
int32_t usable_processors() {
  cpu_set_t usable;
  const int count = sched_getaffinity(0, sizeof(usable), &usable) == 0
                        ? CPU_COUNT(&usable)
                        : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));  // over 1024 of them
  return count < 1 ? 1 : count > kMaxThreads ? kMaxThreads : count;
}

class CpuDevice final : public lk_device {
 public:
  CpuDevice(const Operations* operations, int threads)
      : lk_device("cpu", operations), pool_(threads) {
    context_.pool = &pool_;
  }

  lk_status describe(lk_device_info& info) override {
    info = {};
    std::snprintf(info.name, sizeof(info.name), "%s", name().c_str());
    std::snprintf(info.isa, sizeof(info.isa), "%s", operations().kernel);
    list_supported(info.supported, sizeof(info.supported));
    read_processor(info.processor, sizeof(info.processor));
    info.threads = pool_.threads();
    info.dtypes = operations().dtypes;
    info.total_memory = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
    return LK_OK;
  }

  lk_status synchronize() override { return LK_OK; }

  lk_status upload(void* destination, const void* source, size_t bytes) override {
    std::memmove(destination, source, bytes);
    return LK_OK;
  }
  lk_status download(void* destination, const void* source, size_t bytes) override {
    return upload(destination, source, bytes);
  }

 protected:
  lk_status allocate_block(size_t bytes, void*& block) override {
    block = bytes >= kLargePage ? map_block(bytes)
                                : ::operator new(bytes, std::align_val_t{LK_ALIGNMENT}, std::nothrow);
    return LK_OK;
  }
  void release_block(void* block, size_t bytes) override {
    if (bytes >= kLargePage) {
      munmap(block, bytes);
    } else {
      ::operator delete(block, std::align_val_t{LK_ALIGNMENT});
    }
  }

 private:
  static constexpr size_t kLargePage = size_t{1} << 21;

  // A block that begins with a large page, and asks for them: rows of a matrix lie pages of the usual
  // size apart, more of them than the processor remembers addresses of. Memory that malloc hands out
  // again would keep the small pages that it once got.
  static void* map_block(size_t bytes) {
    if (bytes > SIZE_MAX / 2) return nullptr;
    void* mapped = mmap(nullptr, bytes + kLargePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    char* start = static_cast<char*>(mapped);
    const size_t before = (kLargePage - reinterpret_cast<uintptr_t>(start) % kLargePage) % kLargePage;
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    char* block = start + before;
    char* end = block + (bytes + page - 1) / page * page;
    if (before > 0) munmap(start, before);
    if (end < start + bytes + kLargePage) {
      munmap(end, static_cast<size_t>(start + bytes + kLargePage - end));
    }
#if defined(MADV_HUGEPAGE)
    madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
  }

  ThreadPool pool_;
};

}  // namespace

lk_status open_cpu(int32_t threads, lk_device** device) {
  if (threads < 0 || threads > kMaxThreads) {
    return fail(LK_BAD_ARGUMENT, "threads: %d, expected 0 (one a processor) to %d", threads,
                kMaxThreads);
  }
  const Operations* operations = nullptr;
  LK_TRY(choose_operations(&operations));
  if (threads == 0) threads = usable_processors();
  try {
    *device = new CpuDevice(operations, threads);
  } catch (const std::system_error& error) {
    return fail(LK_UNSUPPORTED, "threads: %d, more than the system lets this process start (%s)", threads,
                error.what());
  }
  return LK_OK;
}

}  // namespace lk
