// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.Goldens;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever a file holds: weights or a WeightsException, soon, and in bounded memory. */
class HostileWeightsTest {
  private static final int MUTATIONS = 1000;
  private static final long MAX_CPU_NANOSECONDS = 2_000_000_000L;
  private static final long EXTRA_BYTES = 64L << 20;
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @TempDir Path folder;

  private interface Reading {
    void read(Path path);
  }

  private static void readCheckpoint(Path path) {
    try (Checkpoint checkpoint = Checkpoint.open(path)) {
      assertThat(checkpoint.tensors()).isNotEmpty();
      for (HostTensor tensor : checkpoint.tensors().values()) {
        new CRC32().update(tensor.data().asByteBuffer()); // touches every byte
      }
    }
  }

  /** Returns whether the file was refused. */
  private static boolean isRefused(Path path, Reading reading, String what) throws IOException {
    long size = Files.size(path);
    long bytes = THREADS.getCurrentThreadAllocatedBytes();
    long begin = THREADS.getCurrentThreadCpuTime();
    boolean refused = false;
    try {
      reading.read(path);
    } catch (WeightsException e) {
      refused = true;
      assertThat(e).hasMessageContaining(path.getParent().getFileName().toString());
      assertThat(e.getMessage().length()).isLessThan(2000);
    } catch (RuntimeException | Error e) {
      throw new AssertionError(what, e);
    }
    assertThat(THREADS.getCurrentThreadCpuTime() - begin).as(what).isLessThan(MAX_CPU_NANOSECONDS);
    assertThat(THREADS.getCurrentThreadAllocatedBytes() - bytes)
        .as(what)
        .isLessThan(size + EXTRA_BYTES);
    return refused;
  }

  /** Most mutations must be found out, or they do not reach what they are meant for. */
  private static void assertMostly(int refused) {
    assertThat(refused).isBetween(MUTATIONS / 3, MUTATIONS);
  }

  /** A training script's file, small: weights with a shared storage, an optimiser, arguments. */
  private static byte[] pickle() {
    Pickle pickle = Pickle.protocol(2).op("}(").text("model").put(0);
    pickle.global("collections", "OrderedDict").put(1).op(")R").op('(');
    for (String name : new String[] {"cls_token", "blocks.0.attn.qkv.weight", "head.bias"}) {
      pickle.text(name).put(2);
      pickle.tensor("FloatStorage", "0", 12, 2, new long[] {2, 3}, new long[] {3, 1}).put(3);
    }
    pickle.text("pos_embed");
    pickle.tensor("DoubleStorage", "1", 4, 0, new long[] {2, 2}, new long[] {1, 2});
    pickle.text("steps").tensor("LongStorage", "2", 1, 0, new long[0], new long[0]).op('u');
    pickle.op('}').text("_metadata").get(1).op(")Rsb").text("optimizer").op("}(");
    pickle.text("exp_avg").get(3).text("betas").number(.9).number(.999).op(0x86).op('u');
    pickle.text("args").global("argparse", "Namespace").op(')').op(0x81).op("}(");
    pickle.text("lr").number(.05).text("blr").op('N').text("seed").integer(1L << 40).op("ub");
    return pickle.text("epoch").integer(3).op('u').stop();
  }

  @Test
  void mutatedPickles() throws IOException {
    byte[] original = pickle();
    Path path = folder.resolve("hostile.pth");
    int refused = 0;
    for (int seed = -1; seed < MUTATIONS; seed++) {
      Random random = new Random(seed);
      byte[] pickle =
          seed % 2 == 0
              ? Mutations.mutate(original, 0, random)
              : Mutations.swapOpcodes(original, random);
      TorchFile file = new TorchFile(seed < 0 ? original : pickle).floats("0", new float[12]);
      file.entry("data/1", new byte[32]).entry("data/2", new byte[8]).store(path);
      boolean isRefused = isRefused(path, HostileWeightsTest::readCheckpoint, "seed " + seed);
      assertThat(seed < 0 && isRefused).as("the original").isFalse();
      refused += isRefused ? 1 : 0;
    }
    assertMostly(refused);
  }

  @Test
  void mutatedZipFiles() throws IOException {
    // Small storages, so that most of the file is structure.
    Pickle pickle = Pickle.protocol(2).op("}(");
    for (String name : new String[] {"a", "b", "c", "d"}) {
      pickle.text(name).tensor("FloatStorage", name, 2, 0, new long[] {2}, new long[] {1});
    }
    TorchFile file = new TorchFile(pickle.op('u').stop());
    file.floats("a", 1, 2).floats("b", 3, 4).floats("c", 5, 6).floats("d", 7, 8);
    byte[] stored = Files.readAllBytes(file.store(folder.resolve("stored.pth")));
    byte[] deflated = Files.readAllBytes(file.deflate(folder.resolve("deflated.pth")));
    Path path = folder.resolve("hostile.pth");
    int refused = 0;
    for (int seed = 0; seed < MUTATIONS; seed++) {
      Random random = new Random(seed);
      byte[] original = seed % 2 == 0 ? stored : deflated;
      int begin = seed % 4 < 2 ? 0 : original.length * 2 / 3; // the directory
      Files.write(path, Mutations.mutate(original, begin, random));
      refused += isRefused(path, HostileWeightsTest::readCheckpoint, "seed " + seed) ? 1 : 0;
    }
    assertMostly(refused);
  }

  @Test
  void mutatedSafetensors() throws IOException {
    byte[] golden = Files.readAllBytes(Goldens.file("vit/peft_r4/adapter_model.safetensors"));
    int header = 8 + 840;
    Path path = folder.resolve("hostile.safetensors");
    int refused = 0;
    for (int seed = 0; seed < MUTATIONS; seed++) {
      Random random = new Random(seed);
      byte[] head = Mutations.mutate(Arrays.copyOf(golden, header), 0, random);
      byte[] bytes = Arrays.copyOf(head, head.length + golden.length - header);
      System.arraycopy(golden, header, bytes, head.length, golden.length - header);
      Files.write(path, seed % 10 == 0 ? Mutations.mutate(golden, 0, random) : bytes);
      refused += isRefused(path, HostileWeightsTest::readCheckpoint, "seed " + seed) ? 1 : 0;
    }
    assertMostly(refused);
  }

  @Test
  void mutatedAdapterConfigs() throws IOException {
    byte[] golden = Files.readAllBytes(Goldens.file("vit/peft_r4/adapter_config.json"));
    Files.copy(
        Goldens.file("vit/peft_r4/adapter_model.safetensors"),
        folder.resolve("adapter_model.safetensors"));
    Path path = folder.resolve("adapter_config.json");
    int refused = 0;
    for (int seed = 0; seed < MUTATIONS; seed++) {
      Files.write(path, Mutations.mutate(golden, 0, new Random(seed)));
      refused += isRefused(path, p -> PeftAdapter.read(p.getParent()), "seed " + seed) ? 1 : 0;
    }
    assertMostly(refused);
  }

  @Test
  void picklesThatWantToGrow() throws IOException {
    Path path = folder.resolve("hostile.pth");
    int most = 3 << 20;
    for (String repeated : new String[] {"}", "]", ")", "(", "N2", "]2a", "}NNs", "K\1"}) {
      Pickle pickle = Pickle.protocol(2).op(repeated.repeat(most / repeated.length()));
      new TorchFile(pickle.stop()).store(path);
      assertThat(isRefused(path, HostileWeightsTest::readCheckpoint, repeated)).isTrue();
    }
    // Tuples in tuples, lists in lists, dicts by many keys, the memo at its highest.
    Pickle nested = Pickle.protocol(2).op(')');
    Pickle keys = Pickle.protocol(2).op("}");
    Pickle memo = Pickle.protocol(2).op("}");
    for (int i = 0; i < 350_000; i++) {
      nested.op(0x85);
      memo.put(i).get(i);
      if (i % 2 == 0) {
        keys.integer(i).op("Ns");
      }
    }
    for (Pickle pickle : new Pickle[] {nested, keys, memo}) {
      new TorchFile(pickle.stop()).store(path);
      assertThat(isRefused(path, HostileWeightsTest::readCheckpoint, "large")).isTrue();
    }
  }

  /** As longs and as doubles, keys whose hashes are all 0. */
  @Test
  void picklesWhoseKeysCollide() throws IOException {
    Path path = folder.resolve("hostile.pth");
    Pickle pickle = Pickle.protocol(2).op("}(");
    for (long i = 1; i <= 40_000; i++) {
      long both = i << 32 | i;
      pickle.number(Double.longBitsToDouble(both)).op('N').integer(both).op('N');
    }
    new TorchFile(pickle.op('u').stop()).store(path);
    assertThat(isRefused(path, HostileWeightsTest::readCheckpoint, "keys")).isTrue();
  }

  @Test
  void compressedBombsDoNotGoOff() throws IOException {
    Path path = folder.resolve("bomb.pth");
    Pickle pickle = Pickle.protocol(2).op('}').text("w");
    pickle.tensor("ByteStorage", "0", 100 << 20, 0, new long[] {1}, new long[] {1}).op('s');
    new TorchFile(pickle.stop()).entry("data/0", new byte[100 << 20]).deflate(path);
    assertThat(Files.size(path)).isLessThan(1 << 20);
    assertThatThrownBy(() -> Checkpoint.open(path))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("'archive/data/0' would need 104857600 bytes of memory");
  }

  @Test
  void headersThatWantToGrow() throws IOException {
    Path path = folder.resolve("hostile.safetensors");
    StringBuilder names = new StringBuilder("{\"__metadata__\":{}");
    for (int i = 0; i < 50_000; i++) {
      names.append(",\"%x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}".formatted(i));
    }
    for (String header :
        new String[] {
          names + "}",
          names + "," + names.substring(1) + "}",
          "[".repeat(1 << 20),
          "{\"a\":".repeat(1 << 18),
          " ".repeat(7 << 20)
        }) {
      byte[] text = ("{" + header.substring(1)).getBytes(StandardCharsets.UTF_8);
      byte[] bytes = new byte[8 + text.length];
      MemorySegment.ofArray(bytes).set(MappedFile.I64, 0, text.length);
      System.arraycopy(text, 0, bytes, 8, text.length);
      Files.write(path, bytes);
      boolean isRefused =
          isRefused(path, HostileWeightsTest::readCheckpoint, header.substring(0, 10));
      assertThat(isRefused).isEqualTo(!header.equals(names + "}"));
    }
  }

  @Test
  void patternsThatWantTime() throws IOException {
    Files.copy(
        Goldens.file("vit/peft_r4/adapter_model.safetensors"),
        folder.resolve("adapter_model.safetensors"));
    Path path = folder.resolve("adapter_config.json");
    StringBuilder patterns = new StringBuilder();
    for (int i = 0; i < 450; i++) {
      patterns
          .append(i == 0 ? "" : ",")
          .append("\"0%sx%d\":1".formatted("(.*|.*)*".repeat(118), i));
    }
    Files.writeString(
        path,
        "{\"peft_type\":\"LORA\",\"r\":8,\"lora_alpha\":8,\"target_modules\":\""
            + "(.*.*)*".repeat(100)
            + "x\",\"alpha_pattern\":{"
            + patterns
            + "}}");
    assertThat(isRefused(path, p -> PeftAdapter.read(p.getParent()), "patterns")).isTrue();
  }

  @Test
  void namesThatWantTime() throws IOException {
    Files.writeString(
        folder.resolve("adapter_config.json"),
        "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"rank_pattern\":{\""
            + ".*".repeat(490)
            + "\":1}}");
    String module = "base_model.model." + "x".repeat(300_000);
    Pickle pickle = Pickle.protocol(2).op("}(");
    for (String matrix : new String[] {".lora_A.weight", ".lora_B.weight"}) {
      pickle.text(module + matrix);
      pickle.tensor("FloatStorage", "0", 1, 0, new long[] {1, 1}, new long[] {1, 1});
    }
    Path path = folder.resolve("adapter_model.bin");
    new TorchFile(pickle.op('u').stop()).floats("0", 1).store(path);
    assertThat(isRefused(path, p -> PeftAdapter.read(p.getParent()), "names")).isTrue();
  }

  /** Each tensor is copied, though the file holds all of them once. */
  @Test
  void storagesThatWantToBeCopied() throws IOException {
    Files.writeString(
        folder.resolve("adapter_config.json"), "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1}");
    int bytes = 24 << 20;
    Pickle pickle = Pickle.protocol(2).op("}(");
    for (String name : new String[] {"a", "b"}) {
      pickle.text("base_model.model." + name);
      pickle.tensor("ByteStorage", "0", bytes, 0, new long[] {bytes}, new long[] {1});
    }
    TorchFile file = new TorchFile(pickle.op('u').stop()).entry("data/0", new byte[bytes]);
    Path path = file.deflate(folder.resolve("adapter_model.bin"));
    assertThatThrownBy(() -> PeftAdapter.read(folder))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("'base_model.model.b' would need " + bytes + " bytes of memory");
    file.store(path);
    assertThat(PeftAdapter.read(folder).saved()).hasSize(2);
  }

  /** Each call's result has the function's name. */
  @Test
  void namesAreKeptOnceAFunction() throws IOException {
    Path path = folder.resolve("hostile.pth");
    Pickle pickle = Pickle.protocol(2).global("m".repeat(250), "\u4e00".repeat(80)).put(0);
    for (int i = 0; i < 120_000; i++) {
      pickle.get(0).op(")R");
    }
    new TorchFile(pickle.stop()).store(path);
    assertThat(isRefused(path, HostileWeightsTest::readCheckpoint, "calls")).isTrue();
  }

  /** A mapped checkpoint costs its names, not its bytes. */
  @Test
  void readingDoesNotCopy() throws IOException {
    int floats = 8 << 20;
    Path safetensors = folder.resolve("large.safetensors");
    SafetensorsWriter.write(safetensors, Map.of("w", HostTensor.of(new float[floats], floats)));
    Path torch = folder.resolve("large.pth");
    Pickle pickle = Pickle.protocol(2).op('}').text("w");
    pickle.tensor("FloatStorage", "0", floats, 0, new long[] {floats}, new long[] {1}).op('s');
    new TorchFile(pickle.stop()).entry("data/0", new byte[floats * Float.BYTES]).store(torch);
    for (Path path : new Path[] {safetensors, torch}) {
      Checkpoint.open(path).close(); // loads classes
      long bytes = THREADS.getCurrentThreadAllocatedBytes();
      try (Checkpoint checkpoint = Checkpoint.open(path)) {
        assertThat(checkpoint.require("w").data().isMapped()).isTrue();
        assertThat(checkpoint.require("w").elements()).isEqualTo(floats);
        assertThat(THREADS.getCurrentThreadAllocatedBytes() - bytes).isLessThan(1 << 20);
      }
    }
  }
}
