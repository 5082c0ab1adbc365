// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs beside each other on the page of {@code lorikeet report}. */
class ReportNamesTest {
  private static final int RUNS = 12;
  private static final Pattern CURVE =
      Pattern.compile("<path class=\"(line c\\d)\" d=\"[^\"]*\" stroke-dasharray=\"([^\"]*)\"");

  @TempDir Path folder;

  @Test
  void everyRunIsNamedAndHasALineOfItsOwn() throws IOException {
    for (int i = 0; i < RUNS; i++) {
      Path run = Files.createDirectory(folder.resolve("lr-" + i));
      Files.writeString(run.resolve("config.json"), "{\"mode\": \"lora\", \"rank\": 4}");
      String epoch = "{\"epoch\": %d, \"loss\": 0.%d}\n";
      Files.writeString(
          run.resolve("log.jsonl"), epoch.formatted(1, 20 + i) + epoch.formatted(2, 40 - i));
      Files.writeString(
          run.resolve("result.json"),
          "{\"trained_parameters\": 1, \"parameters\": 9, \"test\": {\"auroc\": 0.7}}");
    }
    Path page = folder.resolve("page.html");
    int code =
        Main.run(
            new PrintWriter(new StringWriter()),
            new PrintWriter(new StringWriter()),
            "report",
            folder.toString(),
            "--out",
            page.toString());
    assertThat(code).isZero();
    String html = Files.readString(page);
    Set<String> styles = new HashSet<>();
    Matcher curve = CURVE.matcher(html);
    while (curve.find()) {
      styles.add(curve.group(1) + " " + curve.group(2));
    }
    assertThat(styles).hasSize(RUNS);
    String results = html.substring(html.indexOf(">Results<"), html.indexOf(">Curves<"));
    for (int i = 0; i < RUNS; i++) {
      assertThat(results).contains("lr-" + i + ": LoRA, rank 4<");
    }
  }
}
