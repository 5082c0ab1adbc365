// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** Fused kernels for parameter-efficient fine-tuning: devices, tensors, autograd, optimisers. */
module lorikeet.core {
  exports io.github.lorikeet.core;
  exports io.github.lorikeet.core.autograd;
}
