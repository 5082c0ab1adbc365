// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.ffi;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.function.Function;

/**
 * The user's folder of native libraries copied out of jars: {@code $XDG_CACHE_HOME/lorikeet} or
 * {@code ~/.cache/lorikeet}; a fresh private folder where that cannot be written. Files are named
 * by the hash of their content, so processes and releases share the folder without locks.
 */
final class LibraryCache {
  private final Function<String, String> properties;
  private final Map<String, String> environment;

  LibraryCache(Function<String, String> properties, Map<String, String> environment) {
    this.properties = properties;
    this.environment = environment;
  }

  /** Returns a file with this content, written now or found with exactly this content. */
  Path copy(byte[] content, String name) throws IOException {
    try {
      return copyTo(Files.createDirectories(folder()), content, name);
    } catch (IOException e) {
      Path folder = Files.createTempDirectory("lorikeet");
      Path file = copyTo(folder, content, name);
      // Deleted in the reverse of this order.
      folder.toFile().deleteOnExit();
      file.toFile().deleteOnExit();
      return file;
    }
  }

  private Path folder() {
    String cache = environment.get("XDG_CACHE_HOME");
    return cache != null && Path.of(cache).isAbsolute()
        ? Path.of(cache, "lorikeet")
        : Path.of(properties.apply("user.home"), ".cache", "lorikeet");
  }

  private static Path copyTo(Path folder, byte[] content, String name) throws IOException {
    Path file = folder.resolve(hash(content).substring(0, 32) + "-" + name);
    if (Files.exists(file) && Arrays.equals(Files.readAllBytes(file), content)) {
      return file;
    }
    // Another process sees the whole file or none, and one that has the old file mapped keeps it.
    Path fresh = Files.createTempFile(folder, name, null);
    try {
      Files.write(fresh, content);
      return Files.move(
          fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(fresh);
    }
  }

  private static String hash(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
