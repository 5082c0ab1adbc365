// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.output;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProgressTest {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
  private long now;

  private Progress progress(int columns) {
    return new Progress(out, columns, () -> now);
  }

  private void seconds(double seconds) {
    now += Math.round(seconds * 1e9);
  }

  private String printed() {
    String text = bytes.toString(StandardCharsets.UTF_8);
    bytes.reset();
    return text.replace(System.lineSeparator(), "\n");
  }

  private static Progress.State state(long images) {
    return new Progress.State(2, 10, images, 1000, 0.51234, 0.8612, 143_200_000);
  }

  @Test
  void aPlainLineSaysEverything() {
    Progress progress = progress(0);
    progress.begin("LoRA, seed 1");
    seconds(10);
    progress.show(state(200));
    assertThat(printed())
        .isEqualTo(
            "LoRA, seed 1  epoch 2/10  20 images/s  loss 0.5123  AUROC 0.861  memory 143 MB"
                + "  0:40 left\n");
  }

  @Test
  void plainLinesComeNowAndThen() {
    Progress progress = progress(0);
    progress.begin("task");
    for (int i = 1; i <= 250; i++) {
      seconds(0.1);
      progress.show(state(i));
    }
    assertThat(printed()).hasLineCount(2);
  }

  @Test
  void whatIsNotKnownYetIsLeftOut() {
    Progress progress = progress(200);
    progress.begin("task");
    progress.show(new Progress.State(1, 10, 0, 1000, Double.NaN, Double.NaN, 0));
    assertThat(printed()).isEqualTo("\r\033[Ktask  epoch 1/10  – images/s  – left");
  }

  @Test
  void aLiveLineIsDrawnOverAndTakenAway() {
    Progress progress = progress(120);
    progress.begin("task");
    progress.show(state(100));
    seconds(0.05);
    progress.show(state(110));
    seconds(0.06);
    progress.show(state(120));
    assertThat(printed().split("\r\033\\[K")).hasSize(3).allMatch(s -> !s.contains("\n"));
    progress.say("task: AUROC 0.861");
    assertThat(printed()).isEqualTo("\r\033[Ktask: AUROC 0.861\n");
    progress.close();
    assertThat(printed()).isEmpty();
  }

  @Test
  void aPartHasItsOwnClock() {
    Progress progress = progress(0);
    progress.begin("LoRA");
    seconds(100);
    progress.beginPart("epoch 1/10, validation");
    progress.showPart(1, 300);
    printed();
    seconds(20);
    progress.showPart(100, 300);
    assertThat(printed())
        .isEqualTo("LoRA  epoch 1/10, validation  100/300  5.0 images/s  0:40 left\n");
    seconds(80);
    progress.show(state(200));
    assertThat(printed()).startsWith("LoRA  epoch 2/10  1.0 images/s");
  }

  @Test
  void aNarrowTerminalGetsTheImportantPieces() {
    for (int columns : new int[] {100, 60, 40, 20, 8, 1}) {
      Progress progress = progress(columns);
      progress.begin("LoRA, seed 1");
      seconds(10);
      progress.show(state(200));
      String line = printed().replace("\r\033[K", "");
      assertThat(line.length()).isLessThan(columns);
      assertThat("LoRA, seed 1").startsWith(line.substring(0, Math.min(12, line.length())));
      assertThat(line.contains("memory")).isEqualTo(columns == 100);
      assertThat(line.contains("left")).isEqualTo(columns >= 40);
    }
  }
}
