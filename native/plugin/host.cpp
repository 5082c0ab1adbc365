// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The host's side: finds the library, checks that it belongs, opens the device.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "plugin.h"

namespace lk {
namespace {

const PluginHost kHost = {
    [](lk_status status, const char* words) { return fail(status, "%s", words); },
    [](const char* kernel) { describe_kernel(kernel); },
    [](const Size* sizes, int count) { describe_sizes(sizes, count); },
};

// The folder of this library, with the slash; "" when the loader does not know.
std::string own_folder() {
  Dl_info info;
  if (dladdr(&kHost, &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string file = info.dli_fname;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "" : file.substr(0, slash + 1);
}

}  // namespace

lk_status open_plugin(const char* kind, const char* variable, const char* name, int32_t threads,
                      lk_device** device) {
  const char* named = std::getenv(variable);
  const std::string file = named != nullptr && named[0] != '\0'
                               ? named
                               : own_folder() + "liblorikeet_" + kind + ".so";
  // Never closed: descriptions point at its literals.
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return fail(LK_UNSUPPORTED, "name: device %.40s needs liblorikeet_%s.so, which cannot be loaded "
                "(%.200s); %s may name it", name, kind, dlerror(), variable);
  }
  const auto open = reinterpret_cast<PluginOpen>(dlsym(library, kPluginOpen));
  if (open == nullptr) {
    return fail(LK_UNSUPPORTED, "name: %.200s is not a library of Lorikeet's kernels", file.c_str());
  }
  return open(&kHost, plugin_build(), name, threads, device);
}

}  // namespace lk
