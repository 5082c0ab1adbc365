// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.ffi;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.SymbolLookup;
import java.lang.reflect.Method;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Finds and loads {@code liblorikeet}, once a process. Places, in order:
 *
 * <ol>
 *   <li>the file that system property {@value #PROPERTY} names,
 *   <li>the file that environment variable {@value #VARIABLE} names,
 *   <li>class-path resource {@code META-INF/native/<os>-<arch>/}, copied to the user's cache folder
 *       unless it is a file already,
 *   <li>{@link System#loadLibrary} and its {@code java.library.path}.
 * </ol>
 *
 * <p>A place that was asked for (the first two) and fails is the last one tried: another library
 * than the one named would only confuse.
 *
 * <p>The library looks for its plug-ins, such as {@code liblorikeet_cuda}, beside itself. One that
 * came out of a jar gets them copied there from the same jar when first asked for.
 */
public final class NativeLibrary {
  static final String PROPERTY = "lorikeet.library";
  static final String VARIABLE = "LORIKEET_LIBRARY";
  private static final String NAME = "lorikeet";
  private static final String ADVICE = "use a library of the same release";

  /** Null before the library is loaded. */
  private static NativeLibrary loaded;

  private final Function<String, String> properties;
  private final Map<String, String> environment;
  private final Function<String, URL> resources;
  private final Consumer<Path> loader;
  private final List<String> tried = new ArrayList<>();

  /** The library's copy outside its jar; null where it was loaded from elsewhere. */
  private Path copy;

  NativeLibrary(
      Function<String, String> properties,
      Map<String, String> environment,
      Function<String, URL> resources,
      Consumer<Path> loader) {
    this.properties = properties;
    this.environment = environment;
    this.resources = resources;
    this.loader = loader;
  }

  /**
   * Loads the library unless it is loaded already.
   *
   * @throws UnsatisfiedLinkError with every place tried and why it did not serve
   */
  public static synchronized void load() {
    if (loaded != null) {
      return;
    }
    // Not Class.getResource, which sees only the jar of its own module.
    ClassLoader classes = NativeLibrary.class.getClassLoader();
    NativeLibrary search =
        new NativeLibrary(
            System::getProperty, System.getenv(), classes::getResource, NativeLibrary::load);
    String place = search.find();
    SymbolLookup library = SymbolLookup.loaderLookup();
    // A library of another version lacks functions too: its version says more.
    if (library.find("lk_abi_version").isPresent()) {
      checkVersion(place, Lorikeet.lk_abi_version());
    }
    checkFunctions(place, library);
    loaded = search;
  }

  /**
   * Sees to it that the loaded library finds its plug-in for a kind of devices, such as cuda, if
   * there is one.
   *
   * @throws UnsatisfiedLinkError when it cannot be copied out of its jar
   */
  public static synchronized void providePlugin(String kind) {
    loaded.copyPlugin(kind);
  }

  static void load(Path file) {
    System.load(file.toAbsolutePath().toString());
  }

  /** Loads the library from the first place that has it, and returns that place. */
  String find() {
    String property = properties.apply(PROPERTY);
    String variable = environment.get(VARIABLE);
    String place;
    if (property != null) {
      place = tryFile("system property " + PROPERTY, Path.of(property));
    } else if (variable != null) {
      place = tryFile("environment variable " + VARIABLE, Path.of(variable));
    } else {
      tried.add("system property " + PROPERTY + ": not set");
      tried.add("environment variable " + VARIABLE + ": not set");
      place = tryResource();
      if (place == null) {
        place = trySystem();
      }
    }
    if (place == null) {
      throw new UnsatisfiedLinkError(
          "Lorikeet's native library could not be loaded. Tried:\n  " + String.join("\n  ", tried));
    }
    return place;
  }

  private String tryFile(String place, Path file) {
    String name = place + ": " + file;
    if (!Files.isRegularFile(file)) {
      tried.add(name + ": no such file");
      return null;
    }
    try {
      loader.accept(file);
      return name;
    } catch (UnsatisfiedLinkError e) {
      // The system's own message leads with the file, often twice.
      tried.add(name + ": " + e.getMessage().replace(file + ": ", ""));
      return null;
    }
  }

  private String tryResource() {
    String resource = resource(NAME);
    String place = "class path " + resource;
    URL url = resources.apply(resource);
    if (url == null) {
      tried.add(place + ": no such resource");
      return null;
    }
    try {
      if (url.getProtocol().equals("file")) {
        return tryFile(place, Path.of(url.toURI()));
      }
      byte[] content = read(url);
      return tryCopies(place, content, System.mapLibraryName(NAME));
    } catch (IOException | URISyntaxException e) {
      tried.add(place + ": could not be copied to a file: " + e);
      return null;
    }
  }

  /**
   * A library is loaded by one class loader alone, and the cache may lie where nothing may be run:
   * then a private copy serves.
   */
  private String tryCopies(String place, byte[] content, String name) throws IOException {
    copy = cache().copy(content, name);
    String found = tryFile(place, copy);
    if (found == null) {
      copy = cache().copyPrivately(content, name);
      found = tryFile(place, copy);
    }
    if (found == null) {
      copy = null;
    }
    return found;
  }

  /** Does nothing for a library that was not copied itself: what belongs to it is beside it. */
  void copyPlugin(String kind) {
    String name = NAME + "_" + kind;
    URL url = copy == null ? null : resources.apply(resource(name));
    if (url == null) {
      return;
    }
    try {
      cache().copyBeside(copy, read(url), System.mapLibraryName(name));
    } catch (IOException e) {
      throw new UnsatisfiedLinkError(
          "class path " + resource(name) + ": could not be copied to a file: " + e);
    }
  }

  private String resource(String library) {
    return "META-INF/native/" + platform(properties) + "/" + System.mapLibraryName(library);
  }

  private LibraryCache cache() {
    return new LibraryCache(properties, environment);
  }

  private static byte[] read(URL url) throws IOException {
    try (InputStream content = url.openStream()) {
      return content.readAllBytes();
    }
  }

  private String trySystem() {
    String place = "java.library.path (" + properties.apply("java.library.path") + ")";
    try {
      System.loadLibrary(NAME);
      return place;
    } catch (UnsatisfiedLinkError e) {
      tried.add(place + ": " + e.getMessage());
      return null;
    }
  }

  /** The resource folder's name for this machine, such as {@code linux-x86_64}. */
  static String platform(Function<String, String> properties) {
    String system = properties.apply("os.name").toLowerCase(Locale.ROOT);
    String processor = properties.apply("os.arch").toLowerCase(Locale.ROOT);
    String os =
        system.startsWith("windows") ? "windows" : system.startsWith("mac") ? "macos" : system;
    String arch =
        switch (processor) {
          case "amd64", "x86_64", "x64" -> "x86_64";
          case "aarch64", "arm64" -> "aarch64";
          default -> processor;
        };
    return os + "-" + arch;
  }

  static void checkVersion(String place, int version) {
    if (version != Lorikeet.LK_ABI_VERSION()) {
      throw new UnsatisfiedLinkError(
          "%s: the library's ABI version is %d, this lorikeet-core needs %d: %s"
              .formatted(place, version, Lorikeet.LK_ABI_VERSION(), ADVICE));
    }
  }

  /** The bindings look functions up one by one, when first called: here all of them, at once. */
  static void checkFunctions(String place, SymbolLookup library) {
    List<String> missing = functions().filter(name -> library.find(name).isEmpty()).toList();
    if (!missing.isEmpty()) {
      throw new UnsatisfiedLinkError(
          "%s: the library lacks %s: %s".formatted(place, String.join(", ", missing), ADVICE));
    }
  }

  /** The names of the C functions that the bindings declare, sorted. */
  static Stream<String> functions() {
    String suffix = "$address";
    return Stream.of(Lorikeet.class.getDeclaredMethods())
        .map(Method::getName)
        .filter(name -> name.endsWith(suffix))
        .map(name -> name.substring(0, name.length() - suffix.length()))
        .sorted();
  }
}
