// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.core.HostTensor;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProvenanceTest {
  @TempDir Path folder;

  private Provenance writtenAndRead(Map<String, String> metadata) {
    Path file = folder.resolve("weights.safetensors");
    SafetensorsWriter.write(file, Map.of("x", HostTensor.of(new float[1], 1)), metadata);
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      return Provenance.of(checkpoint);
    }
  }

  @Test
  void whatIsWrittenIsRead() {
    List<String> names = List.of("Effusion, left", "\"quoted\" \\", "Ödem 肺", "[]", " x");
    Provenance whole = new Provenance("mrm", names, "00c0ffee");
    assertThat(writtenAndRead(whole.metadata())).isEqualTo(whole);
    assertThat(writtenAndRead(Provenance.NONE.metadata())).isEqualTo(Provenance.NONE);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a,b",
        "\"a\"",
        "{\"a\": 1}",
        "[\"a\"",
        "[\"a\"] []",
        "[1]",
        "[null]",
        "[[\"a\"]]",
        "[\" \"]",
        "[\"a\", \"a\"]",
        "[\"\\u001b[2J\"]",
        "[\"a\\nb\"]",
        "[\"a\\u2028b\"]",
        "[\"\\ud800\"]"
      })
  void labelsThatNoTrainingHadAreRefused(String labels) {
    assertThatThrownBy(() -> writtenAndRead(Map.of("lorikeet.labels", labels)))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("weights.safetensors: lorikeet.labels is '")
        .hasMessageContaining("expected a JSON array of names: ")
        .hasMessageNotContaining("\u001b");
  }

  @Test
  void aNameIsOfBoundedLength() {
    assertThat(LabelNames.problem(List.of("x".repeat(256)))).isNull();
    assertThat(LabelNames.problem(List.of("x".repeat(257))))
        .hasSizeLessThan(200)
        .endsWith("' has 257 characters, more than 256");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "123", "123456789", "0000000G", "\u001b[31mred"})
  void aChecksumThatIsNoneIsRefused(String checksum) {
    assertThatThrownBy(() -> writtenAndRead(Map.of("lorikeet.base_crc32c", checksum)))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("weights.safetensors: lorikeet.base_crc32c is '")
        .hasMessageNotContaining("\u001b");
  }
}
