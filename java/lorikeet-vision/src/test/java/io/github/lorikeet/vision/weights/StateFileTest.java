// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.core.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StateFileTest {
  @TempDir Path folder;
  private Path path;

  @BeforeEach
  void choosePath() {
    path = folder.resolve("state");
  }

  private void write(float first) {
    // Both tensors in the same memory, as a state too large to hold twice is written.
    MemorySegment shared = Arena.ofAuto().allocate(ValueLayout.JAVA_FLOAT, 2);
    StateFile state = new StateFile(path);
    for (float value : new float[] {first, first + 1}) {
      state.add(
          "at " + value,
          DType.F32,
          new long[] {2, 1},
          () -> {
            shared.setAtIndex(ValueLayout.JAVA_FLOAT, 0, value);
            shared.setAtIndex(ValueLayout.JAVA_FLOAT, 1, value);
            return shared;
          });
    }
    state.write(Map.of("epoch", "" + first));
  }

  @Test
  void keepsWhatWasWrittenAndWhatWasBefore() {
    write(1);
    write(7);
    write(9);
    try (Checkpoint last = StateFile.open(path);
        Checkpoint before = StateFile.open(StateFile.previous(path))) {
      assertThat(last.metadata()).containsEntry("epoch", "9.0");
      assertThat(last.require("at 9.0", 2, 1).toFloats()).containsExactly(9, 9);
      assertThat(last.require("at 10.0", 2, 1).toFloats()).containsExactly(10, 10);
      assertThat(before.require("at 7.0", 2, 1).toFloats()).containsExactly(7, 7);
    }
    assertThat(folder.toFile().list()).containsExactlyInAnyOrder("state", "state.previous");
    StateFile.delete(path);
    StateFile.delete(path);
    assertThat(folder.toFile().list()).isEmpty();
  }

  @Test
  void everyFlippedBitAndEveryTruncationIsFound() throws Exception {
    write(1);
    byte[] whole = Files.readAllBytes(path);
    for (int at = 0; at < whole.length; at++) {
      byte[] damaged = whole.clone();
      damaged[at] ^= (byte) (1 << at % 8);
      isDamaged(damaged);
      isDamaged(Arrays.copyOf(whole, at));
    }
    isDamaged(Arrays.copyOf(whole, whole.length + 1));
  }

  private void isDamaged(byte[] bytes) throws Exception {
    Files.write(path, bytes);
    assertThatThrownBy(() -> StateFile.open(path).close())
        .isInstanceOf(WeightsException.class)
        .hasMessageStartingWith(path + ": ");
  }

  /**
   * CRC-32C bit by bit (reflected polynomial 0x82F63B78, RFC 3720 appendix B.4), over all but the
   * last four bytes, which hold it in little endian.
   */
  @Test
  void theChecksumIsCrc32c() throws Exception {
    write(3);
    byte[] bytes = Files.readAllBytes(path);
    int crc = -1;
    for (int i = 0; i < bytes.length - 4; i++) {
      crc ^= bytes[i] & 0xFF;
      for (int bit = 0; bit < 8; bit++) {
        crc = (crc >>> 1) ^ ((crc & 1) * 0x82F63B78);
      }
    }
    int stored =
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt(bytes.length - Integer.BYTES);
    assertThat(stored).isEqualTo(~crc);
  }

  @Test
  void aMissingStateIsNamed() {
    assertThatThrownBy(() -> StateFile.open(path)).hasMessageContaining("no such file");
  }
}
