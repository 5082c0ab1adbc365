// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The fused LoRA layer on CUDA devices: which way a call goes, its scratch memory, and the sums
// that both ways end in. README.md has the launch table.
#include "lora/cuda.cuh"

#include "cuda_operations.h"

namespace lk::cuda {
namespace {

int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Floats of scratch memory, each piece in whole chunks.
struct ScratchSizes {
  int64_t dh, d_b, d_a;
};
ScratchSizes scratch_sizes(const lora::Backward& call) {
  const lora::Adapter& adapter = call.adapter;
  const int64_t m = call.linear.dy.rows, k = call.linear.w.k;
  const int64_t ranks = adapter.rows(), rows = b_rows(adapter), rank = adapter.rank;
  const auto whole = [](int64_t floats) { return ceil_divide(floats, kChunkBytes / 4) * (kChunkBytes / 4); };
  return {whole(m * ranks), whole(larger(split_of(rows, rank, m), d_b_parts(m)) * rows * rank),
          whole(larger(split_of(ranks, k, m), d_a_parts(m, ranks, k)) * ranks * k)};
}

// A thread an element of d_b or of d_a.
__global__ void sum_both(SumParts d_b, SumParts d_a) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t d_b_size = d_b.m * d_b.n;
  if (index < d_b_size) {
    d_b.sum(index);
  } else if (index < d_b_size + d_a.m * d_a.n) {
    d_a.sum(index - d_b_size);
  }
}

}  // namespace

Groups groups_of(const lora::Adapter& adapter) {
  Groups groups = {};
  groups.count = static_cast<int>(adapter.groups);
  groups.rank = static_cast<int>(adapter.rank);
  for (int g = 0; g < groups.count; ++g) {
    groups.first[g] = adapter.group[g].first;
    groups.last[g] = adapter.group[g].last();
    groups.b_row[g] = adapter.group[g].b_row;
  }
  return groups;
}

int64_t b_rows(const lora::Adapter& adapter) {
  const lora::Group& last = adapter.group[adapter.groups - 1];
  return last.b_row + last.columns;
}

Scratch scratch_of(const Context& context, const lora::Backward& call) {
  const ScratchSizes sizes = scratch_sizes(call);
  float* data = static_cast<float*>(context.workspace);
  return {{data}, {data + sizes.dh}, {data + sizes.dh + sizes.d_b}};
}

lk_status sum_gradients(const Context& context, const lora::Backward& call, int64_t d_b_count,
                        int64_t d_a_count) {
  constexpr int kThreads = 256;
  const Scratch scratch = scratch_of(context, call);
  const bool add = call.linear.add_to_parameters;
  const SumParts d_b = {{scratch.d_b.at}, d_b_count, call.d_b.rows, call.d_b.columns,
                        rows_of<float>(call.d_b), add};
  const SumParts d_a = {{scratch.d_a.at}, d_a_count, call.d_a.rows, call.d_a.columns,
                        rows_of<float>(call.d_a), add};
  return launch("lora_sum", sum_both, context,
                LaunchShape{ceil_divide(d_b.m * d_b.n + d_a.m * d_a.n, kThreads), kThreads}, d_b, d_a);
}

size_t lora_linear_forward_workspace(const Context&, const lora::Forward& call) {
  return static_cast<size_t>(call.linear.x.rows * call.adapter.rows()) * sizeof(float);
}

lk_status lora_linear_forward(const Context& context, const lora::Forward& call) {
  const int64_t ranks = call.adapter.rows();
  const Matrix own = {context.workspace, call.linear.x.rows, ranks, ranks};
  const Matrix& h = call.h ? call.h : own;
  return takes_tensor_cores(context, call) ? lora_forward_tensor(context, call, h)
                                  : lora_forward_plain(context, call, h);
}

size_t lora_linear_backward_workspace(const Context&, const lora::Backward& call) {
  const ScratchSizes sizes = scratch_sizes(call);
  const size_t own = static_cast<size_t>(sizes.dh + sizes.d_b + sizes.d_a) * sizeof(float);
  const size_t parameters = parameter_gradients_workspace(call.linear);
  return own > parameters ? own : parameters;
}

lk_status lora_linear_backward(const Context& context, const lora::Backward& call) {
  LK_TRY(check_parameter_gradients(call.linear));
  LK_TRY(takes_tensor_cores(context, call) ? lora_backward_tensor(context, call)
                                  : lora_backward_plain(context, call));
  // The scratch memory is free again: launches on one stream run one after the other.
  return parameter_gradients(context, call.linear);
}

}  // namespace lk::cuda
