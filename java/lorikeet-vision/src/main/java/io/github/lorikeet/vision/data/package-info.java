// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** Image lists with labels, and batches of them made ahead of the training step. */
package io.github.lorikeet.vision.data;
