// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.nio.file.Path;

/**
 * A file of weights that cannot be used. The message names the file, the key where there is one,
 * what was found, what was expected and what to do about it.
 */
public final class WeightsException extends RuntimeException {
  private static final long serialVersionUID = 1;
  private static final int LONGEST_QUOTE = 120;

  public WeightsException(String message) {
    super(message);
  }

  public WeightsException(String message, Throwable cause) {
    super(message, cause);
  }

  static WeightsException in(Path file, String problem) {
    return new WeightsException(file + ": " + problem);
  }

  static WeightsException in(Path file, String problem, Throwable cause) {
    return new WeightsException(file + ": " + problem, cause);
  }

  /** Text from a file made fit for a message: of bounded length, without control characters. */
  static String quote(String text) {
    StringBuilder quoted = new StringBuilder("'");
    for (int i = 0; i < Math.min(text.length(), LONGEST_QUOTE); i++) {
      char c = text.charAt(i);
      quoted.append(Character.isISOControl(c) ? '?' : c);
    }
    return quoted.append(text.length() > LONGEST_QUOTE ? "…'" : "'").toString();
  }
}
