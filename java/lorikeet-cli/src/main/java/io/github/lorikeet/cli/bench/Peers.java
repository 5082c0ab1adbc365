// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.Device;
import java.util.List;

/**
 * Other libraries that do what cases do, timed beside them. Found by {@link
 * java.util.ServiceLoader}: {@code bench/peers} has libtorch's.
 */
public interface Peers {
  /** The libraries and their settings, a line each, for the report. */
  List<String> describe();

  /**
   * Those that do the same as a case, on the same numbers, their results checked against its own;
   * empty where there are none.
   *
   * @param body the case, open, having run
   * @throws IllegalStateException where a peer's results differ
   */
  List<Timer.Entrant> of(Case subject, Body body, Device device);

  /** Ways to do a case that can be had without the case itself, by name; empty where none. */
  default List<String> ways(Case subject) {
    return List.of();
  }

  /**
   * One of the {@link #ways}, checked against nothing.
   *
   * @param inputs a model and its inputs, which nothing has run on; closed with the way
   */
  default Body alone(Case subject, String way, Body inputs, Device device) {
    throw new IllegalArgumentException(way + ": no such way to do " + subject.key());
  }
}
