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
 * {@code ~/.cache/lorikeet}; a fresh private folder where that cannot be written. A library lies in
 * a folder named by the hash of its content, so processes and releases share the cache without
 * locks; its plug-ins lie beside it, where it looks for them.
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
      Path folder = folder().resolve(hash(content).substring(0, 32));
      return write(content, Files.createDirectories(folder).resolve(name));
    } catch (IOException e) {
      return copyPrivately(content, name);
    }
  }

  /** Returns a file with this content in a fresh folder, which is deleted when the process ends. */
  Path copyPrivately(byte[] content, String name) throws IOException {
    Path folder = Files.createTempDirectory("lorikeet");
    Path file = folder.resolve(name);
    // Deleted in the reverse of this order.
    folder.toFile().deleteOnExit();
    file.toFile().deleteOnExit();
    return write(content, file);
  }

  /** The same, in the folder of a library that was copied before. */
  Path copyBeside(Path library, byte[] content, String name) throws IOException {
    Path file = library.resolveSibling(name);
    if (!library.startsWith(folder())) {
      file.toFile().deleteOnExit();
    }
    return write(content, file);
  }

  private Path folder() throws IOException {
    String cache = environment.get("XDG_CACHE_HOME");
    if (cache != null && Path.of(cache).isAbsolute()) {
      return Path.of(cache, "lorikeet");
    }
    Path home = Path.of(properties.apply("user.home"));
    if (!home.isAbsolute()) { // "?" for a user that the system does not know
      throw new IOException("user.home is " + home + ", expected a folder's whole path");
    }
    return home.resolve(Path.of(".cache", "lorikeet"));
  }

  private static Path write(byte[] content, Path file) throws IOException {
    if (Files.exists(file) && Arrays.equals(Files.readAllBytes(file), content)) {
      return file;
    }
    // Another process sees the whole file or none, and one that has the old file mapped keeps it.
    Path fresh = Files.createTempFile(file.getParent(), file.getFileName().toString(), null);
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
