// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The made-up CUDA runtime, and two operations to give its streams: fill and convert of dense f32.
#include <cuda_runtime.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda_operations.h"
#include "fake.h"

struct CUevent_st {
  int records = 0;             // given to streams so far
  std::vector<bool> reached;   // by record, from 1 on
  CUstream_st* stream = nullptr;  // of the last record
  bool destroyed = false;
};

namespace {

struct Step {
  std::function<void()> run;     // a kernel or a copy; else a record of, or a wait for, an event
  CUevent_st* event = nullptr;
  int record = 0;
  CUstream_st* awaited = nullptr;  // where the record was given, of a wait

  bool held_back() const { return awaited != nullptr && !event->reached[record]; }
};

}  // namespace

struct CUstream_st {
  std::deque<Step> steps;
  int device = 0;
  bool eager = false, destroyed = false;
};

namespace {

// Never freed, so that the use of what was destroyed is seen.
std::vector<std::unique_ptr<CUstream_st>> streams;
std::vector<std::unique_ptr<CUevent_st>> events;
int current_device = 0, host_waits = 0;
bool eager_from_now = false;
std::string failing, wrong;
cudaError_t last_error = cudaSuccess, failure = cudaSuccess;

void forbid(bool condition, const char* what) {
  if (condition && wrong.empty()) wrong = what;
}

// Whether this call is the one to fail: by last_error.
bool fails(const char* call) {
  if (failing != call) return false;
  failing.clear();
  last_error = failure;
  return true;
}

void run_first(CUstream_st& stream) {
  while (stream.steps.front().held_back()) run_first(*stream.steps.front().awaited);
  const Step step = stream.steps.front();
  stream.steps.pop_front();
  if (step.run) step.run();
  if (step.event != nullptr) step.event->reached[step.record] = true;
}

void run_all(CUstream_st& stream) {
  while (!stream.steps.empty()) run_first(stream);
}

void run_eager_ones() {
  for (bool ran = true; ran;) {
    ran = false;
    for (const auto& stream : streams) {
      while (stream->eager && !stream->steps.empty() && !stream->steps.front().held_back()) {
        run_first(*stream);
        ran = true;
      }
    }
  }
}

void give(CUstream_st* stream, Step step) {
  forbid(stream == nullptr, "work on the legacy default stream");
  if (stream == nullptr) return;
  forbid(stream->destroyed, "work on a destroyed stream");
  stream->steps.push_back(std::move(step));
  run_eager_ones();
}

void launch(void* stream, std::function<void()> kernel) {
  const auto to = static_cast<CUstream_st*>(stream);
  forbid(to != nullptr && to->device != current_device, "a launch on a stream of another device");
  give(to, {std::move(kernel)});
}

CUstream_st* make_stream(bool eager) {
  streams.push_back(std::make_unique<CUstream_st>());
  streams.back()->device = current_device;
  streams.back()->eager = eager;
  return streams.back().get();
}

void destroy_stream(CUstream_st* stream) {
  forbid(stream->destroyed, "a stream destroyed twice");
  run_all(*stream);
  stream->destroyed = true;
}

int count_live() {
  int live = 0;
  for (const auto& stream : streams) live += !stream->destroyed;
  for (const auto& event : events) live += !event->destroyed;
  return live;
}

const lk::fake::Runtime kRuntime = {
    [](bool eager) { eager_from_now = eager; },
    [](const char* call, bool for_memory) {
      failing = call;
      failure = for_memory ? cudaErrorMemoryAllocation : cudaErrorLaunchFailure;
    },
    count_live,
    [] { return host_waits; },
    [] { return wrong.c_str(); },
    [](bool eager) -> void* { return make_stream(eager); },
    [](void* stream) { destroy_stream(static_cast<CUstream_st*>(stream)); },
    [](void* stream, float* to, float value) {
      give(static_cast<CUstream_st*>(stream), {[=] { *to = value; }});
    },
};

}  // namespace

const lk::fake::Runtime* lk_fake_runtime(void) { return &kRuntime; }

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}
const char* cudaGetErrorString(cudaError_t) { return "made to fail"; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 2;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"made up", size_t{1} << 30, size_t{227} << 10, 9, 0, 132};
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** block, size_t bytes) {
  if (fails("cudaMalloc")) return last_error;
  *block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  return cudaSuccess;
}
cudaError_t cudaFree(void* block) {
  for (const auto& stream : streams) run_all(*stream);
  std::free(block);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = *total = size_t{1} << 30;
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** block, size_t bytes, unsigned) { return cudaMalloc(block, bytes); }
cudaError_t cudaFreeHost(void* block) {
  std::free(block);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  if (fails("cudaMemcpyAsync")) return last_error;
  give(stream, {[=] { std::memcpy(to, from, bytes); }});
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (fails("cudaStreamCreateWithFlags")) return last_error;
  forbid(flags != cudaStreamNonBlocking, "a stream that the legacy default stream waits for");
  *stream = make_stream(eager_from_now);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  destroy_stream(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  forbid(stream->destroyed, "a wait for a destroyed stream");
  host_waits += 1;
  run_all(*stream);
  run_eager_ones();
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  forbid(event->destroyed, "a destroyed event");
  if (event->records > 0) give(stream, {{}, event, event->records, event->stream});
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (fails("cudaEventCreateWithFlags")) return last_error;
  events.push_back(std::make_unique<CUevent_st>());
  events.back()->reached.push_back(true);
  *event = events.back().get();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  forbid(event->destroyed, "an event destroyed twice");
  event->destroyed = true;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (fails("cudaEventRecord")) return last_error;
  forbid(event->destroyed, "a destroyed event");
  event->records += 1;
  event->reached.push_back(false);
  event->stream = stream;
  give(stream, {{}, event, event->records});
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  forbid(event->destroyed, "a destroyed event");
  host_waits += 1;
  while (!event->reached[event->records]) run_first(*event->stream);
  run_eager_ones();
  return cudaSuccess;
}

namespace lk::cuda {
namespace {

lk_status launched() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? LK_OK : fail(LK_DEVICE_LOST, "%s", cudaGetErrorString(error));
}

}  // namespace

lk_status fill(const Context& context, const elementwise::Fill& call) {
  launch(context.stream, [call] {
    for (int64_t i = 0; i < call.walk.elements; ++i) static_cast<float*>(call.data)[i] = call.value;
  });
  return launched();
}

lk_status convert(const Context& context, const elementwise::Convert& call) {
  launch(context.stream, [call] {
    std::memcpy(call.destination, call.source, call.walk.elements * sizeof(float));
  });
  return launched();
}

}  // namespace lk::cuda
