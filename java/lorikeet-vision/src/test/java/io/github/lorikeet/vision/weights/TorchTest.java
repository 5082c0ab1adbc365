// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.vision.Goldens;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TorchTest {
  private static final long[] NONE = {};

  @TempDir Path folder;
  private Path path;

  @BeforeEach
  void name() {
    path = folder.resolve("made.pth");
  }

  private static Pickle vector(Pickle pickle, String name, String key, long elements) {
    return pickle
        .text(name)
        .tensor("FloatStorage", key, elements, 0, new long[] {elements}, new long[] {1});
  }

  private void fails(TorchFile file, String... problems) throws IOException {
    assertThatThrownBy(() -> Checkpoint.open(file.store(path)))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("made.pth")
        .hasMessageContainingAll(problems);
  }

  @Test
  void theGoldenFilesHoldTheSame() {
    try (Checkpoint torch = Checkpoint.open(Goldens.file("vit/vit.pth"));
        Checkpoint safe = Checkpoint.open(Goldens.file("vit/vit.safetensors"))) {
      assertThat(torch.tensors().keySet()).containsExactlyElementsOf(safe.tensors().keySet());
      safe.tensors()
          .forEach(
              (name, tensor) -> {
                assertThat(torch.require(name, tensor.sizes()).shape()).isEqualTo(tensor.shape());
                assertThat(torch.require(name).data().mismatch(tensor.data())).isEqualTo(-1);
              });
      assertThat(torch.notes())
          .containsExactly("left out, beside the weights under 'model': 'epoch'");
    }
  }

  @Test
  void readsTrainingStateAsData() throws IOException {
    // {'model': OrderedDict(w=.., odd=None), 'optimizer': {..}, 'args': argparse.Namespace(lr=.1)}
    Pickle pickle = Pickle.protocol(2).op("}(").text("model");
    pickle.global("collections", "OrderedDict").op(")R").put(0).op('(');
    vector(pickle, "module.w", "0", 2).text("module.odd").op('N').op('u');
    pickle.op('}').text("_metadata").op("}sb");
    pickle.text("optimizer").op("}").text("state").op('}').integer(0).op("}");
    pickle.text("exp_avg").tensor("FloatStorage", "9", 2, 0, new long[] {2}, new long[] {1});
    pickle.op("sss");
    pickle.text("args").global("argparse", "Namespace").op(')').op(0x81).op('}');
    pickle.text("lr").number(.1).op("sb");
    pickle.text("scaler").global("os", "system").text("echo").op(0x85).op('R');
    pickle.text("seed").op(0x8a, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    pickle.text("kinds").global("builtins", "set").op(']').text("a").op('a').op(0x85).op("R");
    pickle.op('u');
    TorchFile file = new TorchFile(pickle.stop()).floats("0", 1.5f, -2);
    try (Checkpoint read = Checkpoint.open(file.store(path))) {
      assertThat(read.tensors().keySet()).containsExactly("w");
      assertThat(read.require("w", 2).toFloats()).containsExactly(1.5f, -2);
      assertThat(read.notes())
          .containsExactly(
              "dropped the prefix 'module.' of all names",
              "left out, beside the weights under 'model':"
                  + " 'optimizer', 'args', 'scaler', 'seed' and 1 more",
              "left out, not a tensor: 'module.odd'");
    }
  }

  @Test
  void findsWeightsAtTheTopAndUnderStateDict() throws IOException {
    Pickle top = vector(Pickle.protocol(2).op("}("), "model", "0", 1).text("n").integer(300);
    try (Checkpoint read =
        Checkpoint.open(new TorchFile(top.op('u').stop()).floats("0", 3).store(path))) {
      assertThat(read.require("model").toFloats()).containsExactly(3);
      assertThat(read.notes()).containsExactly("left out, not a tensor: 'n'");
    }
    Pickle nested = Pickle.protocol(2).op("}").text("model").text("vit_base").op('s');
    vector(nested.text("state_dict").op('}'), "w", "0", 1).op("ss");
    try (Checkpoint read =
        Checkpoint.open(new TorchFile(nested.stop()).floats("0", 4).store(path))) {
      assertThat(read.require("w").toFloats()).containsExactly(4);
    }
  }

  @Test
  void readsEveryLayoutOfTensors() throws IOException {
    Pickle pickle = Pickle.protocol(2).op("}(");
    pickle.text("transposed");
    pickle.tensor("FloatStorage", "0", 6, 0, new long[] {3, 2}, new long[] {1, 3});
    pickle.text("column");
    pickle.tensor("FloatStorage", "0", 6, 1, new long[] {2}, new long[] {3});
    pickle.text("tail"); // strides of sizes 1 say nothing
    pickle.tensor("FloatStorage", "0", 6, 3, new long[] {1, 3, 1}, new long[] {77, 1, 9});
    pickle.text("expanded");
    pickle.tensor("FloatStorage", "0", 6, 5, new long[] {2, 2}, new long[] {0, 0});
    pickle.text("scalar").tensor("FloatStorage", "0", 6, 2, NONE, NONE);
    pickle.text("empty");
    pickle.tensor("FloatStorage", "0", 6, 0, new long[] {0, 4}, new long[] {4, 1});
    pickle.text("parameter").global("torch._utils", "_rebuild_parameter").op('(');
    pickle.tensor("FloatStorage", "0", 6, 0, new long[] {1}, new long[] {1});
    pickle.op(0x88).global("collections", "OrderedDict").op(")RtR");
    TorchFile file = new TorchFile(pickle.op('u').stop()).floats("0", 1, 2, 3, 4, 5, 6);
    for (Path made : new Path[] {file.store(path), file.deflate(folder.resolve("deflated.pth"))}) {
      try (Checkpoint read = Checkpoint.open(made)) {
        assertThat(read.require("transposed", 3, 2).toFloats()).containsExactly(1, 4, 2, 5, 3, 6);
        assertThat(read.require("column", 2).toFloats()).containsExactly(2, 5);
        assertThat(read.require("tail", 1, 3, 1).toFloats()).containsExactly(4, 5, 6);
        assertThat(read.require("expanded", 2, 2).toFloats()).containsExactly(6, 6, 6, 6);
        assertThat(read.require("scalar", NONE).toFloats()).containsExactly(3);
        assertThat(read.require("empty", 0, 4).toFloats()).isEmpty();
        assertThat(read.require("parameter", 1).toFloats()).containsExactly(1);
      }
    }
  }

  @Test
  void readsEveryElementType() throws IOException {
    Pickle pickle = Pickle.protocol(2).op("}(");
    String[] storages = {
      "DoubleStorage",
      "HalfStorage",
      "BFloat16Storage",
      "LongStorage",
      "IntStorage",
      "ByteStorage",
      "BoolStorage",
      "CharStorage",
      "ComplexFloatStorage"
    };
    for (String storage : storages) {
      pickle.text(storage).tensor(storage, storage, 1, 0, new long[] {1}, new long[] {1});
    }
    TorchFile file = new TorchFile(pickle.op('u').stop());
    byte[] bits = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putDouble(0.1).array();
    file.entry("data/DoubleStorage", bits);
    file.entry("data/HalfStorage", new byte[] {0, 0x3e});
    file.entry("data/BFloat16Storage", new byte[] {(byte) 0xc0, 0x3f});
    file.entry("data/LongStorage", new byte[] {-2, -1, -1, -1, -1, -1, -1, -1});
    file.entry("data/IntStorage", new byte[] {-3, -1, -1, -1});
    file.entry("data/ByteStorage", new byte[] {-1}).entry("data/BoolStorage", new byte[] {1});
    file.entry("data/CharStorage", new byte[1]).entry("data/ComplexFloatStorage", new byte[8]);
    try (Checkpoint read = Checkpoint.open(file.store(path))) {
      float[] expected = {0.1f, 1.5f, 1.5f, -2, -3, 255, 1};
      for (int i = 0; i < expected.length; i++) {
        assertThat(read.require(storages[i], 1).toFloats()).containsExactly(expected[i]);
      }
      assertThat(read.notes())
          .containsExactly(
              "left out, of type I8: 'CharStorage'",
              "left out, of type C64: 'ComplexFloatStorage'");
    }
  }

  @Test
  void readsNewerProtocols() throws IOException {
    // As protocol 4 writes it: framed, memoised in order, globals from the stack.
    Pickle pickle = Pickle.protocol(4).op(0x95, 3, 0, 0, 0, 0, 0, 0, 0).op('}').op(0x94).op('(');
    pickle.op(0x8c, 1, 'w').op(0x94).text("torch._utils").text("_rebuild_tensor_v2").op(0x93);
    pickle.op("((").text("storage").text("torch").text("FloatStorage").op(0x93);
    pickle.text("0").text("cpu").integer(1).op("tQ").integer(0).integers(1).integers(1);
    pickle.op(0x89).op("NtR").op("u");
    try (Checkpoint read =
        Checkpoint.open(new TorchFile(pickle.stop()).floats("0", 8).store(path))) {
      assertThat(read.require("w", 1).toFloats()).containsExactly(8);
    }
  }

  @Test
  void aCodeObjectAmongWeightsIsNamedAndNotRun() throws IOException {
    Pickle pickle = vector(Pickle.protocol(2).op("}("), "a", "0", 1).text("b");
    pickle.global("posix", "system").text("touch " + folder.resolve("run")).op(0x85).op("Ru");
    fails(new TorchFile(pickle.stop()).floats("0", 1), "'b'", "'posix.system'", "a tensor");
    assertThat(folder.resolve("run")).doesNotExist();
    Pickle module = Pickle.protocol(2).global("models_mae", "MaskedAutoencoderViT").op(")");
    fails(
        new TorchFile(module.op(0x81).op("}b").stop()),
        "'models_mae.MaskedAutoencoderViT'",
        "save model.state_dict()");
  }

  @Test
  void tensorsStayInTheirStorages() throws IOException {
    long most = Long.MAX_VALUE;
    Object[][] wrong = {
      {4L, 0L, new long[] {4}, new long[] {1}, "the entry 'data/0' has 8 bytes"},
      {2L, 0L, new long[] {3}, new long[] {1}, "outside its storage of 2 elements"},
      {2L, 1L, new long[] {2}, new long[] {1}, "outside its storage"},
      {2L, most, new long[] {2}, new long[] {1}, "outside its storage"},
      {2L, 0L, new long[] {2}, new long[] {2}, "outside its storage"},
      {2L, 0L, new long[] {most, most}, new long[] {most, 1}, "outside its storage"},
      {2L, 0L, new long[] {most, most}, new long[] {0, 0}, "too many elements"},
      {2L, 0L, new long[] {1L << 40}, new long[] {0}, "would need 4398046511104 bytes"},
      {2L, 0L, new long[] {2, -1}, new long[] {1, 1}, "describes a tensor not as"},
      {2L, 0L, new long[] {2}, new long[] {-1}, "describes a tensor not as"},
      {2L, 0L, new long[] {2}, new long[] {}, "describes a tensor not as"},
      {-2L, 0L, new long[] {2}, new long[] {1}, "no storage of PyTorch's"},
    };
    for (Object[] row : wrong) {
      Pickle pickle = Pickle.protocol(2).op('}').text("w");
      pickle.tensor(
          "FloatStorage", "0", (long) row[0], (long) row[1], (long[]) row[2], (long[]) row[3]);
      fails(new TorchFile(pickle.op('s').stop()).floats("0", 1, 2), (String) row[4]);
    }
    Pickle absent = vector(Pickle.protocol(2).op('}'), "w", "../1", 1).op('s');
    fails(new TorchFile(absent.stop()), "'w'", "'data/../1', which is not there");
  }

  @Test
  void saysWhatIsWrongWithAPickle() throws IOException {
    Pickle twice = vector(vector(Pickle.protocol(2).op("}("), "w", "0", 1), "w", "0", 1);
    fails(new TorchFile(twice.op('u').stop()).floats("0", 1), "the key 'w' comes twice");
    fails(new TorchFile(Pickle.protocol(1).op("}").stop()), "protocol 1; expected 2 to 5");
    fails(new TorchFile(Pickle.protocol(2).op("}i").stop()), "unknown instruction 0x69");
    fails(new TorchFile(Pickle.protocol(2).op("}X").op(9, 0, 0, 0).stop()), "9 bytes");
    fails(new TorchFile(Pickle.protocol(2).op("t").stop()), "a mark is missing");
    fails(new TorchFile(Pickle.protocol(2).op("u").stop()), "a mark is missing");
    fails(new TorchFile(Pickle.protocol(2).stop()), "an operand is missing");
    fails(new TorchFile(Pickle.protocol(2).get(0).stop()), "memo 0 is empty");
    fails(new TorchFile(Pickle.protocol(2).op('}').put(1L << 31).stop()), "memo 2147483648");
    fails(new TorchFile(new byte[] {(byte) 0x80, 2, '}'}), "ends too early");
    fails(new TorchFile(Pickle.protocol(2).op("K").op(1).op(")R").stop()), "no function");
    fails(new TorchFile(Pickle.protocol(2).op("]").stop()), "no dictionary at the top level");
    Pickle other = Pickle.protocol(2).op("}").text("net").op("}s");
    fails(new TorchFile(other.stop()), "[model, state_dict]", "'net'");
    fails(new TorchFile(Pickle.protocol(2).op("}").stop()), "found nothing");
  }

  @Test
  void selfContainingListsDoNoHarm() throws IOException {
    Pickle cycle = Pickle.protocol(2).op("]").put(0).get(0).op("a");
    fails(new TorchFile(cycle.stop()), "no dictionary");
  }

  @Test
  void saysWhatIsWrongWithAZipFile() throws IOException {
    TorchFile two = new TorchFile(Pickle.protocol(2).op("}").stop());
    fails(two.entry("b/data.pkl", new byte[1]), "2 entries");
    byte[] big = "big".getBytes(StandardCharsets.US_ASCII);
    fails(new TorchFile(new byte[1]).entry("byteorder", big), "big-endian");
    byte[] golden = Files.readAllBytes(Goldens.file("vit/vit.pth"));
    Files.write(path, Arrays.copyOf(golden, golden.length / 2));
    assertThatThrownBy(() -> Checkpoint.open(path))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("it is not complete");
    Files.write(path, new byte[] {(byte) 0x80, 2, (byte) 0x8a, 10, 0x6c, (byte) 0xfc, 0, 0});
    assertThatThrownBy(() -> Checkpoint.open(path)).hasMessageContaining("before version 1.6");
  }
}
