// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/half_scalar.h"
#include "common/philox.h"
#include "digests.h"
#include "simt/simt.h"
#include "support.h"

namespace lk::test {
namespace {

struct Opened {
  std::string name;
  lk_device* device;
  lk_device_info info;
};
std::vector<Opened> opened;

// Elements around every array that nothing may touch, and what they hold.
constexpr int64_t kGuard = 64;
float canary(int32_t dtype) { return round_to(dtype, dtype == LK_F16 ? -5.4321e4f : -1.2345e30f); }

double epsilon(int32_t dtype) {
  return dtype == LK_F32 ? 1.0 / (1 << 23) : dtype == LK_F16 ? 1.0 / (1 << 10) : 1.0 / (1 << 7);
}

bool open_device(const std::string& text) {
  // "cpu:3" is three threads; other devices' names carry their own colon.
  const bool threaded = text.rfind("cpu:", 0) == 0;
  const std::string name = threaded ? "cpu" : text;
  lk_device* device = nullptr;
  if (lk_device_open(name.c_str(), threaded ? std::atoi(text.c_str() + 4) : 0, &device) != LK_OK) {
    std::printf("device %s: %s\n", text.c_str(), lk_last_error());
    return false;
  }
  lk_device_info info;
  if (lk_device_describe(device, &info) != LK_OK) return false;
  opened.push_back({text, device, info});
  return true;
}

}  // namespace

bool open_devices() {
  const char* variable = std::getenv("LORIKEET_TEST_DEVICES");
  std::string rest = variable != nullptr && variable[0] != '\0' ? variable : "cpu:1,cpu:3";
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    if (!open_device(rest.substr(0, comma))) return false;
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
  }
  return true;
}

bool close_devices() {
  bool clean = true;
  for (const Opened& entry : opened) {
    if (lk_device_close(entry.device) == LK_OK) continue;
    std::printf("device %s: %s\n", entry.name.c_str(), lk_last_error());
    clean = false;
  }
  opened.clear();
  return clean;
}

namespace {

// Of a device that open_devices() opened as it was then: the processor reads files for it.
lk_device_info describe(lk_device* device) {
  for (const Opened& entry : opened) {
    if (entry.device == device) return entry.info;
  }
  lk_device_info info;
  LK_REQUIRE_OK(lk_device_describe(device, &info));
  return info;
}

}  // namespace

std::vector<int32_t> activation_dtypes(lk_device* device) {
  const lk_device_info info = describe(device);
  std::vector<int32_t> dtypes;
  for (const int32_t dtype : {LK_F32, LK_BF16, LK_F16}) {
    if (info.dtypes >> dtype & 1) dtypes.push_back(dtype);
  }
  return dtypes;
}

std::vector<int32_t> activation_dtypes() {
  std::vector<int32_t> all;
  for (const Opened& entry : opened) {
    for (const int32_t dtype : activation_dtypes(entry.device)) {
      if (std::find(all.begin(), all.end(), dtype) == all.end()) all.push_back(dtype);
    }
  }
  return all;
}

void on_each_device(const std::function<void(lk_device*)>& body) {
  for (const Opened& entry : opened) {
    INFO("device ", entry.name);
    body(entry.device);
  }
}

void on_each_device(int32_t dtype, const std::function<void(lk_device*)>& body) {
  INFO("dtype ", std::string(dtype_name(dtype)));
  on_each_device([&](lk_device* device) {
    const std::vector<int32_t> computed = activation_dtypes(device);
    if (std::find(computed.begin(), computed.end(), dtype) != computed.end()) body(device);
  });
}

void on_each_device_in_tf32(const std::function<void(lk_device*)>& body) {
  on_each_device([&](lk_device* device) {
    if (lk_set_precision(device, LK_PRECISION_TF32) == LK_UNSUPPORTED) return;
    body(device);
    LK_REQUIRE_OK(lk_set_precision(device, LK_PRECISION_EXACT));
  });
}

bool is_simulated(lk_device* device) {
  return std::string(describe(device).name).rfind("simt", 0) == 0;
}

bool is_too_large(lk_device* device, int64_t elements) {
  constexpr int64_t kSimulatedElements = 20000;
  return elements > kSimulatedElements && is_simulated(device);
}
bool is_too_large(int64_t elements) {
  return std::all_of(opened.begin(), opened.end(), [&](const Opened& entry) {
    return is_too_large(entry.device, elements);
  });
}

bool checks_indices(lk_device* device) { return std::string(describe(device).name) == "cpu"; }

std::map<std::string, simt::Counters> count_kernels(lk_device* device,
                                                    const std::function<void()>& body) {
  // The library that opened the device is loaded already.
  void* library = dlopen("liblorikeet_simt.so", RTLD_NOW | RTLD_NOLOAD);
  REQUIRE(library != nullptr);
  const auto reset = reinterpret_cast<decltype(&lk_simt_reset)>(dlsym(library, "lk_simt_reset"));
  const auto counters =
      reinterpret_cast<decltype(&lk_simt_counters)>(dlsym(library, "lk_simt_counters"));
  REQUIRE((reset != nullptr && counters != nullptr));
  reset(device);
  body();
  std::map<std::string, simt::Counters> counted;
  counters(
      device,
      [](void* to, const char* kernel, const simt::Counters* counters) {
        (*static_cast<std::map<std::string, simt::Counters>*>(to))[kernel] = *counters;
      },
      &counted);
  dlclose(library);
  return counted;
}

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> list = {{0, 0}, {0, 16}, {0, 5}, {3, 16}};
  return list;
}

std::vector<Layout> activation_layouts() {
  std::vector<Layout> list;
  for (const int32_t dtype : activation_dtypes()) {
    for (Layout layout : layouts()) {
      layout.dtype = dtype;
      list.push_back(layout);
    }
  }
  return list;
}

Array::Array(std::vector<int64_t> sizes, Layout layout) : sizes_(std::move(sizes)), layout_(layout) {
  storage_.assign(2 * kGuard + layout_.offset + rows() * (columns() + layout_.row_padding),
                  canary(layout_.dtype));
  fill(0);
}

Array::~Array() { release(); }

Array::Array(const Array& other)
    : sizes_(other.sizes_), layout_(other.layout_), storage_(other.storage_) {}

Array& Array::operator=(const Array& other) {
  release();
  sizes_ = other.sizes_;
  layout_ = other.layout_;
  storage_ = other.storage_;
  return *this;
}

void Array::release() {
  if (block_ != nullptr) lk_free(device_, block_);
  block_ = nullptr;
}

int64_t Array::size() const {
  int64_t count = 1;
  for (int64_t s : sizes_) count *= s;
  return count;
}

int64_t Array::columns() const { return sizes_.empty() ? 1 : sizes_.back(); }
int64_t Array::rows() const { return columns() == 0 ? 0 : size() / columns(); }

const float* Array::row(int64_t i) const {
  return storage_.data() + kGuard + layout_.offset + i * (columns() + layout_.row_padding);
}

float* Array::row(int64_t i) { return const_cast<float*>(std::as_const(*this).row(i)); }

float& Array::at(int64_t index) { return row(index / columns())[index % columns()]; }
float Array::at(int64_t index) const { return row(index / columns())[index % columns()]; }

// Sets every element to body(element, index).
template <class Body>
Array& Array::set(const Body& body) {
  const int64_t columns = this->columns(), rows = this->rows();
  for (int64_t i = 0; i < rows; ++i) {
    float* at = row(i);
    for (int64_t j = 0; j < columns; ++j) at[j] = body(at[j], i * columns + j);
  }
  return *this;
}

Array& Array::randomize(uint64_t seed, float low, float high) {
  PhiloxBlock block{};
  set([&](float, int64_t i) {
    if (i % 4 == 0) block = philox_block({seed, 77, 0}, i / 4);
    return low + (high - low) * (static_cast<float>(block.word[i % 4] >> 8) / 16777216.0f);
  });
  return round();
}

Array& Array::fill(float value) {
  value = round_to(layout_.dtype, value);
  return set([&](float, int64_t) { return value; });
}

Array& Array::round() {
  if (layout_.dtype == LK_F32) return *this;
  return set([&](float value, int64_t) { return round_to(layout_.dtype, value); });
}

Array Array::rounded_to(int32_t dtype) const {
  return Array(*this).set([&](float value, int64_t) { return round_to(dtype, value); });
}

Matrix Array::matrix() {
  return {row(0), rows(), columns(), columns() + layout_.row_padding};
}

Vector Array::vector() { return {row(0), size()}; }

View Array::view() {
  View view;
  view.data = row(0);
  view.rank = static_cast<int>(sizes_.size());
  int64_t stride = 1;
  for (int d = view.rank - 1; d >= 0; --d) {
    view.sizes[d] = sizes_[d];
    view.strides[d] = stride;
    stride *= sizes_[d] + (d == view.rank - 1 ? layout_.row_padding : 0);
  }
  return view;
}

// A simulated device reports every access beyond its blocks, reads too: there the block ends with the
// array.
size_t Array::elements_on(lk_device* device) const {
  if (size() == 0 || !is_simulated(device)) return storage_.size();
  return static_cast<size_t>(row(rows() - 1) + columns() - storage_.data());
}

const lk_tensor* Array::on(lk_device* device) {
  release();
  device_ = device;
  round();
  const int64_t element = dtype_bytes(layout_.dtype);
  const size_t count = elements_on(device);
  LK_REQUIRE_OK(lk_allocate(device, count * element, &block_));
  if (layout_.dtype == LK_F32) {
    LK_REQUIRE_OK(lk_upload(device, block_, storage_.data(), count * 4));
  } else {
    std::vector<uint16_t> codes(count);
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = float_to_half(storage_[i], layout_.dtype);
    LK_REQUIRE_OK(lk_upload(device, block_, codes.data(), codes.size() * 2));
  }
  const View host = view();
  tensor_ = {};
  tensor_.data = static_cast<char*>(block_) + (kGuard + layout_.offset) * element;
  tensor_.dtype = layout_.dtype;
  tensor_.rank = host.rank;
  std::memcpy(tensor_.sizes, host.sizes, sizeof(tensor_.sizes));
  std::memcpy(tensor_.strides, host.strides, sizeof(tensor_.strides));
  return &tensor_;
}

void Array::fetch() {
  REQUIRE(block_ != nullptr);
  const size_t count = elements_on(device_);
  if (layout_.dtype == LK_F32) {
    LK_REQUIRE_OK(lk_download(device_, storage_.data(), block_, count * 4));
  } else {
    std::vector<uint16_t> codes(count);
    LK_REQUIRE_OK(lk_download(device_, codes.data(), block_, codes.size() * 2));
    for (size_t i = 0; i < codes.size(); ++i) storage_[i] = half_to_float(codes[i], layout_.dtype);
  }
  digest(storage_.data(), storage_.size() * sizeof(float));
  const float untouched = canary(layout_.dtype);
  const float* outside = storage_.data();  // from here to the next row
  bool touched = false;
  for (int64_t i = 0; i <= rows(); ++i) {
    const float* next = i < rows() ? row(i) : storage_.data() + storage_.size();
    touched |= std::any_of(outside, next, [&](float value) { return value != untouched; });
    outside = next + columns();
  }
  if (touched) FAIL("an element outside the output was written");
}

Workspace::Workspace(lk_device* device, size_t bytes) : device_(device), bytes_(bytes) {
  if (bytes == 0) return;
  LK_REQUIRE_OK(lk_allocate(device, bytes, &block_));
  const std::vector<char> poison(bytes, '\xff');
  LK_REQUIRE_OK(lk_upload(device, block_, poison.data(), bytes));
}

Workspace::~Workspace() { lk_free(device_, block_); }

PreparedWeight::PreparedWeight(lk_device* device, Array& w, int32_t format) : device_(device) {
  const lk_tensor* tensor = w.on(device);
  size_t bytes = 0;
  LK_REQUIRE_OK(lk_weight_prepare_bytes(device, tensor, format, &bytes));
  CHECK((bytes == 0) == (format == LK_WEIGHT_PLAIN));
  if (bytes > 0) LK_REQUIRE_OK(lk_allocate(device, bytes, &storage_));
  LK_REQUIRE_OK(lk_weight_prepare(device, tensor, format, storage_, bytes, &weight_));
}

PreparedWeight::~PreparedWeight() { lk_free(device_, storage_); }

void check_right(const char* what, const Array& actual, const Array& oracle, const Array& plain) {
  double error = 0, plain_error = 0, largest = 0;
  bool finite = true;
  const auto raise = [](double& most, double value) { most = value > most ? value : most; };
  for (int64_t i = 0; i < oracle.rows(); ++i) {
    const float *given = actual.row(i), *expected = oracle.row(i), *yardstick = plain.row(i);
    for (int64_t j = 0; j < oracle.columns(); ++j) {
      finite = finite && std::isfinite(given[j]);
      raise(error, std::fabs(double{given[j]} - expected[j]));
      raise(plain_error, std::fabs(double{round_to(actual.dtype(), yardstick[j])} - expected[j]));
      raise(largest, std::fabs(double{expected[j]}));
    }
  }
  INFO(std::string(what), ": error ", error, ", plain error ", plain_error, ", largest value ",
       largest, ", in ", std::string(dtype_name(actual.dtype())));
  CHECK(finite);
  CHECK(error <= 2 * plain_error + largest * epsilon(actual.dtype()));
}

void check_same_bits(const char* what, const Array& a, const Array& b) {
  REQUIRE(a.size() == b.size());
  int64_t different = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const float x = a.at(i), y = b.at(i);
    different += std::memcmp(&x, &y, 4) != 0;
  }
  INFO(std::string(what), ": ", different, " of ", a.size(), " elements differ");
  CHECK(different == 0);
}

void SameBits::check(const char* what, lk_device* device, const Array& result) {
  const auto [first, is_first] = first_.try_emplace(describe(device).isa, result);
  if (!is_first) check_same_bits(what, result, first->second);
}

}  // namespace lk::test
