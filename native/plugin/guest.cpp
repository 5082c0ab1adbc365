// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The plug-in's side: its entry point, and error texts and descriptions that go to the host.
#include "plugin.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace lk {
namespace {
const PluginHost* host = nullptr;
}

lk_status fail(lk_status status, const char* format, ...) {
  char words[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(words, sizeof(words), format, arguments);
  va_end(arguments);
  return host->fail(status, words);
}

void describe_kernel(const char* kernel) { host->describe_kernel(kernel); }
void describe_sizes(const Size* sizes, int count) { host->describe_sizes(sizes, count); }

}  // namespace lk

extern "C" LK_API lk_status lk_plugin_open(const lk::PluginHost* host, const char* build,
                                           const char* name, int32_t threads, lk_device** device) {
  lk::host = host;
  if (std::strcmp(build, lk::plugin_build()) != 0) {
    return lk::fail(LK_UNSUPPORTED, "name: liblorikeet.so is %.80s, but the library of device %.40s is "
                    "%.80s: both must come from one build", build, name, lk::plugin_build());
  }
  return lk::open_plugin_device(name, threads, device);
}
