// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.metrics.Auroc;
import io.github.lorikeet.vision.metrics.Auroc.Interval;
import io.github.lorikeet.vision.metrics.Calibration;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said of two labels, one of which is mostly answered with yes, the other with no. */
class PredictAndEvaluateTest {
  private static final int IMAGES = 16;

  @TempDir Path folder;
  private Path weights;
  private Path list;

  @BeforeEach
  void makeFiles() throws IOException {
    TestFiles.writeNoise(folder, IMAGES, 32);
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < IMAGES; i++) {
      lines.append("%d.png %d %d\n".formatted(i, i % 2, i % 4 / 3));
    }
    list = Files.writeString(folder.resolve("two.txt"), lines);
    Map<String, HostTensor> tensors = TestFiles.smallModel(1, 2);
    float[] head = new float[2 * 64];
    for (int i = 0; i < head.length; i++) {
      head[i] = (float) Math.sin(i);
    }
    tensors.put("head.weight", HostTensor.of(head, 2, 64));
    tensors.put("head.bias", HostTensor.of(new float[] {1, -1}, 2));
    weights = folder.resolve("model.safetensors");
    SafetensorsWriter.write(weights, tensors);
  }

  private Cli.Result run(String command, Object... more) {
    Cli.Result result = Cli.lorikeet(command, "--weights", weights, "--list", list, more);
    assertThat(result.exitCode()).as(result.err()).isZero();
    return result;
  }

  /** [images][labels] */
  private double[][] predict(Object... more) throws IOException {
    Path csv = folder.resolve("p.csv");
    run("predict", "--out", csv, more);
    return Files.readAllLines(csv).stream()
        .skip(1)
        .map(line -> line.split(","))
        .map(cells -> IntStream.of(1, 2).mapToDouble(i -> Double.parseDouble(cells[i])).toArray())
        .toArray(double[][]::new);
  }

  @Test
  void aProbabilityIsTheSigmoidOfItsLogit() throws IOException {
    double[][] probabilities = predict();
    double[][] logits = predict("--logits");
    assertThat(logits).hasDimensions(IMAGES, 2);
    for (int image = 0; image < IMAGES; image++) {
      for (int label = 0; label < 2; label++) {
        double logit = logits[image][label];
        assertThat(probabilities[image][label]).isCloseTo(1 / (1 + Math.exp(-logit)), within(1e-6));
        assertThat(probabilities[image][label] > 0.5).isEqualTo(logit > 0);
      }
    }
  }

  /** Pairs of an image with the label and one without, of which the former scores higher. */
  private static double area(double[] scores, byte[] labels) {
    double pairs = 0;
    double right = 0;
    for (int with = 0; with < scores.length; with++) {
      for (int without = 0; without < scores.length; without++) {
        if (labels[with] > labels[without]) {
          pairs++;
          right += scores[with] > scores[without] ? 1 : 0;
        }
      }
    }
    return right / pairs;
  }

  @Test
  void everyLabelIsEvaluatedByItsOwnAnswers() throws IOException {
    double[][] answers = predict();
    String said = run("evaluate", "--label-names", "odd,fourth").out();
    double[] areas = new double[2];
    double[] errors = new double[2];
    for (int label = 0; label < 2; label++) {
      int column = label;
      double[] scores = Stream.of(answers).mapToDouble(row -> row[column]).toArray();
      byte[] labels = new byte[IMAGES];
      float[] asFloats = new float[IMAGES];
      for (int i = 0; i < IMAGES; i++) {
        labels[i] = (byte) (label == 0 ? i % 2 : i % 4 / 3);
        asFloats[i] = (float) scores[i];
      }
      areas[label] = area(scores, labels);
      errors[label] = Calibration.of(scores, labels, 1, 0).expectedError();
      Interval interval = Auroc.intervals(asFloats, labels, 1, 1000, 0).perLabel().getFirst();
      assertThat(said)
          .containsPattern(
              "(?m)^%s +%d +%.4f +%.3f - %.3f +%.3f$"
                  .formatted(
                      label == 0 ? "odd" : "fourth",
                      label == 0 ? 8 : 4,
                      areas[label],
                      interval.low(),
                      interval.high(),
                      errors[label]));
    }
    assertThat(said)
        .containsPattern(
            "(?m)^mean +%.4f +[0-9.]+ - [0-9.]+ +%.3f$"
                .formatted((areas[0] + areas[1]) / 2, (errors[0] + errors[1]) / 2))
        .contains("bootstrap over 16 images, 1000 rounds");
    assertThat(areas[0]).as("another than label 2's").isNotEqualTo(areas[1]);
  }
}
