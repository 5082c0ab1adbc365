// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How liblorikeet.so takes in kernels for another device: a library beside it, opened when such a
// device is, so that the CPU product depends on no CUDA.
#pragma once

#include "device.h"
#include "plugin_headers.h"

namespace lk {

// What the plug-in uses of the library that opened it: where the words of errors and descriptions
// are kept.
struct PluginHost {
  lk_status (*fail)(lk_status status, const char* words);
  void (*describe_kernel)(const char* kernel);
  void (*describe_sizes)(const Size* sizes, int count);
};

// Host and plug-in share C++ types, so both must come from one build: this says which, by a hash of the
// headers that define them.
inline const char* plugin_build() {
#define LK_TEXT_OF(x) #x
#define LK_TEXT(x) LK_TEXT_OF(x)
  return LORIKEET_VERSION " abi " LK_TEXT(LK_ABI_VERSION) " c++ " LK_TEXT(__GXX_ABI_VERSION)
      " headers " LK_PLUGIN_HEADERS;
#undef LK_TEXT
#undef LK_TEXT_OF
}

// The plug-in's one function, extern "C". build: the host's plugin_build(); name, threads and device
// as in lk_device_open.
using PluginOpen = lk_status (*)(const PluginHost* host, const char* build, const char* name,
                                 int32_t threads, lk_device** device);
constexpr const char* kPluginOpen = "lk_plugin_open";

// Opens device `name` of liblorikeet_<kind>.so: the file that the environment variable `variable`
// names, or the one beside this library.
lk_status open_plugin(const char* kind, const char* variable, const char* name, int32_t threads,
                      lk_device** device);

// What a plug-in's own sources define.
lk_status open_plugin_device(const char* name, int32_t threads, lk_device** device);

}  // namespace lk
