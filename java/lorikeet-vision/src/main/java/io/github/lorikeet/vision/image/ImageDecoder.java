// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import io.github.lorikeet.vision.file.FileProblem;
import java.awt.image.BufferedImage;
import java.awt.image.DataBuffer;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import javax.imageio.ImageIO;
import javax.imageio.ImageReadParam;
import javax.imageio.ImageReader;

/**
 * Reads JPEG (baseline and progressive; grey and colour), PNG (every kind) and DICOM (one grey
 * picture) files that nobody vouches for; which one it is, the content says. The file's structure
 * is checked first, its dimensions against {@link #MAX_PIXELS} and against what its bytes can hold,
 * so that memory grows with the file and not with its claims.
 *
 * <p>Pixel values are those of the file: colour profiles, gamma, orientation and transparency are
 * left aside, as Pillow leaves them. Colour images whose three channels are equal become grey.
 */
public final class ImageDecoder {
  /** Most pixels of an image: 8192 x 8192, more than twice a mammogram. */
  public static final long MAX_PIXELS = 1L << 26;

  private static final long MAX_FILE_BYTES = 1L << 28;

  private static final int LOOK_STEP = 64;

  private ImageDecoder() {}

  /**
   * @throws ImageException naming the file and what is wrong with it
   */
  public static Image read(Path file) {
    return decode(load(file), file.toString());
  }

  /**
   * The bytes of a file that is not too large to be an image.
   *
   * @throws ImageException naming the file
   */
  public static byte[] load(Path file) {
    try {
      if (Files.exists(file) && !Files.isRegularFile(file)) {
        throw new ImageException(file + ": not a file");
      }
      if (Files.size(file) > MAX_FILE_BYTES) {
        throw new ImageException(
            file + ": " + Files.size(file) + " bytes, expected at most " + MAX_FILE_BYTES);
      }
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new ImageException(file + ": no such file", e);
    } catch (IOException e) {
      throw new ImageException(file + ": cannot be read: " + FileProblem.of(e), e);
    }
  }

  /**
   * Decodes a file's bytes.
   *
   * @param name what messages call the image
   */
  public static Image decode(byte[] bytes, String name) {
    try {
      return switch (ImageFormat.of(bytes)) {
        case DICOM -> DicomFile.check(bytes).decode();
        case PNG -> decode(PngFile.check(bytes));
        case JPEG -> decode(JpegFile.check(bytes));
        case null -> throw new ImageException(description(bytes));
      };
    } catch (ImageException e) {
      throw new ImageException(name + ": " + e.getMessage(), e);
    } catch (IOException | RuntimeException e) {
      // ImageIO reports damaged files by unchecked exceptions too.
      String why = e.getMessage() == null ? "" : " (" + e.getMessage() + ")";
      throw new ImageException(name + ": damaged image data" + why, e);
    } catch (OutOfMemoryError e) {
      throw new ImageException(name + ": not enough memory to decode it", e);
    }
  }

  /** What a file that is no image we read seems to be. */
  private static String description(byte[] bytes) {
    if (bytes.length == 0) {
      return "empty file";
    }
    byte[] start = Arrays.copyOf(bytes, Math.min(bytes.length, 16));
    boolean text = true;
    StringBuilder hex = new StringBuilder();
    for (byte b : start) {
      text &= b >= ' ' && b < 0x7F || b == '\n' || b == '\r' || b == '\t';
      hex.append(String.format("%02x ", b));
    }
    return "not a JPEG, PNG or DICOM file: it "
        + (text
            ? "looks like text, starting '"
                + new String(start, StandardCharsets.ISO_8859_1).replaceAll("\\s", " ")
                + "'"
            : "starts with the bytes " + hex.toString().strip());
  }

  private static Image decode(PngFile png) throws IOException {
    PngRows rows = png.plainRows();
    return rows == null ? decode(png.file()) : collapse(rows.decode());
  }

  /** Decodes a checked file by ImageIO. */
  static Image decode(ImageFile file) throws IOException {
    if (file.isLarge()) {
      // A small picture of it takes little memory, and shows whether the pixels are really there.
      decode(file, LOOK_STEP);
    }
    BufferedImage decoded = decode(file, 1);
    if (decoded.getWidth() != file.width() || decoded.getHeight() != file.height()) {
      throw new ImageException("damaged image data: its size is not the header's");
    }
    return collapse(planes(decoded));
  }

  /** Decodes every step-th pixel of every step-th row. */
  private static BufferedImage decode(ImageFile file, int step) throws IOException {
    ImageReader reader = reader(file.format());
    List<String> warnings = new ArrayList<>();
    // The stream goes with the reader: it holds nothing but the file's bytes, already in memory.
    try {
      file.parts().seek(0);
      reader.setInput(file.parts(), false, true);
      reader.addIIOReadWarningListener((source, warning) -> warnings.add(warning));
      ImageReadParam parameters = reader.getDefaultReadParam();
      parameters.setSourceSubsampling(step, step, 0, 0);
      BufferedImage decoded = reader.read(0, parameters);
      refuseDamage(warnings);
      return decoded;
    } finally {
      reader.dispose();
    }
  }

  /** Stops at pixels that the decoder had to invent; stray bytes between segments harm none. */
  private static void refuseDamage(List<String> warnings) {
    for (String warning : warnings) {
      if (!warning.contains("extraneous bytes")) {
        throw new ImageException("damaged image data (" + warning + ")");
      }
    }
  }

  /** The JDK's own reader, whatever else the class path offers. */
  private static ImageReader reader(String format) {
    Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName(format);
    while (readers.hasNext()) {
      ImageReader reader = readers.next();
      if (reader.getClass().getModule() == ImageIO.class.getModule()) {
        return reader;
      }
    }
    throw new IllegalStateException("this Java has no reader of " + format + " images");
  }

  private static Image planes(BufferedImage decoded) {
    Raster raster = decoded.getRaster();
    if (decoded.getColorModel() instanceof IndexColorModel palette) {
      return fromPalette(raster, palette);
    }
    int width = raster.getWidth();
    int height = raster.getHeight();
    int channels = raster.getNumBands() < 3 ? 1 : 3;
    boolean deep = raster.getTransferType() == DataBuffer.TYPE_USHORT;
    int max = deep ? largest(raster, channels) : 255;
    byte[] pixels = new byte[channels * height * width];
    int[] row = new int[width];
    for (int c = 0; c < channels; c++) {
      for (int y = 0; y < height; y++) {
        raster.getSamples(0, y, width, 1, c, row);
        int at = (c * height + y) * width;
        for (int x = 0; x < width; x++) {
          pixels[at + x] = (byte) (max == 255 ? row[x] : scaled(row[x], max));
        }
      }
    }
    return new Image(width, height, channels, pixels);
  }

  /**
   * 16-bit samples become 8-bit ones by value * 255 / the image's largest value, rounded: the rule
   * that the study has for radiographs deeper than 8 bits. Such files often hold 10 or 12 bits, of
   * which the full range would leave a black picture; Pillow's own conversion cuts all values above
   * 255 off and leaves a white one.
   */
  private static int scaled(int value, int max) {
    return (value * 255 + max / 2) / max;
  }

  private static int largest(Raster raster, int channels) {
    int max = 1;
    int[] row = new int[raster.getWidth()];
    for (int c = 0; c < channels; c++) {
      for (int y = 0; y < raster.getHeight(); y++) {
        for (int sample : raster.getSamples(0, y, row.length, 1, c, row)) {
          max = Math.max(max, sample);
        }
      }
    }
    return max;
  }

  private static Image fromPalette(Raster raster, IndexColorModel palette) {
    int width = raster.getWidth();
    int height = raster.getHeight();
    byte[] pixels = new byte[3 * height * width];
    int[] row = new int[width];
    for (int y = 0; y < height; y++) {
      raster.getSamples(0, y, width, 1, 0, row);
      for (int x = 0; x < width; x++) {
        int at = y * width + x;
        pixels[at] = (byte) palette.getRed(row[x]);
        pixels[height * width + at] = (byte) palette.getGreen(row[x]);
        pixels[2 * height * width + at] = (byte) palette.getBlue(row[x]);
      }
    }
    return new Image(width, height, 3, pixels);
  }

  /** Keeps one plane of three equal ones. */
  private static Image collapse(Image image) {
    int plane = image.width() * image.height();
    byte[] pixels = image.pixels();
    if (image.channels() == 1
        || !Arrays.equals(pixels, 0, plane, pixels, plane, 2 * plane)
        || !Arrays.equals(pixels, 0, plane, pixels, 2 * plane, 3 * plane)) {
      return image;
    }
    return new Image(image.width(), image.height(), 1, Arrays.copyOf(pixels, plane));
  }
}
