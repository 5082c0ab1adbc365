// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.autograd.Linear;
import io.github.lorikeet.core.autograd.LoraAdapter;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.weights.LoraWeights;
import io.github.lorikeet.vision.weights.LoraWeights.Columns;
import io.github.lorikeet.vision.weights.PeftAdapter;
import io.github.lorikeet.vision.weights.WeightsException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Carries low-rank adapters between models and files. */
public final class Adapters {
  private Adapters() {}

  /**
   * Gives a model's layers the adapters of a file.
   *
   * @param origin the file, for messages
   * @throws WeightsException if the model has no such layer, or one of another shape
   */
  public static void attach(
      VisionTransformer model, Map<String, LoraWeights> adapters, String origin) {
    adapters.forEach(
        (module, lora) -> {
          Linear linear = model.linears().get(module);
          if (linear == null) {
            throw new WeightsException(
                origin + ": adapts " + module + ", which the model does not have");
          }
          if (linear.inputs() != lora.inputs() || linear.outputs() != lora.outputs()) {
            throw new WeightsException(
                origin
                    + ": "
                    + module
                    + " is adapted as ["
                    + lora.outputs()
                    + ", "
                    + lora.inputs()
                    + "], but the model's is ["
                    + linear.outputs()
                    + ", "
                    + linear.inputs()
                    + "]: it was made for another model");
          }
          List<Lora.Group> groups =
              lora.groups().stream().map(g -> new Lora.Group(g.first(), g.count())).toList();
          model.attach(
              module, lora.a(), lora.b(), groups, lora.rank(), lora.alpha(), lora.dropout());
        });
  }

  /** The model's adapters as they are now, with the head and its norm, as PEFT keeps them. */
  public static PeftAdapter export(VisionTransformer model) {
    Map<String, LoraWeights> modules = new LinkedHashMap<>();
    model
        .linears()
        .forEach(
            (module, linear) -> {
              LoraAdapter lora = linear.lora();
              if (lora != null) {
                List<Columns> groups =
                    lora.groups().stream()
                        .map(g -> new Columns(g.firstColumn(), g.columns()))
                        .toList();
                modules.put(
                    module,
                    new LoraWeights(
                        value(lora.a()),
                        value(lora.b()),
                        groups,
                        linear.outputs(),
                        lora.scaling(),
                        lora.dropout()));
              }
            });
    Map<String, HostTensor> saved = new LinkedHashMap<>();
    for (Parameter parameter : model.parameters()) {
      if (parameter.name().startsWith("fc_norm.") || parameter.name().startsWith("head.")) {
        saved.put(parameter.name(), value(parameter));
      }
    }
    return new PeftAdapter(modules, saved, model.config().imageSize());
  }

  /** The model's weights as they are now, adapters merged into the layers they adapt. */
  public static Map<String, HostTensor> mergedWeights(VisionTransformer model) {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    for (Parameter parameter : model.parameters()) {
      if (!parameter.name().endsWith(".lora_A") && !parameter.name().endsWith(".lora_B")) {
        weights.put(parameter.name(), value(parameter));
      }
    }
    for (Linear linear : model.linears().values()) {
      if (linear.lora() != null) {
        weights.put(linear.weight().name(), merged(linear));
      }
    }
    return weights;
  }

  /**
   * The model's weights and adapters as they are now in the study's layout, in which a fused
   * query-key-value layer's W is as it was and {@code lora_A}, {@code lora_B} lie beside it. The
   * layout does not say alpha: whoever reads it takes {@link ModelFile#STUDY_ALPHA}, so that B is
   * scaled where alpha is another.
   *
   * @throws WeightsException if other layers or other columns are adapted
   */
  public static Map<String, HostTensor> unmergedWeights(VisionTransformer model) {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    model.parameters().forEach(p -> weights.put(p.name(), value(p)));
    model
        .linears()
        .forEach(
            (module, linear) -> {
              LoraAdapter lora = linear.lora();
              if (lora != null) {
                checkStudyLayout(module, linear);
                float[] b = lora.b().download();
                double scale = lora.alpha() / ModelFile.STUDY_ALPHA;
                for (int i = 0; i < b.length; i++) {
                  b[i] = (float) (b[i] * scale);
                }
                weights.put(lora.b().name(), HostTensor.of(b, lora.b().sizes()));
              }
            });
    return weights;
  }

  /** Groups q and v, or q, k and v, of a fused layer. */
  private static void checkStudyLayout(String module, Linear linear) {
    long third = linear.outputs() / 3;
    List<Lora.Group> all =
        List.of(
            new Lora.Group(0, third),
            new Lora.Group(third, third),
            new Lora.Group(2 * third, third));
    List<Lora.Group> groups = linear.lora().groups();
    if (!module.endsWith(".attn.qkv")
        || !(groups.equals(all) || groups.equals(List.of(all.get(0), all.get(2))))) {
      throw new WeightsException(
          module
              + ": the study's layout holds adapters of q and v, or of q, k and v; this one is of "
              + (module.endsWith(".attn.qkv") ? groups : "another layer")
              + ": merge it instead");
    }
  }

  /** W + scaling B A, each element summed in double and rounded once. */
  private static HostTensor merged(Linear linear) {
    LoraAdapter lora = linear.lora();
    float[] weight = linear.weight().download();
    float[] a = lora.a().download();
    float[] b = lora.b().download();
    int inputs = Math.toIntExact(linear.inputs());
    int rank = lora.rank();
    int bRow = 0;
    for (int g = 0; g < lora.groups().size(); g++) {
      Lora.Group group = lora.groups().get(g);
      for (int column = 0; column < group.columns(); column++, bRow++) {
        int row = Math.toIntExact(group.firstColumn() + column) * inputs;
        for (int k = 0; k < inputs; k++) {
          double sum = 0;
          for (int r = 0; r < rank; r++) {
            sum += (double) b[bRow * rank + r] * a[(g * rank + r) * inputs + k];
          }
          weight[row + k] = (float) (weight[row + k] + lora.scaling() * sum);
        }
      }
    }
    return HostTensor.of(weight, linear.weight().sizes());
  }

  private static HostTensor value(Parameter parameter) {
    return HostTensor.of(parameter.download(), parameter.sizes());
  }
}
