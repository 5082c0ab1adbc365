// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "digests.h"

#include <doctest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace lk::test {
namespace {

constexpr uint64_t kStart = 14695981039346656037u, kFactor = 1099511628211u;  // FNV-1a
uint64_t hash = kStart;
int64_t hashed_bytes = 0;

struct Digests : doctest::IReporter {
  explicit Digests(const doctest::ContextOptions&) {
    const char* name = std::getenv("LORIKEET_TEST_DIGESTS");
    if (name != nullptr && name[0] != '\0') file_ = std::fopen(name, "w");
  }
  ~Digests() override {
    if (file_ != nullptr) std::fclose(file_);
  }

  void test_case_start(const doctest::TestCaseData& test) override {
    name_ = test.m_name;
    hash = kStart;
    hashed_bytes = 0;
  }
  void test_case_end(const doctest::CurrentTestCaseStats&) override {
    if (file_ == nullptr) return;
    std::fprintf(file_, "%016llx %lld %s\n", static_cast<unsigned long long>(hash),
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
  std::FILE* file_ = nullptr;
  const char* name_ = "";
};
DOCTEST_REGISTER_LISTENER("digests", 1, Digests);

}  // namespace

void digest(const void* data, size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ at[i]) * kFactor;
  hashed_bytes += static_cast<int64_t>(bytes);
}

}  // namespace lk::test
