// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The way from an entry point to a kernel, the same for every operation: check the arguments,
// find the slot, check the workspace, run. No exception leaves the library.
#pragma once

#include <new>

#include "device.h"
#include "float_mode.h"

namespace lk {

// Runs body, turning exceptions into statuses. A device opened here has its threads in the same mode.
template <class Body>
lk_status guarded(const Body& body) noexcept {
  const DefaultFloatMode mode;
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(LK_OUT_OF_MEMORY, "host memory is exhausted");
  } catch (const std::exception& error) {
    return fail(LK_INTERNAL, "unexpected: %s", error.what());
  } catch (...) {
    return fail(LK_INTERNAL, "unexpected exception");
  }
}

template <class Call>
using Slot = lk_status (*Operations::*)(const Context&, const Call&);
template <class Call>
using WorkspaceSlot = size_t (*Operations::*)(const Context&, const Call&);

inline lk_status check_device(const lk_device* device) {
  return device != nullptr ? LK_OK : fail(LK_BAD_ARGUMENT, "device: NULL, expected an open device");
}

// How the device packs weights.
inline linear::Packing packing_of(const lk_device* device) {
  return {device->operations().packed_layout, device->operations().weight_prepare_bytes};
}

inline lk_status unsupported(const char* operation, const lk_device* device) {
  return fail(LK_UNSUPPORTED, "%s: device %s has no kernel for it", operation,
              device->name().c_str());
}

// The device computes the dtype of the call's activations; a call without any passes.
template <class Call>
lk_status check_computes(const char* operation, const lk_device* device, const Call& call) {
  if constexpr (requires { call.dtype(); }) {
    if ((device->operations().dtypes >> call.dtype() & 1) == 0) {
      return fail(LK_UNSUPPORTED, "%s: device %s does not compute %s", operation,
                  device->name().c_str(), dtype_name(call.dtype()));
    }
  }
  return LK_OK;
}

// Runs a call whose arguments were checked.
template <class Call>
lk_status run(const char* operation, lk_device* device,
              lk_status (*kernel)(const Context&, const Call&), const Context& context,
              const Call& call) {
  describe(operation, device->operations().kernel);
  LK_TRY(device->begin_work());
  const lk_status status = kernel(context, call);
  const lk_status ended = device->end_work();  // a kernel that failed may have begun
  trace();
  return status != LK_OK ? status : ended;
}

// describe(call) fills the operation's description from the entry point's arguments.
template <class Call, class Describe>
lk_status execute(const char* operation, lk_device* device, Slot<Call> slot,
                  const Describe& describe_call) noexcept {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    const Watching watching(device->watch());
    Call call{};
    LK_TRY(describe_call(call));
    const auto kernel = device->operations().*slot;
    if (kernel == nullptr) return unsupported(operation, device);
    LK_TRY(check_computes(operation, device, call));
    return run(operation, device, kernel, device->context(), call);
  });
}

// The same for operations that need scratch memory.
template <class Call, class Describe>
lk_status execute(const char* operation, lk_device* device, Slot<Call> slot,
                  WorkspaceSlot<Call> workspace_slot, void* workspace, size_t workspace_bytes,
                  const Describe& describe_call) noexcept {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    const Watching watching(device->watch(), workspace, workspace_bytes);
    Call call{};
    LK_TRY(describe_call(call));
    const auto kernel = device->operations().*slot;
    const auto needed = device->operations().*workspace_slot;
    if (kernel == nullptr || needed == nullptr) return unsupported(operation, device);
    LK_TRY(check_computes(operation, device, call));
    Context context = device->context();
    LK_TRY(check_workspace(workspace, workspace_bytes, needed(context, call)));
    context.workspace = workspace;
    return run(operation, device, kernel, context, call);
  });
}

// An operation's ..._workspace function.
template <class Call, class Describe>
lk_status workspace_bytes(const char* operation, lk_device* device,
                          WorkspaceSlot<Call> workspace_slot, size_t* bytes,
                          const Describe& describe_call) noexcept {
  return guarded([&]() -> lk_status {
    LK_TRY(check_device(device));
    if (bytes == nullptr) return fail(LK_BAD_ARGUMENT, "bytes: NULL, expected a place for the answer");
    Call call{};
    LK_TRY(describe_call(call));
    const auto needed = device->operations().*workspace_slot;
    if (needed == nullptr) return unsupported(operation, device);
    LK_TRY(check_computes(operation, device, call));
    *bytes = needed(device->context(), call);
    return LK_OK;
  });
}

}  // namespace lk
