// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Damaged and forged files are decoded or refused, quickly and in bounded memory. */
class HostileImagesTest {
  private static final int MUTATIONS = 1000;
  private static final long SPARE_BYTES = 64L << 20;
  private static final long MAX_CPU_NANOSECONDS = 2_000_000_000L;
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @ParameterizedTest
  @ValueSource(
      strings = {
        "png",
        "jpeg",
        "progressive",
        "dicom explicit",
        "dicom implicit",
        "dicom rle",
        "dicom jpeg",
        "dicom jpeg2000 0",
        "dicom jpeg2000 1",
        "dicom jpeg2000 2",
        "dicom jpeg2000 3",
        "dicom jpeg2000 4",
        "dicom jpeg2000 5"
      })
  void mutationsAreRefusedOrDecoded(String kind) throws Exception {
    byte[] original = original(kind);
    assertThat(isDecoded(original, kind, kind)).isTrue();
    SplittableRandom random = new SplittableRandom(kind.hashCode());
    int refused = 0;
    int decoded = 0;
    for (int i = 0; i < MUTATIONS; i++) {
      byte[] file = mutate(original, kind, random);
      if (isDecoded(file, kind, kind + " mutation " + i)) {
        decoded++;
      } else {
        refused++;
      }
    }
    // Damage in metadata is harmless, most other is not.
    assertThat(refused).isGreaterThan(MUTATIONS / 4);
    assertThat(decoded).isPositive();
  }

  private static byte[] original(String kind) throws IOException {
    byte[] radiograph = Files.readAllBytes(TestImages.radiograph("normal_0010.jpg"));
    Image image = ImageDecoder.decode(radiograph, "radiograph");
    int width = image.width();
    int height = image.height();
    byte[] zeros = new byte[width * height];
    return switch (kind) {
      case "png" -> TestImages.png(TestImages.buffered(image));
      case "jpeg" -> radiograph;
      case "progressive" -> TestImages.jpeg(TestImages.buffered(image), true);
      case "dicom explicit" ->
          withSequences(TestDicom.grey(TestDicom.EXPLICIT, width, height, 8, 8))
              .pixels(image.pixels())
              .file();
      case "dicom implicit" ->
          withSequences(TestDicom.grey(TestDicom.IMPLICIT, width, height / 2, 16, 12))
              .pixels(image.pixels())
              .file();
      case "dicom rle" ->
          TestDicom.grey(TestDicom.RLE, width, height, 16, 12)
              .fragments(new byte[0], TestDicom.rle(zeros, image.pixels()))
              .file();
      case "dicom jpeg" ->
          TestDicom.grey(TestDicom.JPEG, width, height, 8, 8)
              .fragments(TestDicom.longs(0), radiograph)
              .file();
      default -> {
        int which = kind.charAt(kind.length() - 1) - '0';
        yield TestDicom.grey(
                TestDicom.JPEG_2000_LOSSLESS, Jpeg2000Files.WIDTH, Jpeg2000Files.HEIGHT, 16, 12)
            .fragments(new byte[0], Jpeg2000Files.all().get(which))
            .file();
      }
    };
  }

  private static TestDicom withSequences(TestDicom dicom) {
    return dicom
        .begin(0x00281140, "SQ")
        .item(-1)
        .begin(0x00281150, "SQ")
        .item(-1)
        .endItem()
        .end()
        .endItem()
        .end();
  }

  /** A scan that changes nothing takes few bytes, and a pass over all coefficients. */
  @Test
  void largeFilesOfManyEmptyScansAreRefused() {
    BufferedImage black = new BufferedImage(2000, 2000, BufferedImage.TYPE_BYTE_GRAY);
    byte[] file = TestImages.jpeg(black, true);
    int scan = file.length - 2;
    while (file[scan] != (byte) 0xFF || file[scan + 1] != (byte) 0xDA) {
      scan--;
    }
    JpegFile.check(withScans(file, scan, 10));
    byte[] many = withScans(file, scan, 90);
    assertThatThrownBy(() -> JpegFile.check(many))
        .isInstanceOf(ImageException.class)
        .hasMessageContaining("scans of 2000 x 2000 pixels in ");
  }

  /** Repeats the last scan, which starts at {@code scan}, before the end marker. */
  private static byte[] withScans(byte[] file, int scan, int more) {
    int length = file.length - 2 - scan;
    ByteBuffer bytes = ByteBuffer.allocate(file.length + more * length);
    bytes.put(file, 0, scan + length);
    for (int i = 0; i < more; i++) {
      bytes.put(file, scan, length);
    }
    return bytes.put(file, file.length - 2, 2).array();
  }

  @ParameterizedTest
  @ValueSource(strings = {"png", "jpeg", "progressive"})
  void largeFilesThatClaimToBeLargerAreRefused(String kind) throws Exception {
    // Noise compresses badly: as many bytes of something else could be 36 million colour pixels.
    BufferedImage noise = new BufferedImage(1000, 1000, BufferedImage.TYPE_3BYTE_BGR);
    byte[] pixels = new byte[1000 * 1000 * 3];
    new SplittableRandom(1).nextBytes(pixels);
    noise.getRaster().setDataElements(0, 0, 1000, 1000, pixels);
    byte[] file =
        kind.equals("png")
            ? TestImages.png(noise)
            : TestImages.jpeg(noise, kind.equals("progressive"));
    ByteBuffer bytes = ByteBuffer.wrap(file);
    if (kind.equals("png")) {
      bytes.putInt(16, 6000).putInt(20, 6000);
      mendChecksums(file);
    } else {
      int frame = TestImages.indexOf(file, kind.equals("progressive") ? 0xC2 : 0xC0);
      bytes.putShort(frame + 4, (short) 6000).putShort(frame + 6, (short) 6000);
    }
    assertThat(isDecoded(file, kind, kind)).isFalse();
  }

  @Test
  void tallPicturesOfOneColumnTakeNoLonger() {
    int height = 16_000_000;
    byte[] file = TestImages.png(1, height, 8, 0, false, null, new byte[2 * height]);
    assertThat(isDecoded(file, "png", "tall")).isTrue();
  }

  @Test
  void chunksOfNoDataTakeNoMemory() {
    byte[] picture = TestImages.png(1, 1, 8, 0, false, null, new byte[] {0, 7});
    byte[] chunk = TestImages.chunk("IDAT", new byte[0]);
    int chunks = 1_000_000;
    ByteBuffer bytes = ByteBuffer.allocate(picture.length + chunks * chunk.length);
    bytes.put(picture, 0, 33);
    for (int i = 0; i < chunks; i++) {
      bytes.put(chunk);
    }
    byte[] file = bytes.put(picture, 33, picture.length - 33).array();
    long before = usedBytes();
    PngFile png = PngFile.check(file);
    assertThat(usedBytes() - before).isLessThan(2L * file.length);
    assertThat(png.plainRows().decode().at(0, 0, 0)).isEqualTo(7);
  }

  private static long usedBytes() {
    System.gc();
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
  }

  /** Decodes a file, or sees it refused by the right exception, in bounded memory. */
  private static boolean isDecoded(byte[] file, String kind, String name) {
    long allocated = THREADS.getCurrentThreadAllocatedBytes();
    long start = THREADS.getCurrentThreadCpuTime();
    boolean decoded = true;
    try {
      ImageDecoder.decode(file, name);
    } catch (ImageException e) {
      assertThat(e).hasMessageStartingWith(name + ": ");
      assertThat(e.getMessage().length()).isLessThan(500);
      // ImageIO's decoders may end in any exception; the readers of this project may not.
      if (kind.startsWith("dicom") && !kind.endsWith("jpeg")) {
        assertThat(e.getMessage()).doesNotContain("damaged image data");
      }
      decoded = false;
    }
    assertThat(THREADS.getCurrentThreadCpuTime() - start).as(name).isLessThan(MAX_CPU_NANOSECONDS);
    assertThat(THREADS.getCurrentThreadAllocatedBytes() - allocated)
        .as(name)
        .isLessThan(file.length + SPARE_BYTES);
    return decoded;
  }

  private static byte[] mutate(byte[] original, String kind, SplittableRandom random) {
    byte[] file = original.clone();
    switch (random.nextInt(5)) {
      case 0 -> {
        return Arrays.copyOf(file, random.nextInt(file.length));
      }
      case 1 -> flipBits(file, random, file.length);
      case 2 -> flipBits(file, random, Math.min(file.length, 700));
      case 3 -> forgeNumber(file, kind.startsWith("dicom"), random);
      default -> {
        // Length, place and bytes of one stretch, copied over another.
        int length = random.nextInt(1, 64);
        System.arraycopy(
            original,
            random.nextInt(file.length - length),
            file,
            random.nextInt(file.length - length),
            length);
      }
    }
    // Half of the time the checksums are made right again, so that the damage reaches the decoder.
    if (kind.equals("png") && random.nextBoolean()) {
      mendChecksums(file);
    }
    return file;
  }

  private static void flipBits(byte[] file, SplittableRandom random, int within) {
    for (int i = random.nextInt(1, 9); i > 0; i--) {
      file[random.nextInt(within)] ^= (byte) (1 << random.nextInt(8));
    }
  }

  /** Writes an extreme 2- or 4-byte number somewhere near the start, where the sizes are. */
  private static void forgeNumber(byte[] file, boolean dicom, SplittableRandom random) {
    int at = dicom ? random.nextInt(132, 500) : random.nextInt(2, 200);
    int[] extremes = {0, 1, 0x7FFF, 0xFFFF, 8191, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    int value = extremes[random.nextInt(extremes.length)];
    ByteBuffer bytes =
        ByteBuffer.wrap(file).order(dicom ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
    if (random.nextBoolean()) {
      bytes.putInt(at, value);
    } else {
      bytes.putShort(at, (short) value);
    }
  }

  private static void mendChecksums(byte[] file) {
    ByteBuffer bytes = ByteBuffer.wrap(file);
    int position = 8;
    while (file.length - position >= 12) {
      long length = bytes.getInt(position) & 0xFFFFFFFFL;
      if (length > file.length - position - 12) {
        return;
      }
      CRC32 crc = new CRC32();
      crc.update(file, position + 4, (int) length + 4);
      bytes.putInt(position + 8 + (int) length, (int) crc.getValue());
      position += (int) length + 12;
    }
  }
}
