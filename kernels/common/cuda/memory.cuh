// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Pointers that know their memory, the loads and stores of each, and asynchronous copies. A kernel
// never dereferences a pointer itself, so that the executor sees every access.
#pragma once

#include <type_traits>

#include "common/cuda/target.cuh"

namespace lk::cuda {

// T where it is not to be deduced, so that an argument converts to it.
template <class T>
struct SameAs {
  using Type = T;
};
template <class T>
using Same = typename SameAs<T>::Type;

// N elements that move as one: 2, 4, 8 or 16 bytes, aligned to their size.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

template <class T>
struct Global {
  T* at = nullptr;

  LK_DEVICE Global operator+(int64_t elements) const { return {at + elements}; }
  LK_DEVICE explicit operator bool() const { return at != nullptr; }
  template <class U, class = std::enable_if_t<std::is_same_v<U, const T>>>
  LK_DEVICE operator Global<U>() const {
    return {at};
  }
  template <class U>
  LK_DEVICE Global<U> as() const {
    return {reinterpret_cast<U*>(at)};
  }
};

template <class T>
struct Shared {
  T* at = nullptr;

  LK_DEVICE Shared operator+(int elements) const { return {at + elements}; }
  template <class U>
  LK_DEVICE Shared<U> as() const {
    return {reinterpret_cast<U*>(at)};
  }
};

// The dynamic shared memory of the block, aligned to 128 bytes.
LK_DEVICE Shared<char> shared_memory() {
#if LK_SIMT
  return {simt::shared_memory()};
#else
  extern __shared__ __align__(128) char lk_shared_memory[];
  return {lk_shared_memory};
#endif
}

template <class T>
LK_DEVICE std::remove_const_t<T> load(Global<T> from LK_AND_SITE) {
#if LK_SIMT
  simt::global_read(from.at, sizeof(T), site);
#endif
  return *from.at;
}

template <class T>
LK_DEVICE void store(Global<T> to, Same<T> value LK_AND_SITE) {
#if LK_SIMT
  simt::global_write(to.at, sizeof(T), site);
#endif
  *to.at = value;
}

template <class T>
LK_DEVICE T load(Shared<T> from LK_AND_SITE) {
#if LK_SIMT
  simt::shared_read(from.at, sizeof(T), site);
#endif
  return *from.at;
}

template <class T>
LK_DEVICE void store(Shared<T> to, Same<T> value LK_AND_SITE) {
#if LK_SIMT
  simt::shared_write(to.at, sizeof(T), site);
#endif
  *to.at = value;
}

// 16 bytes from global to shared memory without passing through registers; zeros, and no read,
// unless inside. They have arrived for this thread after copy_async_wait, for others after a
// barrier that follows it.
template <class T, class U>
LK_DEVICE void copy_async16(Shared<T> to, Global<U> from, bool inside LK_AND_SITE) {
#if LK_SIMT
  simt::copy_async(to.at, from.at, 16, inside, site);
#else
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to.at));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from.at),
               "r"(inside ? 16 : 0)
               : "memory");
#endif
}

// The same for 4 bytes, aligned to 4.
template <class T, class U>
LK_DEVICE void copy_async4(Shared<T> to, Global<U> from, bool inside LK_AND_SITE) {
#if LK_SIMT
  simt::copy_async(to.at, from.at, 4, inside, site);
#else
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to.at));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(from.at),
               "r"(inside ? 4 : 0)
               : "memory");
#endif
}

LK_DEVICE void copy_async_commit() {
#if LK_SIMT
  simt::copy_async_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits for all but the newest kPending groups of this thread's copies.
template <int kPending>
LK_DEVICE void copy_async_wait() {
#if LK_SIMT
  simt::copy_async_wait(kPending);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace lk::cuda
