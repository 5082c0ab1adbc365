// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Weights on disk: checkpoints (safetensors and PyTorch's), and adapters in the layout of Hugging
 * Face PEFT. Every file is taken to be hostile: whatever it holds, reading it ends in weights or in
 * a {@link io.github.lorikeet.vision.weights.WeightsException}, in bounded time and memory, and
 * runs no code of the file's.
 */
package io.github.lorikeet.vision.weights;
