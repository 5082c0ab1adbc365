// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.util.EnumSet;
import java.util.Set;

/** A side of a picture, which a part of it may touch. */
enum Edge {
  LEFT,
  TOP,
  RIGHT,
  BOTTOM;

  /** Those a part was put to; one as wide or as high as the picture had no choice. */
  static Set<Edge> of(Crop part, int width, int height) {
    Set<Edge> edges = EnumSet.noneOf(Edge.class);
    if (part.width() < width) {
      add(edges, part.left(), LEFT, width - part.width(), RIGHT);
    }
    if (part.height() < height) {
      add(edges, part.top(), TOP, height - part.height(), BOTTOM);
    }
    return edges;
  }

  private static void add(Set<Edge> edges, int at, Edge first, int most, Edge last) {
    if (at == 0) {
      edges.add(first);
    }
    if (at == most) {
      edges.add(last);
    }
  }
}
