// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "digests.h"

#include <doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace lk::test {
namespace {

constexpr uint64_t kStart = 14695981039346656037u, kFactor = 1099511628211u;  // as FNV-1a has it
uint64_t hash = kStart;
int64_t hashed_bytes = 0;
std::FILE* file = nullptr;

struct Digests : doctest::IReporter {
  explicit Digests(const doctest::ContextOptions&) {
    const char* name = std::getenv("LORIKEET_TEST_DIGESTS");
    if (name != nullptr && name[0] != '\0') file = std::fopen(name, "w");
  }
  ~Digests() override {
    if (file != nullptr) std::fclose(file);
  }

  void test_case_start(const doctest::TestCaseData& test) override {
    name_ = test.m_name;
    hash = kStart;
    hashed_bytes = 0;
  }
  void test_case_end(const doctest::CurrentTestCaseStats&) override {
    if (file == nullptr) return;
    std::fprintf(file, "%016llx %lld %s\n", static_cast<unsigned long long>(hash),
                 static_cast<long long>(hashed_bytes), name_);
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  const char* name_ = "";
};
DOCTEST_REGISTER_LISTENER("digests", 1, Digests);

}  // namespace

// Eight bytes at a time, the last ones filled up with zeros.
void digest(const void* data, size_t bytes) {
  if (file == nullptr) return;
  const auto* at = static_cast<const char*>(data);
  for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, at + i, std::min(sizeof(word), bytes - i));
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 32;  // a product carries upwards only
  }
  hashed_bytes += static_cast<int64_t>(bytes);
}

}  // namespace lk::test
