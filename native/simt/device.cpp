// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The executor as a device: "simt", or "simt:SCHEDULE" with SCHEDULE as parse_schedule takes it.
// LORIKEET_SIMT_SHARED_KB in the environment gives its blocks less shared memory than the largest
// GPUs have, so that the kernels for smaller ones run: 99 stands for sm_86, 89 and 120.
// LORIKEET_SIMT_LAUNCHES names a file that a device, when closed, adds a line to for each kernel that
// ran: where in this library its function is (hexadecimal), the most threads and bytes of shared
// memory of its blocks (native/cuda/kernels.sh).
#include "simt.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "cuda_operations.h"
#include "executor.h"
#include "plugin.h"

namespace lk::simt {
namespace {

class SimtDevice final : public lk_device {
 public:
  SimtDevice(std::string name, Schedule schedule, int threads, size_t shared_bytes)
      : lk_device(std::move(name), &cuda::operations),
        executor_(schedule, threads, shared_bytes),
        threads_(threads) {
    context_.stream = &executor_;
    context_.shared_bytes = static_cast<int64_t>(shared_bytes);
  }

  ~SimtDevice() override {
    const char* file = std::getenv("LORIKEET_SIMT_LAUNCHES");
    if (file != nullptr && file[0] != '\0') list_launches(file);
  }

  Executor& executor() { return executor_; }

  lk_status describe(lk_device_info& info) override {
    info = {};
    std::snprintf(info.name, sizeof(info.name), "%s", name().c_str());
    std::snprintf(info.isa, sizeof(info.isa), "%s", operations().kernel);
    std::snprintf(info.supported, sizeof(info.supported), "%s", operations().kernel);
    std::snprintf(info.processor, sizeof(info.processor), "CUDA sources run on the CPU, for tests");
    info.threads = threads_;
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
  // The alignment of cudaMalloc.
  static constexpr std::align_val_t kAlignment{256};

  lk_status allocate_block(size_t bytes, void*& block) override {
    block = ::operator new(bytes, kAlignment, std::nothrow);
    if (block != nullptr) executor_.memory().add(block, bytes);
    return LK_OK;
  }
  void release_block(void* block, size_t) override {
    executor_.memory().remove(block);
    ::operator delete(block, kAlignment);
  }

 private:
  void list_launches(const char* name) const {
    std::FILE* file = std::fopen(name, "a");
    if (file == nullptr) return;
    for (const auto& [entry, launched] : executor_.launched()) {
      Dl_info library;
      if (dladdr(entry, &library) == 0) continue;
      std::fprintf(file, "%zx %u %zu\n",
                   static_cast<size_t>(static_cast<const char*>(entry) -
                                       static_cast<const char*>(library.dli_fbase)),
                   launched.threads, launched.shared_bytes);
    }
    std::fclose(file);
  }

  Executor executor_;
  int threads_;
};

lk_status parse_shared(size_t& bytes) {
  bytes = kMostShared;
  const char* text = std::getenv("LORIKEET_SIMT_SHARED_KB");
  if (text == nullptr || text[0] == '\0') return LK_OK;
  char* end = nullptr;
  const long kilobytes = std::strtol(text, &end, 10);
  if (*end != '\0' || kilobytes < 48 || kilobytes > static_cast<long>(kMostShared / 1024)) {
    return fail(LK_BAD_ARGUMENT, "LORIKEET_SIMT_SHARED_KB: %.40s, expected 48 to %zu", text,
                kMostShared / 1024);
  }
  bytes = static_cast<size_t>(kilobytes) * 1024;
  return LK_OK;
}

}  // namespace

lk_status run(void* executor, const char* kernel, const Shape& shape,
              const std::function<void()>& body) {
  const std::string finding = static_cast<Executor*>(executor)->run(kernel, shape, body);
  if (finding.empty()) return LK_OK;
  return fail(LK_INTERNAL, "%s: %s", kernel, finding.c_str());
}

}  // namespace lk::simt

lk_status lk::open_plugin_device(const char* name, int32_t threads, lk_device** device) {
  simt::Schedule schedule;
  const char* colon = std::strchr(name, ':');
  if (colon != nullptr && !simt::parse_schedule(colon + 1, schedule)) {
    return fail(LK_BAD_ARGUMENT, "name: %.40s, expected simt or simt: and one of round-robin, up, down, "
                "random, random:SEED", name);
  }
  if (threads <= 0) threads = static_cast<int32_t>(sysconf(_SC_NPROCESSORS_ONLN));
  size_t shared_bytes = 0;
  LK_TRY(simt::parse_shared(shared_bytes));
  *device = new simt::SimtDevice(name, schedule, threads < 1 ? 1 : threads, shared_bytes);
  return LK_OK;
}

void lk_simt_counters(lk_device* device, lk_simt_visit visit, void* to) {
  auto& executor = static_cast<lk::simt::SimtDevice*>(device)->executor();
  for (const auto& [kernel, counters] : executor.counters()) visit(to, kernel.c_str(), &counters);
}

void lk_simt_reset(lk_device* device) {
  static_cast<lk::simt::SimtDevice*>(device)->executor().reset_counters();
}
