// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** What the way from Java to the kernels costs. */
package io.github.lorikeet.bench.jmh;
