// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

/** Why a native call failed: {@code lk_status}. */
public enum Status {
  /** An argument breaks the function's contract: the caller's mistake. */
  BAD_ARGUMENT(1),
  /** The call is valid, but this device or build has no kernel for it. */
  UNSUPPORTED(2),
  /** The device has no such block of memory left. */
  OUT_OF_MEMORY(3),
  /** The device stopped answering: close it. */
  DEVICE_LOST(4),
  /** A defect of Lorikeet: please report the message. */
  INTERNAL(5);

  private final int code;

  Status(int code) {
    this.code = code;
  }

  /** The value of {@code lk_status}. */
  public int code() {
    return code;
  }

  static Status of(int code) {
    for (Status status : values()) {
      if (status.code == code) {
        return status;
      }
    }
    return INTERNAL;
  }
}
