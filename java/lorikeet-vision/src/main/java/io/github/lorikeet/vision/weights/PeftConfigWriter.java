// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/** Writes the {@code adapter_config.json} of an adapter as plain LoRA; see {@link LoraBlocks}. */
final class PeftConfigWriter {
  private final JsonGenerator json;

  private PeftConfigWriter(JsonGenerator json) {
    this.json = json;
  }

  /**
   * The file's bytes.
   *
   * @throws WeightsException if there are no modules, or they differ in dropout
   */
  static byte[] write(Map<String, LoraWeights> modules, List<String> savedModules) {
    long dropouts = modules.values().stream().map(LoraWeights::dropout).distinct().count();
    if (dropouts != 1) {
      throw new WeightsException(
          "an adapter of %d modules with %d different dropouts cannot be written; PEFT's layout"
                  .formatted(modules.size(), dropouts)
              + " holds one dropout for all");
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = Json.FACTORY.createGenerator(bytes)) {
      DefaultIndenter indenter = new DefaultIndenter("  ", "\n");
      json.setPrettyPrinter(
          new DefaultPrettyPrinter().withObjectIndenter(indenter).withArrayIndenter(indenter));
      new PeftConfigWriter(json).write(modules, savedModules, modules.values().iterator().next());
    } catch (IOException e) {
      throw new WeightsException("an adapter's configuration cannot be made: " + e, e);
    }
    bytes.write('\n');
    return bytes.toByteArray();
  }

  private void write(Map<String, LoraWeights> modules, List<String> savedModules, LoraWeights usual)
      throws IOException {
    json.writeStartObject();
    json.writeStringField("peft_type", "LORA");
    json.writeNullField("task_type");
    json.writeNullField("base_model_name_or_path");
    json.writeBooleanField("inference_mode", true);
    json.writeNumberField("r", LoraBlocks.rank(usual));
    number("lora_alpha", LoraBlocks.alpha(usual));
    json.writeFieldName("lora_dropout");
    json.writeNumber(Float.toString(usual.dropout()));
    json.writeStringField("bias", "none");
    json.writeBooleanField("fan_in_fan_out", false);
    json.writeBooleanField("use_rslora", false);
    json.writeBooleanField("use_dora", false);
    texts("target_modules", modules.keySet());
    if (savedModules.isEmpty()) {
      json.writeNullField("modules_to_save");
    } else {
      texts("modules_to_save", savedModules);
    }
    json.writeObjectFieldStart("rank_pattern");
    for (Map.Entry<String, LoraWeights> module : modules.entrySet()) {
      if (LoraBlocks.rank(module.getValue()) != LoraBlocks.rank(usual)) {
        number(ModulePattern.literal(module.getKey()), LoraBlocks.rank(module.getValue()));
      }
    }
    json.writeEndObject();
    json.writeObjectFieldStart("alpha_pattern");
    for (Map.Entry<String, LoraWeights> module : modules.entrySet()) {
      if (LoraBlocks.alpha(module.getValue()) != LoraBlocks.alpha(usual)) {
        number(ModulePattern.literal(module.getKey()), LoraBlocks.alpha(module.getValue()));
      }
    }
    json.writeEndObject();
    json.writeEndObject();
  }

  /** Whole numbers without a point, as PEFT expects of ranks and writes most alphas. */
  private void number(String key, double value) throws IOException {
    json.writeFieldName(key);
    if (value == (long) value) {
      json.writeNumber((long) value);
    } else {
      json.writeNumber(value);
    }
  }

  private void texts(String key, Iterable<String> texts) throws IOException {
    json.writeArrayFieldStart(key);
    for (String text : texts) {
      json.writeString(text);
    }
    json.writeEndArray();
  }
}
