// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/error.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace lk {
namespace {

constexpr size_t kTextBytes = 512;
thread_local char error_text[kTextBytes] = "";

constexpr int kMaxSizes = 8;
struct Description {
  const char* operation = nullptr;
  const char* kernel = nullptr;
  Size sizes[kMaxSizes];
  int count = 0;
};
thread_local Description description;

bool trace_wanted() {
  static const bool wanted = [] {
    const char* value = std::getenv("LORIKEET_TRACE");
    return value != nullptr && value[0] != '\0' && !(value[0] == '0' && value[1] == '\0');
  }();
  return wanted;
}

}  // namespace

lk_status fail(lk_status status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(error_text, kTextBytes, format, arguments);
  va_end(arguments);
  return status;
}

const char* last_error() { return error_text; }

void describe(const char* operation, const char* kernel) {
  description.operation = operation;
  description.kernel = kernel;
  description.count = 0;
}

void describe_kernel(const char* kernel) { description.kernel = kernel; }

void describe_sizes(const Size* sizes, int count) {
  description.count = count < kMaxSizes ? count : kMaxSizes;
  for (int i = 0; i < description.count; ++i) description.sizes[i] = sizes[i];
}

void trace() {
  if (trace_wanted()) std::fprintf(stderr, "lorikeet: %s\n", last_description());
}

const char* last_description() {
  static thread_local char text[kTextBytes];
  text[0] = '\0';
  if (description.operation == nullptr) return text;
  int used = std::snprintf(text, kTextBytes, "%s %s", description.operation, description.kernel);
  for (int i = 0; i < description.count && used < static_cast<int>(kTextBytes); ++i) {
    used += std::snprintf(text + used, kTextBytes - used, " %s=%lld", description.sizes[i].name,
                          static_cast<long long>(description.sizes[i].value));
  }
  return text;
}

}  // namespace lk
