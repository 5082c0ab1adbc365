// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.autograd.Parameter;
import java.util.Collection;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Weight decay and layer-wise learning rates of a transformer's parameters. */
public final class ParameterGroups {
  private static final Pattern BLOCK = Pattern.compile("blocks\\.(\\d+)\\..*");
  private static final Set<String> NEVER_DECAYED = Set.of("cls_token", "pos_embed", "mask_token");

  private ParameterGroups() {}

  /**
   * Sets each parameter's weight decay (none for vectors and embeddings) and learning-rate scale:
   * {@code layerDecay^(depth + 1 - i)}, where i is 0 for the embeddings, n + 1 for block n, and
   * depth + 1 for the rest (Clark et al., "ELECTRA", arXiv 2003.10555).
   *
   * @param depth blocks of the model
   * @param layerDecay 1 for none
   */
  public static void apply(
      Collection<Parameter> parameters, int depth, double weightDecay, double layerDecay) {
    for (Parameter parameter : parameters) {
      int layer = layer(parameter.name(), depth);
      parameter.setLearningRateScale((float) Math.pow(layerDecay, depth + 1 - layer));
      parameter.setWeightDecay(decays(parameter) ? (float) weightDecay : 0);
    }
  }

  private static int layer(String name, int depth) {
    if (name.equals("cls_token") || name.equals("pos_embed") || name.startsWith("patch_embed.")) {
      return 0;
    }
    Matcher block = BLOCK.matcher(name);
    return block.matches() ? Integer.parseInt(block.group(1)) + 1 : depth + 1;
  }

  private static boolean decays(Parameter parameter) {
    return parameter.sizes().length > 1 && !NEVER_DECAYED.contains(parameter.name());
  }
}
