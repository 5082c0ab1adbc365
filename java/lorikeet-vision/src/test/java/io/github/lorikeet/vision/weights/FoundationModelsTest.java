// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints named and shaped as those of MRM, CXR_MAE and MAE, made small, and of their size. */
class FoundationModelsTest {
  @TempDir Path folder;

  /** A vision transformer's tensors under timm's names. */
  private static Map<String, long[]> encoder(int width, int depth, int patch, int tokens) {
    Map<String, long[]> sizes = new LinkedHashMap<>();
    sizes.put("cls_token", new long[] {1, 1, width});
    sizes.put("pos_embed", new long[] {1, tokens, width});
    sizes.put("patch_embed.proj.weight", new long[] {width, 3, patch, patch});
    sizes.put("patch_embed.proj.bias", new long[] {width});
    for (int i = 0; i < depth; i++) {
      block(sizes, "blocks." + i, width);
    }
    return sizes;
  }

  private static void block(Map<String, long[]> sizes, String block, int width) {
    norm(sizes, block + ".norm1", width);
    linear(sizes, block + ".attn.qkv", 3 * width, width);
    linear(sizes, block + ".attn.proj", width, width);
    norm(sizes, block + ".norm2", width);
    linear(sizes, block + ".mlp.fc1", 4 * width, width);
    linear(sizes, block + ".mlp.fc2", width, 4 * width);
  }

  private static void linear(Map<String, long[]> sizes, String module, int out, int in) {
    sizes.put(module + ".weight", new long[] {out, in});
    sizes.put(module + ".bias", new long[] {out});
  }

  private static void norm(Map<String, long[]> sizes, String module, int width) {
    sizes.put(module + ".weight", new long[] {width});
    sizes.put(module + ".bias", new long[] {width});
  }

  /** MAE's decoder and final norm, beside the encoder. */
  private static Map<String, long[]> maskedAutoencoder() {
    Map<String, long[]> sizes = encoder(64, 2, 8, 17);
    norm(sizes, "norm", 64);
    linear(sizes, "decoder_embed", 32, 64);
    sizes.put("mask_token", new long[] {1, 1, 32});
    sizes.put("decoder_pos_embed", new long[] {1, 17, 32});
    block(sizes, "decoder_blocks.0", 32);
    norm(sizes, "decoder_norm", 32);
    linear(sizes, "decoder_pred", 3 * 8 * 8, 32);
    return sizes;
  }

  private static long elements(long[] sizes) {
    long product = 1;
    for (long size : sizes) {
      product *= size;
    }
    return product;
  }

  /** As torch.save writes {@code {'model': .., 'epoch': .., 'args': Namespace(..)}}. */
  private Path torch(Map<String, long[]> weights) throws IOException {
    Pickle pickle = Pickle.protocol(2).op("}(").text("model");
    pickle.global("collections", "OrderedDict").op(")R(");
    int key = 0;
    for (Map.Entry<String, long[]> entry : weights.entrySet()) {
      long[] sizes = entry.getValue();
      String storage = entry.getKey().endsWith("_ids") ? "LongStorage" : "FloatStorage";
      pickle
          .text(entry.getKey())
          .tensor(storage, "" + key++, elements(sizes), 0, sizes, StoredTensor.contiguous(sizes));
    }
    pickle.op('u').text("epoch").integer(199);
    pickle.text("args").global("argparse", "Namespace").op(')').op(0x81).op('}');
    pickle.text("model").text("mae_vit_base_patch16_dec512d8b").op("sb");
    TorchFile file = new TorchFile(pickle.op('u').stop());
    key = 0;
    for (Map.Entry<String, long[]> entry : weights.entrySet()) {
      int count = (int) elements(entry.getValue());
      if (entry.getKey().endsWith("_ids")) {
        file.entry("data/" + key, new byte[count * Long.BYTES]);
      } else {
        float[] values = new float[count];
        values[count - 1] = key;
        file.floats("" + key, values);
      }
      key++;
    }
    return file.store(folder.resolve("foundation.pth"));
  }

  private static VisionTransformer backbone(ModelFile file, int labels) {
    return file.backbone(0, labels, 0, new Initializer(1), name -> name.startsWith("head."));
  }

  /** The parameters that are not initialised hold the file's values. */
  private static void holdsWhatWasWritten(VisionTransformer model, Map<String, long[]> weights) {
    Map<String, Parameter> parameters = new LinkedHashMap<>();
    model.parameters().forEach(p -> parameters.put(p.name(), p));
    int key = 0;
    for (String name : weights.keySet()) {
      if (parameters.containsKey(name)) {
        float[] values = parameters.remove(name).initial().toFloats();
        assertThat(values[values.length - 1]).as(name).isEqualTo(key);
      }
      key++;
    }
    assertThat(parameters.keySet())
        .containsExactly("fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias");
  }

  @Test
  void startsFromAMaskedAutoencoder() throws IOException {
    Map<String, long[]> weights = maskedAutoencoder();
    try (ModelFile file = ModelFile.open(torch(weights), null)) {
      holdsWhatWasWritten(backbone(file, 14), weights);
      // norm, decoder_embed, mask_token, decoder_pos_embed, 12 of the block, decoder_norm and
      // _pred:
      // 2 + 2 + 1 + 1 + 12 + 2 + 2 = 22, the first four by name.
      assertThat(file.notes())
          .contains("left out, beside the weights under 'model': 'epoch', 'args'")
          .anyMatch(
              note ->
                  note.startsWith("not needed, left out of ")
                      && note.endsWith(
                          ": norm.weight, norm.bias, decoder_embed.weight, decoder_embed.bias"
                              + " and 18 more"));
    }
  }

  /** MRM adds a text encoder, with integers among its tensors, and what joins the two. */
  @Test
  void startsFromAModelWithATextEncoder() throws IOException {
    Map<String, long[]> weights = new LinkedHashMap<>();
    weights.put("bert_encoder.model.bert.embeddings.position_ids", new long[] {1, 512});
    weights.put("bert_encoder.model.bert.embeddings.word_embeddings.weight", new long[] {50, 8});
    linear(weights, "bert_mlp", 8, 64);
    weights.putAll(maskedAutoencoder());
    try (ModelFile file = ModelFile.open(torch(weights), null)) {
      holdsWhatWasWritten(backbone(file, 5), weights);
      assertThat(file.notes())
          .anyMatch(note -> note.contains("bert_encoder.model.bert.embeddings.position_ids"));
    }
  }

  /** A timm model's whole state, its own head among it, at the top of a .bin file. */
  @ParameterizedTest
  @ValueSource(ints = {14, 1000})
  void trainingStartsAHeadAnewWhateverTheFileHas(int labels) throws IOException {
    Map<String, long[]> weights = encoder(64, 1, 8, 17);
    norm(weights, "fc_norm", 64);
    linear(weights, "head", labels, 64);
    try (ModelFile file = ModelFile.open(torch(weights), null)) {
      VisionTransformer model = backbone(file, 14);
      assertThat(model.labels()).isEqualTo(14);
      assertThat(model.linears().get("head").bias().initial().toFloats()).containsOnly(0);
      for (float value : model.linears().get("head").weight().initial().toFloats()) {
        assertThat(Math.abs(value)).isLessThanOrEqualTo(2 * 2e-5f);
      }
      assertThat(file.notes())
          .contains(
              "head.weight, head.bias of "
                  + folder.resolve("foundation.pth")
                  + " dropped: a head to be trained starts anew")
          .noneMatch(note -> note.startsWith("not in "));
    }
  }

  /** ViT-L/16: 1.2 GB, all zero so that the disk holds none of it. */
  @Test
  void aLargeModelIsReadFromItsFileWithoutACopy() throws IOException {
    Map<String, long[]> weights = encoder(1024, 24, 16, 197);
    Path path = folder.resolve("large.safetensors");
    StringBuilder header = new StringBuilder("{");
    long end = 0;
    for (Map.Entry<String, long[]> entry : weights.entrySet()) {
      long begin = end;
      end += elements(entry.getValue()) * Float.BYTES;
      header.append(header.length() > 1 ? "," : "");
      header.append(
          "\"%s\":{\"dtype\":\"F32\",\"shape\":%s,"
              .formatted(entry.getKey(), Arrays.toString(entry.getValue())));
      header.append("\"data_offsets\":[%d,%d]}".formatted(begin, end));
    }
    byte[] text = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      byte[] length =
          ByteBuffer.allocate(Long.BYTES)
              .order(ByteOrder.LITTLE_ENDIAN)
              .putLong(text.length)
              .array();
      file.write(length);
      file.write(text);
      file.setLength(file.length() + end);
    }
    try (Checkpoint checkpoint = Checkpoint.open(path);
        ModelFile file = ModelFile.open(path, null)) {
      VisionTransformer model = backbone(file, 14);
      assertThat(model.config().depth()).isEqualTo(24);
      assertThat(model.config().heads()).isEqualTo(16);
      assertThat(model.config().imageSize()).isEqualTo(224);
      // The encoder without its final norm, then fc_norm and head.
      long count = model.parameters().stream().mapToLong(Parameter::elements).sum();
      assertThat(count).isEqualTo(303_299_584L + 2048 + 14_350);
      assertThat(end).isEqualTo(4 * 303_299_584L);
      long base = checkpoint.require("cls_token").data().address();
      Map<String, Long> addresses = new LinkedHashMap<>();
      for (Parameter parameter : model.parameters()) {
        if (weights.containsKey(parameter.name())) {
          addresses.put(parameter.name(), parameter.initial().data().address());
        }
      }
      // Both map the same file, so that the same tensor is as far from the first in either.
      long mine = addresses.get("cls_token");
      addresses.forEach(
          (name, address) ->
              assertThat(address - mine)
                  .as(name)
                  .isEqualTo(checkpoint.require(name).data().address() - base));
    }
  }
}
