// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// One pass, bound by memory. Fill and convert follow the description's walk: neighbours in the
// destination's densest dimension are neighbouring threads, and where that dimension is dense on
// both sides and aligned, a thread moves a chunk of 16 bytes of the wider type.
#include "common/cuda/map.cuh"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

using elementwise::Walk;

constexpr int kThreads = 256;

struct Offsets {
  int64_t source, destination;
};

// Where step `index` of a walk is, in elements.
LK_DEVICE Offsets locate(const Walk& walk, int64_t index) {
  Offsets at = {0, 0};
  for (int d = walk.rank - 1; d > 0; --d) {
    const int64_t outer = index / walk.sizes[d], own = index - outer * walk.sizes[d];
    at.source += own * walk.source_strides[d];
    at.destination += own * walk.destination_strides[d];
    index = outer;
  }
  at.source += index * walk.source_strides[0];
  at.destination += index * walk.destination_strides[0];
  return at;
}

// Turns a walk over elements into one over chunks of `count`, which are aligned on both sides to
// their bytes; false, and the walk as it was, where there are none. A fill has no source.
template <class From, class To>
bool cut_into_chunks(Walk& walk, const void* source, const void* destination, int count) {
  const auto aligned = [&](const void* data, int64_t bytes, const int64_t (&strides)[LK_MAX_DIMS]) {
    bool fits = reinterpret_cast<uintptr_t>(data) % (count * bytes) == 0;
    for (int d = 0; d < walk.rank - 1; ++d) fits = fits && strides[d] % count == 0;
    return fits && strides[walk.rank - 1] == 1;
  };
  const int inner = walk.rank - 1;
  if (walk.sizes[inner] % count != 0) return false;
  if (source != nullptr && !aligned(source, sizeof(From), walk.source_strides)) return false;
  if (!aligned(destination, sizeof(To), walk.destination_strides)) return false;
  walk.sizes[inner] /= count;
  walk.elements /= count;
  walk.source_strides[inner] = walk.destination_strides[inner] = count;
  return true;
}

template <class T, int kElements>
__global__ void fill_kernel(Walk walk, Global<T> data, float value) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= walk.elements) return;
  Floats<kElements> chunk;
#pragma unroll
  for (int e = 0; e < kElements; ++e) chunk.v[e] = value;
  store_floats(data + locate(walk, index).destination, chunk);
}

// ---- Conversions. uint16_t, uint32_t: bits to be copied as they are.

LK_DEVICE bool is_negative(float x) { return copysignf(1.0f, x) < 0; }
template <class Half>
LK_DEVICE bool is_negative(Half x) {
  return x.bits >> 15 != 0;
}

template <class T>
LK_DEVICE T make_nan(bool negative) {
  return {static_cast<uint16_t>(negative ? 0xFFFF : 0x7FFF)};
}
template <>
LK_DEVICE float make_nan<float>(bool negative) {
  return copysignf(NAN, negative ? -1.0f : 1.0f);
}

template <class To, class From>
LK_DEVICE To converted(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<From, uint8_t>) {
    return static_cast<float>(x);
  } else {
    // The instructions that convert make every NaN a positive one.
    const float value = to_float(x);
    return value == value ? from_float<To>(value) : make_nan<To>(is_negative(x));
  }
}

template <class From, class To, int kElements>
__global__ void convert_kernel(Walk walk, Global<const From> source, Global<To> destination) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= walk.elements) return;
  const Offsets at = locate(walk, index);
  const auto from = load((source + at.source).template as<const Pack<From, kElements>>());
  Pack<To, kElements> to;
#pragma unroll
  for (int e = 0; e < kElements; ++e) to.v[e] = converted<To>(from.v[e]);
  store((destination + at.destination).template as<Pack<To, kElements>>(), to);
}

template <class From, class To>
lk_status convert_as(const Context& context, const elementwise::Convert& call) {
  constexpr int kElements =
      kChunkBytes / static_cast<int>(sizeof(From) > sizeof(To) ? sizeof(From) : sizeof(To));
  Walk walk = call.walk;
  const auto kernel = cut_into_chunks<From, To>(walk, call.source, call.destination, kElements)
                          ? convert_kernel<From, To, kElements>
                          : convert_kernel<From, To, 1>;
  const LaunchShape shape = {ceil_divide(walk.elements, kThreads), kThreads};
  return launch("convert", kernel, context, shape, walk,
                Global<const From>{static_cast<const From*>(call.source)},
                Global<To>{static_cast<To*>(call.destination)});
}

struct Add {
  LK_DEVICE float operator()(float a, float b) const { return a + b; }
};

}  // namespace

lk_status fill(const Context& context, const elementwise::Fill& call) {
  if (call.walk.elements == 0) return LK_OK;
  return with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    Walk walk = call.walk;
    const auto kernel = cut_into_chunks<T, T>(walk, nullptr, call.data, kChunkElements<T>)
                            ? fill_kernel<T, kChunkElements<T>>
                            : fill_kernel<T, 1>;
    const LaunchShape shape = {ceil_divide(walk.elements, kThreads), kThreads};
    return launch("fill", kernel, context, shape, walk, Global<T>{static_cast<T*>(call.data)},
                  call.value);
  });
}

lk_status add(const Context& context, const elementwise::Add& call) {
  return with_type(call.dtype(), [&](auto type) {
    return map_rows<decltype(type)>("add", context, call.y, Add{}, call.a, call.b);
  });
}

lk_status convert(const Context& context, const elementwise::Convert& call) {
  if (call.walk.elements == 0) return LK_OK;
  const int32_t from = call.source_dtype, to = call.destination_dtype;
  if (from == to) {
    const bool narrow = from == LK_BF16 || from == LK_F16;
    return narrow ? convert_as<uint16_t, uint16_t>(context, call)
                  : convert_as<uint32_t, uint32_t>(context, call);
  }
  if (from == LK_U8) return convert_as<uint8_t, float>(context, call);
  if (from == LK_F32) {
    return to == LK_BF16 ? convert_as<float, Bf16>(context, call)
                         : convert_as<float, F16>(context, call);
  }
  if (from == LK_BF16) {
    return to == LK_F32 ? convert_as<Bf16, float>(context, call)
                        : convert_as<Bf16, F16>(context, call);
  }
  return to == LK_F32 ? convert_as<F16, float>(context, call)
                      : convert_as<F16, Bf16>(context, call);
}

}  // namespace lk::cuda
