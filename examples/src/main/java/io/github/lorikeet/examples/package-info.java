// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Lorikeet's operations inside other libraries' trainers; {@code docs/embedding.md} explains them.
 */
package io.github.lorikeet.examples;
