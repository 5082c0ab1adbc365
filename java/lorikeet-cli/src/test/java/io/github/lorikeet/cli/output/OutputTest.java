// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.vision.train.TrainingException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Numbers, tables, CSV, JSON and files. */
class OutputTest {
  @Test
  void numbersAreForPeople() {
    assertThat(Format.count(159_758)).isEqualTo("159,758");
    assertThat(Format.printable("a\u001b\u009b\nb\u00e9")).isEqualTo("a??\nb\u00e9");
    assertThat(Format.bytes(0)).isEqualTo("0 B");
    assertThat(Format.bytes(999)).isEqualTo("999 B");
    assertThat(Format.bytes(1000)).isEqualTo("1.00 kB");
    assertThat(Format.bytes(999_600)).isEqualTo("1.00 MB");
    assertThat(Format.bytes(12_345_678)).isEqualTo("12.3 MB");
    assertThat(Format.bytes(143_200_000)).isEqualTo("143 MB");
    assertThat(Format.bytes(Long.MAX_VALUE)).isEqualTo("9.22 EB");
    assertThat(Format.percent(19_000, 2_830_000)).isEqualTo("0.67 %");
    assertThat(Format.percent(1, 1)).isEqualTo("100 %");
    assertThat(Format.percent(0, 0)).isEqualTo("–");
    assertThat(Format.decimals(0.8684, 3)).isEqualTo("0.868");
    assertThat(Format.decimals(Double.NaN, 3)).isEqualTo("–");
    assertThat(Format.clock(9.4)).isEqualTo("0:09");
    assertThat(Format.clock(59.6)).isEqualTo("1:00");
    assertThat(Format.clock(3723)).isEqualTo("1:02:03");
    assertThat(Format.clock(Double.POSITIVE_INFINITY)).isEqualTo("–");
    assertThat(Format.seconds(0.4249)).isEqualTo("0.42 s");
    assertThat(Format.seconds(31.24)).isEqualTo("31.2 s");
    assertThat(Format.seconds(754)).isEqualTo("12:34");
  }

  @Test
  void tablesAlign() {
    TextTable table =
        new TextTable("method", "AUROC").row("LoRA", "0.868 ± 0.006").row("full", "1");
    assertThat(table.toString())
        .isEqualTo(
            """
            method          AUROC
            ---------------------
            LoRA    0.868 ± 0.006
            full                1
            """);
    assertThatThrownBy(() -> table.row("one")).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void csvQuotesWhatNeedsIt() {
    assertThat(Csv.line(List.of("path", "a,b", "say \"x\"", "two\nlines", 1)))
        .isEqualTo("path,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",1\n");
  }

  @Test
  void csvKeepsEveryBitOfANumber() {
    float[] values = {0.1f, 1 / 3f, -1.17549435E-38f, Float.MIN_VALUE, 3.4028235E38f, 0.99999994f};
    String[] cells = Csv.line("x.png", values).strip().split(",");
    assertThat(cells[0]).isEqualTo("x.png");
    for (int i = 0; i < values.length; i++) {
      assertThat(Float.parseFloat(cells[i + 1])).isEqualTo(values[i]);
    }
  }

  @Test
  void jsonKeepsOrderAndKnowsNoNan() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("epoch", 3);
    map.put("loss", 0.1f);
    map.put("auroc", Double.NaN);
    map.put("largest", Float.POSITIVE_INFINITY);
    map.put("name", "a \"b\"\n");
    map.put("list", Arrays.asList(1L, true, null, 0.25));
    assertThat(Json.line(map))
        .isEqualTo(
            "{\"epoch\":3,\"loss\":0.1,\"auroc\":null,\"largest\":null,"
                + "\"name\":\"a \\\"b\\\"\\n\",\"list\":[1,true,null,0.25]}");
    assertThat(Json.pretty(map)).endsWith("}\n").contains("\n  \"loss\" : 0.1,\n");
  }

  @Test
  void whatIsNoJsonIsSaidInALine() {
    assertThatThrownBy(() -> Json.parse("{\"a\": 1,\n\"b\": {\"c\": 2}"))
        .hasMessage("Unexpected end-of-input: expected close marker for Object (line 2)");
    assertThatThrownBy(() -> Json.parse("{a"))
        .hasMessageMatching("Unexpected character .*\\(line 1\\)");
    for (String tooMuch : List.of("{\"a\":".repeat(2000), "{\"a\": " + "1".repeat(2000) + "}")) {
      assertThatThrownBy(() -> Json.parse(tooMuch))
          .isInstanceOf(IOException.class)
          .hasMessageContainingAll("exceeds the maximum allowed");
    }
  }

  @Test
  void filesAreReplacedWhole(@TempDir Path folder) throws Exception {
    OutputFolder output = OutputFolder.create(folder.resolve("a/b"));
    output.write("report.html", "old and longer");
    output.write("report.html", "new");
    output.append("log.jsonl", "1");
    output.append("log.jsonl", "2");
    assertThat(Files.readString(output.path("report.html"))).isEqualTo("new");
    assertThat(Files.readString(output.path("log.jsonl"))).isEqualTo("1\n2\n");
    try (var files = Files.list(folder.resolve("a/b"))) {
      assertThat(files).hasSize(2);
    }
  }

  @Test
  void whatTryingAFolderLeftGoesWithTheNextTry(@TempDir Path folder) throws Exception {
    Files.createSymbolicLink(folder.resolve(".writable"), Path.of("elsewhere"));
    OutputFolder.create(folder);
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void aFolderThatCannotBeWrittenIsRefusedAtOnce(@TempDir Path folder) throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "");
    assertThatThrownBy(() -> OutputFolder.create(file.resolve("out")))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("cannot write to this folder");
    assertThatThrownBy(() -> OutputFolder.create(Path.of("/proc/none")))
        .isInstanceOf(UncheckedIOException.class);
  }

  @Test
  void whatAFileIsWrittenToIsCheckedBefore(@TempDir Path folder) throws Exception {
    Path input = Files.writeString(folder.resolve("list.txt"), "");
    Path link = Files.createSymbolicLink(folder.resolve("link"), input);
    OutputFile.check(folder.resolve("new/out.csv"), List.of(input, folder.resolve("none")));
    assertThat(folder.resolve("new")).isEmptyDirectory();
    OutputFile.check(Path.of("/dev/null"), List.of(Path.of("/dev/null")));
    for (Path same : List.of(input, link, folder.resolve("new/../list.txt"))) {
      assertThatThrownBy(() -> OutputFile.check(same, List.of(input)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(same + ": would replace " + input);
    }
    assertThatThrownBy(() -> OutputFile.check(folder, List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(folder + ": is a folder; expected a file to write");
    assertThatThrownBy(() -> OutputFile.check(input.resolve("out"), List.of()))
        .isInstanceOf(UncheckedIOException.class);
  }

  @Test
  void aFolderIsLockedByOneAtATime(@TempDir Path folder) {
    try (OutputLock _ = OutputLock.ofFolder(folder)) {
      assertThatThrownBy(() -> OutputLock.ofFolder(folder))
          .isInstanceOf(TrainingException.class)
          .hasMessageContaining(folder + ": another run is writing to it");
    }
    OutputLock.ofFolder(folder).close();
  }

  @Test
  void aFileIsLockedByOneAtATime(@TempDir Path folder) {
    Path file = folder.resolve("start.safetensors");
    try (OutputLock _ = OutputLock.ofFile(file);
        OutputLock _ = OutputLock.ofFile(folder.resolve("other.safetensors"))) {
      assertThatThrownBy(() -> OutputLock.ofFile(file))
          .isInstanceOf(TrainingException.class)
          .hasMessageContaining(file + ": another run is writing to it");
    }
    OutputLock.ofFile(file).close();
  }

  @Test
  void whereNothingCanBeLockedNobodyIsKeptOut(@TempDir Path folder) throws Exception {
    Files.createDirectory(folder.resolve(".lock"));
    try (OutputLock _ = OutputLock.ofFolder(folder)) {
      OutputLock.ofFolder(folder).close();
    }
  }

  @Test
  void aFailedWriteLeavesNothing(@TempDir Path folder) throws Exception {
    Path taken = Files.createDirectories(folder.resolve("taken/inside")).getParent();
    assertThatThrownBy(() -> OutputFile.write(taken, "text"))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining(taken.toString());
    try (var files = Files.list(folder)) {
      assertThat(files).containsExactly(taken);
    }
  }
}
