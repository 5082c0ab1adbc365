// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.log;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * TensorFlow's framing of a record: its length in 8 bytes, the length's checksum in 4, the data,
 * the data's checksum in 4, all little-endian.
 */
final class TfRecord {
  private static final int MASK_ADDEND = 0xA282EAD8;

  private TfRecord() {}

  static byte[] frame(byte[] data) {
    int overhead = Long.BYTES + 2 * Integer.BYTES;
    ByteBuffer record = ByteBuffer.allocate(data.length + overhead).order(ByteOrder.LITTLE_ENDIAN);
    record.putLong(data.length);
    record.putInt(maskedChecksum(record.array(), Long.BYTES));
    record.put(data);
    record.putInt(maskedChecksum(data, data.length));
    return record.array();
  }

  /**
   * CRC-32C (Castagnoli), rotated by 15 bits and offset, so that a checksum of data that holds
   * checksums stays a good one.
   */
  static int maskedChecksum(byte[] data, int length) {
    CRC32C checksum = new CRC32C();
    checksum.update(data, 0, length);
    return Integer.rotateRight((int) checksum.getValue(), 15) + MASK_ADDEND;
  }
}
