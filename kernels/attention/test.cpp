// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "attention/attention.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "support.h"

namespace lk::test {
namespace {

using attention::Sizes;

// Tokens on both sides of the CPU's tiles (14 or 6 rows, panels of 32, 16 or 8 lanes) and of its blocks
// (1024 keys forward, 128 keys and 512 queries backward), and of the GPU's (16 and 64 rows, 208 and 256
// tokens); head dimensions that fill vectors and that do not.
const Sizes kSizes[] = {
    {1, 1, 1, 1},    {2, 2, 3, 64},   {1, 5, 2, 3},     {1, 17, 2, 32},   {2, 24, 1, 80},
    {1, 50, 3, 64},  {1, 97, 1, 96},  {1, 197, 2, 64},  {1, 65, 1, 256},  {1, 33, 2, 37},
    {1, 48, 1, 16},  {1, 785, 1, 8},  {1, 1031, 1, 10}, {1, 2060, 1, 4},  {1, 1, 2, 64},
    {1, 5, 1, 64},   {1, 16, 1, 64},  {3, 17, 2, 64},   {1, 64, 1, 64},   {1, 65, 1, 64},
    {1, 144, 1, 64}, {1, 193, 1, 64}, {1, 197, 1, 64},  {1, 208, 1, 64},  {1, 209, 1, 64},
    {1, 256, 1, 64}, {1, 257, 1, 64}, {1, 197, 1, 32},  {1, 130, 1, 128}, {1, 70, 1, 72},
    {1, 65, 2, 40},  {1, 1, 1, 128},  {1, 129, 1, 8},   {2, 31, 1, 104},
    {1, 5, 2, 80},   {1, 130, 1, 80}, {1, 513, 1, 5}, {1, 5, 1, 96},    {1, 81, 2, 96},   {1, 128, 1, 32},
    {2, 64, 1, 128},
};

// A simulated device makes so many scores in a second or so, on tensor cores and without.
bool is_too_long(lk_device* device, const Sizes& s, int32_t dtype) {
  const bool slow = dtype == LK_F32 || s.head_dim % 8 != 0;
  return is_simulated(device) && s.batch * s.heads * s.tokens * s.tokens > (slow ? 20000 : 70000);
}

Array qkv_array(const Sizes& s, Layout layout = {}) {
  return Array({s.batch, s.tokens, 3, s.heads, s.head_dim}, layout);
}
Array out_array(const Sizes& s, Layout layout = {}) {
  return Array({s.batch, s.tokens, s.heads, s.head_dim}, layout);
}
Array log_sum_exp_array(const Sizes& s) { return Array({s.batch, s.heads, s.tokens}); }

float usual_scale(const Sizes& s) { return 1 / std::sqrt(static_cast<float>(s.head_dim)); }

struct Result {
  Array out, log_sum_exp, d_qkv;
};

template <class Real>
Result oracle_forward(const Sizes& s, const View& qkv, float scale) {
  Result result{out_array(s), log_sum_exp_array(s), qkv_array(s)};
  attention::reference_forward<Real>(
      {s, qkv, scale, result.out.view(), result.log_sum_exp.view()});
  return result;
}

// What a device would have saved: out rounded to its dtype.
Result rounded(const Result& oracle, int32_t dtype) {
  Result result = oracle;
  result.out = Array(oracle.out.sizes(), {0, 0, dtype});
  for (int64_t i = 0; i < result.out.size(); ++i) result.out.at(i) = oracle.out.at(i);
  result.out.round();
  return result;
}

// The gradient at what a forward pass saved.
template <class Real>
Array oracle_backward(const Sizes& s, const View& qkv, float scale, Result saved, Array d_out,
                      int32_t weights_dtype = LK_F32) {
  attention::reference_backward<Real>({s, qkv, scale, saved.out.view(), d_out.view(),
                                       saved.log_sum_exp.view(), saved.d_qkv.view()},
                                      weights_dtype);
  return saved.d_qkv;
}

void forward_on(lk_device* device, const lk_tensor* qkv, float scale, const lk_tensor* out,
                const lk_tensor* log_sum_exp) {
  size_t bytes = 0;
  LK_REQUIRE_OK(lk_attention_forward_workspace(device, qkv, &bytes));
  Workspace workspace(device, bytes);
  LK_REQUIRE_OK(lk_attention_forward(device, qkv, scale, out, log_sum_exp, workspace.data(),
                                     workspace.bytes()));
}

void backward_on(lk_device* device, const lk_tensor* qkv, float scale, const lk_tensor* out,
                 const lk_tensor* log_sum_exp, const lk_tensor* d_out, const lk_tensor* d_qkv) {
  size_t bytes = 0;
  LK_REQUIRE_OK(lk_attention_backward_workspace(device, qkv, &bytes));
  Workspace workspace(device, bytes);
  LK_REQUIRE_OK(lk_attention_backward(device, qkv, scale, out, log_sum_exp, d_out, d_qkv,
                                      workspace.data(), workspace.bytes()));
}

// Both passes on the device; backward starts from `saved`, so that each is judged alone.
Result on_device(lk_device* device, const Sizes& s, const lk_tensor* qkv, float scale, Result saved,
                 Array d_out, Layout layout = {}) {
  Result result{out_array(s, layout), log_sum_exp_array(s), qkv_array(s, layout)};
  forward_on(device, qkv, scale, result.out.on(device), result.log_sum_exp.on(device));
  backward_on(device, qkv, scale, saved.out.on(device), saved.log_sum_exp.on(device),
              d_out.on(device), result.d_qkv.on(device));
  result.out.fetch();
  result.log_sum_exp.fetch();
  result.d_qkv.fetch();
  return result;
}

// One of q, k and v's gradients: they differ in size, so each is judged by its own.
Array part_of(const Array& d_qkv, const Sizes& s, int part) {
  Array result({s.batch * s.tokens, s.heads * s.head_dim}, {0, 0, d_qkv.dtype()});
  const int64_t row = s.heads * s.head_dim;
  for (int64_t i = 0; i < result.size(); ++i) {
    result.at(i) = d_qkv.at((i / row * 3 + part) * row + i % row);
  }
  return result;
}

double largest_of(const Array& array) {
  double largest = 0;
  for (int64_t i = 0; i < array.size(); ++i) largest = std::fmax(largest, std::fabs(array.at(i)));
  return largest;
}

// Forward and backward against the oracle on every device that computes qkv's dtype, the layout's.
void check_attention(const Sizes& s, Array& qkv, float scale, Layout layout = {}) {
  CAPTURE(s.tokens);
  CAPTURE(s.head_dim);
  qkv.round();
  const Array d_out = out_array(s, layout).randomize(2);
  const Result oracle = oracle_forward<double>(s, qkv.view(), scale);
  const Result plain = oracle_forward<float>(s, qkv.view(), scale);
  const Result saved = rounded(oracle, layout.dtype);
  const Array d_qkv = oracle_backward<double>(s, qkv.view(), scale, saved, d_out);
  const Array plain_d_qkv =
      oracle_backward<float>(s, qkv.view(), scale, saved, d_out, layout.dtype);
  on_each_device(layout.dtype, [&](lk_device* device) {
    if (is_too_long(device, s, layout.dtype)) return;
    const Result actual = on_device(device, s, qkv.on(device), scale, saved, d_out, layout);
    check_right("out", actual.out, oracle.out, plain.out);
    check_right("log_sum_exp", actual.log_sum_exp, oracle.log_sum_exp, plain.log_sum_exp);
    const char* names[] = {"d_q", "d_k", "d_v"};
    for (int part = 0; part < 3; ++part) {
      if (s.tokens == 1 && part != attention::kValue) {
        // One weight, always 1: what is left is the rounding of two equal sums of head_dim products
        // below 2, times a query or key below 2.
        CHECK(largest_of(part_of(actual.d_qkv, s, part)) <= s.head_dim * 4 * 2.4e-7);
        continue;
      }
      check_right(names[part], part_of(actual.d_qkv, s, part), part_of(d_qkv, s, part),
                  part_of(plain_d_qkv, s, part));
    }
  });
}

}  // namespace

TEST_CASE("attention: forward and backward are right at any size") {
  for (const int32_t dtype : activation_dtypes()) {
    const Layout layout{0, 0, dtype};
    for (const Sizes& s : kSizes) {
      Array qkv = qkv_array(s, layout).randomize(1, -2, 2);
      check_attention(s, qkv, usual_scale(s), layout);
    }
  }
}

TEST_CASE("attention: any layout of rows") {
  const Sizes s{2, 41, 2, 20};
  for (const Layout& layout : activation_layouts()) {
    Array qkv = qkv_array(s, layout).randomize(1, -2, 2);
    check_attention(s, qkv, 0.3f, layout);
  }
}

TEST_CASE("attention: scores that rise from block to block, sharply") {
  for (const Sizes& s : {Sizes{1, 1300, 1, 3}, Sizes{1, 260, 1, 3}, Sizes{1, 261, 1, 64}, Sizes{1, 133, 1, 32}}) {
    for (const int32_t dtype : activation_dtypes()) {
      const Layout layout{0, 0, dtype};
      Array qkv = qkv_array(s, layout).randomize(1);
      const int64_t d = s.head_dim;
      for (int64_t t = 0; t < s.tokens; ++t) {
        qkv.at(t * 3 * d) = 1;  // the queries agree on the first element
        qkv.at(t * 3 * d + d) = 13 * static_cast<float>(t) / static_cast<float>(s.tokens);
      }
      check_attention(s, qkv, 1, layout);
      check_attention(s, qkv, -1, layout);
    }
  }
}

TEST_CASE("attention: scores far from zero neither overflow nor vanish") {
  for (const Sizes& s : {Sizes{1, 70, 1, 4}, Sizes{1, 70, 1, 64}, Sizes{1, 70, 1, 96}, Sizes{1, 258, 1, 64}}) {
    for (const int32_t dtype : activation_dtypes()) {
      // Queries of 3072, not keys: a row of d_scores sums to zero, so that d_q at a large key would show
      // rounding alone.
      for (float key : {-1.0f, 1.0f}) {
        const Layout layout{0, 0, dtype};
        Array qkv = qkv_array(s, layout).randomize(1);
        for (int64_t t = 0; t < s.tokens; ++t) {
          qkv.at(t * 3 * s.head_dim) = 3072;
          qkv.at((t * 3 + 1) * s.head_dim) = key;
        }
        check_attention(s, qkv, 1, layout);
      }
    }
  }
}

TEST_CASE("attention: of huge scores the greatest takes all, to the last bit") {
  // Keys on both sides of the CPU's block. Scores around 2^36 are exact and 2^21 apart or more; scale
  // times them is not exact.
  for (const Sizes& s : {Sizes{1, 5, 1, 1}, Sizes{1, 1040, 1, 1}}) {
    for (const float scale : {0.7f, -0.7f}) {
      Array qkv = qkv_array(s).randomize(1);
      int64_t winner = 0;
      for (int64_t t = 0; t < s.tokens; ++t) {
        const auto key = static_cast<float>(32768 + t * 7919 % 30011);
        qkv.at(t * 3) = 2097152;
        qkv.at(t * 3 + 1) = key;
        if (scale * key > scale * qkv.at(winner * 3 + 1)) winner = t;
      }
      on_each_device([&](lk_device* device) {
        if (is_too_long(device, s, LK_F32)) return;
        Array out = out_array(s), log_sum_exp = log_sum_exp_array(s);
        forward_on(device, qkv.on(device), scale, out.on(device), log_sum_exp.on(device));
        out.fetch();
        log_sum_exp.fetch();
        const double score = double(scale) * 2097152 * qkv.at(winner * 3 + 1);
        for (int64_t t = 0; t < s.tokens; ++t) {
          REQUIRE(out.at(t) == qkv.at(winner * 3 + 2));
          REQUIRE(log_sum_exp.at(t) == doctest::Approx(score).epsilon(1e-6));
        }
      });
    }
  }
}

TEST_CASE("attention: a score of -infinity weighs nothing, wherever its key stands") {
  for (const Sizes& s : {Sizes{1, 130, 1, 1}, Sizes{1, 1040, 1, 1}}) {
    // -1: no score is finite, so that there is no answer.
    for (const int64_t finite : {int64_t{-1}, int64_t{0}, s.tokens / 2, s.tokens - 5}) {
      Array qkv = qkv_array(s);
      for (int64_t t = 0; t < s.tokens; ++t) {
        qkv.at(t * 3) = t == 3 ? -1 : 1;  // query 3 has scores of +infinity, which give none either
        qkv.at(t * 3 + 1) = t == finite ? 0.0f : -INFINITY;
        qkv.at(t * 3 + 2) = t == finite ? 2.0f : 1.0f;
      }
      on_each_device([&](lk_device* device) {
        if (is_too_long(device, s, LK_F32)) return;
        Array out = out_array(s), log_sum_exp = log_sum_exp_array(s);
        forward_on(device, qkv.on(device), 1, out.on(device), log_sum_exp.on(device));
        out.fetch();
        log_sum_exp.fetch();
        for (int64_t t = 0; t < s.tokens; ++t) {
          const bool none = t == 3 || finite < 0;
          REQUIRE((none ? std::isnan(out.at(t)) : out.at(t) == 2));
          REQUIRE((none ? !std::isfinite(log_sum_exp.at(t)) : log_sum_exp.at(t) == 0));
        }
      });
    }
  }
}

TEST_CASE("attention: NaN comes out where it went in, whatever its bits") {
  const auto nan = [](uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  };
  const Sizes sizes[] = {{1, 40, 1, 8}, {1, 40, 1, 64}, {1, 257, 1, 64}};
  for (int i = 0; i < 3; ++i) {
    const Sizes& s = sizes[i];
    for (const int32_t dtype : activation_dtypes()) {
      Array qkv = qkv_array(s, {0, 0, dtype}).randomize(1);
      // Query 7. CUDA's own NaN is the second.
      qkv.at(7 * 3 * s.head_dim) = nan(std::array{0x7FC00000u, 0x7FFFFFFFu, 0xFFC10001u}[i]);
      on_each_device(dtype, [&](lk_device* device) {
        Array out = out_array(s, {0, 0, dtype}), log_sum_exp = log_sum_exp_array(s);
        forward_on(device, qkv.on(device), 1, out.on(device), log_sum_exp.on(device));
        out.fetch();
        log_sum_exp.fetch();
        int64_t wrong = 0;
        for (int64_t t = 0; t < s.tokens; ++t) {
          wrong += std::isnan(out.at(t * s.head_dim)) != (t == 7);
          wrong += std::isnan(log_sum_exp.at(t)) != (t == 7);
        }
        CHECK(wrong == 0);
      });
    }
  }
}

TEST_CASE("attention: q, k and v may lie anywhere") {
  const Sizes s{2, 19, 2, 12};
  // [3, batch, heads, tokens, head_dim] in memory, described as [batch, tokens, 3, heads, ...].
  Array memory = Array({3, s.batch, s.heads, s.tokens, s.head_dim}).randomize(1, -2, 2);
  const auto describe = [](auto& view, const auto& in_memory) {
    const int order[] = {1, 3, 0, 2, 4};
    for (int d = 0; d < 5; ++d) {
      view.sizes[d] = in_memory.sizes[order[d]];
      view.strides[d] = in_memory.strides[order[d]];
    }
  };
  View qkv = memory.view();
  describe(qkv, memory.view());
  const Array d_out = out_array(s).randomize(2);
  const Result oracle = oracle_forward<double>(s, qkv, 0.5f);
  const Result plain = oracle_forward<float>(s, qkv, 0.5f);
  const Array d_qkv = oracle_backward<double>(s, qkv, 0.5f, oracle, d_out);
  const Array plain_d_qkv = oracle_backward<float>(s, qkv, 0.5f, oracle, d_out);
  on_each_device([&](lk_device* device) {
    const lk_tensor in_memory = *memory.on(device);
    lk_tensor tensor = in_memory;
    describe(tensor, in_memory);
    const Result actual = on_device(device, s, &tensor, 0.5f, oracle, d_out);
    check_right("out", actual.out, oracle.out, plain.out);
    check_right("d_qkv", actual.d_qkv, d_qkv, plain_d_qkv);
  });
}

// Both passes' bits are those of `first` where it is set, and become it where not.
void check_bits(lk_device* device, const Sizes& s, int32_t dtype, Result& first) {
  CAPTURE(s.tokens);
  CAPTURE(s.head_dim);
  const Layout layout{0, 0, dtype};
  Array qkv = qkv_array(s, layout).randomize(1, -2, 2);
  const Array d_out = out_array(s, layout).randomize(2);
  const Result saved = rounded(oracle_forward<float>(s, qkv.view(), 0.2f), dtype);
  const Result now = on_device(device, s, qkv.on(device), 0.2f, saved, d_out, layout);
  if (first.out.sizes().empty()) first = now;
  check_same_bits("out", now.out, first.out);
  check_same_bits("log_sum_exp", now.log_sum_exp, first.log_sum_exp);
  check_same_bits("d_qkv", now.d_qkv, first.d_qkv);
  Array alone = out_array(s, layout);
  forward_on(device, qkv.on(device), 0.2f, alone.on(device), nullptr);
  alone.fetch();
  check_same_bits("out without log_sum_exp", alone, first.out);
}

TEST_CASE("attention: any number of threads gives the same bits, saved or not") {
  for (const int32_t dtype : {LK_F32, LK_BF16}) {
    Result first, first_simulated;
    on_each_device(dtype, [&](lk_device* device) {
      if (is_simulated(device)) {
        check_bits(device, {2, 70, 1, 16}, dtype, first_simulated);
      } else {
        check_bits(device, {2, 1100, 2, 16}, dtype, first);
      }
    });
  }
}

// A simulated device of its own, with so much shared memory a block.
class SimulatedDevice {
 public:
  SimulatedDevice(const char* name, int kilobytes) {
    setenv("LORIKEET_SIMT_SHARED_KB", std::to_string(kilobytes).c_str(), 1);
    const lk_status status = lk_device_open(name, 0, &device_);
    unsetenv("LORIKEET_SIMT_SHARED_KB");
    LK_REQUIRE_OK(status);
  }
  ~SimulatedDevice() { CHECK(lk_device_close(device_) == LK_OK); }
  SimulatedDevice(const SimulatedDevice&) = delete;
  lk_device* get() const { return device_; }

 private:
  lk_device* device_ = nullptr;
};
// Shared memory a block on sm_86, 89 and 120, on sm_80, and on sm_90 and 100.
const int kSharedKilobytes[] = {99, 163, 227};

TEST_CASE("attention: any order of blocks and warps gives the same bits") {
  const std::pair<Sizes, int32_t> calls[] = {
      {{2, 50, 2, 64}, LK_BF16},  {{1, 197, 1, 64}, LK_F16}, {{1, 257, 1, 64}, LK_BF16},
      {{1, 70, 1, 80}, LK_F16},   {{1, 33, 2, 10}, LK_BF16}, {{1, 67, 2, 33}, LK_F32},
      {{1, 70, 1, 128}, LK_BF16}};
  on_each_device([&](lk_device* device) {
    if (!is_simulated(device)) return;
    for (const int kilobytes : kSharedKilobytes) {
      SimulatedDevice down("simt:down", kilobytes), random("simt:random:7", kilobytes);
      for (const auto& [s, dtype] : calls) {
        Result first;
        for (lk_device* each : {down.get(), random.get()}) check_bits(each, s, dtype, first);
      }
    }
  });
}

// sqrt(sum of squared errors / sum of squares).
double relative_error(const Array& actual, const Array& oracle) {
  double error = 0, square = 0;
  for (int64_t i = 0; i < oracle.size(); ++i) {
    error += std::pow(double(actual.at(i)) - oracle.at(i), 2);
    square += std::pow(double(oracle.at(i)), 2);
  }
  return std::sqrt(error / square);
}

TEST_CASE("attention: bf16 errs by little more than its last rounding") {
  const Sizes s{1, 197, 1, 64};
  const Layout layout{0, 0, LK_BF16};
  Array qkv = qkv_array(s, layout).randomize(1, -2, 2);
  const Array d_out = out_array(s, layout).randomize(2);
  const Result oracle = oracle_forward<double>(s, qkv.view(), usual_scale(s));
  const Result saved = rounded(oracle, LK_BF16);
  const Array d_qkv = oracle_backward<double>(s, qkv.view(), usual_scale(s), saved, d_out);
  const auto check = [&](lk_device* device) {
    Array in = qkv;
    const Result actual = on_device(device, s, in.on(device), usual_scale(s), saved, d_out, layout);
    CHECK(relative_error(actual.out, oracle.out) <= 2.5e-3);
    for (int part = 0; part < 3; ++part) {
      CAPTURE(part);
      CHECK(relative_error(part_of(actual.d_qkv, s, part), part_of(d_qkv, s, part)) <= 2.5e-3);
    }
  };
  on_each_device(LK_BF16, [&](lk_device* device) {
    check(device);
    if (!is_simulated(device)) return;
    for (const int kilobytes : kSharedKilobytes) {
      CAPTURE(kilobytes);
      SimulatedDevice smaller("simt:up", kilobytes);
      check(smaller.get());
    }
  });
}

TEST_CASE("attention: tensor cores do the least that whole fragments allow, without bank conflicts") {
  const Sizes s{1, 197, 2, 64};
  const Layout layout{0, 0, LK_BF16};
  on_each_device([&](lk_device* open) {
    if (!is_simulated(open)) return;
    for (const int kilobytes : kSharedKilobytes) {
      CAPTURE(kilobytes);
      SimulatedDevice part("simt:up", kilobytes);
      lk_device* device = part.get();
      Array qkv = qkv_array(s, layout).randomize(1), out = out_array(s, layout).randomize(3);
      Array log_sum_exp = log_sum_exp_array(s).fill(6), d_out = out_array(s, layout).randomize(2);
      Array d_qkv = qkv_array(s, layout);
      const lk_tensor *in = qkv.on(device), *to = out.on(device), *saved = log_sum_exp.on(device);
      const lk_tensor *gradient = d_out.on(device), *d_in = d_qkv.on(device);
      auto counted = count_kernels(device, [&] {
        forward_on(device, in, 0.125f, to, saved);
        backward_on(device, in, 0.125f, to, saved, gradient, d_in);
      });
      // 13 tiles of 16 tokens, 4 steps of 16 in head_dim: 13 * 13 * 4 products of 16 x 16 x 16.
      const int64_t product = 2 * s.heads * 13 * 13 * 4;
      if (kilobytes > 99) {
        CHECK(counted["attention_short_forward"].mma == 2 * product);
        CHECK(counted["attention_short_forward"].load_matrix == product);
      }
      const auto& backward = counted["attention_short_backward"];
      CHECK(backward.launches == 1);
      CHECK(backward.blocks == s.heads);
      CHECK(backward.shared_bytes <= kilobytes * 1024);
      CHECK(backward.mma == 5 * product);
      for (const auto& [name, counters] : counted) {
        CAPTURE(name);
        CHECK(counters.load_matrix_conflicts == 0);
      }
    }
  });
}

TEST_CASE("attention: a long sequence on tensor cores") {
  const Sizes s{1, 785, 1, 64};
  const Layout layout{0, 0, LK_BF16};
  Array qkv = qkv_array(s, layout).randomize(1, -2, 2);
  const Array d_out = out_array(s, layout).randomize(2);
  const Result oracle = oracle_forward<double>(s, qkv.view(), usual_scale(s));
  const Result saved = rounded(oracle, LK_BF16);
  const Array d_qkv = oracle_backward<double>(s, qkv.view(), usual_scale(s), saved, d_out);
  on_each_device(LK_BF16, [&](lk_device* device) {
    const Result actual = on_device(device, s, qkv.on(device), usual_scale(s), saved, d_out, layout);
    CHECK(relative_error(actual.out, oracle.out) <= 2.5e-3);
    for (int part = 0; part < 3; ++part) {
      CAPTURE(part);
      CHECK(relative_error(part_of(actual.d_qkv, s, part), part_of(d_qkv, s, part)) <= 2.5e-3);
    }
  });
}

TEST_CASE("attention: streaming does the least that whole fragments allow, without bank conflicts") {
  on_each_device([&](lk_device* device) {
    if (!is_simulated(device)) return;
    for (const int64_t head_dim : {32, 64, 80, 96, 128}) {
      CAPTURE(head_dim);
      const Sizes s{1, head_dim == 64 ? 257 : 83, 2, head_dim};
      const Layout layout{0, 0, LK_BF16};
      Array qkv = qkv_array(s, layout).randomize(1), out = out_array(s, layout).randomize(3);
      Array log_sum_exp = log_sum_exp_array(s).fill(6), d_out = out_array(s, layout).randomize(2);
      Array d_qkv = qkv_array(s, layout);
      const lk_tensor *in = qkv.on(device), *to = out.on(device), *saved = log_sum_exp.on(device);
      const lk_tensor *gradient = d_out.on(device), *d_in = d_qkv.on(device);
      auto counted = count_kernels(device, [&] {
        forward_on(device, in, 0.125f, to, saved);
        backward_on(device, in, 0.125f, to, saved, gradient, d_in);
      });
      // Products of 16 x 16 x 16, of 2 instructions each.
      const int64_t tiles = (s.tokens + 15) / 16, product = s.heads * tiles * tiles * head_dim / 16;
      const auto& forward = counted["attention_stream_forward"];
      const auto& queries = counted["attention_stream_backward_queries"];
      const auto& keys = counted["attention_stream_backward_keys"];
      CHECK(forward.mma == 2 * 2 * product);
      CHECK(forward.load_matrix == 2 * product);
      CHECK(queries.mma == 2 * 3 * product);
      CHECK(queries.load_matrix == 3 * product);
      CHECK(keys.mma == 2 * 4 * product);
      CHECK(keys.load_matrix == (head_dim > 96 ? 5 : 4) * product);
      for (const auto& [name, counters] : counted) {
        CAPTURE(name);
        CHECK(counters.load_matrix_conflicts == 0);
        CHECK(counters.launches == 1);
        CHECK(counters.shared_bytes <= 99 * 1024);
      }
    }
  });
}

TEST_CASE("attention: the oracle's gradients are its slopes") {
  const Sizes s{1, 5, 2, 3};
  constexpr float scale = 0.7f, step = 1.0f / 64;
  Array qkv = qkv_array(s).randomize(1), d_out = out_array(s).randomize(2);
  // The loss whose gradient with respect to out is d_out.
  const auto loss = [&] {
    const Array out = oracle_forward<double>(s, qkv.view(), scale).out;
    double sum = 0;
    for (int64_t i = 0; i < out.size(); ++i) sum += double(out.at(i)) * d_out.at(i);
    return sum;
  };
  const Array gradient = oracle_backward<double>(
      s, qkv.view(), scale, oracle_forward<double>(s, qkv.view(), scale), d_out);
  for (int64_t i = 0; i < qkv.size(); ++i) {
    const float at = qkv.at(i);
    qkv.at(i) = at + step;
    const double above = loss();
    qkv.at(i) = at - step;
    const double below = loss();
    qkv.at(i) = at;
    CHECK(std::abs(gradient.at(i) - (above - below) / (2 * step)) < 1e-4);
  }
}

TEST_CASE("attention: wrong arguments are refused") {
  on_each_device([](lk_device* device) {
    const Sizes s{1, 6, 2, 4};
    Array qkv_ = qkv_array(s), d_qkv_ = qkv_array(s), out_ = out_array(s), d_out_ = out_array(s);
    Array log_sum_exp_ = log_sum_exp_array(s), wide_({1, 2, 3, 1, 257}), other_({1, 7, 2, 4});
    const lk_tensor *qkv = qkv_.on(device), *d_qkv = d_qkv_.on(device), *out = out_.on(device),
                    *d_out = d_out_.on(device), *log_sum_exp = log_sum_exp_.on(device),
                    *wide = wide_.on(device), *other = other_.on(device);
    size_t bytes = 0, wide_bytes = 0;
    LK_REQUIRE_OK(lk_attention_backward_workspace(device, qkv, &bytes));
    LK_REQUIRE_FAILS(lk_attention_forward_workspace(device, wide, &wide_bytes), LK_BAD_ARGUMENT,
                     "head_dim of 1 to 256");
    LK_REQUIRE_FAILS(lk_attention_forward_workspace(device, out, &wide_bytes), LK_BAD_ARGUMENT,
                     "qkv: ");
    LK_REQUIRE_FAILS(lk_attention_forward_workspace(device, nullptr, &wide_bytes), LK_BAD_ARGUMENT,
                     "qkv: NULL");
    Workspace workspace(device, bytes);
    const auto forward = [&](const lk_tensor* qkv, float scale, const lk_tensor* out,
                             const lk_tensor* log_sum_exp) {
      return lk_attention_forward(device, qkv, scale, out, log_sum_exp, workspace.data(),
                                  workspace.bytes());
    };
    const float infinity = std::numeric_limits<float>::infinity();
    LK_REQUIRE_FAILS(forward(qkv, infinity, out, nullptr), LK_BAD_ARGUMENT, "scale: inf");
    LK_REQUIRE_FAILS(forward(qkv, 1, other, nullptr), LK_BAD_ARGUMENT, "out: ");
    LK_REQUIRE_FAILS(forward(qkv, 1, out, out), LK_BAD_ARGUMENT, "log_sum_exp: ");
    lk_tensor within = *out;
    within.data = qkv->data;
    LK_REQUIRE_FAILS(forward(qkv, 1, &within, nullptr), LK_BAD_ARGUMENT, "qkv and out");
    size_t forward_bytes = 0;
    LK_REQUIRE_OK(lk_attention_forward_workspace(device, qkv, &forward_bytes));
    if (forward_bytes > 0) {
      LK_REQUIRE_FAILS(lk_attention_forward(device, qkv, 1, out, nullptr, nullptr, 0),
                       LK_BAD_ARGUMENT, "workspace");
    }

    const auto backward = [&](const lk_tensor* log_sum_exp, const lk_tensor* d_out,
                              const lk_tensor* d_qkv, size_t bytes) {
      return lk_attention_backward(device, qkv, 1, out, log_sum_exp, d_out, d_qkv,
                                   workspace.data(), bytes);
    };
    LK_REQUIRE_FAILS(backward(nullptr, d_out, d_qkv, bytes), LK_BAD_ARGUMENT, "log_sum_exp: NULL");
    LK_REQUIRE_FAILS(backward(log_sum_exp, other, d_qkv, bytes), LK_BAD_ARGUMENT, "d_out: ");
    LK_REQUIRE_FAILS(backward(log_sum_exp, d_out, wide, bytes), LK_BAD_ARGUMENT, "d_qkv: ");
    LK_REQUIRE_FAILS(backward(log_sum_exp, d_out, qkv, bytes), LK_BAD_ARGUMENT, "qkv and d_qkv");
    LK_REQUIRE_FAILS(backward(log_sum_exp, d_out, d_qkv, bytes - 1), LK_BAD_ARGUMENT, "workspace");

    // Workspaces follow from sizes alone: a plan can be made before there is memory.
    lk_tensor planned = *qkv;
    planned.data = nullptr;
    size_t planned_bytes = 0;
    LK_REQUIRE_OK(lk_attention_backward_workspace(device, &planned, &planned_bytes));
    CHECK(planned_bytes == bytes);
  });
}

}  // namespace lk::test
