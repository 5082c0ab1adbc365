// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What files of a trained head say of it: the names of its labels, the weights it belongs to. */
class TrainedHeadTest {
  private static final String NAMES = "Effusion,no \"finding\"";
  private static final String HEADER = "path,Effusion,\"no \"\"finding\"\"\"";
  private static final String OTHER_WEIGHTS = " was trained on weights of CRC-32C ";

  @TempDir Path folder;
  private Path list;
  private Path start;
  private Path adapter;

  @BeforeEach
  void makeFiles() throws IOException {
    TestFiles.writeNoise(folder, 4, 32);
    list = Files.writeString(folder.resolve("two.txt"), "0.png 0 1\n1.png 1 0\n".repeat(2));
    start = folder.resolve("start.safetensors");
    SafetensorsWriter.write(start, TestFiles.smallModel(1, 1));
    adapter = folder.resolve("run/adapter");
  }

  /** Everything that the command printed, to whichever stream. */
  private static String lorikeet(int exitCode, Object... arguments) {
    StringWriter said = new StringWriter();
    ByteArrayOutputStream progress = new ByteArrayOutputStream();
    PrintStream stderr = System.err;
    System.setErr(new PrintStream(progress, true, StandardCharsets.UTF_8));
    try {
      PrintWriter writer = new PrintWriter(said);
      String[] words = Arrays.stream(arguments).map(String::valueOf).toArray(String[]::new);
      int code = Main.run(writer, writer, words);
      String all = said + progress.toString(StandardCharsets.UTF_8);
      assertThat(code).as(all).isEqualTo(exitCode);
      return all;
    } finally {
      System.setErr(stderr);
    }
  }

  private String train(Path weights, String run, Object... more) {
    Object[] arguments = {
      "train",
      "--weights",
      weights,
      "--train",
      list,
      "--val",
      list,
      "--test",
      list,
      "--epochs",
      1,
      "--batch",
      4,
      "--out",
      folder.resolve(run)
    };
    return lorikeet(0, with(arguments, more));
  }

  private static Object[] with(Object[] arguments, Object... more) {
    return Stream.concat(Stream.of(arguments), Stream.of(more)).toArray();
  }

  /** The header of what predict writes. */
  private String header(Object... model) throws IOException {
    Path csv = folder.resolve("p.csv");
    Object[] predict = {"predict", "--list", list, "--out", csv};
    lorikeet(0, with(predict, model));
    return Files.readAllLines(csv).getFirst();
  }

  private Path merged() {
    Path merged = folder.resolve("merged.safetensors");
    lorikeet(0, "merge", "--weights", start, "--adapter", adapter, "--out", merged);
    return merged;
  }

  @Test
  void itsLabelsKeepTheirNames() throws IOException {
    train(start, "run", "--label-names", NAMES);
    assertThat(header("--weights", start, "--adapter", adapter)).isEqualTo(HEADER);
    assertThat(lorikeet(0, "evaluate", "--weights", start, "--adapter", adapter, "--list", list))
        .contains("Effusion", "no \"finding\"")
        .doesNotContain("label_1");
    Path merged = merged();
    assertThat(header("--weights", merged)).isEqualTo(HEADER);
    assertThat(header("--weights", merged, "--label-names", "a,b")).isEqualTo("path,a,b");
    Path study = folder.resolve("study.safetensors");
    lorikeet(0, "export", "--weights", start, "--adapter", adapter, "--out", study);
    assertThat(header("--weights", study)).isEqualTo(HEADER);
    train(start, "full", "--label-names", NAMES, "--mode", "full");
    assertThat(header("--weights", folder.resolve("full/weights.safetensors"))).isEqualTo(HEADER);
  }

  @Test
  void aNewHeadHasNoneOfTheOldOnesNames() throws IOException {
    train(start, "run", "--label-names", NAMES);
    Path merged = merged();
    train(merged, "again");
    assertThat(Files.readAllLines(folder.resolve("again/predictions.csv")).getFirst())
        .isEqualTo("path,label_1,label_2");
    assertThat(header("--weights", merged, "--adapter", folder.resolve("again/adapter")))
        .isEqualTo("path,label_1,label_2");
  }

  @Test
  void pytorchsFormatIsSaidToForgetNames() {
    Path study = folder.resolve("study.pth");
    Object[] export = {"export", "--weights", start, "--adapter", adapter, "--out", study};
    train(start, "run");
    assertThat(lorikeet(0, export))
        .contains("note: this format does not say that images are prepared by --recipe mrm\n");
    train(start, "run", "--label-names", NAMES, "--overwrite");
    assertThat(lorikeet(0, export))
        .contains(
            "note: this format does not say that images are prepared by --recipe mrm, nor that"
                + " labels are called by --label-names '"
                + NAMES
                + "'\n");
  }

  @Test
  void anotherNumberOfNamesIsRefused() throws IOException {
    Path weights = folder.resolve("three.safetensors");
    SafetensorsWriter.write(
        weights, TestFiles.smallModel(1, 2), Map.of("lorikeet.labels", "[\"a\",\"b\",\"c\"]"));
    assertThat(lorikeet(1, "evaluate", "--weights", weights, "--list", list))
        .contains(weights + ": lorikeet.labels has 3 names, expected 2")
        .contains("--label-names");
    assertThat(header("--weights", weights, "--label-names", "a,b")).isEqualTo("path,a,b");
  }

  @Test
  void namesOnTheCommandLineCanBeRemembered() {
    Object[] train = {
      "train", "--weights", start, "--train", list, "--val", list, "--out", folder.resolve("run")
    };
    assertThat(lorikeet(2, with(train, "--label-names", "a,\u001b[31m")))
        .contains("--label-names: '?[31m' has a character that cannot be printed")
        .hasLineCount(1);
  }

  /** An adapter applied twice changes every answer, and looks like any other model. */
  @Test
  void anAdapterOnOtherWeightsIsSaid() throws IOException {
    train(start, "run");
    Path merged = merged();
    Path out = folder.resolve("out");
    Object[][] commands = {
      {"evaluate", "--list", list},
      {"predict", "--list", list, "--out", out},
      {"merge", "--out", out},
      {"export", "--out", out}
    };
    for (Object[] command : commands) {
      Object[] adapted = with(command, "--adapter", adapter, "--weights");
      assertThat(lorikeet(0, with(adapted, start))).doesNotContain("CRC-32C");
      assertThat(lorikeet(0, with(adapted, merged)))
          .containsOnlyOnce("note: " + adapter + OTHER_WEIGHTS)
          .contains("but " + merged + " has ", "pass the weights that it was trained on");
    }
    assertThat(lorikeet(0, with(commands[0], "--weights", merged))).doesNotContain("CRC-32C");
    Path tensors = adapter.resolve("adapter_model.safetensors");
    try (Checkpoint own = Checkpoint.open(tensors)) {
      SafetensorsWriter.write(tensors, own.tensors());
    }
    assertThat(lorikeet(0, with(commands[0], "--adapter", adapter, "--weights", merged)))
        .doesNotContain("CRC-32C");
  }

  /** Random first weights are in no file. */
  @Test
  void anAdapterOfARandomStartBelongsToNoFile() {
    train(start, "run", "--random-start");
    assertThat(adapter.resolve("adapter_model.safetensors"))
        .content(StandardCharsets.ISO_8859_1)
        .contains("lorikeet.recipe")
        .doesNotContain("lorikeet.base_crc32c");
  }

  @Test
  void whatTheWeightsLackIsSaidToBeInitialised() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>(TestFiles.smallModel(1, 1));
    tensors.keySet().removeIf(name -> name.startsWith("fc_norm"));
    SafetensorsWriter.write(start, tensors);
    assertThat(train(start, "run"))
        .contains("note: not in " + start + ", so initialised: fc_norm.weight, fc_norm.bias\n");
  }
}
