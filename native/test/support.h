// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What every room's test.cpp needs: the devices to run on, arrays that live on host and device
// with odd strides and guarded edges, and the rule that says when a result is right.
#pragma once

#include <doctest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/tensor.h"
#include "lorikeet.h"
#include "simt/counters.h"

namespace lk::test {

// The call succeeded; the library's words otherwise.
#define LK_REQUIRE_OK(call)                     \
  do {                                          \
    const lk_status lk_require_status = (call); \
    INFO(std::string(lk_last_error()));         \
    REQUIRE(lk_require_status == LK_OK);        \
  } while (0)

// The call failed with this status and words that contain `text`.
#define LK_REQUIRE_FAILS(call, status, text)                         \
  do {                                                               \
    const lk_status lk_require_status = (call);                      \
    CHECK(lk_require_status == (status));                            \
    INFO(std::string(lk_last_error()));                              \
    CHECK(std::string(lk_last_error()).find(text) != std::string::npos); \
  } while (0)

// Opens the devices named in LORIKEET_TEST_DEVICES (comma separated, "cpu" by default; "cpu:3" is
// three threads). Prints why and returns false when one cannot be opened.
bool open_devices();
// False when a test left memory behind.
bool close_devices();

// The dtypes of activations that a device computes, and those that any of the open ones does.
std::vector<int32_t> activation_dtypes(lk_device* device);
std::vector<int32_t> activation_dtypes();

// Runs body once a device, the device named in every message; with a dtype, on the devices that
// compute it.
void on_each_device(const std::function<void(lk_device*)>& body);
void on_each_device(int32_t dtype, const std::function<void(lk_device*)>& body);

// The devices that multiply f32 in tf32, while they do.
void on_each_device_in_tf32(const std::function<void(lk_device*)>& body);

// Whether the executor runs this device's kernels.
bool is_simulated(lk_device* device);
// The executor is a thousand times slower than a processor: tests leave shapes of this many elements
// to smaller ones that the kernels cut the same way, on this device or because there is no other.
bool is_too_large(lk_device* device, int64_t elements);
bool is_too_large(int64_t elements);

// As many elements as the last-level caches that people have do not hold.
inline int64_t larger_than_caches(int32_t dtype) { return (int64_t{36} << 20) / dtype_bytes(dtype); }

// The processor looks at the values of indices before it works with them; other devices cannot, and
// lorikeet.h says what they make of wrong ones.
bool checks_indices(lk_device* device);

// What the kernels of a simulated device did while body ran, by the kernel's name.
std::map<std::string, simt::Counters> count_kernels(lk_device* device,
                                                    const std::function<void()>& body);

// How an array lies in a device's memory: elements before the first (misaligns it) and after each
// row, and what they are: f32, bf16 or f16.
struct Layout {
  int64_t offset = 0;
  int64_t row_padding = 0;
  int32_t dtype = LK_F32;

  // The same for what is f32 beside activations of any dtype.
  Layout f32() const { return {offset, row_padding, LK_F32}; }
};
// Layouts every operation on rows must take: plain, rows padded by a whole number of vectors, by an
// odd number, and such vectors off their alignment.
const std::vector<Layout>& layouts();
// Those in every dtype of activations that an open device computes.
std::vector<Layout> activation_layouts();

// An array on the host, always f32, with a copy on one device at a time that is of the layout's
// dtype. What is uploaded is rounded to that dtype on the host too, so that an oracle reads what
// the device does. Elements outside the array are canaries.
class Array {
 public:
  Array() = default;
  explicit Array(std::vector<int64_t> sizes, Layout layout = {});
  ~Array();
  Array(const Array& other);
  Array& operator=(const Array& other);

  // Uniform in [low, high), from the seed alone.
  Array& randomize(uint64_t seed, float low = -1, float high = 1);
  Array& fill(float value);
  // Rounds to the dtype what at() or an oracle has set.
  Array& round();
  // With its values rounded to a narrower dtype than its own.
  Array rounded_to(int32_t dtype) const;

  int64_t size() const;                    // elements
  int64_t columns() const;                 // the last of the sizes
  int64_t rows() const;                    // what the others multiply to
  float* row(int64_t i);
  const float* row(int64_t i) const;
  int32_t dtype() const { return layout_.dtype; }
  const std::vector<int64_t>& sizes() const { return sizes_; }
  float& at(int64_t index);                // in row-major order of the sizes
  float at(int64_t index) const;
  Matrix matrix();                         // of the host copy
  Vector vector();
  View view();

  // Uploads the rounded host copy and describes the device's. The block lives as long as the array
  // or until the next call.
  const lk_tensor* on(lk_device* device);
  // Downloads into the host copy; fails the test when a canary died.
  void fetch();

 private:
  template <class Body>
  Array& set(const Body& body);
  size_t elements_on(lk_device* device) const;
  void release();

  std::vector<int64_t> sizes_;
  Layout layout_;
  std::vector<float> storage_;
  lk_device* device_ = nullptr;
  void* block_ = nullptr;
  lk_tensor tensor_{};
};

// Dense values of any dtype on one device, guarded like an Array: indices, bytes, half floats.
template <class T>
class Values {
 public:
  Values(lk_device* device, int32_t dtype, const std::vector<int64_t>& sizes,
         const std::vector<T>& values)
      : device_(device), count_(values.size()) {
    std::vector<T> guarded(count_ + 2 * kGuard, kCanary);
    std::copy(values.begin(), values.end(), guarded.begin() + kGuard);
    LK_REQUIRE_OK(lk_allocate(device, guarded.size() * sizeof(T), &block_));
    LK_REQUIRE_OK(lk_upload(device, block_, guarded.data(), guarded.size() * sizeof(T)));
    tensor_.data = static_cast<T*>(block_) + kGuard;
    tensor_.dtype = dtype;
    tensor_.rank = static_cast<int32_t>(sizes.size());
    int64_t stride = 1;
    for (int d = tensor_.rank - 1; d >= 0; --d) {
      tensor_.sizes[d] = sizes[d];
      tensor_.strides[d] = stride;
      stride *= sizes[d];
    }
    REQUIRE(stride == static_cast<int64_t>(count_));
  }
  ~Values() { lk_free(device_, block_); }
  Values(const Values&) = delete;

  const lk_tensor* tensor() const { return &tensor_; }

  std::vector<T> fetch() const {
    std::vector<T> guarded(count_ + 2 * kGuard);
    LK_REQUIRE_OK(lk_download(device_, guarded.data(), block_, guarded.size() * sizeof(T)));
    for (size_t i = 0; i < kGuard; ++i) {
      REQUIRE(guarded[i] == T{kCanary});
      REQUIRE(guarded[kGuard + count_ + i] == T{kCanary});
    }
    return {guarded.begin() + kGuard, guarded.end() - kGuard};
  }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr T kCanary = 113;

  lk_device* device_;
  size_t count_;
  void* block_ = nullptr;
  lk_tensor tensor_{};
};

// Device memory for an operation's workspace, filled with NaN so that nothing relies on it.
class Workspace {
 public:
  Workspace(lk_device* device, size_t bytes);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  void* data() const { return block_; }
  size_t bytes() const { return bytes_; }

 private:
  lk_device* device_;
  void* block_ = nullptr;
  size_t bytes_;
};

// A weight on a device, in either format, with the storage it needs.
class PreparedWeight {
 public:
  PreparedWeight(lk_device* device, Array& w, int32_t format);
  ~PreparedWeight();
  PreparedWeight(const PreparedWeight&) = delete;
  const lk_weight* get() const { return &weight_; }

 private:
  lk_device* device_;
  void* storage_ = nullptr;
  lk_weight weight_{};
};

// The rule for "right": against the oracle (double accumulators, rounded once to f32), the largest
// error is at most twice that of the same maths done plainly in f32 and rounded to actual's dtype,
// plus one epsilon of that dtype of the largest value. So the tolerance follows from the operation
// and its inputs.
void check_right(const char* what, const Array& actual, const Array& oracle, const Array& plain);

void check_same_bits(const char* what, const Array& a, const Array& b);

// Holds one result against itself on other devices: those that run the same kernels, with any number
// of threads or in any order of blocks, give the same bits.
class SameBits {
 public:
  void check(const char* what, lk_device* device, const Array& result);

 private:
  std::map<std::string, Array> first_;  // by the kernels' instruction set
};

}  // namespace lk::test
