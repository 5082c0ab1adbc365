// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "uploads.h"

namespace lk::cuda {
namespace {

// Makes the event unless there is one.
lk_status make(cudaEvent_t& event) {
  if (event != nullptr) return LK_OK;
  return check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "upload: event");
}

void destroy(cudaEvent_t event) {
  if (event != nullptr) cudaEventDestroy(event);
}

}  // namespace

Uploads::~Uploads() {
  for (const Destination& destination : destinations_) {
    destroy(destination.uploaded);
    destroy(destination.used);
  }
  destroy(read_);
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

lk_status Uploads::copy_on(cudaStream_t stream, void* destination, const void* source,
                           size_t bytes) {
  LK_TRY(make(read_));
  LK_TRY(check(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyHostToDevice, stream), "upload"));
  return check(cudaEventRecord(read_, stream), "upload");
}

lk_status Uploads::copy_beside(cudaStream_t work, void* destination, const void* source,
                               size_t bytes) {
  if (stream_ == nullptr) {
    LK_TRY(check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "upload: stream"));
  }
  const auto first = reinterpret_cast<uintptr_t>(destination);
  Destination* to = nullptr;
  LK_TRY(find(work, {first, first + bytes}, to));
  LK_TRY(check(cudaStreamWaitEvent(stream_, to->used, 0), "upload"));
  LK_TRY(copy_on(stream_, destination, source, bytes));
  LK_TRY(check(cudaEventRecord(to->uploaded, stream_), "upload"));
  to->pending = true;
  return LK_OK;
}

// The destination, used by now as far as is known.
lk_status Uploads::find(cudaStream_t work, const Extent& memory, Destination*& found) {
  for (Destination& known : destinations_) {
    if (known.memory.first == memory.first && known.memory.last == memory.last) {
      found = &known;
      return LK_OK;
    }
  }
  if (destinations_.size() < kMost) {
    LK_TRY(add(found));
  } else {
    found = &destinations_[oldest_];
    LK_TRY(wait(work, *found));
    oldest_ = (oldest_ + 1) % kMost;
  }
  found->memory = {0, 0};  // nobody's, should the next line fail
  LK_TRY(check(cudaEventRecord(found->used, work), "upload"));
  found->memory = memory;
  return LK_OK;
}

lk_status Uploads::add(Destination*& added) {
  destinations_.reserve(kMost);
  Destination made;
  const lk_status status = make(made.uploaded) == LK_OK ? make(made.used) : LK_DEVICE_LOST;
  if (status != LK_OK) {
    destroy(made.uploaded);
    return status;
  }
  destinations_.push_back(made);
  added = &destinations_.back();
  return LK_OK;
}

lk_status Uploads::wait(cudaStream_t work, Destination& destination) {
  if (!destination.pending) return LK_OK;
  LK_TRY(check(cudaStreamWaitEvent(work, destination.uploaded, 0), "upload"));
  destination.pending = false;
  return LK_OK;
}

lk_status Uploads::await() {
  return read_ == nullptr ? LK_OK : check(cudaEventSynchronize(read_), "uploads");
}

void Uploads::begin() {
  for (Destination& destination : destinations_) destination.touched = false;
}

void Uploads::touches(const Extent& memory) {
  for (Destination& destination : destinations_) {
    destination.touched = destination.touched || overlap(destination.memory, memory);
  }
}

lk_status Uploads::begin_work(cudaStream_t work) {
  for (Destination& destination : destinations_) {
    if (destination.touched) LK_TRY(wait(work, destination));
  }
  return LK_OK;
}

lk_status Uploads::end_work(cudaStream_t work) {
  for (const Destination& destination : destinations_) {
    if (destination.touched) LK_TRY(check(cudaEventRecord(destination.used, work), "upload"));
  }
  return LK_OK;
}

lk_status Uploads::join(cudaStream_t work) {
  for (Destination& destination : destinations_) {
    LK_TRY(wait(work, destination));
    destination.memory = {0, 0};
  }
  return LK_OK;
}

}  // namespace lk::cuda
