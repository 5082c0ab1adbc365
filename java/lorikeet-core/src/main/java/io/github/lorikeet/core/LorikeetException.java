// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.Lorikeet;

/**
 * A native call that failed. The message names the function, the argument, what was given and what
 * was expected.
 */
public final class LorikeetException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final Status status;

  /**
   * @param message for a user: what was wrong, what was expected, what to do
   */
  public LorikeetException(Status status, String message, Throwable cause) {
    super(message, cause);
    this.status = status;
  }

  /** What kind of failure this is. */
  public Status status() {
    return status;
  }

  /** Throws what the calling thread's last native call, {@code function}, failed with. */
  static void check(String function, int status) {
    if (status != Lorikeet.LK_OK()) {
      String text = Lorikeet.lk_last_error().getString(0);
      throw new LorikeetException(Status.of(status), function + ": " + text, null);
    }
  }
}
