// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.HostTensor;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TimeZone;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TorchWriterTest {
  @TempDir Path folder;

  private static Map<String, HostTensor> tensors() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    tensors.put("z", HostTensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3));
    tensors.put("a.half", HostTensor.of(new float[] {0.5f, -2}, 2).f16());
    tensors.put("scalar", HostTensor.of(new float[] {7}));
    // More than the writer moves at once.
    tensors.put("large", HostTensor.of(new float[300_000], 300, 1000));
    return tensors;
  }

  @Test
  void readsBackInTheSameOrderAndBits() {
    Path path = folder.resolve("w.pth");
    TorchWriter.write(path, tensors());
    try (Checkpoint read = Checkpoint.open(path)) {
      assertThat(read.tensors().keySet()).containsExactly("z", "a.half", "scalar", "large");
      tensors()
          .forEach(
              (name, tensor) -> {
                assertThat(read.require(name).shape()).isEqualTo(tensor.shape());
                assertThat(read.require(name).data().mismatch(tensor.data())).isEqualTo(-1);
              });
      assertThat(read.notes()).isEmpty();
    }
  }

  @Test
  void theSameTensorsGiveTheSameBytes() throws Exception {
    TorchWriter.write(folder.resolve("1.pth"), tensors());
    Thread.sleep(2100); // zip's clock ticks every two seconds
    TorchWriter.write(folder.resolve("2.pth"), tensors());
    assertThat(folder.resolve("1.pth")).hasSameBinaryContentAs(folder.resolve("2.pth"));
    assertThat(folder.toFile().list()).containsExactlyInAnyOrder("1.pth", "2.pth");
  }

  @Test
  void timeZonesLeaveNoTrace() {
    TimeZone before = TimeZone.getDefault();
    try {
      for (String zone : new String[] {"UTC", "Asia/Tokyo", "America/New_York"}) {
        TimeZone.setDefault(TimeZone.getTimeZone(zone));
        Path path = folder.resolve(zone.replace('/', ' '));
        TorchWriter.write(path, tensors());
        assertThat(path).hasSameBinaryContentAs(folder.resolve("UTC"));
      }
    } finally {
      TimeZone.setDefault(before);
    }
  }

  /** What torch.load looks for: one folder, its version, and storages that are not compressed. */
  @Test
  void isLaidOutAsTorchSaveDoes() throws Exception {
    Path path = folder.resolve("w.pth");
    TorchWriter.write(path, Map.of("w", HostTensor.of(new float[] {1}, 1)));
    try (ZipFile zip = new ZipFile(path.toFile())) {
      assertThat(zip.stream().map(ZipEntry::getName))
          .containsExactly(
              "archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/version");
      assertThat(zip.stream().map(ZipEntry::getMethod)).containsOnly(ZipEntry.STORED);
      try (InputStream version = zip.getInputStream(zip.getEntry("archive/version"))) {
        assertThat(version.readAllBytes()).asString().isEqualTo("3\n");
      }
    }
    assertThat(Files.size(path)).isLessThan(1000);
  }
}
