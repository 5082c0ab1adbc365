// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.assertj.core.util.DoubleComparator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunLogTest {
  private static final double PEAK = 0.1;
  private static final DoubleComparator ROUNDED = new DoubleComparator(1e-8);

  @TempDir Path folder;

  /** The values of a tag in the order of a TensorBoard file: field 2 of a message is a float. */
  private static List<Double> scalars(Path run, String tag) throws IOException {
    try (Stream<Path> files = Files.list(run)) {
      Path file = files.filter(f -> f.toString().contains("tfevents")).findFirst().orElseThrow();
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      String text = new String(bytes.array(), StandardCharsets.ISO_8859_1);
      return Pattern.compile(tag + "\u0015", Pattern.LITERAL)
          .matcher(text)
          .results()
          .map(found -> (double) bytes.getFloat(found.end()))
          .toList();
    }
  }

  private static List<Double> logged(Path run) throws IOException {
    List<Double> rates = new ArrayList<>();
    for (String line : Files.readAllLines(run.resolve("log.jsonl"))) {
      rates.add((Double) Json.parse(line).get("lr"));
    }
    return rates;
  }

  /** Half a cosine from the peak to 1e-6. */
  private static double cosine(double share) {
    return 1e-6 + (PEAK - 1e-6) * (1 + Math.cos(Math.PI * share)) / 2;
  }

  /**
   * 16 images are two updates of 2 x 4 an epoch; the first of three epochs warms up from 0. An
   * epoch's line has its last update's.
   */
  @Test
  void eachUpdateIsLoggedWithTheLearningRateThatItHas() throws IOException {
    Path list = TestFiles.writeNoise(folder, 16, 32);
    Path start = folder.resolve("start.safetensors");
    SafetensorsWriter.write(start, TestFiles.smallModel(1, 1));
    Path out = folder.resolve("run");
    List<Object> words = new ArrayList<>(List.of("train", "--weights", start, "--out", out));
    words.addAll(List.of("--train", list, "--val", list, "--lr", PEAK, "--epochs", 3));
    words.addAll(List.of("--warmup", 1, "--batch", 4, "--accumulate", 2));
    Cli.Result trained = Cli.lorikeet(words);
    assertThat(trained.exitCode()).as(trained.err()).isZero();
    assertThat(scalars(out, "train/lr"))
        .usingElementComparator(ROUNDED)
        .containsExactly(0.0, PEAK / 2, PEAK, cosine(0.25), cosine(0.5), cosine(0.75));
    assertThat(logged(out))
        .usingElementComparator(ROUNDED)
        .containsExactly(PEAK / 2, cosine(0.25), cosine(0.75));
  }
}
