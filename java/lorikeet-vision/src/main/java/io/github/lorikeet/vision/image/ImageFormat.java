// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;

/** The formats that images are read from. */
public enum ImageFormat {
  PNG("png"),
  JPEG("jpg", "jpeg"),
  DICOM("dcm", "dicom");

  private final Set<String> extensions;

  ImageFormat(String... extensions) {
    this.extensions = Set.of(extensions);
  }

  /** The format that a file's bytes begin like; null for none of these. */
  public static ImageFormat of(byte[] bytes) {
    if (DicomFile.isDicom(bytes)) {
      return DICOM;
    }
    if (startsWith(bytes, PngFile.SIGNATURE)) {
      return PNG;
    }
    return startsWith(bytes, JpegFile.START) ? JPEG : null;
  }

  /** The format that a file's name promises; null if it promises none of these. */
  public static ImageFormat ofName(String name) {
    String extension = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    return Arrays.stream(values())
        .filter(format -> format.extensions.contains(extension))
        .findFirst()
        .orElse(null);
  }

  private static boolean startsWith(byte[] bytes, byte[] start) {
    int length = start.length;
    return bytes.length >= length && Arrays.equals(bytes, 0, length, start, 0, length);
  }
}
