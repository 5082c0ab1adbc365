// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "entry.h"
#include "plugin.h"

#ifndef LORIKEET_VERSION
#error "the build passes LORIKEET_VERSION"
#endif

using lk::check_device;
using lk::fail;
using lk::guarded;

namespace {

// "cuda" or "cuda:..." is of the kind "cuda".
bool is_kind(const char* name, const char* kind) {
  const size_t length = std::strlen(kind);
  return std::strncmp(name, kind, length) == 0 && (name[length] == '\0' || name[length] == ':');
}

}  // namespace

uint32_t lk_abi_version(void) { return LK_ABI_VERSION; }
const char* lk_version(void) { return LORIKEET_VERSION; }
const char* lk_last_error(void) { return lk::last_error(); }
const char* lk_describe(void) { return lk::last_description(); }

lk_status lk_device_open(const char* name, int32_t threads, lk_device** device) {
  return guarded([&]() -> lk_status {
    if (name == nullptr) return fail(LK_BAD_ARGUMENT, "name: NULL, expected a device such as cpu");
    if (device == nullptr) {
      return fail(LK_BAD_ARGUMENT, "device: NULL, expected a place for the answer");
    }
    if (std::strcmp(name, "cpu") == 0) return lk::open_cpu(threads, device);
    if (is_kind(name, "cuda")) {
      return lk::open_plugin("cuda", "LORIKEET_CUDA_LIBRARY", name, threads, device);
    }
    if (is_kind(name, "simt")) {
      return lk::open_plugin("simt", "LORIKEET_SIMT_LIBRARY", name, threads, device);
    }
    return fail(LK_UNSUPPORTED, "name: no device \"%.40s\", expected cpu or cuda:N", name);
  });
}

lk_status lk_device_close(lk_device* device) {
  return guarded([&]() -> lk_status {
    if (device == nullptr) return LK_OK;
    const lk_memory_info memory = device->memory();
    if (memory.live_blocks != 0) {
      return fail(LK_BAD_ARGUMENT, "device: %lld blocks (%lld bytes) still allocated, free them first",
                  static_cast<long long>(memory.live_blocks),
                  static_cast<long long>(memory.live_bytes));
    }
    if (const size_t blocks = device->live_host_blocks(); blocks != 0) {
      return fail(LK_BAD_ARGUMENT, "device: %zu host blocks still allocated, free them first",
                  blocks);
    }
    delete device;
    return LK_OK;
  });
}

lk_status lk_device_describe(lk_device* device, lk_device_info* info) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    if (info == nullptr) return fail(LK_BAD_ARGUMENT, "info: NULL, expected a place for the answer");
    return device->describe(*info);
  });
}

lk_status lk_synchronize(lk_device* device) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    return device->synchronize();
  });
}

lk_status lk_set_stream(lk_device* device, void* stream) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    return device->set_stream(stream);
  });
}

lk_status lk_set_precision(lk_device* device, int32_t precision) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    return device->set_precision(precision);
  });
}

namespace {

lk_status check_allocation(lk_device* device, size_t bytes, void** block) {
  LK_TRY(check_device(device));
  if (block == nullptr) return fail(LK_BAD_ARGUMENT, "block: NULL, expected a place for the answer");
  if (bytes == 0 || bytes > static_cast<size_t>(INT64_MAX) / 2) {
    return fail(LK_BAD_ARGUMENT, "bytes: %zu, expected 1 or more, and fewer than any memory has",
                bytes);
  }
  return LK_OK;
}

}  // namespace

lk_status lk_allocate(lk_device* device, size_t bytes, void** block) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_allocation(device, bytes, block));
    return device->allocate(bytes, block);
  });
}

lk_status lk_free(lk_device* device, void* block) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    return device->release(block);
  });
}

lk_status lk_memory(lk_device* device, lk_memory_info* info) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    if (info == nullptr) return fail(LK_BAD_ARGUMENT, "info: NULL, expected a place for the answer");
    *info = device->memory();
    return LK_OK;
  });
}

lk_status lk_memory_reset_peak(lk_device* device) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    device->reset_peak();
    return LK_OK;
  });
}

lk_status lk_fail_allocation(lk_device* device, int64_t countdown) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    if (countdown < 0) {
      return fail(LK_BAD_ARGUMENT, "countdown: %lld, expected 0 or more",
                  static_cast<long long>(countdown));
    }
    device->fail_allocation(countdown);
    return LK_OK;
  });
}

namespace {

lk_status check_copy(lk_device* device, const void* destination, const void* source, size_t bytes) {
  LK_TRY(check_device(device));
  if (bytes > 0 && (destination == nullptr || source == nullptr)) {
    return fail(LK_BAD_ARGUMENT, "%s: NULL for %zu bytes",
                destination == nullptr ? "destination" : "source", bytes);
  }
  return LK_OK;
}

}  // namespace

lk_status lk_upload(lk_device* device, void* destination, const void* source, size_t bytes) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_copy(device, destination, source, bytes));
    return bytes == 0 ? LK_OK : device->upload(destination, source, bytes);
  });
}

lk_status lk_download(lk_device* device, void* destination, const void* source, size_t bytes) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_copy(device, destination, source, bytes));
    return bytes == 0 ? LK_OK : device->download(destination, source, bytes);
  });
}

lk_status lk_allocate_host(lk_device* device, size_t bytes, void** block) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_allocation(device, bytes, block));
    return device->allocate_host(bytes, block);
  });
}

lk_status lk_free_host(lk_device* device, void* block) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    return device->release_host(block);
  });
}

lk_status lk_upload_async(lk_device* device, void* destination, const void* source, size_t bytes) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_copy(device, destination, source, bytes));
    return bytes == 0 ? LK_OK : device->upload_async(destination, source, bytes);
  });
}

lk_status lk_await_uploads(lk_device* device) {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    return device->await_uploads();
  });
}
