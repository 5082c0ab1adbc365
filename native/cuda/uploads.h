// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Uploads that run beside the kernels, on a stream of their own. "Work" is the stream of the kernels.
// Events order the two where they meet in memory, and nowhere else: an upload waits for the calls
// before it that touch its destination, a call waits for the uploads before it to what it touches.
//
// That takes knowing what calls touch. The last few destinations are remembered, each with two
// events: the last upload to it, and the last call that touched it (MemoryWatch says which do). A
// destination that is not among them may have been touched by any call: its upload waits for all
// work so far.
#pragma once

#include <vector>

#include "common/cuda/check.h"
#include "common/tensor.h"

namespace lk::cuda {

class Uploads final : public MemoryWatch {
 public:
  ~Uploads() override;

  // Copies beside the work.
  lk_status copy_beside(cudaStream_t work, void* destination, const void* source, size_t bytes);
  // Copies in the order of a stream.
  lk_status copy_on(cudaStream_t stream, void* destination, const void* source, size_t bytes);
  // The host waits until the sources of all copies have been read.
  lk_status await();

  void begin() override;
  void touches(const Extent& memory) override;
  // Around the launches of a call that was watched.
  lk_status begin_work(cudaStream_t work);
  lk_status end_work(cudaStream_t work);
  // All uploads come before what work is given next; for what comes after them nothing is remembered.
  lk_status join(cudaStream_t work);

 private:
  struct Destination {
    Extent memory;
    cudaEvent_t uploaded = nullptr, used = nullptr;
    bool pending = false;  // work does not wait for the upload so far
    bool touched = false;  // by the call that is watched
  };
  static constexpr size_t kMost = 8;  // destinations: more than a training step has inputs

  lk_status find(cudaStream_t work, const Extent& memory, Destination*& found);
  lk_status add(Destination*& added);
  lk_status wait(cudaStream_t work, Destination& destination);

  cudaStream_t stream_ = nullptr;     // made by the first copy beside the work
  cudaEvent_t read_ = nullptr;        // the last copy's source was read
  std::vector<Destination> destinations_;
  size_t oldest_ = 0;                 // the next one to be forgotten
};

}  // namespace lk::cuda
