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

// What a unit is made of: one f32 number or two bf16 ones.
template <int Depth>
struct Unit {
  typedef float Number;
};
template <>
struct Unit<2> {
  typedef Bf16 Number;
};

// A tile of `rows` patches from the `first`-th of the batch on, as a scalar operand.
template <class T>
void pack_patches(const Patches& patches, int64_t first, int64_t rows, float* tile) {
  using Number = typename Unit<kDepth<T>>::Number;
  constexpr int64_t kBlock = kPanel * kDepth<T>;  // numbers of a row that lie side by side
  for (int64_t r = 0; r < rows; ++r) {
    const auto block = [&](int64_t b) {
      return reinterpret_cast<Number*>(tile + (b * rows + r) * kPanel);
    };
    // Of a pair, pixels may fill the first number only.
    const int64_t end = patches.pixels();
    if (end % kDepth<T> != 0) __builtin_memset(block(end / kBlock) + end % kBlock, 0, sizeof(Number));
    const int64_t image = (first + r) / patches.count, patch = (first + r) % patches.count;
    over_pixel_rows(patches, image, patch, [&](int64_t k, const float* pixels, int64_t n) {
      over_pieces(k, n, kBlock, [&](int64_t b, int64_t first_number, int64_t count) {
        Number* numbers = block(b) + first_number;
        over_vectors(count, [&](int64_t j, auto part) { part.store(numbers + j, part.load(pixels + j)); });
        pixels += count;
      });
    });
  }
}

// Bias and position on a tile, and its only store to y.
template <class T>
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
      part.store(call.y.row_of<T>(image, token) + at, z);
    });
  }
}

template <class T>
void write_class_tokens(const Forward& call) {
  for (int64_t image = 0; image < call.y.sizes[0]; ++image) {
    T* y = call.y.row_of<T>(image, 0);
    over_vectors(call.w.n, [&](int64_t j, auto part) {
      Vec value = part.load(call.class_token.data + j);
      if (call.position) value += part.load(call.position.row(0) + j);
      part.store(y + j, value);
    });
  }
}

template <class T>
ProductPlan forward_plan(const Context& context, const Forward& call, void* workspace) {
  return {context, patches_of(call), row_units<T>(call.w.k), Panels::forward<T>(call.w), workspace};
}

template <class T>
void forward(const Context& context, const Forward& call) {
  const int64_t k = call.w.k;
  ProductPlan plan = forward_plan<T>(context, call, context.workspace);
  over_forward_panels<T>(context, call.w, plan.chunk, [&](Range panels, const float* packed) {
    over_tiles(
        context, plan.meeting(panels), plan.packed_rows,
        [&](int64_t row, int64_t rows, float* tile, bool, int) {
          pack_patches<T>(call.patches, row, rows, tile);
        },
        [&](int64_t row, int64_t rows, int64_t panel, const float* patches) {
          alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
          const int64_t column = (panels.first + panel) * kPanel;
          multiply_tile<T>({patches, rows * kPanel, packed + panel * panel_units<T>(k), kPanel,
                            steps_of<T>(k)},
                           rows, call.w.n - column, tile, kPanel, false);
          finish_patches<T>(call, tile, row, rows, column);
        });
  });
  if (call.class_token) write_class_tokens<T>(call);
}

// One image's part of d_weight and d_bias.
linear::Backward image_gradient(const Backward& call, int64_t image, void* rows) {
  linear::Backward gradient;
  const int64_t width = call.dy.sizes[2], pixels = call.patches.pixels();
  gradient.w.n = width;
  gradient.w.k = pixels;
  gradient.dy = {nullptr, call.patches.count, width, call.dy.strides[1], call.dtype()};
  if (rows != nullptr) {
    with_elements(call.dtype(), [&](auto element) {
      gradient.dy.data = call.dy.row_of<decltype(element)>(image, call.leading_tokens());
    });
  }
  gradient.x = {rows, call.patches.count, pixels, pixels, call.dtype()};
  gradient.d_weight = call.d_weight;
  gradient.d_bias = call.d_bias;
  gradient.add_to_parameters = call.add_to_parameters || image > 0;
  return gradient;
}

struct BackwardPlan {
  float *rows, *gradient;
  size_t bytes;

  // Enough for any dtype of dy.
  BackwardPlan(const Context& context, const Backward& call, void* workspace) {
    Scratch scratch(workspace);
    rows = scratch.floats(call.patches.count * call.patches.pixels());
    gradient = scratch.floats(0);
    const linear::Backward image = image_gradient(call, 0, nullptr);
    bytes = scratch.used() +
            static_cast<size_t>(larger(
                static_cast<int64_t>(parameter_gradient_workspace<float>(context, image)),
                static_cast<int64_t>(parameter_gradient_workspace<Bf16>(context, image))));
  }
};

// An image's patches as rows of the activations' type.
template <class T>
void copy_patches(const Context& context, const Patches& patches, int64_t image, T* rows) {
  const int64_t pixels = patches.pixels();
  context.pool->run(patches.count, [&](int64_t patch, int) {
    over_pixel_rows(patches, image, patch, [&](int64_t k, const float* from, int64_t n) {
      T* to = rows + patch * pixels + k;
      over_vectors(n, [&](int64_t j, auto part) { part.store(to + j, part.load(from + j)); });
    });
  });
}

// out[first, first + n) (+)= the batch's sum of dy at a token.
template <class T>
void sum_over_batch(const Backward& call, int64_t token, int64_t first, int64_t n, float* out) {
  over_vectors(n, [&](int64_t j, auto part) {
    Vec sum = call.add_to_parameters ? part.load(out + j) : Vec{};
    for (int64_t b = 0; b < call.dy.sizes[0]; ++b) {
      sum += part.load(call.dy.row_of<T>(b, token) + first + j);
    }
    part.store(out + j, sum);
  });
}

template <class T>
void backward(const Context& context, const Backward& call) {
  if (call.d_weight || call.d_bias) {
    const BackwardPlan plan(context, call, context.workspace);
    for (int64_t image = 0; image < call.patches.batch(); ++image) {
      copy_patches(context, call.patches, image, reinterpret_cast<T*>(plan.rows));
      parameter_gradient<T>(context, image_gradient(call, image, plan.rows), plan.gradient);
    }
  }
  const int64_t width = call.dy.sizes[2];
  if (call.d_position) {
    over_rows(*context.pool, call.dy.sizes[1], width, [&](int64_t token, int64_t first, int64_t n) {
      sum_over_batch<T>(call, token, first, n, call.d_position.row(token) + first);
    });
  }
  if (call.d_class_token) sum_over_batch<T>(call, 0, 0, width, call.d_class_token.data);
}

}  // namespace

size_t patch_embed_forward_workspace(const Context& context, const Forward& call) {
  size_t bytes = 0;
  with_elements(call.dtype(), [&](auto element) {
    bytes = forward_plan<decltype(element)>(context, call, nullptr).bytes;
  });
  return bytes;
}

lk_status patch_embed_forward(const Context& context, const Forward& call) {
  const Size sizes[] = {{"m", patches_of(call)}, {"n", call.w.n}, {"k", call.w.k}};
  describe_sizes(sizes, 3);
  with_elements(call.dtype(), [&](auto element) { forward<decltype(element)>(context, call); });
  return LK_OK;
}

size_t patch_embed_backward_workspace(const Context& context, const Backward& call) {
  return BackwardPlan(context, call, nullptr).bytes;
}

lk_status patch_embed_backward(const Context& context, const Backward& call) {
  with_elements(call.dtype(), [&](auto element) { backward<decltype(element)>(context, call); });
  return LK_OK;
}

}  // namespace lk::LK_ISA
