// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EventFileTest {
  /** 1,700,000,000.5 s, which as a double is 41 D9 54 FC 40 20 00 00. */
  private static final InstantSource CLOCK =
      InstantSource.fixed(Instant.ofEpochMilli(1_700_000_000_500L));

  @TempDir private Path folder;

  private static byte[] hex(String text) {
    return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
  }

  private byte[] only() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      Path file = files.toList().getFirst();
      assertThat(file.getFileName().toString()).contains("tfevents");
      return Files.readAllBytes(file);
    }
  }

  /**
   * CRC-32C's check value (of "123456789") is E3069283, and that of 32 zero bytes 8A9136AA (RFC
   * 3720, B.4). The mask: rotated right by 15, E3069283 is 2507C60D, and + A282EAD8 is C78AB0E5;
   * 8A9136AA is 6D551522, and + A282EAD8 is, modulo 2^32, 0FD7FFFA.
   */
  @Test
  void checksumsAreTheKnownOnes() {
    byte[] digits = "123456789".getBytes(StandardCharsets.US_ASCII);
    assertThat(TfRecord.maskedChecksum(digits, 9)).isEqualTo(0xC78AB0E5);
    assertThat(TfRecord.maskedChecksum(new byte[32], 32)).isEqualTo(0x0FD7FFFA);
  }

  /** A varint has seven bits a byte, the lowest first: 300 = 10 0101100 is AC 02. */
  @Test
  void fieldsAreEncodedAsWorkedOutByHand() {
    assertThat(new ProtocolBuffer().integer(2, 300).toBytes()).isEqualTo(hex("10 AC 02"));
    assertThat(new ProtocolBuffer().integer(1, 0).toBytes()).isEqualTo(hex("08 00"));
    assertThat(new ProtocolBuffer().integer(16, 1).toBytes()).isEqualTo(hex("80 01 01"));
    assertThat(new ProtocolBuffer().integer(1, -1).toBytes())
        .isEqualTo(hex("08 FF FF FF FF FF FF FF FF FF 01"));
    assertThat(new ProtocolBuffer().real(1, 1.0).toBytes())
        .isEqualTo(hex("09 00 00 00 00 00 00 F0 3F"));
    assertThat(new ProtocolBuffer().real(2, 0.5f).toBytes()).isEqualTo(hex("15 00 00 00 3F"));
    assertThat(new ProtocolBuffer().text(1, "µ").toBytes()).isEqualTo(hex("0A 02 C2 B5"));
    assertThat(new ProtocolBuffer().text(1, "a".repeat(200)).toBytes())
        .startsWith(hex("0A C8 01 61"));
  }

  /**
   * The whole file, record by record: length, masked checksum, Event{wall_time = field 1, step = 2,
   * file_version = 3, summary = 5, session_log = 7}, masked checksum. The first twelve bytes are
   * those that every event file of TensorFlow starts with. The checksums were computed bit by bit
   * from the polynomial 82F63B78, away from this code.
   */
  @Test
  void aFileHasTheBytesWorkedOutByHand() throws IOException {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("loss", 0.5);
    values.put("none", Double.NaN);
    values.put("lr", 0.25);
    try (EventFile events = EventFile.create(folder, 300, CLOCK)) {
      events.scalars(300, values);
      events.scalars(301, Map.of("none", Double.NaN));
    }
    String version =
        """
        18 00 00 00 00 00 00 00  A3 7F 4B 22
        09 00 00 20 40 FC 54 D9 41  1A 0D 62 72 61 69 6E 2E 45 76 65 6E 74 3A 32
        2B 35 31 10
        """;
    String start =
        """
        10 00 00 00 00 00 00 00  95 FB FE 18
        09 00 00 20 40 FC 54 D9 41  10 AC 02  3A 02 08 01
        B9 45 12 A3
        """;
    String scalars =
        """
        26 00 00 00 00 00 00 00  73 4F E3 00
        09 00 00 20 40 FC 54 D9 41  10 AC 02  2A 18
           0A 0B  0A 04 6C 6F 73 73  15 00 00 00 3F
           0A 09  0A 02 6C 72        15 00 00 80 3E
        5C DF C9 DE
        """;
    assertThat(only()).isEqualTo(hex(version + start + scalars));
  }

  @Test
  void whatWasFlushedCanBeReadBeforeTheEnd() throws IOException {
    try (EventFile events = EventFile.create(folder, 0, CLOCK)) {
      int before = only().length;
      events.scalars(1, Map.of("loss", 1.0));
      events.flush();
      assertThat(only().length).isGreaterThan(before);
    }
  }

  @Test
  void aFolderThatIsNotThereIsNamed() {
    assertThatThrownBy(() -> EventFile.create(folder.resolve("none"), 0, CLOCK))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("none");
  }
}
