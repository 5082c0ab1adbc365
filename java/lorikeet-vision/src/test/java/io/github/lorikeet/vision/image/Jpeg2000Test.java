// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static io.github.lorikeet.vision.image.Jpeg2000Files.HEIGHT;
import static io.github.lorikeet.vision.image.Jpeg2000Files.WIDTH;
import static io.github.lorikeet.vision.image.TestImages.bytes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.vision.image.jpeg2000.Codestream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;

class Jpeg2000Test {
  static final byte[][] LOSSLESS = {
    Jpeg2000Files.REVERSIBLE,
    Jpeg2000Files.TILES_AND_PRECINCTS,
    Jpeg2000Files.EVERY_BLOCK_STYLE,
    Jpeg2000Files.SMALL_BLOCKS
  };

  private static char[] decode(byte[] codestream) throws IOException {
    Codestream read = Codestream.read(codestream);
    assertThat(read.width()).isEqualTo(WIDTH);
    assertThat(read.height()).isEqualTo(HEIGHT);
    return read.decode();
  }

  @ParameterizedTest
  @FieldSource("LOSSLESS")
  void losslessCodestreamsGiveThePicture(byte[] codestream) throws IOException {
    char[] samples = decode(codestream);
    for (int i = 0; i < samples.length; i++) {
      assertThat((int) samples[i]).isEqualTo(Jpeg2000Files.sample(i % WIDTH, i / WIDTH));
    }
  }

  @Test
  void twelveBitsToo() throws IOException {
    char[] samples = decode(Jpeg2000Files.LAYERS_OF_TWELVE_BITS);
    for (int i = 0; i < samples.length; i++) {
      assertThat((int) samples[i]).isEqualTo(Jpeg2000Files.deepSample(i % WIDTH, i / WIDTH));
    }
  }

  @Test
  void theIrreversibleTransformComesNear() throws IOException {
    char[] samples = decode(Jpeg2000Files.IRREVERSIBLE);
    for (int i = 0; i < samples.length; i++) {
      // OpenJPEG quantises finely where no rate is asked for.
      assertThat(samples[i] - Jpeg2000Files.sample(i % WIDTH, i / WIDTH)).isBetween(-1, 1);
    }
  }

  @Test
  void dicomScalesTheSamples() {
    byte[] file =
        TestDicom.grey(TestDicom.JPEG_2000_LOSSLESS, WIDTH, HEIGHT, 16, 12)
            .fragments(new byte[0], Jpeg2000Files.LAYERS_OF_TWELVE_BITS)
            .file();
    Image image = ImageDecoder.decode(file, "x");
    int max = 0;
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
      max = Math.max(max, Jpeg2000Files.deepSample(i % WIDTH, i / WIDTH));
    }
    for (int y = 0; y < HEIGHT; y++) {
      for (int x = 0; x < WIDTH; x++) {
        double exact = Jpeg2000Files.deepSample(x, y) * 255.0 / max;
        assertThat(image.at(0, y, x) - exact).isBetween(-0.5001, 0.5001);
      }
    }
    byte[] other =
        TestDicom.grey(TestDicom.JPEG_2000_LOSSLESS, WIDTH, HEIGHT + 1, 16, 12)
            .fragments(new byte[0], Jpeg2000Files.LAYERS_OF_TWELVE_BITS)
            .file();
    assertThatThrownBy(() -> ImageDecoder.decode(other, "x"))
        .isInstanceOf(ImageException.class)
        .hasMessage("x: damaged DICOM: a JPEG 2000 of 21 x 17 pixels, expected 21 x 18");
  }

  @Test
  void truncatedCodestreamsAreRefusedAtEveryLength() {
    for (byte[] codestream : Jpeg2000Files.all()) {
      for (int length = 0; length < codestream.length; length++) {
        byte[] cut = Arrays.copyOf(codestream, length);
        assertThatThrownBy(() -> decode(cut))
            .isInstanceOf(IOException.class)
            .hasMessageContaining("JPEG 2000: ");
      }
    }
  }

  /**
   * Overwrites a byte of the plain codestream's header: SIZ begins at byte 2, the sizes in it at 8,
   * the number of components at 40; COD begins at 45.
   */
  @ParameterizedTest
  @CsvSource({
    "0, 0, 'no codestream'",
    "9, 100, 'pixels, more than its 459 bytes can hold'",
    "41, 3, '3 components, expected 1'",
    "42, 37, '38 bits a sample'",
    "43, 2, 'a component that is subsampled'",
    "46, 96, 'marker FF60'",
    "50, 5, 'progression 5'",
    "51, 1, 'in 257 layers in only'",
    "54, 40, 'a COD segment of 40 levels'",
    "55, 9, 'code blocks of 2^11 x 2^6'",
    "58, 2, 'transform 2'",
    "58, 0, 'quantisation style 0 does not go with its transform'",
  })
  void wrongHeadersAreNamed(int at, int value, String message) {
    byte[] codestream = Jpeg2000Files.REVERSIBLE.clone();
    codestream[at] = (byte) value;
    assertThatThrownBy(() -> decode(codestream))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("JPEG 2000: ")
        .hasMessageContaining(message);
  }

  /** A packet's header, a bit at a time; the byte after FF has seven. */
  private static final class Bits {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private int current;
    private int left = 8;

    void write(int value, int count) {
      for (int i = count - 1; i >= 0; i--) {
        current |= (value >> i & 1) << --left;
        if (left == 0) {
          bytes.write(current);
          left = current == 0xFF ? 7 : 8;
          current = 0;
        }
      }
    }

    byte[] end() {
      write(0, left);
      return bytes.toByteArray();
    }
  }

  /**
   * A picture of 2048 x 2048 in 1024 blocks, each with 88 passes over its 4096 coefficients and no
   * byte to decode them from: four kilobytes that would keep a decoder busy for seconds.
   */
  @Test
  void passesWithoutBytesAreRefused() {
    Bits header = new Bits();
    header.write(1, 1);
    boolean[][] seen = new boolean[6][1024];
    for (int block = 0; block < 1024; block++) {
      // In the first layer, and no zero bit plane: a one for each new node of the two trees.
      int nodes = 0;
      for (int level = 5; level >= 0; level--) {
        int node = (block / 32 >> level) * 32 + (block % 32 >> level);
        nodes += seen[level][node] ? 0 : 1;
        seen[level][node] = true;
      }
      header.write((1 << 2 * nodes) - 1, 2 * nodes);
      // 37 + 51 passes, a length of nine bits that is zero.
      header.write(0b1111_11111, 9);
      header.write(51, 7);
      header.write(0, 1 + 9);
    }
    // Two guard bits and an exponent of 29 are 30 bit planes: 88 passes.
    byte[] codestream = codestream(1, 64, 29, header.end());
    assertThatThrownBy(() -> Codestream.read(codestream).decode())
        .isInstanceOf(IOException.class)
        .hasMessage(
            "damaged JPEG 2000: more coding passes than its "
                + codestream.length
                + " bytes can hold");
  }

  /** One bit of a packet's header may say that none of a picture's blocks is in its layer. */
  @Test
  void layersOfManyBlocksTakeBytes() throws IOException {
    byte[] packets = new byte[64];
    Arrays.fill(packets, (byte) 0x80);
    char[] grey = new char[2048 * 2048];
    Arrays.fill(grey, (char) 128);
    // 4096 blocks of 32 x 32.
    assertThat(Codestream.read(codestream(64, 32, 8, packets)).decode()).isEqualTo(grey);
    // 262144 blocks of 4 x 4.
    byte[] tooMany = codestream(64, 4, 8, packets);
    assertThatThrownBy(() -> Codestream.read(tooMany).decode())
        .isInstanceOf(IOException.class)
        .hasMessage("damaged JPEG 2000: more blocks in layers than its bytes can hold");
  }

  /** A picture of 2048 x 2048 in one tile and one band. */
  private static byte[] codestream(int layers, int blockSize, int exponent, byte[] packets) {
    int blockBits = Integer.numberOfTrailingZeros(blockSize) - 2;
    ByteBuffer file = ByteBuffer.allocate(packets.length + 200);
    file.putShort((short) 0xFF4F).putShort((short) 0xFF51).putShort((short) 41).putShort((short) 0);
    file.putInt(2048).putInt(2048).putLong(0).putInt(2048).putInt(2048).putLong(0);
    file.putShort((short) 1).put(bytes(7, 1, 1));
    file.put(bytes(0xFF, 0x52, 0, 12, 0, 0, 0, layers, 0, 0, blockBits, blockBits, 0, 1));
    file.put(bytes(0xFF, 0x5C, 0, 4, 2 << 5, exponent << 3));
    file.putShort((short) 0xFF90).putShort((short) 10).putShort((short) 0);
    file.putInt(14 + packets.length).put(bytes(0, 1, 0xFF, 0x93)).put(packets);
    file.putShort((short) 0xFFD9);
    return Arrays.copyOf(file.array(), file.position());
  }
}
