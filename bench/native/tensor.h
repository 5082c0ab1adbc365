// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What benchmarks need of the C ABI: tensors filled with numbers, and failures that end the program.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "lorikeet.h"

namespace lk::bench {

inline void require(lk_status status) {
  if (status == LK_OK) return;
  std::fprintf(stderr, "%s\n", lk_last_error());
  std::exit(1);
}

class Tensor {
 public:
  Tensor(lk_device* device, std::vector<int64_t> sizes) : device_(device) {
    tensor_.dtype = LK_F32;
    tensor_.rank = static_cast<int32_t>(sizes.size());
    int64_t count = 1;
    for (int d = tensor_.rank - 1; d >= 0; --d) {
      tensor_.sizes[d] = sizes[d];
      tensor_.strides[d] = count;
      count *= sizes[d];
    }
    require(lk_allocate(device, count * 4, &tensor_.data));
    std::vector<float> values(count);
    uint32_t state = 12345;
    for (float& value : values) {
      state = state * 1664525 + 1013904223;
      value = static_cast<float>(state >> 8) / 8388608.0f - 1;
    }
    require(lk_upload(device, tensor_.data, values.data(), count * 4));
  }
  ~Tensor() { lk_free(device_, tensor_.data); }
  Tensor(const Tensor&) = delete;
  const lk_tensor* get() const { return &tensor_; }

 private:
  lk_device* device_;
  lk_tensor tensor_{};
};

inline int64_t argument(int argc, char** argv, int index, int64_t otherwise) {
  return index < argc ? std::atoll(argv[index]) : otherwise;
}

}  // namespace lk::bench
