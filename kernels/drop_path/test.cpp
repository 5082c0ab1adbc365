// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "drop_path/drop_path.h"

#include <cmath>

#include "common/philox.h"
#include "support.h"

namespace lk::test {

TEST_CASE("drop_path: a sample is dropped when its word says so") {
  for (const float p : {0.0f, 1e-12f, 0.1f, 0.5f, 0.99f, std::nextafter(1.0f, 0.0f)}) {
    for (const int64_t samples : {1, 16, 64, 197, 20011}) {
      CAPTURE(p);
      CAPTURE(samples);
      const lk_random random{42, 3, 1};
      Array oracle({samples});
      drop_path::Scales call{random, p, 0, 0, oracle.vector()};
      drop_path::reference_scales<double>(call);
      on_each_device([&](lk_device* device) {
        Array scales({samples});
        LK_REQUIRE_OK(lk_drop_path_scales(device, p, &random, scales.on(device)));
        scales.fetch();
        check_same_bits("scales", scales, oracle);
      });
    }
  }
}

TEST_CASE("drop_path: a word of exactly p 2^32 keeps its sample") {
  // The first seed whose word for sample 0 is an f32 number of 2^-32ths.
  lk_random random{0, 0, 0};
  while (philox_word(random, 0) % 256 != 0) random.seed += 1;
  const float p = static_cast<float>(philox_word(random, 0) / 4294967296.0);
  on_each_device([&](lk_device* device) {
    Array scales({1});
    LK_REQUIRE_OK(lk_drop_path_scales(device, p, &random, scales.on(device)));
    scales.fetch();
    CHECK(scales.at(0) == static_cast<float>(1 / (1 - double(p))));
    LK_REQUIRE_OK(lk_drop_path_scales(device, std::nextafter(p, 1.0f), &random, scales.on(device)));
    scales.fetch();
    CHECK(scales.at(0) == 0);
  });
}

TEST_CASE("drop_path: the expected scale is one") {
  on_each_device([](lk_device* device) {
    const lk_random random{1, 0, 0};
    const int64_t samples = 40000;
    Array scales({samples});
    LK_REQUIRE_OK(lk_drop_path_scales(device, 0.1f, &random, scales.on(device)));
    scales.fetch();
    double sum = 0;
    for (int64_t i = 0; i < samples; ++i) sum += scales.at(i);
    // A scale's standard deviation is sqrt(p / (1 - p)) = 1/3.
    CHECK(std::abs(sum / samples - 1) < 5 / 3.0 / std::sqrt(double(samples)));
  });
}

TEST_CASE("drop_path: the threshold is the least word at or above p 2^32") {
  CHECK(keep_threshold(0) == 0);
  CHECK(keep_threshold(0.5f) == 0x80000000u);
  CHECK(keep_threshold(std::ldexp(1.0f, -32)) == 1);
  CHECK(keep_threshold(std::ldexp(1.0f, -40)) == 1);
  CHECK(keep_threshold(std::ldexp(3.0f, -33)) == 2);
  CHECK(keep_threshold(std::nextafter(1.0f, 0.0f)) == 0xFFFFFF00u);
}

TEST_CASE("drop_path: bad arguments") {
  on_each_device([](lk_device* device) {
    const lk_random random{1, 0, 0};
    Array scales({8}), matrix({2, 4});
    const lk_tensor* out = scales.on(device);
    for (const float p : {-0.1f, 1.0f, NAN}) {
      LK_REQUIRE_FAILS(lk_drop_path_scales(device, p, &random, out), LK_BAD_ARGUMENT, "p: ");
    }
    LK_REQUIRE_FAILS(lk_drop_path_scales(device, 0, nullptr, out), LK_BAD_ARGUMENT, "random: NULL");
    LK_REQUIRE_FAILS(lk_drop_path_scales(device, 0, &random, matrix.on(device)), LK_BAD_ARGUMENT,
                     "scales: ");
  });
}

}  // namespace lk::test
