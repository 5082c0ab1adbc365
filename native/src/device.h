// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the C ABI calls a device: memory that is counted, and a table of kernels.
#pragma once

#include <mutex>
#include <new>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "operations.h"

// The opaque type of lorikeet.h. Subclasses say where memory lives.
struct lk_device {
  lk_device(std::string name, const lk::Operations* operations)
      : name_(std::move(name)), operations_(operations) {}
  virtual ~lk_device() = default;
  lk_device(const lk_device&) = delete;
  lk_device& operator=(const lk_device&) = delete;

  const std::string& name() const { return name_; }
  const lk::Operations& operations() const { return *operations_; }
  // Everything but the workspace.
  const lk::Context& context() const { return context_; }

  virtual lk_status describe(lk_device_info& info) = 0;
  virtual lk_status synchronize() = 0;
  virtual lk_status upload(void* destination, const void* source, size_t bytes) = 0;
  virtual lk_status download(void* destination, const void* source, size_t bytes) = 0;
  // A device whose uploads end before they return need not override these.
  virtual lk_status upload_async(void* destination, const void* source, size_t bytes) {
    return upload(destination, source, bytes);
  }
  virtual lk_status await_uploads() { return LK_OK; }
  virtual lk_status set_stream(void* stream) {
    if (stream == nullptr) return LK_OK;
    return lk::fail(LK_UNSUPPORTED, "stream: %p, but device %s has no streams, expected NULL", stream,
                    name_.c_str());
  }

  // A device whose uploads run beside its kernels learns here what a call touches, orders the two
  // before the call's first kernel, and notes after its last how far the call reaches.
  virtual lk::MemoryWatch* watch() { return nullptr; }
  virtual lk_status begin_work() { return LK_OK; }
  virtual lk_status end_work() { return LK_OK; }

  lk_status set_precision(int32_t precision);

  // Counted allocation. These may be called from any thread.
  lk_status allocate(size_t bytes, void** block);
  lk_status release(void* block);
  lk_status allocate_host(size_t bytes, void** block);
  lk_status release_host(void* block);
  size_t live_host_blocks();
  lk_memory_info memory();
  void reset_peak();
  void fail_allocation(int64_t countdown);

 protected:
  // A block aligned to LK_ALIGNMENT, or nullptr when there is none left.
  // NULL where no such block is left; other failures are a status.
  virtual lk_status allocate_block(size_t bytes, void*& block) = 0;
  virtual void release_block(void* block, size_t bytes) = 0;
  // Bytes that allocate_block could still give out, about; -1 where nothing says.
  virtual int64_t free_bytes() { return -1; }
  // The same as allocate_block in host memory, by default any.
  virtual lk_status allocate_host_block(size_t bytes, void*& block) {
    block = ::operator new(bytes, std::align_val_t{LK_ALIGNMENT}, std::nothrow);
    return LK_OK;
  }
  virtual void release_host_block(void* block) {
    ::operator delete(block, std::align_val_t{LK_ALIGNMENT});
  }

  lk::Context context_;

 private:
  std::string name_;
  const lk::Operations* operations_;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> blocks_;  // live blocks and their bytes
  std::unordered_set<void*> host_blocks_;
  lk_memory_info memory_{};
  int64_t allocations_until_failure_ = 0;  // 0: never
};

namespace lk {

// Opens the CPU device; threads 0 means one a processor.
lk_status open_cpu(int32_t threads, lk_device** device);

}  // namespace lk
