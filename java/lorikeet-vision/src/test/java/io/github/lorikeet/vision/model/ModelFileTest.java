// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelFileTest {
  private static final VitConfig CONFIG = new VitConfig(16, 8, 1, 64, 1, 1, 64, true);
  private static final String QKV = "blocks.0.attn.qkv.weight";

  @TempDir Path folder;

  private static Map<String, float[]> values(VisionTransformer model) {
    Map<String, float[]> values = new LinkedHashMap<>();
    for (Parameter parameter : model.parameters()) {
      values.put(parameter.name(), parameter.initial().toFloats());
    }
    return values;
  }

  /** Only the shape is the file's, in which every matrix could be told by its sevens. */
  @Test
  void aRandomStartTakesNoPretrainedWeight() {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    new VisionTransformer(CONFIG, 2, WeightSource.none(), new Initializer(0), name -> false)
        .parameters()
        .forEach(
            p -> weights.put(p.name(), HostTensor.of(Layers.filled(p.elements(), 7), p.sizes())));
    Path file = folder.resolve("pretrained.safetensors");
    SafetensorsWriter.write(file, weights);
    try (ModelFile model = ModelFile.open(file, null)) {
      VisionTransformer start = model.randomStart(0, 2, 0, new Initializer(1), name -> true);
      assertThat(start.config()).isEqualTo(CONFIG);
      Map<String, float[]> one = values(start);
      assertThat(one.keySet()).isEqualTo(weights.keySet());
      one.forEach((name, values) -> assertThat(values).as(name).doesNotContain(7));
      VisionTransformer other = model.randomStart(0, 2, 0, new Initializer(2), name -> true);
      assertThat(values(other).get(QKV)).isNotEqualTo(one.get(QKV));
    }
  }
}
