// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.Goldens;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
  @TempDir Path folder;

  private Path file(String header, byte... data) throws IOException {
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes =
        ByteBuffer.allocate(8 + text.length + data.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(text.length).put(text).put(data);
    return Files.write(folder.resolve("made.safetensors"), bytes.array());
  }

  @Test
  void readsTheGoldenModel() {
    try (Checkpoint vit = Checkpoint.open(Goldens.file("vit/vit.safetensors"))) {
      assertThat(vit.tensors()).hasSize(32);
      assertThat(vit.tensors().keySet()).startsWith("cls_token", "pos_embed").endsWith("head.bias");
      assertThat(vit.metadata()).containsEntry("format", "pt");
      assertThat(vit.notes()).isEmpty();
      assertThat(vit.require("pos_embed", 1, 197, 128).type()).isEqualTo(DType.F32);
      assertThat(vit.require("head.weight").toFloats()).hasSize(256).doesNotContain(Float.NaN);
    }
  }

  @Test
  void whatIsAskedForMustBeThere() {
    try (Checkpoint vit = Checkpoint.open(Goldens.file("vit/vit.safetensors"))) {
      assertThatThrownBy(() -> vit.require("norm.weight"))
          .isInstanceOf(WeightsException.class)
          .hasMessageContaining("vit.safetensors")
          .hasMessageContaining("'norm.weight'")
          .hasMessageContaining("'cls_token'");
      assertThatThrownBy(() -> vit.require("head.bias", 14))
          .isInstanceOf(WeightsException.class)
          .hasMessageContaining("'head.bias' is f32 [2], expected sizes [14]");
    }
  }

  @Test
  void writesWhatItReads() throws IOException {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    tensors.put("half", HostTensor.of(new float[] {1, 0x1.006p0f, 65520}, 3).f16());
    tensors.put("b.weight", HostTensor.of(new float[] {1, -2, 3, 4, 5, Float.MIN_VALUE}, 2, 3));
    tensors.put("a", HostTensor.of(new float[] {7}));
    tensors.put("empty", HostTensor.of(new float[0], 0, 5));
    Path path = folder.resolve("written.safetensors");
    SafetensorsWriter.write(path, tensors, Map.of("z", "ä\n\"", "k", "v"));
    try (Checkpoint read = Checkpoint.open(path)) {
      assertThat(read.tensors().keySet()).containsExactly("b.weight", "a", "empty", "half");
      tensors.forEach(
          (name, tensor) -> {
            assertThat(read.require(name).shape()).isEqualTo(tensor.shape());
            assertThat(read.require(name).toFloats()).containsExactly(tensor.toFloats());
          });
      assertThat(read.require("half").toFloats())
          .containsExactly(1, 0x1.008p0f, Float.POSITIVE_INFINITY);
      assertThat(read.metadata())
          .containsOnly(Map.entry("format", "pt"), Map.entry("k", "v"), Map.entry("z", "ä\n\""));
    }
    byte[] first = Files.readAllBytes(path);
    assertThat(ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getLong() % 8).isZero();
    SafetensorsWriter.write(path, tensors, Map.of("k", "v", "z", "ä\n\""));
    assertThat(Files.readAllBytes(path)).isEqualTo(first);
    assertThat(folder).isDirectoryNotContaining("glob:**.part");
  }

  @Test
  void aFailedWriteLeavesTheOldFile() throws IOException {
    Path path = Files.writeString(folder.resolve("kept.safetensors"), "old");
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    tensors.put("x", HostTensor.of(new float[] {1}, 1));
    Files.createDirectory(folder.resolve("kept.safetensors.part"));
    assertThatThrownBy(() -> SafetensorsWriter.write(path, tensors))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("kept.safetensors");
    assertThat(path).hasContent("old");
  }

  @Test
  void readsOtherElementTypes() throws IOException {
    ByteBuffer data = ByteBuffer.allocate(37).order(ByteOrder.LITTLE_ENDIAN);
    data.putDouble(0.1).putLong(-5).putLong(1L << 40).putShort((short) 0x3fc0);
    data.put((byte) 1).put((byte) 2).putShort((short) 9).putFloat(1.5f).put((byte) 3);
    Path path =
        file(
            "{\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                + "\"l\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
                + "\"huge\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[16,24]},"
                + "\"bf\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[24,26]},"
                + "\"yes\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[26,28]},"
                + "\"i\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[28,30]},"
                + "\"f\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[30,34]},"
                + "\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[34,35]},"
                + "\"e\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[35,37]}}",
            data.array());
    try (Checkpoint read = Checkpoint.open(path)) {
      assertThat(read.require("d", 1).toFloats()).containsExactly(0.1f);
      assertThat(read.require("l", new long[0]).shape()).isEqualTo("i32 []");
      assertThat(read.require("l").toFloats()).containsExactly(-5);
      assertThat(read.require("bf").toFloats()).containsExactly(1.5f);
      assertThat(read.require("yes").toFloats()).containsExactly(1, 2);
      assertThat(read.require("f").toFloats()).containsExactly(1.5f);
      assertThat(read.require("u").toFloats()).containsExactly(3);
      assertThat(read.tensors()).doesNotContainKeys("huge", "i", "e");
      assertThat(read.notes())
          .containsExactly(
              "left out, of integers that do not fit 32 bits: 'huge'",
              "left out, of type I16: 'i'",
              "left out, of type I8: 'e'");
    }
  }

  @Test
  void dropsTheParallelPrefixOnlyWhereAllHaveIt() throws IOException {
    Path all =
        file(
            "{\"module.a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                + "\"module.b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
            (byte) 1,
            (byte) 2);
    try (Checkpoint read = Checkpoint.open(all)) {
      assertThat(read.tensors().keySet()).containsExactly("a", "b");
      assertThat(read.notes()).containsExactly("dropped the prefix 'module.' of all names");
    }
    Path some =
        file(
            "{\"module.a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                + "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
            (byte) 1,
            (byte) 2);
    try (Checkpoint read = Checkpoint.open(some)) {
      assertThat(read.tensors().keySet()).containsExactly("module.a", "b");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,8]}}` | span 8 bytes",
        "`{'a':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}}` | expected to start at 0",
        "`{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}}` | describes 4",
        "`{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,12]}}` | within 8 bytes",
        "`{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},"
            + "'b':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}}` | expected to start at 4",
        "`{'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]},"
            + "'a':{'dtype':'U8','shape':[4],'data_offsets':[4,8]}}` | 'a' comes twice",
        "`{'a':{'dtype':'U8','shape':[8,9223372036854775807],'data_offsets':[0,8]}}` | span 8",
        "`{'a':{'dtype':'U8','shape':[9223372036854775808],'data_offsets':[0,8]}}` | out of range",
        "`{'a':{'dtype':'U8','shape':[-8],'data_offsets':[0,8]}}` | negative",
        "`{'a':{'dtype':'U8','shape':[8.0],'data_offsets':[0,8]}}` | VALUE_NUMBER_FLOAT",
        "`{'a':{'dtype':'U7','shape':[8],'data_offsets':[0,8]}}` | unknown dtype 'U7'",
        "`{'a':{'dtype':'U8','shape':[8]}}` | lacks one of",
        "`{'a':{'dtype':'U8','shape':[8],'data_offsets':[8]}}` | lacks one of",
        "`{'a':{'dtype':'U8','shape':[8],'data_offsets':[0,8],'x':1}}` | unknown key 'x'",
        "`{'a':{'dtype':'U8','shape':[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,8],'data_offsets':[0,8]}}`"
            + " | more than 16 numbers",
        "`{'__metadata__':{'a':1}}` | expected VALUE_STRING",
        "`{'a':3}` | expected START_OBJECT",
        "`{'a':` | end-of-input",
        "`{} {}` | more follows",
        "`{}` | 8 bytes of tensors follow",
      })
  void saysWhatIsWrongWithAHeader(String header, String problem) throws IOException {
    Path path = file(header.replace('\'', '"'), new byte[8]);
    assertThatThrownBy(() -> Checkpoint.open(path))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("made.safetensors")
        .hasMessageContaining(problem);
  }

  @Test
  void saysWhatAFileIsNot() throws IOException {
    Path page = Files.writeString(folder.resolve("vit.pth"), "<html>");
    assertThatThrownBy(() -> Checkpoint.open(page))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("vit.pth: is neither safetensors nor a PyTorch checkpoint")
        .hasMessageContaining("3c 68");
    assertThatThrownBy(() -> Checkpoint.open(file("{}"))).hasMessageContaining("no weights");
    Path empty = Files.write(folder.resolve("empty"), new byte[0]);
    assertThatThrownBy(() -> Checkpoint.open(empty)).hasMessageContaining("starts with nothing");
    assertThatThrownBy(() -> Checkpoint.open(folder)).hasMessageContaining("no ordinary file");
    assertThatThrownBy(() -> Checkpoint.open(folder.resolve("none")))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("no such file");
  }

  @Test
  void tensorsEndWithTheCheckpoint() {
    Checkpoint vit = Checkpoint.open(Goldens.file("vit/vit.safetensors"));
    HostTensor head = vit.require("head.weight");
    vit.close();
    vit.close();
    assertThatThrownBy(head::toFloats).isInstanceOf(IllegalStateException.class);
  }
}
