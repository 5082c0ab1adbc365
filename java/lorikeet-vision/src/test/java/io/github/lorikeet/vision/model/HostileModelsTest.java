// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.weights.Mutations;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import io.github.lorikeet.vision.weights.WeightsException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever shapes and names a checkpoint has: a model, or a message about it, in little memory. */
class HostileModelsTest {
  private static final int MUTATIONS = 1000;
  private static final long EXTRA_BYTES = 64L << 20;
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @TempDir Path folder;

  /** One block of width 64 for pictures of 8 x 8 in patches of 4 x 4. */
  private static Map<String, HostTensor> tensors() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    add(tensors, "cls_token", 1, 1, 64);
    add(tensors, "pos_embed", 1, 5, 64);
    add(tensors, "patch_embed.proj.weight", 64, 3, 4, 4);
    add(tensors, "patch_embed.proj.bias", 64);
    add(tensors, "blocks.0.norm1.weight", 64);
    add(tensors, "blocks.0.norm1.bias", 64);
    add(tensors, "blocks.0.attn.qkv.weight", 192, 64);
    add(tensors, "blocks.0.attn.qkv.bias", 192);
    add(tensors, "blocks.0.attn.qkv.lora_A", 8, 64);
    add(tensors, "blocks.0.attn.qkv.lora_B", 128, 4);
    add(tensors, "blocks.0.attn.proj.weight", 64, 64);
    add(tensors, "blocks.0.norm2.weight", 64);
    add(tensors, "blocks.0.mlp.fc1.weight", 128, 64);
    add(tensors, "blocks.0.mlp.fc2.weight", 64, 128);
    add(tensors, "head.weight", 2, 64);
    add(tensors, "fc_norm.weight", 64);
    return tensors;
  }

  private static void add(Map<String, HostTensor> tensors, String name, long... sizes) {
    int elements = (int) Arrays.stream(sizes).reduce(1, (a, b) -> a * b);
    tensors.put(name, HostTensor.of(new float[elements], sizes));
  }

  private static VisionTransformer backbone(Path file, int imageSize) {
    try (ModelFile model = ModelFile.open(file, null)) {
      return model.backbone(0, 2, imageSize, new Initializer(0), name -> false);
    }
  }

  @Test
  void aShapeThatNoModelHasNamesTheFile() {
    Path file = folder.resolve("model.safetensors");
    Map<String, HostTensor> wide = tensors();
    add(wide, "patch_embed.proj.weight", 16384, 3, 1, 1);
    add(wide, "pos_embed", 1, 5, 16384);
    Map<String, HostTensor> shallow = tensors();
    shallow.remove("blocks.0.attn.qkv.weight");
    for (Map<String, HostTensor> tensors : List.of(wide, shallow)) {
      SafetensorsWriter.write(file, tensors);
      assertThatThrownBy(() -> backbone(file, 0))
          .isInstanceOf(WeightsException.class)
          .hasMessageStartingWith(file + ": ")
          .hasMessageContaining("expected 1 to");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "patch_embed.proj.weight",
        "blocks.0.norm1.weight",
        "blocks.0.attn.proj.weight",
        "blocks.0.norm2.weight",
        "blocks.0.mlp.fc2.weight"
      })
  void aBackboneWithAHoleIsNoStart(String name) {
    Map<String, HostTensor> tensors = tensors();
    tensors.remove(name);
    refuses(write(tensors), "no tensor " + name);
  }

  @Test
  void missingBiasesAreZero() {
    Map<String, HostTensor> tensors = tensors();
    tensors.keySet().removeIf(name -> name.endsWith(".bias"));
    backbone(write(tensors), 0);
  }

  /** After a gap in the depth, LayerScale, a norm of queries: none may be left out in silence. */
  @ParameterizedTest
  @ValueSource(
      strings = {"blocks.2.norm1.weight", "blocks.0.ls1.gamma", "blocks.0.attn.q_norm.weight"})
  void layersThatTheModelDoesNotHaveAreRefused(String name) {
    Map<String, HostTensor> tensors = tensors();
    add(tensors, name, 64);
    refuses(write(tensors), "layers that this model does not have: " + name);
  }

  /** I8 takes U8's place in the header, as nothing here writes it. */
  @ParameterizedTest
  @CsvSource({"U8, U8", "I32, I32", "U8, I8"})
  void integersAreNoWeights(DType written, String type) throws IOException {
    Map<String, HostTensor> tensors = tensors();
    MemorySegment zeros = Arena.ofAuto().allocate(64L * 64 * written.bytes());
    String name = "blocks.0.attn.proj.weight";
    tensors.put(name, new HostTensor(written, new long[] {64, 64}, zeros));
    Path file = write(tensors);
    String bytes = Files.readString(file, StandardCharsets.ISO_8859_1);
    Files.writeString(
        file,
        bytes.replace("\"" + written.name() + "\"", "\"" + type + "\""),
        StandardCharsets.ISO_8859_1);
    refuses(file, name + " is ");
    refuses(file, "expected floating-point numbers");
  }

  private Path write(Map<String, HostTensor> tensors) {
    Path file = folder.resolve("model.safetensors");
    SafetensorsWriter.write(file, tensors);
    return file;
  }

  private static void refuses(Path file, String words) {
    assertThatThrownBy(() -> backbone(file, 0))
        .isInstanceOf(WeightsException.class)
        .hasMessageStartingWith(file + ": ")
        .hasMessageContaining(words);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 16})
  void mutatedHeaders(int imageSize) throws IOException {
    Path file = folder.resolve("model.safetensors");
    SafetensorsWriter.write(file, tensors());
    backbone(file, imageSize);
    byte[] original = Files.readAllBytes(file);
    int header = (int) ByteBuffer.wrap(original).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    int refused = 0;
    for (int seed = 0; seed < MUTATIONS; seed++) {
      Files.write(file, mutate(original, header, new Random(seed)));
      long bytes = THREADS.getCurrentThreadAllocatedBytes();
      try {
        backbone(file, imageSize);
      } catch (WeightsException | IllegalArgumentException e) {
        refused++;
      } catch (RuntimeException | Error e) {
        throw new AssertionError("seed " + seed, e);
      }
      assertThat(THREADS.getCurrentThreadAllocatedBytes() - bytes)
          .as("seed " + seed)
          .isLessThan(original.length + EXTRA_BYTES);
    }
    assertThat(refused).isBetween(MUTATIONS / 3, MUTATIONS);
  }

  /** Damages the header's text, half of the time a digit of a size only. */
  private static byte[] mutate(byte[] original, int header, Random random) {
    byte[] bytes = original.clone();
    if (random.nextBoolean()) {
      int at = 8 + random.nextInt(header);
      while (bytes[at] < '0' || bytes[at] > '9') {
        at = 8 + random.nextInt(header);
      }
      bytes[at] = (byte) ('0' + random.nextInt(10));
      return bytes;
    }
    byte[] text = Arrays.copyOfRange(original, 8, 8 + header);
    byte[] mutated = Mutations.mutate(text, 0, random);
    ByteBuffer file =
        ByteBuffer.allocate(original.length - header + mutated.length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(mutated.length)
            .put(mutated);
    return file.put(original, 8 + header, original.length - 8 - header).array();
  }

  @Test
  void emptyTensorsThatClaimToBeLarge() throws IOException {
    long[][] positions = {{1, (1L << 40) + 1, 0}, {1, Integer.MAX_VALUE, 0}, {1, 5, 0}};
    for (long[] sizes : positions) {
      assertRefused("pos_embed", sizes);
    }
    assertRefused("blocks.0.mlp.fc1.weight", 1L << 40, 0);
    assertRefused("patch_embed.proj.weight", 64, 3, 0, 0);
    assertRefused("patch_embed.proj.weight", 0, 3, 1L << 31, 1L << 31);
    assertRefused("head.weight", 0, 1L << 40);
    assertRefused("blocks.0.attn.qkv.lora_B", 0, 1L << 40);
  }

  private void assertRefused(String name, long... sizes) throws IOException {
    Path file = folder.resolve("model.safetensors");
    Map<String, HostTensor> tensors = tensors();
    tensors.put(name, HostTensor.of(new float[0], sizes));
    SafetensorsWriter.write(file, tensors);
    for (int imageSize : new int[] {0, 16}) {
      if (!name.equals("head.weight")) {
        assertThatThrownBy(() -> backbone(file, imageSize)).isInstanceOf(WeightsException.class);
      }
    }
    assertThatThrownBy(
            () -> {
              try (ModelFile model = ModelFile.open(file, null)) {
                model.classifier(0);
              }
            })
        .isInstanceOf(WeightsException.class);
  }
}
