/* SPDX-FileCopyrightText: The Lorikeet authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Lorikeet's C ABI: fused kernels for parameter-efficient fine-tuning of transformers.
 *
 * Conventions, true of every function unless its comment says otherwise:
 *
 * - Every function that can fail returns an lk_status. On failure nothing was written to any
 *   output, and lk_last_error() says, for the calling thread, which argument was wrong, what was
 *   given and what was expected. The only failures after work has begun are LK_DEVICE_LOST and
 *   LK_INTERNAL.
 * - The caller owns all memory of tensors. No operation allocates such: scratch memory is asked for
 *   with the operation's `..._workspace` twin, which needs no data yet, and passed in. A workspace
 *   must be aligned to LK_ALIGNMENT bytes and lie apart from all tensors; its contents mean nothing
 *   before and after the call.
 * - Tensors are views: pointer, dtype, sizes, strides in elements. "Rows" below means a tensor
 *   whose last dimension has stride 1 and whose leading dimensions collapse to one row stride
 *   (so [batch, tokens, width], or every second row of a matrix). Sizes given in brackets mean a
 *   last stride of 1 too. Inputs may not overlap outputs, except where "in place" is said; what
 *   overlaps goes by all addresses from a tensor's first element to its last, skipped ones too.
 * - An optional argument is passed as NULL.
 * - Gradients: `d_x` is the gradient of the loss with respect to x. A gradient output is
 *   overwritten unless the call's flags ask to add to it.
 * - Results depend on the arguments only: not on the number of threads, the order in which
 *   blocks run, earlier calls, or the calling thread's rounding mode. Sums are taken in a fixed
 *   order.
 * - Random numbers are Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 *   1, 2, 3", SC'11). Element e of a random tensor is word e % 4 of the block with
 *   counter (e/4 low, e/4 high, stream, step) and key (seed low, seed high): all devices draw
 *   the same bits, and a backward pass draws a forward pass's mask again instead of storing it.
 * - Pointers are device pointers of the device handed in. For the CPU device that is any memory
 *   of the process. Calls on one device must not overlap in time; different devices may.
 * - Indices are i32 tensors. The CPU looks at all of them before it writes: one out of range, or
 *   twice where they must differ, is LK_BAD_ARGUMENT. A CUDA device works without being waited for,
 *   so there nothing is refused and nothing outside the tensors is touched: what is read at an
 *   index out of range is NaN, what would be written there is left out, and of an index given
 *   twice the first counts.
 * - dtypes: activations are f32, bf16 or f16, all of one dtype within a call; two of differing
 *   dtype are LK_BAD_ARGUMENT. They are the tensors named x, y, dy, d_x, a and b of lk_add,
 *   residual, pre_activation, x_pre_activation, qkv, out, d_out, d_qkv, prediction and
 *   d_prediction (but a mean pool's y and dy are f32), and the weight of a linear layer has their
 *   dtype. All other tensors are f32, or the integers that are said: biases, gamma, beta, position,
 *   class_token, fill, LoRA's a, b and h, statistics, log_sum_exp, scales, images, logits, targets,
 *   losses, gradients of parameters and all that optimisers touch. f32 activations are computed
 *   everywhere; lk_device_info.dtypes says what else a device computes. A call in another dtype
 *   returns LK_UNSUPPORTED and names it. Sums are taken in f32 or wider. In bf16 a device may take
 *   numbers below 2^-126 for 0 and make 0 of them, but lk_convert keeps them. */
#ifndef LORIKEET_H
#define LORIKEET_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define LK_API __attribute__((visibility("default")))
#else
#define LK_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a signature or a struct of this header changes. */
#define LK_ABI_VERSION 5
/* Bytes: the alignment of lk_allocate's blocks, and the one asked of workspaces. */
#define LK_ALIGNMENT 64
#define LK_MAX_DIMS 5
#define LK_MAX_LORA_GROUPS 8
#define LK_MAX_LORA_RANK 256

typedef enum lk_status {
  LK_OK = 0,
  LK_BAD_ARGUMENT = 1,  /* an argument breaks this header's contract: the caller's mistake */
  LK_UNSUPPORTED = 2,   /* valid, but this device or build has no kernel for it */
  LK_OUT_OF_MEMORY = 3, /* lk_allocate, lk_allocate_host: there is no such block left; elsewhere,
                           before any work: the host has no memory for a few notes of its own */
  LK_DEVICE_LOST = 4,   /* the device stopped answering; close it */
  LK_INTERNAL = 5       /* a defect of Lorikeet; please report the text of lk_last_error() */
} lk_status;

typedef enum lk_dtype { LK_F32 = 0, LK_BF16 = 1, LK_F16 = 2, LK_I32 = 3, LK_U8 = 4 } lk_dtype;

/* A view of device memory. Sizes are positive or zero; an empty tensor's data may be NULL.
 * Strides are in elements and not negative; 0 repeats (inputs only). */
typedef struct lk_tensor {
  void* data;
  int64_t sizes[LK_MAX_DIMS];
  int64_t strides[LK_MAX_DIMS];
  int32_t dtype; /* lk_dtype */
  int32_t rank;  /* 0 to LK_MAX_DIMS */
} lk_tensor;

typedef struct lk_device lk_device;

/* ---- Library ------------------------------------------------------------------------------ */

/* LK_ABI_VERSION of the library that was loaded: compare before anything else. */
LK_API uint32_t lk_abi_version(void);
/* The library's version, such as "0.1.0". */
LK_API const char* lk_version(void);
/* The calling thread's last failure in words; "" before the first. Valid until the thread's next
 * failing call. */
LK_API const char* lk_last_error(void);
/* Which kernel ran in the calling thread's last operation, such as
 * "linear_forward avx512 m=1576 n=2304 k=768"; "" before the first. LORIKEET_TRACE=1 in the
 * environment prints the same line to stderr at every operation. */
LK_API const char* lk_describe(void);

/* ---- Devices ------------------------------------------------------------------------------ */

typedef struct lk_device_info {
  char name[64];         /* as opened: "cpu" */
  char processor[128];   /* what the processor calls itself */
  char isa[32];          /* instruction set of the kernels: "avx512_bf16", "avx512", ... */
  char supported[64];    /* instruction sets this processor could run, space separated */
  int32_t threads;       /* worker threads, the calling one included; a GPU's multiprocessors */
  int32_t dtypes;        /* of activations that it computes: bits 1 << lk_dtype, f32 always */
  int64_t total_memory;  /* bytes */
} lk_device_info;

/* Opens a device. name: "cpu", or "cuda:N" for CUDA device N, whose kernels are in liblorikeet_cuda.so
 * beside this library (the environment's LORIKEET_CUDA_LIBRARY may name another file); LK_UNSUPPORTED
 * says why there is none, LK_BAD_ARGUMENT that N is beyond the last. threads: worker threads of the
 * CPU, 0 for one a processor that this process may use (1024 at most). LORIKEET_ISA in the environment
 * (generic, avx2, avx512, avx512_bf16, amx) asks for a lower instruction set than the best; one that is
 * missing is an error.
 * Before a CPU device uses amx it asks Linux to let the process use tile registers; if that is refused,
 * which small signal stacks can cause, it takes avx512_bf16. */
LK_API lk_status lk_device_open(const char* name, int32_t threads, lk_device** device);
/* Ends the device's threads. Blocks still allocated, the host's too, are LK_BAD_ARGUMENT and
 * the device stays open: free them first. NULL is allowed. */
LK_API lk_status lk_device_close(lk_device* device);
LK_API lk_status lk_device_describe(lk_device* device, lk_device_info* info);
/* Returns when all work given to the device has ended. */
LK_API lk_status lk_synchronize(lk_device* device);
/* From the next call on a CUDA device gives its work to `stream`, a cudaStream_t of that device's
 * primary context (cudaStreamLegacy too; cudaStreamPerThread, another stream on every thread, where
 * one thread makes all calls); NULL is the device's own stream, which it opens with. Nothing is waited
 * for: what was given to the device before runs before what is given after, by an event between the two
 * streams. The stream stays the caller's, and lives until another was handed in or the device was closed.
 * On the caller's stream the device's work, uploads and all, is in order with the caller's own there.
 * The device's own stream is a non-blocking one, in order with no other, the legacy default stream
 * included: the caller's other work on the same memory takes lk_synchronize, or a stream handed in.
 * A device without streams takes NULL; it answers LK_UNSUPPORTED to anything else, which may be
 * right for another device. Calls on a CUDA device make it the calling thread's current one. */
LK_API lk_status lk_set_stream(lk_device* device, void* stream);

typedef enum lk_precision { LK_PRECISION_EXACT = 0, LK_PRECISION_TF32 = 1 } lk_precision;

/* How later calls with f32 activations multiply matrices. EXACT, which a device begins with: products
 * of f32 numbers. TF32: the products of lk_linear_... and lk_lora_linear_... may first round what they
 * multiply to tf32, with 10 bits behind the point, to nearest and ties away from zero; sums, all that
 * follows them, and the tensors in memory remain f32. CUDA devices do so on tensor cores, where every
 * row of activations and weights is whole aligned chunks of 16 bytes, and else multiply exactly.
 * Devices without such products answer LK_UNSUPPORTED to TF32. */
LK_API lk_status lk_set_precision(lk_device* device, int32_t precision);

/* ---- Memory ------------------------------------------------------------------------------- */

typedef struct lk_memory_info {
  int64_t live_bytes;   /* allocated now, in bytes asked for */
  int64_t peak_bytes;   /* most live at once since opening or the last reset */
  int64_t live_blocks;
  int64_t allocations;  /* lk_allocate calls that succeeded, ever */
} lk_memory_info;

/* Allocates bytes (more than 0), aligned to LK_ALIGNMENT, contents undefined. */
LK_API lk_status lk_allocate(lk_device* device, size_t bytes, void** block);
/* Frees a block of lk_allocate's. NULL is allowed; a pointer this device did not give out, or
 * took back already, is LK_BAD_ARGUMENT. */
LK_API lk_status lk_free(lk_device* device, void* block);
LK_API lk_status lk_memory(lk_device* device, lk_memory_info* info);
/* Sets peak_bytes to live_bytes. */
LK_API lk_status lk_memory_reset_peak(lk_device* device);
/* For tests: the countdown-th lk_allocate from now (1: the next) fails with LK_OUT_OF_MEMORY,
 * once. 0 switches this off. */
LK_API lk_status lk_fail_allocation(lk_device* device, int64_t countdown);
/* Copies bytes from host memory to the device and back. */
LK_API lk_status lk_upload(lk_device* device, void* device_destination, const void* host_source,
                           size_t bytes);
LK_API lk_status lk_download(lk_device* device, void* host_destination, const void* device_source,
                             size_t bytes);

/* Host memory that uploads to this device are fastest from, page-locked for a CUDA device: bytes
 * (more than 0), aligned to LK_ALIGNMENT, contents undefined, not counted by lk_memory. */
LK_API lk_status lk_allocate_host(lk_device* device, size_t bytes, void** block);
/* Frees a block of lk_allocate_host's; as lk_free. */
LK_API lk_status lk_free_host(lk_device* device, void* block);
/* As lk_upload, in order with all other calls, but may return before host_source was read: it must
 * stay as it is until lk_await_uploads has returned. On a CUDA device's own stream the copy runs
 * beside all calls that share no memory with device_destination: it waits for the earlier calls that
 * do, and later ones that do wait for it. */
LK_API lk_status lk_upload_async(lk_device* device, void* device_destination,
                                 const void* host_source, size_t bytes);
/* Returns when the sources of all uploads so far have been read; calls made after them may still be
 * at work. */
LK_API lk_status lk_await_uploads(lk_device* device);

/* ---- Elementwise -------------------------------------------------------------------------- */

/* Sets every element of a tensor (any strides; f32, or a 16-bit dtype that the device computes,
 * rounding to nearest even) to value. */
LK_API lk_status lk_fill(lk_device* device, const lk_tensor* tensor, float value);
/* y = a + b, rows of one shape. y may be a or b (in place). */
LK_API lk_status lk_add(lk_device* device, const lk_tensor* a, const lk_tensor* b,
                        const lk_tensor* y);
/* Copies any strided tensor to another of the same sizes, converting f32, bf16 and f16 into each
 * other (rounding to nearest even; overflow to infinity as IEEE 754 has it), u8 to f32 and
 * i32 to i32, whatever dtypes of activations the device computes. */
LK_API lk_status lk_convert(lk_device* device, const lk_tensor* source,
                            const lk_tensor* destination);

/* ---- Randomness --------------------------------------------------------------------------- */

/* Names the random tensor of one operation in one step; see the conventions above. */
typedef struct lk_random {
  uint64_t seed;
  uint32_t stream; /* which operation */
  uint32_t step;   /* which training step */
} lk_random;

/* random [n], f32 rows: independent uniform numbers, word / 2^32 rounded to f32, in [0, 1]. */
LK_API lk_status lk_random_uniform(lk_device* device, const lk_random* random,
                                   const lk_tensor* tensor);
/* Stochastic depth (Huang et al., arXiv 1603.09382): scales [samples], f32: 0 with probability p,
 * else 1/(1-p). Sample i is kept when its word >= p * 2^32. 0 <= p < 1. */
LK_API lk_status lk_drop_path_scales(lk_device* device, float p, const lk_random* random,
                                     const lk_tensor* scales);

/* ---- Weights ------------------------------------------------------------------------------ */

typedef enum lk_weight_format {
  LK_WEIGHT_PLAIN = 0, /* rows [n, k] as they stand: for weights that training changes */
  LK_WEIGHT_PACKED = 1 /* the device's own order, made once: for frozen weights */
} lk_weight_format;

/* The matrix W [n, k] of y = x Wᵀ, as lk_weight_prepare made it. Holds no memory of its own:
 * `data` points into the tensor (PLAIN) or the storage (PACKED) given there. */
typedef struct lk_weight {
  const void* data;
  int64_t n, k;
  int64_t row_stride; /* PLAIN: elements; PACKED: which order, known to the device that made it */
  int32_t format;     /* lk_weight_format */
  int32_t dtype;      /* lk_dtype of the elements: f32, bf16 or f16, that of the activations */
} lk_weight;

/* Bytes of storage lk_weight_prepare needs: 0 for PLAIN. */
LK_API lk_status lk_weight_prepare_bytes(lk_device* device, const lk_tensor* w, int32_t format,
                                         size_t* bytes);
/* Makes `weight` from w, rows [n, k] of f32, bf16 or f16, and of the same dtype. storage: aligned
 * to LK_ALIGNMENT, NULL for PLAIN. After PACKED w is no longer needed, and one packed copy serves
 * forward and backward. A packed weight belongs to the device (and instruction set) that made it;
 * another refuses it. */
LK_API lk_status lk_weight_prepare(lk_device* device, const lk_tensor* w, int32_t format,
                                   void* storage, size_t storage_bytes, lk_weight* weight);

/* ---- Linear ------------------------------------------------------------------------------- */

typedef enum lk_activation { LK_ACTIVATION_NONE = 0, LK_ACTIVATION_GELU = 1 } lk_activation;

/* What follows the product, in one pass: with z = x Wᵀ + bias (+ LoRA),
 * y = residual + row_scale ∘ activation(z). */
typedef struct lk_epilogue {
  const lk_tensor* pre_activation; /* output, optional, rows [m, n]: z, for lk_gelu_backward */
  const lk_tensor* residual;       /* optional, rows [m, n]; may be y itself (in place) */
  const lk_tensor* row_scale;      /* optional [s], f32, s divides m: row i is scaled by entry
                                      i / (m/s): stochastic depth, one entry a sample */
  int32_t activation;              /* lk_activation */
  int32_t reserved;                /* 0 */
} lk_epilogue;

/* Which gradients are added to instead of overwritten. */
enum { LK_ADD_TO_D_X = 1, LK_ADD_TO_PARAMETERS = 2 };

/* How lk_linear_backward and lk_lora_linear_backward read dy and finish d_x. */
typedef struct lk_linear_backward_options {
  const lk_tensor* row_scale;        /* as in the forward pass: dy is scaled by it first */
  const lk_tensor* x_pre_activation; /* optional, rows [m, k]: x was gelu(this), and d_x becomes
                                        the gradient of it: (dy W) ∘ gelu'(x_pre_activation).
                                        May be d_x itself (in place). Not with LK_ADD_TO_D_X. */
  int32_t flags;                     /* LK_ADD_TO_D_X, LK_ADD_TO_PARAMETERS */
  int32_t reserved;                  /* 0 */
} lk_linear_backward_options;

/* y = x Wᵀ + bias, and the epilogue. x rows [m, k], w [n, k], bias [n] (f32) optional, epilogue
 * optional, y rows [m, n]. */
LK_API lk_status lk_linear_forward(lk_device* device, const lk_tensor* x, const lk_weight* w,
                                   const lk_tensor* bias, const lk_epilogue* epilogue,
                                   const lk_tensor* y, void* workspace, size_t workspace_bytes);
/* For any call with these shapes (m rows against w). Workspace functions read the n, k, format and
 * dtype of w alone, the groups and rank of an lk_lora. */
LK_API lk_status lk_linear_forward_workspace(lk_device* device, int64_t m, const lk_weight* w,
                                             size_t* bytes);

/* From dy rows [m, n] (the gradient of y; that of the residual is dy itself):
 * d_x rows [m, k] = dy W, d_weight rows [n, k] = dyᵀ x, d_bias [n] = column sums of dy, both f32;
 * each optional, at least one given. x rows [m, k] is needed for d_weight only, else NULL.
 * A GELU in the forward epilogue is the caller's: pass dy through lk_gelu_backward first, or let
 * the next layer's x_pre_activation do it. */
LK_API lk_status lk_linear_backward(lk_device* device, const lk_tensor* dy, const lk_tensor* x,
                                    const lk_weight* w, const lk_linear_backward_options* options,
                                    const lk_tensor* d_x, const lk_tensor* d_weight,
                                    const lk_tensor* d_bias, void* workspace,
                                    size_t workspace_bytes);
/* For any call with these shapes. */
LK_API lk_status lk_linear_backward_workspace(lk_device* device, int64_t m, const lk_weight* w,
                                              size_t* bytes);

/* ---- Fused LoRA linear -------------------------------------------------------------------- */

/* A range of output columns that gets a low-rank update of its own. */
typedef struct lk_lora_group {
  int64_t first_column;
  int64_t columns;
} lk_lora_group;

/* Low-rank adaptation (Hu et al., arXiv 2106.09685) of groups of output columns. Plain LoRA is
 * one group over all n columns; the merged query-key-value of a transformer with adapted q and v
 * is two groups, [0, k) and [2k, 3k). Groups ascend and do not overlap. Where a group begins or
 * ends off a multiple of 64 columns (128 on a CUDA device), an infinity or a NaN in it, or in the
 * columns next to it, may make NaN on the other side of that edge, up to the multiple; a CUDA
 * device that multiplies f32 exactly may make it of all columns then. */
typedef struct lk_lora {
  const lk_tensor* a; /* rows [groups * rank, k], f32 */
  const lk_tensor* b; /* rows [sum of the groups' columns, rank], f32, in the groups' order */
  lk_lora_group group[LK_MAX_LORA_GROUPS];
  int32_t groups;     /* 1 to LK_MAX_LORA_GROUPS */
  int32_t rank;       /* 1 to LK_MAX_LORA_RANK, of each group */
  float scaling;      /* alpha / rank, finite */
  float dropout;      /* p, 0 <= p < 1, of x on its way into A only */
  lk_random random;   /* the mask: element row * k + column is kept when its word >= p * 2^32 */
} lk_lora;

/* With c = scaling / (1 - p) and mask one and the same for all groups:
 *   h = c (mask ∘ x) Aᵀ                   rows [m, groups * rank], f32, saved for the backward pass
 *   z = x Wᵀ + bias;  z[:, group g] += h_g B_gᵀ
 * then the epilogue, all in the matrix product's own accumulators. h may be NULL when no backward
 * pass follows. */
LK_API lk_status lk_lora_linear_forward(lk_device* device, const lk_tensor* x, const lk_weight* w,
                                        const lk_tensor* bias, const lk_lora* lora,
                                        const lk_epilogue* epilogue, const lk_tensor* h,
                                        const lk_tensor* y, void* workspace,
                                        size_t workspace_bytes);
LK_API lk_status lk_lora_linear_forward_workspace(lk_device* device, int64_t m,
                                                  const lk_weight* w, const lk_lora* lora,
                                                  size_t* bytes);

/* With dh_g = c dy[:, group g] B_g:
 *   d_a = dhᵀ (mask ∘ x)    d_b_g = dy[:, group g]ᵀ h_g    d_x = dy W + mask ∘ (dh A)
 * and d_weight, d_bias as in lk_linear_backward. d_x, d_weight and d_bias are optional; d_a
 * (shape of a) and d_b (shape of b) are given, f32. x is needed always, h as the forward pass saved
 * it. */
LK_API lk_status lk_lora_linear_backward(lk_device* device, const lk_tensor* dy,
                                         const lk_tensor* x, const lk_weight* w,
                                         const lk_lora* lora, const lk_tensor* h,
                                         const lk_linear_backward_options* options,
                                         const lk_tensor* d_x, const lk_tensor* d_a,
                                         const lk_tensor* d_b, const lk_tensor* d_weight,
                                         const lk_tensor* d_bias, void* workspace,
                                         size_t workspace_bytes);
LK_API lk_status lk_lora_linear_backward_workspace(lk_device* device, int64_t m,
                                                   const lk_weight* w, const lk_lora* lora,
                                                   size_t* bytes);

/* ---- Attention ---------------------------------------------------------------------------- */

/* Bidirectional softmax attention: for each batch and head, out = softmax(scale q kᵀ) v.
 * qkv [batch, tokens, 3, heads, head_dim], read in place (any strides, the last 1); head_dim 1 to
 * 256, 64 the fastest; out [batch, tokens, heads, head_dim] (the last stride 1);
 * log_sum_exp [batch, heads, tokens], f32, of the scaled scores in natural units: all the
 * backward pass needs besides out. NULL when no backward pass follows. */
LK_API lk_status lk_attention_forward(lk_device* device, const lk_tensor* qkv, float scale,
                                      const lk_tensor* out, const lk_tensor* log_sum_exp,
                                      void* workspace, size_t workspace_bytes);
/* For any call with qkv's sizes and dtype; its data may be NULL. */
LK_API lk_status lk_attention_forward_workspace(lk_device* device, const lk_tensor* qkv,
                                                size_t* bytes);
/* d_qkv, shaped as qkv, from d_out, shaped as out. */
LK_API lk_status lk_attention_backward(lk_device* device, const lk_tensor* qkv, float scale,
                                       const lk_tensor* out, const lk_tensor* log_sum_exp,
                                       const lk_tensor* d_out, const lk_tensor* d_qkv,
                                       void* workspace, size_t workspace_bytes);
/* For any call with qkv's sizes and dtype; its data may be NULL. */
LK_API lk_status lk_attention_backward_workspace(lk_device* device, const lk_tensor* qkv,
                                                 size_t* bytes);

/* ---- LayerNorm, GELU ---------------------------------------------------------------------- */

/* y = (x - mean) * rstd * gamma + beta a row (Ba et al., arXiv 1607.06450), with
 * rstd = 1/sqrt(variance + eps), variance over k, 0 <= eps < 1e30. x, y rows [m, k]; gamma, beta
 * [k], f32; statistics [m, 2], f32: mean and rstd, saved for the backward pass; NULL when none
 * follows. */
LK_API lk_status lk_layer_norm_forward(lk_device* device, const lk_tensor* x,
                                       const lk_tensor* gamma, const lk_tensor* beta, float eps,
                                       const lk_tensor* y, const lk_tensor* statistics);
/* d_x rows [m, k], d_gamma [k], d_beta [k] (f32); each optional, at least one given. flags:
 * LK_ADD_TO_D_X (how a residual branch's gradient joins), LK_ADD_TO_PARAMETERS. */
LK_API lk_status lk_layer_norm_backward(lk_device* device, const lk_tensor* dy,
                                        const lk_tensor* x, const lk_tensor* gamma,
                                        const lk_tensor* statistics, int32_t flags,
                                        const lk_tensor* d_x, const lk_tensor* d_gamma,
                                        const lk_tensor* d_beta, void* workspace,
                                        size_t workspace_bytes);
/* For any dtype. */
LK_API lk_status lk_layer_norm_backward_workspace(lk_device* device, int64_t m, int64_t k,
                                                  size_t* bytes);

/* y = x Φ(x), the exact GELU (Hendrycks & Gimpel, arXiv 1606.08415) by erf. Rows [m, k]; y may be
 * x (in place). */
LK_API lk_status lk_gelu_forward(lk_device* device, const lk_tensor* x, const lk_tensor* y);
/* d_x = dy (Φ(x) + x φ(x)). d_x may be dy or x (in place). */
LK_API lk_status lk_gelu_backward(lk_device* device, const lk_tensor* x, const lk_tensor* dy,
                                  const lk_tensor* d_x);

/* ---- Patches and tokens ------------------------------------------------------------------- */

/* A vision transformer's first layer (Dosovitskiy et al., arXiv 2010.11929):
 * images [batch, channels, height, width] (last stride 1; a channel stride of 0 repeats one
 * channel), cut into patch x patch squares, row by row; y [batch, tokens, n]: token t of the patches
 * = patch · Wᵀ + bias + position[t]. w [n, channels * patch * patch] in the order channel, row,
 * column. class_token [n] optional: then it is token 0 (+ position[0]) and patches follow.
 * position rows [tokens, n] optional. height and width are multiples of patch. y and w have the
 * activations' dtype, all else is f32. */
LK_API lk_status lk_patch_embed_forward(lk_device* device, const lk_tensor* images, int64_t patch,
                                        const lk_weight* w, const lk_tensor* bias,
                                        const lk_tensor* position, const lk_tensor* class_token,
                                        const lk_tensor* y, void* workspace,
                                        size_t workspace_bytes);
LK_API lk_status lk_patch_embed_forward_workspace(lk_device* device, const lk_tensor* images,
                                                  int64_t patch, const lk_weight* w,
                                                  size_t* bytes);
/* Gradients of the parameters, each optional, at least one given; d_class_token given means that
 * token 0 of dy is the class token, as does a dy with one token more than there are patches.
 * d_weight rows [n, channels * patch * patch]. dy alone may be other than f32. */
LK_API lk_status lk_patch_embed_backward(lk_device* device, const lk_tensor* dy,
                                         const lk_tensor* images, int64_t patch, int32_t flags,
                                         const lk_tensor* d_weight, const lk_tensor* d_bias,
                                         const lk_tensor* d_position,
                                         const lk_tensor* d_class_token, void* workspace,
                                         size_t workspace_bytes);
/* For any dtype of dy. */
LK_API lk_status lk_patch_embed_backward_workspace(lk_device* device, const lk_tensor* images,
                                                   int64_t patch, int64_t n, size_t* bytes);

/* y [batch, k] (f32) = mean of tokens first_token.. of x [batch, tokens, k] (last stride 1).
 * 0 <= first_token < tokens. */
LK_API lk_status lk_mean_pool_forward(lk_device* device, const lk_tensor* x, int64_t first_token,
                                      const lk_tensor* y);
/* d_x [batch, tokens, k] = dy / (tokens - first_token), dy f32; zero for the tokens left out. */
LK_API lk_status lk_mean_pool_backward(lk_device* device, const lk_tensor* dy,
                                       int64_t first_token, const lk_tensor* d_x);

/* y [batch, s, k] = tokens indices [batch, s] (i32, 0 <= index < tokens) of
 * x [batch, tokens, k]. */
LK_API lk_status lk_token_gather_forward(lk_device* device, const lk_tensor* x,
                                         const lk_tensor* indices, const lk_tensor* y);
/* d_x [batch, tokens, k]: dy's rows back in their places, zero elsewhere. The indices of a batch
 * entry must differ. */
LK_API lk_status lk_token_gather_backward(lk_device* device, const lk_tensor* dy,
                                          const lk_tensor* indices, const lk_tensor* d_x);

/* The way back, for a masked autoencoder's decoder (He et al., arXiv 2111.06377):
 * y [batch, tokens, k] = x [batch, s, k] at indices [batch, s] (i32, distinct), fill [k] (f32) at
 * the tokens no index names, plus position rows [tokens, k] (f32, optional). */
LK_API lk_status lk_token_scatter_forward(lk_device* device, const lk_tensor* x,
                                          const lk_tensor* indices, const lk_tensor* fill,
                                          const lk_tensor* position, const lk_tensor* y,
                                          void* workspace, size_t workspace_bytes);
/* For any dtype. */
LK_API lk_status lk_token_scatter_forward_workspace(lk_device* device, int64_t batch,
                                                    int64_t tokens, size_t* bytes);
/* d_x [batch, s, k] = dy at the indices; d_fill [k] (f32) = sum of dy elsewhere; each optional, at
 * least one given. flags: LK_ADD_TO_PARAMETERS for d_fill. */
LK_API lk_status lk_token_scatter_backward(lk_device* device, const lk_tensor* dy,
                                           const lk_tensor* indices, int32_t flags,
                                           const lk_tensor* d_x, const lk_tensor* d_fill,
                                           void* workspace, size_t workspace_bytes);
/* For any dtype. */
LK_API lk_status lk_token_scatter_backward_workspace(lk_device* device, int64_t batch,
                                                     int64_t tokens, int64_t k, size_t* bytes);

/* ---- Losses ------------------------------------------------------------------------------- */

/* loss [1] = mean over all entries of the binary cross-entropy of sigmoid(logits) against targets
 * (0 to 1), both rows [batch, labels], f32, computed without overflow. */
LK_API lk_status lk_bce_with_logits_forward(lk_device* device, const lk_tensor* logits,
                                            const lk_tensor* targets, const lk_tensor* loss);
/* d_logits = d_loss (sigmoid(logits) - targets) / (batch * labels). d_loss is what the loss is
 * multiplied by, such as 1 / accumulation steps. */
LK_API lk_status lk_bce_with_logits_backward(lk_device* device, const lk_tensor* logits,
                                             const lk_tensor* targets, float d_loss,
                                             const lk_tensor* d_logits);

/* A masked autoencoder's loss: prediction rows [batch, s, patch * patch * channels] in the order
 * row, column, channel against the patches indices [batch, s] (i32, counted over patches row by
 * row, the class token not counted) of images [batch, channels, height, width], each patch
 * normalised by its own mean and its own unbiased variance + eps. loss [1] = mean squared
 * difference over the s patches, f32 like the images. */
LK_API lk_status lk_patch_mse_forward(lk_device* device, const lk_tensor* prediction,
                                      const lk_tensor* images, int64_t patch,
                                      const lk_tensor* indices, float eps, const lk_tensor* loss,
                                      void* workspace, size_t workspace_bytes);
/* For any dtype. */
LK_API lk_status lk_patch_mse_forward_workspace(lk_device* device, int64_t batch, int64_t s,
                                                size_t* bytes);
LK_API lk_status lk_patch_mse_backward(lk_device* device, const lk_tensor* prediction,
                                       const lk_tensor* images, int64_t patch,
                                       const lk_tensor* indices, float eps, float d_loss,
                                       const lk_tensor* d_prediction);

/* ---- Optimisers --------------------------------------------------------------------------- */

/* A trained tensor. All its tensors are f32, contiguous and of one shape. */
typedef struct lk_parameter {
  lk_tensor value;
  lk_tensor gradient;
  lk_tensor first_moment;  /* SGD's momentum, AdamW's m; zero before the first step */
  lk_tensor second_moment; /* AdamW's v; zero before the first step; unused by SGD */
  float learning_rate_scale;
  float weight_decay;
} lk_parameter;

/* norm [1] = the 2-norm of all gradients together; scale [1] = min(1, max_norm / (norm + 1e-6)),
 * for the optimisers' gradient_scale; max_norm <= 0 asks for a scale of 1. */
LK_API lk_status lk_gradient_norm(lk_device* device, const lk_parameter* parameters,
                                  int64_t count, float max_norm, const lk_tensor* norm,
                                  const lk_tensor* scale, void* workspace,
                                  size_t workspace_bytes);
LK_API lk_status lk_gradient_norm_workspace(lk_device* device, const lk_parameter* parameters,
                                            int64_t count, size_t* bytes);
/* g = gradient * gradient_scale + weight_decay * value; m = momentum * m + g;
 * value -= learning_rate * learning_rate_scale * m. gradient_scale [1] optional. 0 <= momentum < 1;
 * rates, scales and decays are finite, and so is learning_rate * learning_rate_scale. */
LK_API lk_status lk_sgd_step(lk_device* device, const lk_parameter* parameters, int64_t count,
                             float learning_rate, float momentum,
                             const lk_tensor* gradient_scale);
/* AdamW (Loshchilov & Hutter, arXiv 1711.05101). step counts from 1; eps > 0;
 * 0 <= beta1, beta2 < 1; the rest as for lk_sgd_step. With lr = learning_rate * learning_rate_scale:
 * value *= 1 - lr * weight_decay; m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g²;
 * value -= lr (m / (1-beta1^step)) / (sqrt(v / (1-beta2^step)) + eps). */
LK_API lk_status lk_adamw_step(lk_device* device, const lk_parameter* parameters, int64_t count,
                               float learning_rate, float beta1, float beta2, float eps,
                               int64_t step, const lk_tensor* gradient_scale);

#ifdef __cplusplus
}
#endif
#endif
