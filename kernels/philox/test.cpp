// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "philox/philox.h"

#include "common/philox.h"
#include "support.h"

namespace lk::test {
namespace {

struct Shape {
  int64_t m, k;
};
// The last two span several chunks; one of them starts its rows inside a block.
const Shape kShapes[] = {{1, 1}, {1, 5}, {3, 16}, {197, 37}, {64, 768}, {41, 401}};

const lk_random kRandoms[] = {
    {0, 0, 0},
    {1, 0, 0},
    {uint64_t{1} << 32, 7, 3},
    {~uint64_t{0}, ~uint32_t{0}, ~uint32_t{0}},
};

}  // namespace

// The known answers that the generator's authors publish with Random123.
TEST_CASE("philox: words are those of the published generator") {
  struct Answer {
    PhiloxBlock counter;
    uint32_t key0, key1;
    PhiloxBlock words;
  };
  const Answer answers[] = {
      {{{0, 0, 0, 0}}, 0, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
      {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
       0xffffffff,
       0xffffffff,
       {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
      {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
       0xa4093822,
       0x299f31d0,
       {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
  };
  for (const Answer& answer : answers) {
    const PhiloxBlock words = philox4x32_10(answer.counter, answer.key0, answer.key1);
    for (int i = 0; i < 4; ++i) CHECK(words.word[i] == answer.words.word[i]);
  }
  // The same through the mapping of elements to blocks: counter (block, stream, step), key (seed).
  const lk_random pi{0x299f31d0a4093822, 0x13198a2e, 0x03707344};
  CHECK(philox_block(pi, 0x85a308d3243f6a88).word[2] == 0x5001e420);
}

TEST_CASE("philox: uniform numbers are the words, rounded once") {
  for (const lk_random& random : kRandoms) {
    for (const Shape& shape : kShapes) {
      for (const Layout& layout : layouts()) {
        CAPTURE(shape.m);
        CAPTURE(shape.k);
        Array oracle({shape.m, shape.k});
        philox::reference_uniform<double>({random, oracle.matrix()});
        on_each_device([&](lk_device* device) {
          Array drawn({shape.m, shape.k}, layout);
          LK_REQUIRE_OK(lk_random_uniform(device, &random, drawn.on(device)));
          drawn.fetch();
          check_same_bits("numbers", drawn, oracle);
        });
      }
    }
  }
}

TEST_CASE("philox: numbers fill [0, 1] evenly and differ between streams and steps") {
  on_each_device([](lk_device* device) {
    const lk_random randoms[] = {{5, 1, 1}, {6, 1, 1}, {5, 2, 1}, {5, 1, 2}};
    std::vector<Array> drawn;
    for (const lk_random& random : randoms) {
      Array numbers({20000});
      LK_REQUIRE_OK(lk_random_uniform(device, &random, numbers.on(device)));
      numbers.fetch();
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < numbers.size(); ++i) {
        REQUIRE(numbers.at(i) >= 0);
        REQUIRE(numbers.at(i) <= 1);
        sum += numbers.at(i);
        squares += double(numbers.at(i)) * numbers.at(i);
      }
      // Five standard errors: 1/sqrt(12 n) of the mean, sqrt(4/45 / n) of the mean square.
      CHECK(std::abs(sum / 20000 - 0.5) < 5 * 0.00204);
      CHECK(std::abs(squares / 20000 - 1 / 3.0) < 5 * 0.00211);
      for (const Array& other : drawn) {
        int same = 0;
        for (int64_t i = 0; i < numbers.size(); ++i) same += numbers.at(i) == other.at(i);
        CHECK(same < 10);
      }
      drawn.push_back(numbers);
    }
  });
}

TEST_CASE("philox: bad arguments") {
  on_each_device([](lk_device* device) {
    const lk_random random{1, 2, 3};
    Array numbers({4, 4});
    const lk_tensor* tensor = numbers.on(device);
    LK_REQUIRE_FAILS(lk_random_uniform(device, nullptr, tensor), LK_BAD_ARGUMENT, "random: NULL");
    LK_REQUIRE_FAILS(lk_random_uniform(device, &random, nullptr), LK_BAD_ARGUMENT, "tensor: NULL");
    lk_tensor repeated = *tensor;
    repeated.strides[0] = 0;
    LK_REQUIRE_FAILS(lk_random_uniform(device, &random, &repeated), LK_BAD_ARGUMENT, "overlap");
    lk_tensor narrow = *tensor;
    narrow.dtype = LK_F16;
    LK_REQUIRE_FAILS(lk_random_uniform(device, &random, &narrow), LK_BAD_ARGUMENT, "f16");
  });
}

}  // namespace lk::test
