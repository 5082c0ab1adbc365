// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Which kernel attends to which call: the first of a list that can.
#include "attention/cuda_kernels.h"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

using attention::Backward;
using attention::Forward;
using attention::Sizes;

template <class Call>
struct Implementation {
  const char* name;
  bool (*can)(const Context&, const Call&);
  lk_status (*run)(const Context&, const Call&);
};

// Does every row begin at a multiple of 16 bytes? For 16-bit elements.
bool has_chunks(const View& view) {
  constexpr int kChunk = 8;
  if (reinterpret_cast<uintptr_t>(view.data) % 16 != 0) return false;
  for (int d = 0; d + 1 < view.rank; ++d) {
    if (view.sizes[d] > 1 && view.strides[d] % kChunk != 0) return false;
  }
  return view.sizes[view.rank - 1] % kChunk == 0;
}
bool has_chunks(const Forward& call) {
  return call.dtype() != LK_F32 && has_chunks(call.qkv) && has_chunks(call.out);
}
bool has_chunks(const Backward& call) {
  return call.dtype() != LK_F32 && has_chunks(call.qkv) && has_chunks(call.out) &&
         has_chunks(call.d_out) && has_chunks(call.d_qkv);
}

// An implementation that reads rows in chunks of 16 bytes, when it has room for the sizes.
template <class Call, bool (*kFits)(const Context&, const Sizes&)>
bool in_chunks(const Context& context, const Call& call) {
  return has_chunks(call) && kFits(context, call.sizes);
}
template <class Call>
bool always(const Context&, const Call&) {
  return true;
}

constexpr Implementation<Forward> kForward[] = {
    {"cuda short", in_chunks<Forward, fits_short_forward>, attention_short_forward},
    {"cuda stream", in_chunks<Forward, fits_stream>, attention_stream_forward},
    {"cuda general", always<Forward>, attention_general_forward},
};
constexpr Implementation<Backward> kBackward[] = {
    {"cuda short", in_chunks<Backward, fits_short_backward>, attention_short_backward},
    {"cuda stream", in_chunks<Backward, fits_stream>, attention_stream_backward},
    {"cuda general", always<Backward>, attention_general_backward},
};

template <class Call, int kCount>
lk_status run_first(const Implementation<Call> (&list)[kCount], const Context& context,
                    const Call& call) {
  const Sizes& s = call.sizes;
  describe_sizes({{"batch", s.batch}, {"tokens", s.tokens}, {"heads", s.heads},
                  {"head_dim", s.head_dim}});
  const Implementation<Call>* each = list;
  while (!each->can(context, call)) ++each;
  describe_kernel(each->name);
  return each->run(context, call);
}

}  // namespace

size_t attention_forward_workspace(const Context&, const Forward&) { return 0; }

lk_status attention_forward(const Context& context, const Forward& call) {
  return run_first(kForward, context, call);
}

// D = rowsum(d_out ∘ out), for the kernels that need more than one launch.
size_t attention_backward_workspace(const Context&, const Backward& call) {
  const Sizes& s = call.sizes;
  return static_cast<size_t>(s.batch * s.heads * s.tokens) * sizeof(float);
}

lk_status attention_backward(const Context& context, const Backward& call) {
  return run_first(kBackward, context, call);
}

}  // namespace lk::cuda
