// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward: the linear layer's tiles, filled straight from the images. Backward: image by image, the
// patches copied as rows, then the linear layer's parameter gradients; embeddings' gradients are
// sums over the batch.
#include "linear/cpu.h"

namespace lk::LK_ISA {
namespace {

using patch_embed::Backward;
using patch_embed::Forward;
using patch_embed::Patches;

// copy(k, pixels, n) for every row of n pixels of a patch, k being the first one's place.
template <class Copy>
void over_pixel_rows(const Patches& patches, int64_t image, int64_t patch, const Copy& copy) {
  int64_t k = 0;
  for (int64_t c = 0; c < patches.images.sizes[1]; ++c) {
    for (int64_t y = 0; y < patches.size; ++y, k += patches.size) {
      copy(k, patches.row(image, patch, c, y), patches.size);
    }
  }
}

int64_t patches_of(const Forward& call) { return call.patches.batch() * call.patches.count; }

// A tile of `rows` patches from the `first`-th of the batch on, as a scalar operand.
void pack_patches(const Patches& patches, int64_t first, int64_t rows, float* tile) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t image = (first + r) / patches.count, patch = (first + r) % patches.count;
    over_pixel_rows(patches, image, patch, [&](int64_t k, const float* pixels, int64_t n) {
      for (int64_t i = 0; i < n; ++i, ++k) {
        tile[k / kPanel * rows * kPanel + r * kPanel + k % kPanel] = pixels[i];
      }
    });
  }
}

// Bias and position on a tile, and its only store to y.
void finish_patches(const Forward& call, const float* tile, int64_t first, int64_t rows,
                    int64_t column) {
  const int64_t columns = smaller(kPanel, call.w.n - column);
  for (int64_t r = 0; r < rows; ++r, tile += kPanel) {
    const int64_t image = (first + r) / call.patches.count;
    const int64_t token = (first + r) % call.patches.count + (call.class_token ? 1 : 0);
    over_vectors(columns, [&](int64_t j, auto part) {
      const int64_t at = column + j;
      Vec z = load(tile + j);
      if (call.bias) z += part.load(call.bias.data + at);
      if (call.position) z += part.load(call.position.row(token) + at);
      part.store(call.y.row(image, token) + at, z);
    });
  }
}

void write_class_tokens(const Forward& call) {
  for (int64_t image = 0; image < call.y.sizes[0]; ++image) {
    float* y = call.y.row(image, 0);
    over_vectors(call.w.n, [&](int64_t j, auto part) {
      Vec value = part.load(call.class_token.data + j);
      if (call.position) value += part.load(call.position.row(0) + j);
      part.store(y + j, value);
    });
  }
}

// One image's part of d_weight and d_bias.
linear::Backward image_gradient(const Backward& call, int64_t image, float* rows) {
  linear::Backward gradient;
  const int64_t width = call.dy.sizes[2], pixels = call.patches.pixels();
  gradient.w.n = width;
  gradient.w.k = pixels;
  if (rows != nullptr) {
    gradient.dy.data = call.dy.row(image, call.leading_tokens());
  }
  gradient.dy.rows = call.patches.count;
  gradient.dy.columns = width;
  gradient.dy.stride = call.dy.strides[1];
  gradient.x = {rows, call.patches.count, pixels, pixels};
  gradient.d_weight = call.d_weight;
  gradient.d_bias = call.d_bias;
  gradient.add_to_parameters = call.add_to_parameters || image > 0;
  return gradient;
}

struct BackwardPlan {
  float *rows, *gradient;
  size_t bytes;

  BackwardPlan(const Context& context, const Backward& call, void* workspace) {
    Scratch scratch(workspace);
    rows = scratch.floats(call.patches.count * call.patches.pixels());
    const size_t needed = parameter_gradient_workspace(context, image_gradient(call, 0, nullptr));
    gradient = scratch.floats(divide_up(static_cast<int64_t>(needed), 4));
    bytes = scratch.used();
  }
};

void copy_patches(const Context& context, const Patches& patches, int64_t image, float* rows) {
  const int64_t pixels = patches.pixels();
  context.pool->run(patches.count, [&](int64_t patch, int) {
    over_pixel_rows(patches, image, patch, [&](int64_t k, const float* from, int64_t n) {
      __builtin_memcpy(rows + patch * pixels + k, from, static_cast<size_t>(n) * 4);
    });
  });
}

// out[first, first + n) (+)= the batch's sum of dy at a token.
void sum_over_batch(const Backward& call, int64_t token, int64_t first, int64_t n, float* out) {
  over_vectors(n, [&](int64_t j, auto part) {
    Vec sum = call.add_to_parameters ? part.load(out + j) : Vec{};
    for (int64_t b = 0; b < call.dy.sizes[0]; ++b) {
      sum += part.load(call.dy.row(b, token) + first + j);
    }
    part.store(out + j, sum);
  });
}

}  // namespace

size_t patch_embed_forward_workspace(const Context& context, const Forward& call) {
  return ProductPlan(context, patches_of(call), call.w, nullptr).bytes;
}

lk_status patch_embed_forward(const Context& context, const Forward& call) {
  const int64_t k = call.w.k;
  const Size sizes[] = {{"m", patches_of(call)}, {"n", call.w.n}, {"k", k}};
  describe_sizes(sizes, 3);
  ProductPlan plan(context, patches_of(call), call.w, context.workspace);
  over_panels(context, call.w, plan.chunk, [&](Range panels, const float* packed) {
    plan.tiles.cut.columns = panels.last - panels.first;
    over_tiles(
        context, plan.tiles, plan.packed_rows,
        [&](int64_t row, int64_t rows, float* tile) {
          pack_patches(call.patches, row, rows, tile);
        },
        [&](int64_t row, int64_t rows, int64_t panel, const float* patches) {
          alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
          const int64_t column = (panels.first + panel) * kPanel;
          multiply_tile({patches, rows * kPanel, packed + panel * k * kPanel, kPanel, k}, rows,
                        call.w.n - column, tile, kPanel, false);
          finish_patches(call, tile, row, rows, column);
        });
  });
  if (call.class_token) write_class_tokens(call);
  return LK_OK;
}

size_t patch_embed_backward_workspace(const Context& context, const Backward& call) {
  return BackwardPlan(context, call, nullptr).bytes;
}

lk_status patch_embed_backward(const Context& context, const Backward& call) {
  if (call.d_weight || call.d_bias) {
    const BackwardPlan plan(context, call, context.workspace);
    for (int64_t image = 0; image < call.patches.batch(); ++image) {
      copy_patches(context, call.patches, image, plan.rows);
      parameter_gradient(context, image_gradient(call, image, plan.rows), plan.gradient);
    }
  }
  const int64_t width = call.dy.sizes[2];
  if (call.d_position) {
    over_rows(*context.pool, call.dy.sizes[1], width, [&](int64_t token, int64_t first, int64_t n) {
      sum_over_batch(call, token, first, n, call.d_position.row(token) + first);
    });
  }
  if (call.d_class_token) sum_over_batch(call, 0, 0, width, call.d_class_token.data);
  return LK_OK;
}

}  // namespace lk::LK_ISA
