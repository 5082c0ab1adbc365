// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "elementwise/elementwise.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "common/half_scalar.h"
#include "support.h"

namespace lk::test {
namespace {

bool is_nan(float value) { return std::isnan(value); }
bool is_nan_code(uint16_t code, int32_t dtype) {
  return (code & 0x7FFF) > (dtype == LK_BF16 ? 0x7F80 : 0x7C00);
}

std::vector<uint16_t> all_codes() {
  std::vector<uint16_t> codes(65536);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
  return codes;
}

// Every value of a 16-bit format, every midpoint between neighbours, and the f32 numbers on both
// sides of each; beyond the largest value, overflow; NaNs whose payload the format cannot hold.
std::vector<float> rounding_cases(int32_t dtype) {
  std::vector<float> cases;
  for (const uint16_t code : all_codes()) {
    if (is_nan_code(code, dtype) || is_nan_code(code + 1, dtype)) continue;
    uint16_t next = code + 1;
    float value, neighbour;
    elementwise::reference_convert(&code, dtype, &value, LK_F32);
    elementwise::reference_convert(&next, dtype, &neighbour, LK_F32);
    if (std::isinf(neighbour)) neighbour = std::copysign(dtype == LK_F16 ? 65536.0f : INFINITY, value);
    const float middle = std::isinf(neighbour) ? float_from_bits(float_bits(value) | 0x8000)
                                               : value / 2 + neighbour / 2;
    for (const float x : {value, middle}) {
      cases.insert(cases.end(), {x, std::nextafter(x, INFINITY), std::nextafter(x, -INFINITY)});
    }
  }
  const float largest = std::numeric_limits<float>::max();
  cases.insert(cases.end(), {largest, -largest, INFINITY, -INFINITY, 70000.0f, -1e30f, 1e-45f,
                             -1e-45f, float_from_bits(0x7F800001), float_from_bits(0xFFBFFFFF),
                             float_from_bits(0x7FC00000)});
  return cases;
}

int64_t count(const std::vector<int64_t>& sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

// Where element e, counted over the sizes, lies in a strided tensor.
int64_t offset_of(const lk_tensor& tensor, int64_t e) {
  int64_t offset = 0;
  for (int d = tensor.rank - 1; d >= 0; --d) {
    offset += e % tensor.sizes[d] * tensor.strides[d];
    e /= tensor.sizes[d];
  }
  return offset;
}

lk_tensor strided(const lk_tensor& dense, const std::vector<int64_t>& sizes,
                  const std::vector<int64_t>& strides) {
  lk_tensor view = dense;
  view.rank = static_cast<int32_t>(sizes.size());
  for (int d = 0; d < view.rank; ++d) {
    view.sizes[d] = sizes[d];
    view.strides[d] = strides[d];
  }
  return view;
}

}  // namespace

TEST_CASE("fill: every element and no other, at any strides") {
  struct Case {
    std::vector<int64_t> sizes, strides;
  };
  const Case cases[] = {{{}, {}},          {{1}, {5}},
                        {{20000}, {1}},    {{3, 197}, {200, 1}},
                        {{197, 3}, {1, 200}}, {{5, 7}, {90, 11}},
                        {{6, 16}, {24, 1}}, {{6, 16}, {17, 1}}, {{4, 8}, {32, 3}},
                        {{2, 3, 5, 7, 11}, {1155, 385, 77, 11, 1}},
                        {{0, 4}, {4, 1}}};
  for (const Case& c : cases) {
    on_each_device([&](lk_device* device) {
      const std::vector<float> before(20000, 7.0f);
      Values<float> values(device, LK_F32, {20000}, before);
      const lk_tensor view = strided(*values.tensor(), c.sizes, c.strides);
      std::vector<float> expected = before;
      for (int64_t e = 0; e < count(c.sizes); ++e) expected[offset_of(view, e)] = -0.0f;
      LK_REQUIRE_OK(lk_fill(device, &view, -0.0f));
      const std::vector<float> after = values.fetch();
      CHECK(std::memcmp(after.data(), expected.data(), after.size() * 4) == 0);
    });
  }
  on_each_device([](lk_device* device) {
    Values<float> values(device, LK_F32, {12}, std::vector<float>(12));
    for (const std::vector<int64_t>& strides : {std::vector<int64_t>{0, 1}, {3, 1}, {1, 2}}) {
      const lk_tensor overlapping = strided(*values.tensor(), {3, 4}, strides);
      LK_REQUIRE_FAILS(lk_fill(device, &overlapping, 1), LK_BAD_ARGUMENT, "do not overlap");
    }
    Values<int32_t> integers(device, LK_I32, {6}, std::vector<int32_t>(6));
    LK_REQUIRE_FAILS(lk_fill(device, integers.tensor(), 1), LK_BAD_ARGUMENT, "tensor: i32");
    lk_tensor empty = strided(*values.tensor(), {0}, {1});
    empty.data = nullptr;
    LK_REQUIRE_OK(lk_fill(device, &empty, 1));
  });
}

TEST_CASE("fill: nothing to fill is right at any strides") {
  on_each_device([](lk_device* device) {
    const lk_tensor empty[] = {{nullptr, {3, 3, 0}, {0, 0, 1}, LK_F32, 3},
                               {nullptr, {3, 0}, {0, 1}, LK_F32, 2},
                               {nullptr, {0, 3}, {3, 1}, LK_F32, 2}};
    for (const lk_tensor& tensor : empty) LK_REQUIRE_OK(lk_fill(device, &tensor, 1));
  });
}

TEST_CASE("fill: every dtype of activations, rounded") {
  for (const Layout& layout : activation_layouts()) {
    on_each_device(layout.dtype, [&](lk_device* device) {
      for (const int64_t columns : {37, 40}) {
        Array filled({7, columns}, layout);
        LK_REQUIRE_OK(lk_fill(device, filled.on(device), 0.1f));
        filled.fetch();
        check_same_bits("filled", filled, Array({7, columns}, layout).fill(0.1f));
      }
    });
  }
}

TEST_CASE("add: right in every layout") {
  const std::vector<int64_t> shapes[] = {{1, 1}, {1, 3072}, {7, 16}, {197, 37}, {4, 197, 96}};
  for (const std::vector<int64_t>& shape : shapes) {
    for (const Layout& layout : activation_layouts()) {
      Array a = Array(shape, layout).randomize(1);
      Array b = Array(shape, {0, 0, layout.dtype}).randomize(2);
      Array oracle(shape), plain(shape);
      elementwise::reference_add<double>({a.matrix(), b.matrix(), oracle.matrix()});
      elementwise::reference_add<float>({a.matrix(), b.matrix(), plain.matrix()});
      on_each_device(layout.dtype, [&](lk_device* device) {
        Array y(shape, layout);
        LK_REQUIRE_OK(lk_add(device, a.on(device), b.on(device), y.on(device)));
        y.fetch();
        check_right("y", y, oracle, plain);
      });
    }
  }
}

TEST_CASE("add: in place, with one row repeated, and never half overlapping") {
  Array a = Array({5, 33}).randomize(1), b = Array({5, 33}).randomize(2);
  on_each_device([&](lk_device* device) {
    Array apart({5, 33}), into_a = a, into_b = b, twice = a;
    const lk_tensor *da = into_a.on(device), *db = into_b.on(device), *dt = twice.on(device);
    LK_REQUIRE_OK(lk_add(device, da, db, apart.on(device)));
    apart.fetch();
    lk_tensor row = *db;
    row.strides[0] = 0;
    Array repeated({5, 33});
    LK_REQUIRE_OK(lk_add(device, da, &row, repeated.on(device)));
    repeated.fetch();
    for (int64_t i = 0; i < repeated.size(); ++i) CHECK(repeated.at(i) == a.at(i) + b.at(i % 33));

    lk_tensor shifted = *da;
    shifted.data = static_cast<float*>(da->data) + 1;
    LK_REQUIRE_FAILS(lk_add(device, da, db, &shifted), LK_BAD_ARGUMENT, "a and y: share memory");
    LK_REQUIRE_FAILS(lk_add(device, db, da, &shifted), LK_BAD_ARGUMENT, "b and y: share memory");
    LK_REQUIRE_FAILS(lk_add(device, da, &row, &row), LK_BAD_ARGUMENT, "y: ");

    LK_REQUIRE_OK(lk_add(device, dt, dt, dt));
    twice.fetch();
    for (int64_t i = 0; i < twice.size(); ++i) CHECK(twice.at(i) == 2 * a.at(i));
    LK_REQUIRE_OK(lk_add(device, da, db, da));
    into_a.fetch();
    check_same_bits("y = a", into_a, apart);
    into_a = a;
    LK_REQUIRE_OK(lk_add(device, into_a.on(device), db, db));
    into_b.fetch();
    check_same_bits("y = b", into_b, apart);
  });
}

TEST_CASE("half_scalar: every 16-bit number, and f32 ones between and beyond them") {
  for (const int32_t dtype : {LK_BF16, LK_F16}) {
    CAPTURE(std::string(dtype_name(dtype)));
    const uint16_t quiet = dtype == LK_BF16 ? 0x40 : 0x200;
    for (const uint16_t code : all_codes()) {
      const float value = half_to_float(code, dtype);
      float expected;
      elementwise::reference_convert(&code, dtype, &expected, LK_F32);
      if (is_nan(expected)) {
        REQUIRE(is_nan(value));
        REQUIRE(float_to_half(value, dtype) == (code | quiet));
      } else {
        REQUIRE(float_bits(value) == float_bits(expected));
        REQUIRE(float_to_half(value, dtype) == code);
      }
    }
    for (const float value : rounding_cases(dtype)) {
      CAPTURE(value);
      uint16_t expected;
      elementwise::reference_convert(&value, LK_F32, &expected, dtype);
      if (is_nan(value)) {
        REQUIRE(is_nan_code(float_to_half(value, dtype), dtype));
      } else {
        REQUIRE(float_to_half(value, dtype) == expected);
        REQUIRE(float_bits(round_to(dtype, value)) == float_bits(half_to_float(expected, dtype)));
      }
    }
  }
}

TEST_CASE("convert: every bf16 and f16 becomes its f32 and comes back") {
  const std::vector<uint16_t> codes = all_codes();
  for (const int32_t dtype : {LK_BF16, LK_F16}) {
    CAPTURE(std::string(dtype_name(dtype)));
    on_each_device([&](lk_device* device) {
      Values<uint16_t> narrow(device, dtype, {65536}, codes);
      Values<float> wide(device, LK_F32, {65536}, std::vector<float>(65536));
      Values<uint16_t> back(device, dtype, {65536}, std::vector<uint16_t>(65536));
      LK_REQUIRE_OK(lk_convert(device, narrow.tensor(), wide.tensor()));
      LK_REQUIRE_OK(lk_convert(device, wide.tensor(), back.tensor()));
      const std::vector<float> values = wide.fetch();
      const std::vector<uint16_t> returned = back.fetch();
      for (size_t i = 0; i < codes.size(); ++i) {
        float expected;
        elementwise::reference_convert(&codes[i], dtype, &expected, LK_F32);
        if (is_nan(expected)) {
          REQUIRE(is_nan(values[i]));
          REQUIRE(is_nan_code(returned[i], dtype));
          REQUIRE((returned[i] >> 15) == (codes[i] >> 15));
        } else {
          REQUIRE(float_bits(values[i]) == float_bits(expected));
          REQUIRE(returned[i] == codes[i]);
        }
      }
    });
  }
}

TEST_CASE("convert: f32 rounds to nearest even, overflows to infinity and keeps NaN") {
  for (const int32_t dtype : {LK_BF16, LK_F16}) {
    CAPTURE(std::string(dtype_name(dtype)));
    const std::vector<float> cases = rounding_cases(dtype);
    const int64_t n = static_cast<int64_t>(cases.size());
    on_each_device([&](lk_device* device) {
      Values<float> wide(device, LK_F32, {n}, cases);
      Values<uint16_t> narrow(device, dtype, {n}, std::vector<uint16_t>(n));
      LK_REQUIRE_OK(lk_convert(device, wide.tensor(), narrow.tensor()));
      const std::vector<uint16_t> codes = narrow.fetch();
      for (int64_t i = 0; i < n; ++i) {
        CAPTURE(cases[i]);
        uint16_t expected;
        elementwise::reference_convert(&cases[i], LK_F32, &expected, dtype);
        if (is_nan(cases[i])) {
          REQUIRE(is_nan_code(codes[i], dtype));
        } else {
          REQUIRE(codes[i] == expected);
        }
      }
    });
  }
}

TEST_CASE("convert: bf16 and f16 into each other, u8 into f32") {
  const std::vector<uint16_t> codes = all_codes();
  on_each_device([&](lk_device* device) {
    for (const int32_t from : {LK_BF16, LK_F16}) {
      const int32_t to = from == LK_BF16 ? LK_F16 : LK_BF16;
      Values<uint16_t> source(device, from, {65536}, codes);
      Values<uint16_t> destination(device, to, {65536}, std::vector<uint16_t>(65536));
      LK_REQUIRE_OK(lk_convert(device, source.tensor(), destination.tensor()));
      const std::vector<uint16_t> converted = destination.fetch();
      for (size_t i = 0; i < codes.size(); ++i) {
        uint16_t expected;
        elementwise::reference_convert(&codes[i], from, &expected, to);
        if (is_nan_code(codes[i], from)) {
          REQUIRE(is_nan_code(converted[i], to));
        } else {
          REQUIRE(converted[i] == expected);
        }
      }
    }
    std::vector<uint8_t> bytes(1021);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
    Values<uint8_t> source(device, LK_U8, {1021}, bytes);
    Values<float> destination(device, LK_F32, {1021}, std::vector<float>(1021));
    LK_REQUIRE_OK(lk_convert(device, source.tensor(), destination.tensor()));
    const std::vector<float> converted = destination.fetch();
    for (size_t i = 0; i < bytes.size(); ++i) REQUIRE(converted[i] == static_cast<float>(i % 256));
  });
}

TEST_CASE("convert: rows of whole chunks and others, between any two types") {
  for (const int32_t from : {LK_F32, LK_BF16, LK_F16}) {
    for (const int32_t to : {LK_F32, LK_BF16, LK_F16}) {
      for (const int64_t columns : {37, 40}) {
        CAPTURE(columns);
        const Array source = Array({3, columns}, {0, 0, from}).randomize(1);
        Array expected({3, columns}, {0, 0, to});
        for (int64_t i = 0; i < source.size(); ++i) expected.at(i) = source.at(i);
        expected.round();
        on_each_device([&](lk_device* device) {
          Array given = source, converted({3, columns}, {0, 0, to});
          LK_REQUIRE_OK(lk_convert(device, given.on(device), converted.on(device)));
          converted.fetch();
          check_same_bits("converted", converted, expected);
        });
      }
    }
  }
  on_each_device([](lk_device* device) {
    std::vector<uint8_t> bytes(3 * 40);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(2 * i);
    Values<uint8_t> source(device, LK_U8, {3, 40}, bytes);
    Values<float> wide(device, LK_F32, {3, 40}, std::vector<float>(bytes.size()));
    LK_REQUIRE_OK(lk_convert(device, source.tensor(), wide.tensor()));
    const std::vector<float> floats = wide.fetch();
    for (size_t i = 0; i < bytes.size(); ++i) CHECK(floats[i] == bytes[i]);
  });
}

TEST_CASE("convert: elements of one type keep their bits") {
  on_each_device([](lk_device* device) {
    const std::vector<uint16_t> codes = all_codes();
    for (const int32_t dtype : {LK_BF16, LK_F16}) {
      Values<uint16_t> source(device, dtype, {65536}, codes);
      Values<uint16_t> destination(device, dtype, {65536}, std::vector<uint16_t>(65536));
      LK_REQUIRE_OK(lk_convert(device, source.tensor(), destination.tensor()));
      CHECK(destination.fetch() == codes);
    }
    const std::vector<int32_t> words = {0x7F800001, -1, INT32_MIN, 0x7FC12345, 5};
    for (const int32_t dtype : {LK_I32, LK_F32}) {
      Values<int32_t> source(device, dtype, {5}, words);
      Values<int32_t> destination(device, dtype, {5}, std::vector<int32_t>(5));
      LK_REQUIRE_OK(lk_convert(device, source.tensor(), destination.tensor()));
      CHECK(destination.fetch() == words);
    }
  });
}

TEST_CASE("convert: any strides on both sides") {
  struct Case {
    std::vector<int64_t> sizes, from, to;
  };
  const Case cases[] = {
      {{}, {}, {}},
      {{1, 1}, {9, 9}, {3, 3}},
      {{97, 211}, {211, 1}, {211, 1}},              // dense: one run
      {{97, 211}, {211, 1}, {1, 97}},               // transposed
      {{97, 211}, {1, 97}, {211, 1}},
      {{31, 29}, {700, 23}, {650, 22}},             // gaps everywhere
      {{6, 16}, {24, 1}, {32, 1}},                  // rows of whole vectors, aligned
      {{6, 16}, {17, 1}, {32, 1}},                  // and not, on one side
      {{6, 16}, {24, 1}, {19, 1}},
      {{40, 50}, {0, 1}, {50, 1}},                  // one row repeated
      {{40, 50}, {1, 0}, {50, 1}},                  // one column repeated
      {{2, 3, 32, 33}, {3168, 1, 99, 3}, {3168, 1056, 33, 1}},  // channels last to first
      {{3, 5, 7, 11, 13}, {1, 3, 15, 105, 1155}, {5005, 1001, 143, 13, 1}},
  };
  const int64_t room = 24000;
  std::vector<float> numbers(room);
  for (int64_t i = 0; i < room; ++i) numbers[i] = static_cast<float>(i) * 0.37f - 1000;
  for (const Case& c : cases) {
    for (const int32_t dtype : {LK_F32, LK_BF16}) {
      CAPTURE(c.sizes.size());
      CAPTURE(std::string(dtype_name(dtype)));
      on_each_device([&](lk_device* device) {
        Values<float> source(device, LK_F32, {room}, numbers);
        const lk_tensor from = strided(*source.tensor(), c.sizes, c.from);
        const auto check = [&](auto untouched) {
          typedef decltype(untouched) Element;
          std::vector<Element> expected(room, untouched);
          Values<Element> destination(device, dtype, {room}, expected);
          const lk_tensor to = strided(*destination.tensor(), c.sizes, c.to);
          for (int64_t e = 0; e < count(c.sizes); ++e) {
            elementwise::reference_convert(&numbers[offset_of(from, e)], LK_F32,
                                           &expected[offset_of(to, e)], dtype);
          }
          LK_REQUIRE_OK(lk_convert(device, &from, &to));
          CHECK(destination.fetch() == expected);
        };
        dtype == LK_F32 ? check(-3.0f) : check(uint16_t{12345});
      });
    }
  }
}

TEST_CASE("convert: bad arguments") {
  on_each_device([](lk_device* device) {
    Values<float> wide(device, LK_F32, {6}, std::vector<float>(6));
    Values<uint8_t> bytes(device, LK_U8, {6}, std::vector<uint8_t>(6));
    Values<uint16_t> narrow(device, LK_F16, {6}, std::vector<uint16_t>(6));
    Values<int32_t> integers(device, LK_I32, {6}, std::vector<int32_t>(6));
    const lk_tensor *f = wide.tensor(), *u = bytes.tensor(), *h = narrow.tensor(),
                    *i = integers.tensor();
    LK_REQUIRE_FAILS(lk_convert(device, f, u), LK_BAD_ARGUMENT, "source: f32 into u8");
    LK_REQUIRE_FAILS(lk_convert(device, u, h), LK_BAD_ARGUMENT, "source: u8 into f16");
    LK_REQUIRE_FAILS(lk_convert(device, u, u), LK_BAD_ARGUMENT, "source: u8 into u8");
    LK_REQUIRE_FAILS(lk_convert(device, i, f), LK_BAD_ARGUMENT, "source: i32 into f32");
    LK_REQUIRE_FAILS(lk_convert(device, f, i), LK_BAD_ARGUMENT, "source: f32 into i32");
    LK_REQUIRE_FAILS(lk_convert(device, nullptr, f), LK_BAD_ARGUMENT, "source: NULL");
    LK_REQUIRE_FAILS(lk_convert(device, f, nullptr), LK_BAD_ARGUMENT, "destination: NULL");
    const lk_tensor square = strided(*h, {2, 3}, {3, 1});
    LK_REQUIRE_FAILS(lk_convert(device, f, &square), LK_BAD_ARGUMENT, "sizes of source");
    const lk_tensor repeated = strided(*h, {6}, {0});
    LK_REQUIRE_FAILS(lk_convert(device, f, &repeated), LK_BAD_ARGUMENT, "destination: ");
    lk_tensor inside = *h;
    inside.data = f->data;
    LK_REQUIRE_FAILS(lk_convert(device, f, &inside), LK_BAD_ARGUMENT, "share memory");
    lk_tensor empty_from = strided(*f, {0, 3}, {3, 1}), empty_to = strided(*h, {0, 3}, {3, 1});
    empty_from.data = empty_to.data = nullptr;
    LK_REQUIRE_OK(lk_convert(device, &empty_from, &empty_to));
  });
}

}  // namespace lk::test
