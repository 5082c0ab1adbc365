// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.ffi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.URI;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeLibraryTest {
  private static final String RESOURCE = resource("lorikeet");

  @TempDir private Path folder;
  private final Map<String, String> properties = new HashMap<>();
  private final Map<String, String> environment = new HashMap<>();
  private final Map<String, URL> resources = new HashMap<>();
  private final List<Path> loaded = new ArrayList<>();
  private Path library;

  @BeforeEach
  void describeThisMachine() throws IOException {
    for (String name : new String[] {"os.name", "os.arch", "java.library.path"}) {
      properties.put(name, System.getProperty(name));
    }
    properties.put("user.home", folder.resolve("home").toString());
    library = Files.writeString(folder.resolve("library.so"), "a library");
  }

  /** Notes what would be loaded: a second copy of the real library would mix with the first. */
  private NativeLibrary search() {
    return new NativeLibrary(properties::get, environment, resources::get, loaded::add);
  }

  private static String resource(String library) {
    return "META-INF/native/"
        + NativeLibrary.platform(System::getProperty)
        + "/"
        + System.mapLibraryName(library);
  }

  private URL jarWith(Path content) throws IOException {
    return jarWith(RESOURCE, content);
  }

  private URL jarWith(String resource, Path content) throws IOException {
    Path jar = folder.resolve(Path.of(resource).getFileName() + ".jar");
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
      out.putNextEntry(new JarEntry(resource));
      Files.copy(content, out);
    }
    return URI.create("jar:" + jar.toUri() + "!/" + resource).toURL();
  }

  @Test
  void thePropertyIsFirstAndFinal() {
    environment.put(NativeLibrary.VARIABLE, library.toString());
    properties.put(NativeLibrary.PROPERTY, "/no/such/file");
    assertThatThrownBy(search()::find)
        .isInstanceOf(UnsatisfiedLinkError.class)
        .hasMessage(
            "Lorikeet's native library could not be loaded. Tried:\n"
                + "  system property lorikeet.library: /no/such/file: no such file");
    properties.put(NativeLibrary.PROPERTY, library.toString());
    environment.put(NativeLibrary.VARIABLE, "/no/such/file");
    assertThat(search().find()).isEqualTo("system property lorikeet.library: " + library);
    assertThat(loaded).containsExactly(library);
  }

  @Test
  void theVariableIsSecondAndFinal() throws IOException {
    resources.put(RESOURCE, library.toUri().toURL());
    environment.put(NativeLibrary.VARIABLE, "/no/such/file");
    assertThatThrownBy(search()::find)
        .hasMessageEndingWith(
            "Tried:\n  environment variable LORIKEET_LIBRARY: /no/such/file: no such file");
    environment.put(NativeLibrary.VARIABLE, library.toString());
    assertThat(search().find()).isEqualTo("environment variable LORIKEET_LIBRARY: " + library);
    assertThat(loaded).containsExactly(library);
  }

  @Test
  void aFileThatDoesNotLoadIsToldAsTheSystemSaysIt() throws Exception {
    Path built = Path.of(getClass().getClassLoader().getResource(RESOURCE).toURI());
    Path broken = folder.resolve("broken.so");
    Files.write(broken, Arrays.copyOf(Files.readAllBytes(built), 600));
    properties.put(NativeLibrary.PROPERTY, broken.toString());
    NativeLibrary real =
        new NativeLibrary(properties::get, environment, resources::get, NativeLibrary::load);
    assertThatThrownBy(real::find)
        .isInstanceOf(UnsatisfiedLinkError.class)
        .hasMessageEndingWith("lorikeet.library: " + broken + ": cannot read file data");
  }

  @Test
  void everyPlaceTriedIsListed() {
    String path = properties.get("java.library.path");
    assertThatThrownBy(search()::find)
        .hasMessage(
            "Lorikeet's native library could not be loaded. Tried:\n"
                + "  system property lorikeet.library: not set\n"
                + "  environment variable LORIKEET_LIBRARY: not set\n"
                + ("  class path " + RESOURCE + ": no such resource\n")
                + ("  java.library.path (" + path + "): ")
                + ("no lorikeet in java.library.path: " + path));
    assertThat(loaded).isEmpty();
  }

  @Test
  void aResourceThatIsAFileIsLoadedInPlace() throws IOException {
    resources.put(RESOURCE, library.toUri().toURL());
    assertThat(search().find()).isEqualTo("class path " + RESOURCE + ": " + library);
    assertThat(loaded).containsExactly(library);
    assertThat(folder.resolve("home")).doesNotExist();
  }

  @Test
  void aResourceInAJarIsCopiedToTheCacheOnce() throws IOException {
    resources.put(RESOURCE, jarWith(library));
    search().find();
    Path copy = loaded.getFirst();
    assertThat(copy.getParent().getParent()).isEqualTo(folder.resolve("home/.cache/lorikeet"));
    assertThat(copy).hasFileName("liblorikeet.so").hasSameBinaryContentAs(library);
    Object first = Files.readAttributes(copy, "unix:ino").get("ino");
    search().find();
    assertThat(loaded).containsExactly(copy, copy);
    assertThat(copy.getParent().toFile().list()).containsExactly(copy.getFileName().toString());
    assertThat(Files.readAttributes(copy, "unix:ino").get("ino")).isEqualTo(first);
  }

  @Test
  void aPluginInAJarIsCopiedBesideTheLibrarysCopy() throws IOException {
    Path plugin = Files.writeString(folder.resolve("plugin.so"), "a plug-in");
    resources.put(RESOURCE, jarWith(library));
    NativeLibrary search = search();
    search.find();
    search.copyPlugin("cuda");
    Path copy = loaded.getFirst().resolveSibling("liblorikeet_cuda.so");
    assertThat(copy).as("of a jar without one").doesNotExist();
    resources.put(resource("lorikeet_cuda"), jarWith(resource("lorikeet_cuda"), plugin));
    search.copyPlugin("cuda");
    assertThat(copy).hasSameBinaryContentAs(plugin);
  }

  @Test
  void aPluginBesideAFileIsLeftThere() throws IOException {
    resources.put(RESOURCE, library.toUri().toURL());
    resources.put(resource("lorikeet_cuda"), library.toUri().toURL());
    NativeLibrary search = search();
    search.find();
    search.copyPlugin("cuda");
    assertThat(folder.resolve("home")).doesNotExist();
  }

  @Test
  void noJarGetsTheLibraryOfTheExecutor() {
    ClassLoader classes = getClass().getClassLoader();
    assertThat(classes.getResource(RESOURCE)).isNotNull();
    assertThat(classes.getResource(resource("lorikeet_simt"))).isNull();
  }

  @Test
  void aSpoiltCopyIsReplaced() throws IOException {
    LibraryCache cache = new LibraryCache(properties::get, environment);
    Path copy = cache.copy(new byte[] {1, 2, 3}, "x.so");
    Files.write(copy, new byte[] {9, 9, 9});
    assertThat(cache.copy(new byte[] {1, 2, 3}, "x.so")).isEqualTo(copy);
    assertThat(copy).hasBinaryContent(new byte[] {1, 2, 3});
    assertThat(cache.copy(new byte[] {1, 2, 4}, "x.so")).isNotEqualTo(copy);
  }

  @Test
  void aCacheThatCannotBeWrittenIsReplacedByAPrivateFolder() throws IOException {
    environment.put("XDG_CACHE_HOME", Files.writeString(folder.resolve("file"), "").toString());
    LibraryCache cache = new LibraryCache(properties::get, environment);
    Path copy = cache.copy(new byte[] {1, 2, 3}, "x.so");
    assertThat(copy).hasBinaryContent(new byte[] {1, 2, 3});
    assertThat(Files.getPosixFilePermissions(copy.getParent())).hasSize(3);
    Path plugin = cache.copyBeside(copy, new byte[] {4}, "y.so");
    assertThat(plugin).hasBinaryContent(new byte[] {4}).hasParent(copy.getParent());
    Files.delete(plugin);
    Files.delete(copy);
    Files.delete(copy.getParent());
  }

  /** Such as one in a folder where nothing may be run, or one that another class loader has. */
  @Test
  void aCopyInTheCacheThatDoesNotLoadIsReplacedByAPrivateOne() throws IOException {
    resources.put(RESOURCE, jarWith(library));
    Path cache = folder.resolve("home");
    Consumer<Path> loader =
        file -> {
          loaded.add(file);
          if (file.startsWith(cache)) {
            throw new UnsatisfiedLinkError("failed to map segment");
          }
        };
    new NativeLibrary(properties::get, environment, resources::get, loader).find();
    assertThat(loaded).hasSize(2);
    assertThat(loaded.get(1)).hasSameBinaryContentAs(library);
    assertThat(loaded.get(1).startsWith(folder)).isFalse();
  }

  @Test
  void aUserWithoutAHomeGetsAPrivateFolder() throws IOException {
    properties.put("user.home", "?");
    Path copy = new LibraryCache(properties::get, environment).copy(new byte[] {1}, "x.so");
    assertThat(copy).isAbsolute().hasBinaryContent(new byte[] {1});
    assertThat(Path.of("?")).doesNotExist();
  }

  @Test
  void platformsHaveOneName() {
    properties.putAll(Map.of("os.name", "Linux", "os.arch", "amd64"));
    assertThat(NativeLibrary.platform(properties::get)).isEqualTo("linux-x86_64");
    properties.putAll(Map.of("os.name", "Mac OS X", "os.arch", "aarch64"));
    assertThat(NativeLibrary.platform(properties::get)).isEqualTo("macos-aarch64");
    properties.putAll(Map.of("os.name", "Windows 11", "os.arch", "amd64"));
    assertThat(NativeLibrary.platform(properties::get)).isEqualTo("windows-x86_64");
  }

  @Test
  void anotherAbiVersionIsRefused() {
    NativeLibrary.checkVersion("here", Lorikeet.LK_ABI_VERSION());
    assertThatThrownBy(() -> NativeLibrary.checkVersion("here", 77))
        .isInstanceOf(UnsatisfiedLinkError.class)
        .hasMessage(
            "here: the library's ABI version is 77, this lorikeet-core needs %d: use a library of"
                + " the same release",
            Lorikeet.LK_ABI_VERSION());
  }

  @Test
  void everyMissingFunctionIsNamedAtOnce() {
    NativeLibrary.checkFunctions("here", name -> Optional.of(MemorySegment.NULL));
    assertThatThrownBy(
            () ->
                NativeLibrary.checkFunctions(
                    "here",
                    name ->
                        name.startsWith("lk_gelu")
                            ? Optional.empty()
                            : Optional.of(MemorySegment.NULL)))
        .isInstanceOf(UnsatisfiedLinkError.class)
        .hasMessage(
            "here: the library lacks lk_gelu_backward, lk_gelu_forward: use a library of the same"
                + " release");
  }
}
