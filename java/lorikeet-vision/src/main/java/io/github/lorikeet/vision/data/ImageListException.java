// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

/** A list of images that cannot be used: the message names the file and, if possible, the line. */
public final class ImageListException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public ImageListException(String message) {
    super(message);
  }

  public ImageListException(String message, Throwable cause) {
    super(message, cause);
  }
}
