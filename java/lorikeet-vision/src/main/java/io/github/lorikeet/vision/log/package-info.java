// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** A run's scalars in files that TensorBoard reads. */
package io.github.lorikeet.vision.log;
