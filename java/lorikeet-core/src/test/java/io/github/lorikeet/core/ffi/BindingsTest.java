// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.ffi;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.Activation;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.Precision;
import io.github.lorikeet.core.Status;
import io.github.lorikeet.core.Weight;
import java.io.IOException;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Header, committed bindings and built library say the same: else run native/bindings.sh. */
class BindingsTest {
  private final Header header = Header.read();

  BindingsTest() throws IOException {}

  @Test
  void constantsAreTheHeaders() throws ReflectiveOperationException {
    SortedMap<String, Integer> bound = new TreeMap<>();
    for (Method method : Lorikeet.class.getDeclaredMethods()) {
      if (method.getName().startsWith("LK_")) {
        bound.put(method.getName(), (Integer) method.invoke(null));
      }
    }
    assertThat(bound).isEqualTo(header.constants());
  }

  @Test
  void enumsHaveTheHeadersCodes() {
    SortedMap<String, Integer> ours = new TreeMap<>();
    ours.put("LK_OK", 0);
    for (Status status : Status.values()) {
      ours.put("LK_" + status, status.code());
    }
    for (DType type : DType.values()) {
      ours.put("LK_" + type.name(), type.code());
    }
    for (Activation activation : Activation.values()) {
      ours.put("LK_ACTIVATION_" + activation, activation.code());
    }
    for (Weight.Format format : Weight.Format.values()) {
      ours.put("LK_WEIGHT_" + format, format.code());
    }
    for (Precision precision : Precision.values()) {
      ours.put("LK_PRECISION_" + precision, precision.code());
    }
    ours.put("LK_ADD_TO_D_X", Kernels.ADD_TO_D_X);
    ours.put("LK_ADD_TO_PARAMETERS", Kernels.ADD_TO_PARAMETERS);
    SortedMap<String, Integer> enumerators = new TreeMap<>(header.constants());
    enumerators
        .keySet()
        .removeIf(name -> name.matches("LK_(ABI_VERSION|ALIGNMENT|MAX_DIMS|MAX_LORA_\\w+)"));
    assertThat(ours).isEqualTo(enumerators);
  }

  @Test
  void prototypesAreTheHeaders() throws IOException {
    SortedMap<String, String> bound = new TreeMap<>();
    Path source =
        Path.of(System.getProperty("lorikeet.root"))
            .resolve("java/lorikeet-core/src/generated/java")
            .resolve(Lorikeet.class.getName().replace('.', '/') + ".java");
    Pattern.compile("^ +\\* ([a-z]\\w+ .*\\b(lk_\\w+)\\(.*\\))$", Pattern.MULTILINE)
        .matcher(Files.readString(source))
        .results()
        .forEach(m -> bound.put(m.group(2), Header.normal(m.group(1))));
    assertThat(bound).isEqualTo(header.functions());
    assertThat(NativeLibrary.functions()).containsExactlyElementsOf(bound.keySet());
  }

  @Test
  void structsLieAsCHasThem() throws ReflectiveOperationException {
    for (String name : header.structs().keySet()) {
      Class<?> struct = Class.forName(getClass().getPackageName() + "." + name);
      GroupLayout layout = (GroupLayout) struct.getMethod("layout").invoke(null);
      Map<String, Long> bound = new LinkedHashMap<>();
      for (MemoryLayout member : layout.memberLayouts()) {
        member
            .name()
            .ifPresent(
                field -> bound.put(field, layout.byteOffset(PathElement.groupElement(field))));
      }
      bound.put("sizeof", layout.byteSize());
      assertThat(bound).as(name).containsExactlyEntriesOf(header.offsets(name));
    }
  }

  @Test
  void theLibraryExportsTheHeadersFunctionsAndNothingElse() throws Exception {
    Path library =
        Path.of(
            getClass()
                .getClassLoader()
                .getResource(
                    "META-INF/native/"
                        + NativeLibrary.platform(System::getProperty)
                        + "/"
                        + System.mapLibraryName("lorikeet"))
                .toURI());
    Process nm =
        new ProcessBuilder("nm", "--dynamic", "--defined-only", library.toString())
            .redirectErrorStream(true)
            .start();
    List<String> exported;
    try (Stream<String> lines = nm.inputReader().lines()) {
      exported = lines.map(line -> line.substring(line.lastIndexOf(' ') + 1)).toList();
    }
    assertThat(nm.waitFor()).as("nm: %s", exported).isZero();
    assertThat(exported).containsExactlyInAnyOrderElementsOf(header.functions().keySet());
  }
}
