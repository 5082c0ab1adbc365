// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Decodes grey JPEG 2000 codestreams (ITU-T T.800, ISO/IEC 15444-1), as DICOM files hold them:
 * {@link Codestream} reads the headers, {@link Tile} lays out bands and code blocks, {@link
 * PacketReader} deals the bytes out to the blocks, {@link BlockDecoder} turns them into
 * coefficients and {@link Wavelet} turns those into samples.
 */
package io.github.lorikeet.vision.image.jpeg2000;
