// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What benchmarks need of the C ABI: tensors filled with numbers, and failures that end the program.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "lorikeet.h"

namespace lk::bench {

inline void require(lk_status status) {
  if (status == LK_OK) return;
  std::fprintf(stderr, "%s\n", lk_last_error());
  std::exit(1);
}

// Numbers in [-1, 1), f32 or bf16.
class Tensor {
 public:
  Tensor(lk_device* device, std::vector<int64_t> sizes, int32_t dtype = LK_F32) : device_(device) {
    tensor_.dtype = dtype;
    tensor_.rank = static_cast<int32_t>(sizes.size());
    int64_t count = 1;
    for (int d = tensor_.rank - 1; d >= 0; --d) {
      tensor_.sizes[d] = sizes[d];
      tensor_.strides[d] = count;
      count *= sizes[d];
    }
    const int64_t bytes = count * (dtype == LK_F32 ? 4 : 2);
    require(lk_allocate(device, bytes, &tensor_.data));
    std::vector<float> values(count);
    uint32_t state = 12345;
    for (float& value : values) {
      state = state * 1664525 + 1013904223;
      value = static_cast<float>(state >> 8) / 8388608.0f - 1;
    }
    if (dtype == LK_F32) {
      require(lk_upload(device, tensor_.data, values.data(), bytes));
      return;
    }
    std::vector<uint16_t> halves(count);  // bf16: the upper half of an f32
    for (int64_t i = 0; i < count; ++i) {
      uint32_t word;
      std::memcpy(&word, &values[i], 4);
      halves[i] = static_cast<uint16_t>(word >> 16);
    }
    require(lk_upload(device, tensor_.data, halves.data(), bytes));
  }
  ~Tensor() { lk_free(device_, tensor_.data); }
  Tensor(const Tensor&) = delete;
  const lk_tensor* get() const { return &tensor_; }

 private:
  lk_device* device_;
  lk_tensor tensor_{};
};

// The dtype of activations by its name.
inline int32_t dtype_argument(int argc, char** argv, int index) {
  return index < argc && std::strcmp(argv[index], "bf16") == 0 ? LK_BF16 : LK_F32;
}

inline int64_t argument(int argc, char** argv, int index, int64_t otherwise) {
  return index < argc ? std::atoll(argv[index]) : otherwise;
}

}  // namespace lk::bench
