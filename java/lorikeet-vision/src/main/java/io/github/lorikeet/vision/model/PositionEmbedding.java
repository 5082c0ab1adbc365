// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

/** Position embeddings of patch grids: fitting learned ones to another grid, and fixed ones. */
public final class PositionEmbedding {
  /** Keys' cubic convolution parameter that PyTorch's bicubic interpolation uses. */
  private static final double A = -0.75;

  private PositionEmbedding() {}

  /**
   * Resizes a learned position embedding from one square grid to another, bicubically with
   * half-pixel centres and edges repeated (PyTorch's {@code align_corners=False}); leading tokens
   * that stand for no patch, such as the class token, are kept as they are.
   *
   * @param embedding rows [leading + from * from, width]
   * @return rows [leading + to * to, width]
   */
  public static float[] resize(float[] embedding, int width, int leading, int from, int to) {
    float[] result = new float[(leading + to * to) * width];
    System.arraycopy(embedding, 0, result, 0, leading * width);
    double scale = (double) from / to;
    for (int y = 0; y < to; y++) {
      int[] rows = new int[4];
      double[] rowWeights = taps((y + 0.5) * scale - 0.5, from, rows);
      for (int x = 0; x < to; x++) {
        int[] columns = new int[4];
        double[] columnWeights = taps((x + 0.5) * scale - 0.5, from, columns);
        for (int c = 0; c < width; c++) {
          double sum = 0;
          for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 4; j++) {
              int token = leading + rows[i] * from + columns[j];
              sum += rowWeights[i] * columnWeights[j] * embedding[token * width + c];
            }
          }
          result[(leading + y * to + x) * width + c] = (float) sum;
        }
      }
    }
    return result;
  }

  /** The four neighbours of a source coordinate, kept inside the grid, and their weights. */
  private static double[] taps(double position, int size, int[] neighbours) {
    int first = (int) Math.floor(position) - 1;
    double[] weights = new double[4];
    for (int i = 0; i < 4; i++) {
      neighbours[i] = Math.clamp(first + i, 0, size - 1);
      weights[i] = cubic(Math.abs(position - (first + i)));
    }
    return weights;
  }

  /** Keys' cubic convolution kernel at distance d >= 0. */
  private static double cubic(double d) {
    if (d <= 1) {
      return ((A + 2) * d - (A + 3)) * d * d + 1;
    }
    if (d < 2) {
      return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A;
    }
    return 0;
  }

  /**
   * The fixed two-dimensional sine-cosine embedding of masked autoencoders (He et al., arXiv
   * 2111.06377): half of the width encodes the column, half the row, each as sines then cosines of
   * width/4 frequencies 10000^(-i / (width/4)).
   *
   * @param width a multiple of 4
   * @param classToken whether a row of zeros for the class token comes first
   * @return rows [tokens, width]
   */
  public static float[] sineCosine(int width, int grid, boolean classToken) {
    int leading = classToken ? 1 : 0;
    int quarter = width / 4;
    float[] result = new float[(leading + grid * grid) * width];
    for (int patch = 0; patch < grid * grid; patch++) {
      int row = (leading + patch) * width;
      for (int i = 0; i < quarter; i++) {
        double frequency = StrictMath.pow(10000, -(double) i / quarter);
        double column = patch % grid * frequency;
        double line = patch / grid * frequency;
        result[row + i] = (float) StrictMath.sin(column);
        result[row + quarter + i] = (float) StrictMath.cos(column);
        result[row + 2 * quarter + i] = (float) StrictMath.sin(line);
        result[row + 3 * quarter + i] = (float) StrictMath.cos(line);
      }
    }
    return result;
  }
}
