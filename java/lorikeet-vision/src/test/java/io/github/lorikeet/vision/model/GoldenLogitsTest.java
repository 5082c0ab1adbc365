// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.Goldens;
import io.github.lorikeet.vision.JsonTree;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.image.Image;
import io.github.lorikeet.vision.image.Preprocess;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Weights, adapter and images from files against logits computed independently. */
@Tag(TestDevices.EACH)
class GoldenLogitsTest {
  private static final int SIZE = 224;

  @ParameterizedTest
  @CsvSource({
    "mrm, vit.pth, false",
    "mrm, vit.safetensors, true",
    "cxr-mae, vit.safetensors, false",
    "cxr-mae, vit.pth, true"
  })
  void logits(String recipe, String weights, boolean adapted) {
    Map<String, byte[]> images = Goldens.images(recipe);
    List<String> names = List.copyOf(images.keySet());
    if (!TestDevices.isCpu()) {
      names = names.subList(0, 1); // a second's work each
    }
    try (ModelFile file =
            ModelFile.open(
                Goldens.file("vit/" + weights), adapted ? Goldens.file("vit/peft_r4") : null);
        Device device = TestDevices.open(2)) {
      VisionTransformer model = file.classifier(2);
      Tape tape = new Tape(device, false);
      Variable input = tape.input(DType.F32, names.size(), 1, SIZE, SIZE);
      Variable logits = tape.keep(model.forward(tape, input, 0));
      try (MemoryPlan plan = MemoryPlan.of(null, tape)) {
        plan.allocate();
        input.tensor().upload(normalized(images, names, Preprocess.named(recipe, SIZE)));
        tape.run(0, false);
        float[] actual = logits.tensor().download();
        JsonTree expected =
            JsonTree.read(Goldens.file("vit/logits.json"))
                .get("logits")
                .get(recipe + (adapted ? "+peft_r4" : ""));
        for (int i = 0; i < names.size(); i++) {
          JsonTree row = expected.get(Goldens.IMAGES.indexOf(names.get(i)));
          for (int l = 0; l < 2; l++) {
            assertThat((double) actual[i * 2 + l])
                .as("%s, label %d", names.get(i), l)
                .isCloseTo(row.get(l).number(), within(2e-4));
          }
        }
      }
    }
  }

  private static float[] normalized(
      Map<String, byte[]> images, List<String> names, Preprocess preprocess) {
    float[] all = new float[names.size() * SIZE * SIZE];
    float[] one = new float[SIZE * SIZE];
    for (int i = 0; i < names.size(); i++) {
      preprocess.normalize(new Image(SIZE, SIZE, 1, images.get(names.get(i))), one);
      System.arraycopy(one, 0, all, i * one.length, one.length);
    }
    return all;
  }
}
