// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/**
 * From files to normalised pixels: decoding behind bounds, Pillow's resize, the study's crops and
 * augmentation.
 */
package io.github.lorikeet.vision.image;
