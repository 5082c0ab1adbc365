// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include <algorithm>

lk_status lk_device::set_precision(int32_t precision) {
  if (precision != LK_PRECISION_EXACT && precision != LK_PRECISION_TF32) {
    return lk::fail(LK_BAD_ARGUMENT, "precision: %d, expected one of lk_precision", precision);
  }
  const bool tf32 = precision == LK_PRECISION_TF32;
  if (tf32 && !operations().tf32) {
    return lk::fail(LK_UNSUPPORTED, "precision: tf32, but device %s multiplies f32 exactly only",
                    name_.c_str());
  }
  context_.tf32 = tf32;
  return LK_OK;
}

lk_status lk_device::allocate(size_t bytes, void** block) {
  std::lock_guard<std::mutex> lock(mutex_);
  const bool fail_on_purpose =
      allocations_until_failure_ > 0 && --allocations_until_failure_ == 0;
  void* made = nullptr;
  if (!fail_on_purpose) LK_TRY(allocate_block(bytes, made));
  if (made == nullptr) {
    const int64_t free = free_bytes();
    const std::string left = free < 0 ? "" : ", " + std::to_string(free) + " bytes free";
    return lk::fail(LK_OUT_OF_MEMORY, "%s: no block of %zu bytes left (%lld bytes in use%s)%s",
                    name_.c_str(), bytes, static_cast<long long>(memory_.live_bytes), left.c_str(),
                    fail_on_purpose ? ", a failure lk_fail_allocation asked for" : "");
  }
  try {
    blocks_.emplace(made, bytes);
  } catch (...) {
    release_block(made, bytes);
    throw;
  }
  memory_.live_bytes += static_cast<int64_t>(bytes);
  memory_.peak_bytes = std::max(memory_.peak_bytes, memory_.live_bytes);
  memory_.live_blocks += 1;
  memory_.allocations += 1;
  *block = made;
  return LK_OK;
}

lk_status lk_device::release(void* block) {
  if (block == nullptr) return LK_OK;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = blocks_.find(block);
  if (found == blocks_.end()) {
    return lk::fail(LK_BAD_ARGUMENT, "block: %p, expected a live block of device %s", block,
                    name_.c_str());
  }
  release_block(block, found->second);
  memory_.live_bytes -= static_cast<int64_t>(found->second);
  memory_.live_blocks -= 1;
  blocks_.erase(found);
  return LK_OK;
}

lk_status lk_device::allocate_host(size_t bytes, void** block) {
  std::lock_guard<std::mutex> lock(mutex_);
  void* made = nullptr;
  LK_TRY(allocate_host_block(bytes, made));
  if (made == nullptr) {
    return lk::fail(LK_OUT_OF_MEMORY, "%s: no %zu bytes of host memory left for uploads",
                    name_.c_str(), bytes);
  }
  try {
    host_blocks_.insert(made);
  } catch (...) {
    release_host_block(made);
    throw;
  }
  *block = made;
  return LK_OK;
}

lk_status lk_device::release_host(void* block) {
  if (block == nullptr) return LK_OK;
  std::lock_guard<std::mutex> lock(mutex_);
  if (host_blocks_.erase(block) == 0) {
    return lk::fail(LK_BAD_ARGUMENT, "block: %p, expected a live host block of device %s", block,
                    name_.c_str());
  }
  release_host_block(block);
  return LK_OK;
}

size_t lk_device::live_host_blocks() {
  std::lock_guard<std::mutex> lock(mutex_);
  return host_blocks_.size();
}

lk_memory_info lk_device::memory() {
  std::lock_guard<std::mutex> lock(mutex_);
  return memory_;
}

void lk_device::reset_peak() {
  std::lock_guard<std::mutex> lock(mutex_);
  memory_.peak_bytes = memory_.live_bytes;
}

void lk_device::fail_allocation(int64_t countdown) {
  std::lock_guard<std::mutex> lock(mutex_);
  allocations_until_failure_ = countdown;
}
