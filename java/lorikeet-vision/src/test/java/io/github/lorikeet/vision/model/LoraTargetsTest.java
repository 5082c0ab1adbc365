// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.autograd.LoraAdapter;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LoraTargetsTest {
  private static final VitConfig CONFIG = new VitConfig(16, 8, 1, 64, 2, 1, 128, true);

  private static LoraTargets parse(String names) {
    return LoraTargets.parse(List.of(names.split(",")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "q | 0 |",
        "k | 1 |",
        "v | 2 |",
        "qkv | 0 1 2 |",
        "proj | | attn.proj",
        "fc1 | | mlp.fc1",
        "fc2 | | mlp.fc2",
        "v, q, v | 0 2 |",
        "k, fc2, qkv, proj | 0 1 2 | mlp.fc2 attn.proj",
      })
  void namesStandForPartsAndModules(String names, String parts, String modules) {
    LoraTargets targets = parse(names);
    assertThat(targets.parts()).extracting(String::valueOf).isEqualTo(words(parts));
    assertThat(targets.modules()).isEqualTo(words(modules));
  }

  private static List<String> words(String text) {
    return text == null ? List.of() : List.of(text.split(" "));
  }

  @Test
  void otherNamesAreRefused() {
    assertThatThrownBy(() -> parse("q,fc3"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("targets: \"fc3\", expected some of q, k, v, ");
    assertThatThrownBy(() -> LoraTargets.parse(List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("targets: none given");
  }

  /** Columns of 64 for each of the query, key and value, of 128 behind fc1. */
  @ParameterizedTest
  @CsvSource({
    "'q,k,v', attn.qkv, 0 64 64 64 128 64",
    "k, attn.qkv, 64 64",
    "'v,q', attn.qkv, 0 64 128 64",
    "proj, attn.proj, 0 64",
    "fc1, mlp.fc1, 0 128",
    "fc2, mlp.fc2, 0 64",
  })
  void adaptersReachTheColumnsOfTheirTargets(String names, String module, String columns) {
    VisionTransformer model =
        new VisionTransformer(CONFIG, 1, WeightSource.none(), new Initializer(0), name -> true);
    model.attachLora(parse(names), 4, 32, 0);
    List<String> adapted = new ArrayList<>();
    model
        .linears()
        .forEach(
            (name, linear) -> {
              LoraAdapter lora = linear.lora();
              if (lora != null) {
                adapted.add(name);
                List<String> places = new ArrayList<>();
                for (Lora.Group group : lora.groups()) {
                  places.add(String.valueOf(group.firstColumn()));
                  places.add(String.valueOf(group.columns()));
                }
                assertThat(places).isEqualTo(words(columns));
              }
            });
    assertThat(adapted).containsExactly("blocks.0." + module, "blocks.1." + module);
  }
}
