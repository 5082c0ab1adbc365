// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.file;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;

/** What went wrong with a file, in words: many of Java's exceptions say no more than its name. */
public final class FileProblem {
  private FileProblem() {}

  /** For a message that names the file. */
  public static String of(IOException e) {
    return switch (e) {
      case NoSuchFileException none -> "no such file";
      case AccessDeniedException denied -> "permission denied";
      case FileAlreadyExistsException exists -> "a file of this name is in the way";
      case NotDirectoryException file -> "is not a folder";
      case FileSystemException other when other.getReason() != null -> other.getReason();
      default -> e.getMessage() == null ? e.toString() : e.getMessage();
    };
  }
}
