// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The device table: one slot an operation. A device fills the slots it has kernels for; an empty
// slot answers LK_UNSUPPORTED, and so does a call whose activations have a dtype (the description's
// dtype(), where it has activations) that the device does not compute.
#pragma once

#include "attention/attention.h"
#include "drop_path/drop_path.h"
#include "elementwise/elementwise.h"
#include "gelu/gelu.h"
#include "layer_norm/layer_norm.h"
#include "linear/linear.h"
#include "lora/lora.h"
#include "loss/loss.h"
#include "optimizer/optimizer.h"
#include "patch_embed/patch_embed.h"
#include "philox/philox.h"
#include "pool/pool.h"
#include "tokens/tokens.h"

namespace lk {

class ThreadPool;

// What a kernel gets beside its operation's description.
struct Context {
  ThreadPool* pool = nullptr;  // CPU devices
  void* stream = nullptr;      // CUDA devices
  void* workspace = nullptr;   // as many bytes as the operation's workspace slot asked for
  bool tf32 = false;           // tensor cores may round f32 operands of matrix products to tf32
  int64_t shared_bytes = 0;    // CUDA devices: the most shared memory that a block may ask for
};

// X(name, description): lk_status name(const Context&, const description&).
#define LK_OPERATIONS(X)                                \
  X(fill, elementwise::Fill)                            \
  X(add, elementwise::Add)                              \
  X(convert, elementwise::Convert)                      \
  X(random_uniform, philox::Uniform)                    \
  X(drop_path_scales, drop_path::Scales)                \
  X(attention_forward, attention::Forward)              \
  X(attention_backward, attention::Backward)            \
  X(gelu_forward, gelu::Forward)                        \
  X(gelu_backward, gelu::Backward)                      \
  X(layer_norm_forward, layer_norm::Forward)            \
  X(layer_norm_backward, layer_norm::Backward)          \
  X(weight_prepare, linear::Prepare)                    \
  X(linear_forward, linear::Forward)                    \
  X(linear_backward, linear::Backward)                  \
  X(lora_linear_forward, lora::Forward)                 \
  X(lora_linear_backward, lora::Backward)               \
  X(patch_embed_forward, patch_embed::Forward)          \
  X(patch_embed_backward, patch_embed::Backward)        \
  X(mean_pool_forward, pool::Forward)                   \
  X(mean_pool_backward, pool::Backward)                 \
  X(token_gather_forward, tokens::GatherForward)        \
  X(token_gather_backward, tokens::GatherBackward)      \
  X(token_scatter_forward, tokens::ScatterForward)      \
  X(token_scatter_backward, tokens::ScatterBackward)    \
  X(bce_with_logits_forward, loss::BceForward)          \
  X(bce_with_logits_backward, loss::BceBackward)        \
  X(patch_mse_forward, loss::PatchMseForward)           \
  X(patch_mse_backward, loss::PatchMseBackward)         \
  X(gradient_norm, optimizer::Norm)                     \
  X(sgd_step, optimizer::Sgd)                           \
  X(adamw_step, optimizer::AdamW)

// X(name, description): size_t name(const Context&, const description&), in bytes, for the
// operations above that need scratch memory. The bytes depend on the description's sizes and the
// device alone.
#define LK_WORKSPACES(X)                                        \
  X(attention_forward_workspace, attention::Forward)            \
  X(attention_backward_workspace, attention::Backward)          \
  X(layer_norm_backward_workspace, layer_norm::Backward)        \
  X(weight_prepare_bytes, linear::Prepare)                      \
  X(linear_forward_workspace, linear::Forward)                  \
  X(linear_backward_workspace, linear::Backward)                \
  X(lora_linear_forward_workspace, lora::Forward)               \
  X(lora_linear_backward_workspace, lora::Backward)             \
  X(patch_embed_forward_workspace, patch_embed::Forward)        \
  X(patch_embed_backward_workspace, patch_embed::Backward)      \
  X(token_scatter_forward_workspace, tokens::ScatterForward)    \
  X(token_scatter_backward_workspace, tokens::ScatterBackward)  \
  X(patch_mse_forward_workspace, loss::PatchMseForward)         \
  X(gradient_norm_workspace, optimizer::Norm)

struct Operations {
  const char* kernel;     // what lk_describe() calls these kernels: the instruction set
  int32_t dtypes;         // those of activations it computes: bits 1 << lk_dtype, f32 always
  bool tf32;              // there are kernels that round f32 to tf32, where Context asks for them
  int64_t packed_layout;  // the order of its packed weights, as lk_weight.row_stride names it
#define LK_SLOT(name, description) lk_status (*name)(const Context&, const description&);
  LK_OPERATIONS(LK_SLOT)
#undef LK_SLOT
#define LK_SLOT(name, description) size_t (*name)(const Context&, const description&);
  LK_WORKSPACES(LK_SLOT)
#undef LK_SLOT
};

}  // namespace lk
