// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.weights.WeightsException;

/** Reads a vision transformer's shape off its weights. */
public final class VitReader {
  /** The usual width of an attention head, where nobody says otherwise. */
  private static final int HEAD_WIDTH = 64;

  private VitReader() {}

  /**
   * @param heads attention heads, or 0 for width / 64
   * @throws WeightsException if the tensors are not those of a vision transformer
   * @throws IllegalArgumentException if they cannot have this number of heads
   */
  public static VitConfig config(WeightSource source, int heads) {
    HostTensor projection = projection(source);
    // The tensor has elements, so that sizes are at most their number.
    int width = (int) projection.size(0);
    int channels = (int) projection.size(1);
    int patch = (int) projection.size(2);
    if (channels != 1 && channels != 3) {
      throw new WeightsException(
          source.origin()
              + ": patch_embed.proj.weight is "
              + projection.shape()
              + ", expected 1 or 3 channels");
    }
    int depth = 0;
    while (source.has("blocks." + depth + ".attn.qkv.weight")) {
      depth++;
    }
    HostTensor fc1 = source.find("blocks.0.mlp.fc1.weight");
    if (fc1.rank() != 2 || fc1.size(0) < 1 || fc1.size(0) > VitConfig.MAX_HIDDEN) {
      throw new WeightsException(
          source.origin()
              + ": blocks.0.mlp.fc1.weight is "
              + fc1.shape()
              + ", expected [hidden, width]");
    }
    if (heads > 0) {
      VitConfig.checkHeads("heads", heads, width);
    }
    try {
      return new VitConfig(
          imageSize(source),
          patch,
          channels,
          width,
          depth,
          heads > 0 ? heads : heads(source, width),
          (int) fc1.size(0),
          source.has("cls_token"));
    } catch (IllegalArgumentException e) {
      throw new WeightsException(source.origin() + ": " + e.getMessage(), e);
    }
  }

  /** Pixels a side of the images the weights were made for. */
  static int imageSize(WeightSource source) {
    HostTensor projection = projection(source);
    return grid(source, source.has("cls_token") ? 1 : 0) * (int) projection.size(2);
  }

  private static HostTensor projection(WeightSource source) {
    HostTensor projection = source.find("patch_embed.proj.weight");
    if (projection.rank() != 4
        || projection.size(2) != projection.size(3)
        || projection.size(2) > VitConfig.MAX_PATCH
        || projection.elements() == 0) {
      throw new WeightsException(
          source.origin()
              + ": patch_embed.proj.weight is "
              + projection.shape()
              + ", expected [width, channels, patch, patch]");
    }
    return projection;
  }

  private static int heads(WeightSource source, int width) {
    if (width % HEAD_WIDTH != 0) {
      throw new WeightsException(
          source.origin()
              + ": width "
              + width
              + " is no multiple of "
              + HEAD_WIDTH
              + ", so the number of attention heads cannot be told from the weights: pass --heads");
    }
    return width / HEAD_WIDTH;
  }

  /** Patches a side of the source's position embedding. */
  static int grid(WeightSource source, int leading) {
    HostTensor position = source.find("pos_embed");
    long patches = position.rank() == 3 ? position.size(1) - leading : -1;
    int grid = (int) Math.round(Math.sqrt(Math.max(patches, 0)));
    if (position.rank() != 3
        || position.size(0) != 1
        || grid < 1
        || grid > VitConfig.MAX_GRID
        || (long) grid * grid != patches) {
      throw new WeightsException(
          source.origin()
              + ": pos_embed is "
              + position.shape()
              + ", expected [1, "
              + (leading > 0 ? "1 + " : "")
              + "a square number of patches, width]");
    }
    return grid;
  }
}
