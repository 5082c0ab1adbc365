// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** How well scores tell labels apart. */
package io.github.lorikeet.vision.metrics;
