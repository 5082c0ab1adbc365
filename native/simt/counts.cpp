// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the CUDA kernels do at the shapes of a ViT-B with a batch of 64 and bf16 activations, counted by
// the executor, beside the table of what they use on each architecture.
//
//   lorikeet_counts KERNELS.CSV [--json FILE]
//
// A shape too large for the executor is run at three smaller sizes. Their counts lie on a straight
// line wherever every further piece (a head, 256 rows) costs the same; the count at the full size is
// that line's, and a shape whose counts are not on one is an error.
#include <dlfcn.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>

#include "calls.h"
#include "simt.h"

namespace {

using lk::bench::require;
using lk::simt::Counters;
using Counted = std::map<std::string, Counters>;  // by kernel
constexpr int32_t kType = LK_BF16;

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "counts: %s\n", message.c_str());
  std::exit(1);
}

// ---- Counting

class Device {
 public:
  Device() {
    require(lk_device_open("simt:up", 0, &device_));
    library_ = dlopen("liblorikeet_simt.so", RTLD_NOW | RTLD_NOLOAD);
    if (library_ == nullptr) fail("liblorikeet_simt.so is not loaded");
  }
  ~Device() { require(lk_device_close(device_)); }
  lk_device* get() const { return device_; }

  Counted count(const std::function<void()>& body) const {
    symbol<decltype(&lk_simt_reset)>("lk_simt_reset")(device_);
    body();
    Counted counted;
    symbol<decltype(&lk_simt_counters)>("lk_simt_counters")(
        device_,
        [](void* to, const char* kernel, const Counters* counters) {
          (*static_cast<Counted*>(to))[kernel] = *counters;
        },
        &counted);
    return counted;
  }

 private:
  template <class Function>
  Function symbol(const char* name) const {
    void* found = dlsym(library_, name);
    if (found == nullptr) fail(std::string("liblorikeet_simt.so has no ") + name);
    return reinterpret_cast<Function>(found);
  }

  lk_device* device_ = nullptr;
  void* library_ = nullptr;
};

int64_t Counters::* const kCounts[] = {
    &Counters::launches,           &Counters::blocks,           &Counters::mma,
    &Counters::load_matrix,        &Counters::load_matrix_conflicts,
    &Counters::global_read_bytes,  &Counters::global_write_bytes,
    &Counters::touched_read_bytes, &Counters::touched_write_bytes};

// One layer's call at the given size.
using Run = std::function<Counted(int64_t size)>;
struct Shape {
  std::string name;
  std::string unit;            // of the sizes: heads, rows
  std::vector<int64_t> sizes;  // that are run: the full one, or three evenly spaced
  int64_t size;                // full
  Run run;
};

// The counts at the full size.
Counted count(const Shape& shape) {
  if (shape.sizes.size() == 1) return shape.run(shape.size);
  Counted at[3];
  for (int i = 0; i < 3; ++i) at[i] = shape.run(shape.sizes[i]);
  Counted full = at[2];
  for (auto& [kernel, counters] : full) {
    for (const auto count : kCounts) {
      const int64_t first = at[0][kernel].*count, second = at[1][kernel].*count, third = counters.*count;
      if (third - second != second - first) {
        fail(shape.name + ": the counts of " + kernel + " are on no line, " + std::to_string(first) +
             ", " + std::to_string(second) + ", " + std::to_string(third));
      }
      const int64_t steps = (shape.size - shape.sizes[2]) / (shape.sizes[2] - shape.sizes[1]);
      counters.*count = third + steps * (third - second);
    }
  }
  return full;
}

// ---- Shapes

constexpr int64_t kBatch = 64, kHeads = 12, kRows = kBatch * 197, kWidth = 768, kHidden = 3072;
// 12,608 rows end with half a tile of 128, and so do these. Few rows suffice for the large tile where
// the output is wide.
const std::vector<int64_t> kWideRows = {832, 1088, 1344}, kNarrowRows = {2112, 2368, 2624};

template <class Body>
Shape attention(const Device& device, const char* pass, int64_t tokens, Body body) {
  return {"attention " + std::string(pass) + ", " + std::to_string(tokens) + " tokens, head dim 64", "heads",
          {8, 16, 24}, kBatch * kHeads, [&device, tokens, body](int64_t heads) {
            lk::bench::Attention attention(device.get(), kType, 1, heads, tokens, 64);
            return device.count([&] { body(attention); });
          }};
}

template <class Body>
Shape linear(const Device& device, const char* name, int64_t n, int64_t k, Body body) {
  return {name, "rows", n > kWidth ? kWideRows : kNarrowRows, kRows,
          [&device, n, k, body](int64_t m) {
            lk::bench::Linear linear(device.get(), kType, m, n, k);
            return device.count([&] { body(linear); });
          }};
}

Shape lora(const Device& device, bool merged) {
  return {std::string("LoRA forward + backward, ") + (merged ? "merged qkv" : "plain") +
              ", rank 16, dropout 0.1",
          "rows", kWideRows, kRows, [&device, merged](int64_t m) {
            lk::bench::Lora lora(device.get(), kType, m, 3 * kWidth, kWidth, merged, 16, 0.1f);
            return device.count([&] {
              lora.forward();
              lora.backward();
            });
          }};
}

template <class Body>
Shape layer_norm(const Device& device, const char* name, Body body) {
  return {name, "rows", {kRows}, kRows, [&device, body](int64_t m) {
            lk::bench::LayerNorm layer_norm(device.get(), kType, m, kWidth);
            return device.count([&] { body(layer_norm); });
          }};
}

std::vector<Shape> shapes(const Device& device) {
  using lk::bench::Attention, lk::bench::LayerNorm, lk::bench::Linear;
  std::vector<Shape> list;
  for (const int64_t tokens : {197, 785}) {
    list.push_back(attention(device, "forward", tokens, [](Attention& a) { a.forward(); }));
    list.push_back(attention(device, "backward", tokens, [](Attention& a) { a.backward(); }));
  }
  list.push_back(lora(device, false));
  list.push_back(lora(device, true));
  list.push_back(linear(device, "GEMM qkv forward, bias", 3 * kWidth, kWidth, [](Linear& l) { l.forward(); }));
  list.push_back(linear(device, "GEMM proj forward, bias and residual", kWidth, kWidth,
                        [](Linear& l) { l.forward_residual(); }));
  list.push_back(linear(device, "GEMM fc1 forward, bias and GELU", kHidden, kWidth,
                        [](Linear& l) { l.forward_gelu(); }));
  list.push_back(linear(device, "GEMM proj input gradient", kWidth, kWidth,
                        [](Linear& l) { l.input_gradient(); }));
  list.push_back(layer_norm(device, "LayerNorm forward", [](LayerNorm& l) { l.forward(); }));
  list.push_back(layer_norm(device, "LayerNorm backward", [](LayerNorm& l) { l.backward(); }));
  return list;
}

// ---- Printing

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

void put(std::ostream& out, const char* name, int64_t value) { out << ", \"" << name << "\": " << value; }

void put(std::ostream& out, const Counters& c) {
  put(out, "launches", c.launches);
  put(out, "mma", c.mma);
  put(out, "ldmatrix", c.load_matrix);
  put(out, "ldmatrix_bank_conflicts", c.load_matrix_conflicts);
  put(out, "global_read_bytes", c.touched_read_bytes);
  put(out, "global_write_bytes", c.touched_write_bytes);
  put(out, "requested_read_bytes", c.global_read_bytes);
  put(out, "requested_write_bytes", c.global_write_bytes);
}

std::string simulated(const Shape& shape) {
  if (shape.sizes.size() == 1) return "in full";
  std::string text = "at ";
  for (size_t i = 0; i < shape.sizes.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == shape.sizes.size() ? " and " : ", ") + std::to_string(shape.sizes[i]);
  }
  return text + " " + shape.unit + ", whose counts lie on one line";
}

void print(std::ostream* json, const Shape& shape, const Counted& counted, bool first) {
  Counters sum;
  for (const auto& [kernel, counters] : counted) sum.add(counters);
  std::printf("%-56s %5lld %8lld %11lld %11lld %9lld %9.1f %9.1f\n", shape.name.c_str(),
              static_cast<long long>(shape.size), static_cast<long long>(sum.launches),
              static_cast<long long>(sum.mma), static_cast<long long>(sum.load_matrix),
              static_cast<long long>(sum.load_matrix_conflicts),
              static_cast<double>(sum.touched_read_bytes) * 1e-6,
              static_cast<double>(sum.touched_write_bytes) * 1e-6);
  std::fflush(stdout);
  if (json == nullptr) return;
  *json << (first ? "\n" : ",\n") << "    {\"shape\": " << quoted(shape.name) << ", \"dtype\": \"bf16\"";
  put(*json, shape.unit.c_str(), shape.size);
  *json << ", \"simulated\": " << quoted(simulated(shape));
  put(*json, sum);
  if (shape.unit == "heads") {
    put(*json, "mma_per_head", sum.mma / shape.size);
    put(*json, "ldmatrix_per_head", sum.load_matrix / shape.size);
  }
  *json << ", \"kernels\": [";
  const char* between = "";
  for (const auto& [kernel, counters] : counted) {
    *json << between << "{\"name\": " << quoted(kernel);
    put(*json, counters);
    *json << "}";
    between = ", ";
  }
  *json << "]}";
}

// The committed table, each line as it is.
void print_kernels(std::ostream* json, const char* file) {
  std::ifstream in(file);
  std::string line;  // "# nvcc VERSION", then the columns' names
  if (!std::getline(in, line) || !std::getline(in, line)) fail(std::string(file) + ": cannot be read");
  std::printf("%-8s %7s %9s %5s %12s %12s %8s  %s\n", "arch", "threads", "registers", "stack", "spill bytes",
              "shared bytes", "CTAs/SM", "kernel");
  const char* between = "\n";
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    std::string name, arch, field;
    std::getline(fields, name, ',');
    std::getline(fields, arch, ',');
    std::vector<long long> number;
    while (std::getline(fields, field, ',')) number.push_back(std::atoll(field.c_str()));
    if (number.size() != 8) fail(std::string(file) + ": not a line of the table: " + line);
    const long long shared = number[5] + number[6];
    std::printf("%-8s %7lld %9lld %5lld %12lld %12lld %8lld  %s\n", arch.c_str(), number[0], number[1],
                number[2], number[3] + number[4], shared, number[7], name.c_str());
    if (json == nullptr) continue;
    *json << between << "    {\"name\": " << quoted(name) << ", \"arch\": " << quoted(arch);
    put(*json, "threads", number[0]);
    put(*json, "registers", number[1]);
    put(*json, "stack", number[2]);
    put(*json, "spill_stores", number[3]);
    put(*json, "spill_loads", number[4]);
    put(*json, "shared_bytes", shared);
    put(*json, "ctas_per_sm", number[7]);
    *json << "}";
    between = ",\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool has_file = argc == 4 && std::string(argv[2]) == "--json";
  if (argc != 2 && !has_file) fail("usage: lorikeet_counts KERNELS.CSV [--json FILE]");
  std::ofstream file;
  if (has_file) {
    file.open(argv[3]);
    if (!file) fail(std::string("cannot write ") + argv[3]);
  }
  std::ostream* json = has_file ? &file : nullptr;

  if (json) *json << "{\n  \"kernels\": [";
  print_kernels(json, argv[1]);
  if (json) *json << "\n  ],\n  \"counts\": [";

  std::printf("\nViT-B, batch 64, bf16: what the executor counts\n%-56s %5s %8s %11s %11s %9s %9s %9s\n", "",
              "size", "launches", "mma", "ldmatrix", "conflicts", "MB read", "MB written");
  const Device device;
  bool first = true;
  for (const Shape& shape : shapes(device)) {
    print(json, shape, count(shape), first);
    first = false;
  }
  if (json) *json << "\n  ]\n}\n";
  if (has_file && !file.flush()) fail(std::string("cannot write ") + argv[3]);
}
