// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
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

  private void fails(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int exitCode = Main.run(new PrintWriter(out), new PrintWriter(err), arguments);
    assertThat(err.toString())
        .startsWith("lorikeet: " + weights + ": the weights give NaN for 0.png, label_2")
        .hasLineCount(1);
    assertThat(exitCode).isEqualTo(1);
    assertThat(out.toString()).isEmpty();
  }

  @Test
  void theFirstImageThatHasNoAnswerIsNamed() {
    Path csv = folder.resolve("p.csv");
    String[] files = {"--weights", weights.toString(), "--list", list.toString()};
    fails("evaluate", files[0], files[1], files[2], files[3]);
    fails("predict", files[0], files[1], files[2], files[3], "--out", csv.toString());
    assertThat(csv).doesNotExist();
  }
}
