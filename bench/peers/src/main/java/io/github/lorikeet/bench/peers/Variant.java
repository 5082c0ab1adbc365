// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import java.util.function.Function;

/**
 * A way to do a case by libtorch.
 *
 * @param blasThreads of OpenBLAS while it runs; 0 for as many as everything has
 * @param maker over the numbers of a body
 */
record Variant(String name, int blasThreads, Function<Body, Program> maker) {
  Variant(String name, Function<Body, Program> maker) {
    this(name, 0, maker);
  }
}
