// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights that hold NaN: their answers are no results. */
class NanWeightsTest {
  @TempDir Path folder;
  private Path weights;
  private Path list;

  @BeforeEach
  void makeFiles() throws IOException {
    BufferedImage image = new BufferedImage(32, 32, BufferedImage.TYPE_BYTE_GRAY);
    ImageIO.write(image, "png", folder.resolve("0.png").toFile());
    list = Files.writeString(folder.resolve("list.txt"), "0.png 0 1\n");
    Map<String, HostTensor> tensors = TestFiles.smallModel(1, 2);
    tensors.put("head.bias", HostTensor.of(new float[] {0, Float.NaN}, 2));
    weights = folder.resolve("nan.safetensors");
    SafetensorsWriter.write(weights, tensors);
  }

  private void fails(Object... arguments) {
    Cli.Result result = Cli.lorikeet(arguments);
    assertThat(result.err())
        .startsWith("lorikeet: " + weights + ": the weights give NaN for 0.png, label_2")
        .hasLineCount(1);
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.out()).isEmpty();
  }

  @Test
  void theFirstImageThatHasNoAnswerIsNamed() {
    Path csv = folder.resolve("p.csv");
    Object[] files = {"--weights", weights, "--list", list};
    fails("evaluate", files);
    fails("predict", files, "--out", csv);
    assertThat(csv).doesNotExist();
  }
}
