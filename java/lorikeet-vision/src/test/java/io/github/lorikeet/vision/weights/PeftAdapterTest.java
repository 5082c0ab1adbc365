// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.Goldens;
import io.github.lorikeet.vision.weights.LoraWeights.Columns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PeftAdapterTest {
  private static final String QKV = "blocks.0.attn.qkv";
  private static final int WIDTH = 4;

  @TempDir Path folder;
  private final Random random = new Random(3);

  private HostTensor matrix(int rows, int columns) {
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat() - 0.5f;
    }
    return HostTensor.of(values, rows, columns);
  }

  /** Groups of a fused qkv, q = 0, k = 1, v = 2. */
  private static List<Columns> thirds(String letters) {
    return letters.chars().mapToObj(c -> new Columns("qkv".indexOf(c) * WIDTH, WIDTH)).toList();
  }

  private LoraWeights lora(String letters, int rank, float scaling) {
    int groups = letters.length();
    return new LoraWeights(
        matrix(groups * rank, WIDTH),
        matrix(groups * WIDTH, rank),
        thirds(letters),
        3 * WIDTH,
        scaling,
        0.1f);
  }

  private static void assertSame(LoraWeights actual, LoraWeights expected) {
    assertThat(actual.groups()).isEqualTo(expected.groups());
    assertThat(actual.outputs()).isEqualTo(expected.outputs());
    assertThat(actual.scaling()).isEqualTo(expected.scaling());
    assertThat(actual.dropout()).isEqualTo(expected.dropout());
    assertThat(actual.a().sizes()).isEqualTo(expected.a().sizes());
    assertThat(actual.b().sizes()).isEqualTo(expected.b().sizes());
    assertThat(actual.a().toFloats()).containsExactly(expected.a().toFloats());
    assertThat(actual.b().toFloats()).containsExactly(expected.b().toFloats());
  }

  /** The change of the weight, scaling * B A, by loops. */
  private static float[] delta(LoraWeights lora) {
    int inputs = (int) lora.inputs();
    int rank = lora.rank();
    float[] a = lora.a().toFloats();
    float[] b = lora.b().toFloats();
    float[] delta = new float[(int) lora.outputs() * inputs];
    int row = 0;
    for (int g = 0; g < lora.groups().size(); g++) {
      Columns group = lora.groups().get(g);
      for (long o = group.first(); o < group.first() + group.count(); o++, row++) {
        for (int i = 0; i < inputs; i++) {
          for (int j = 0; j < rank; j++) {
            delta[(int) o * inputs + i] +=
                lora.scaling() * b[row * rank + j] * a[(g * rank + j) * inputs + i];
          }
        }
      }
    }
    return delta;
  }

  private PeftAdapter roundTrip(Map<String, LoraWeights> modules) {
    new PeftAdapter(modules, Map.of(), 0).write(folder);
    return PeftAdapter.read(folder);
  }

  /** The folder's tensors without the metadata that names groups: as PEFT itself saves them. */
  private void dropMetadata() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    Path file = folder.resolve("adapter_model.safetensors");
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      tensors.putAll(checkpoint.tensors());
      SafetensorsWriter.write(file, tensors);
    }
  }

  private void config(String json) throws IOException {
    Files.writeString(folder.resolve("adapter_config.json"), json.replace('\'', '"'));
  }

  @Test
  void readsTheGoldenAdapterAsQAndV() throws IOException {
    PeftAdapter adapter = PeftAdapter.read(Goldens.file("vit/peft_r4"));
    assertThat(adapter.modules().keySet()).containsExactly(QKV, "blocks.1.attn.qkv");
    LoraWeights lora = adapter.modules().get(QKV);
    assertThat(lora.groups()).containsExactly(new Columns(0, 128), new Columns(256, 128));
    assertThat(lora.rank()).isEqualTo(4);
    assertThat(lora.scaling()).isEqualTo(8);
    assertThat(lora.alpha()).isEqualTo(32);
    assertThat(lora.dropout()).isEqualTo(0.1f);
    assertThat(lora.a().shape()).isEqualTo("f32 [8, 128]");
    assertThat(lora.b().shape()).isEqualTo("f32 [256, 4]");
    assertThat(adapter.saved().keySet())
        .containsExactly("fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias");
    assertThat(adapter.notes()).isEmpty();

    adapter.write(folder);
    Path golden = Goldens.file("vit/peft_r4/adapter_model.safetensors");
    try (Checkpoint written = Checkpoint.open(folder.resolve("adapter_model.safetensors"));
        Checkpoint expected = Checkpoint.open(golden)) {
      assertThat(written.tensors().keySet()).containsExactlyElementsOf(expected.tensors().keySet());
      expected
          .tensors()
          .forEach(
              (name, tensor) ->
                  assertThat(written.require(name, tensor.sizes()).toFloats())
                      .containsExactly(tensor.toFloats()));
    }
    assertThat(Files.readString(folder.resolve("adapter_config.json")))
        .contains("\"r\" : 8,", "\"lora_alpha\" : 64,", "\"lora_dropout\" : 0.1,")
        .contains("\"blocks.1.attn.qkv\"", "\"fc_norm\"", "\"head\"");
    byte[] first = Files.readAllBytes(folder.resolve("adapter_config.json"));
    PeftAdapter.read(folder).write(folder);
    assertThat(Files.readAllBytes(folder.resolve("adapter_config.json"))).isEqualTo(first);
  }

  @ParameterizedTest
  @ValueSource(strings = {"q", "k", "v", "qk", "qv", "kv", "qkv"})
  void everySubsetOfAFusedQkvComesBack(String letters) {
    LoraWeights lora = lora(letters, 2, 1.7f);
    assertSame(roundTrip(Map.of(QKV, lora)).modules().get(QKV), lora);
    dropMetadata();
    LoraWeights inferred = PeftAdapter.read(folder).modules().get(QKV);
    assertSame(inferred, lora);
  }

  @Test
  void anUntrainedAdapterComesBackByItsMetadata() {
    LoraWeights trained = lora("qv", 2, 8);
    HostTensor zero = HostTensor.of(new float[2 * WIDTH * 2], 2 * WIDTH, 2);
    LoraWeights fresh = new LoraWeights(trained.a(), zero, trained.groups(), 3 * WIDTH, 8, 0.1f);
    assertSame(roundTrip(Map.of(QKV, fresh)).modules().get(QKV), fresh);
    dropMetadata();
    LoraWeights plain = PeftAdapter.read(folder).modules().get(QKV);
    assertThat(plain.groups()).containsExactly(new Columns(0, 3 * WIDTH));
    assertThat(plain.rank()).isEqualTo(4);
    assertThat(plain.scaling()).isEqualTo(8);
  }

  @Test
  void oneNonZeroOutsideTheBlocksMakesItPlain() throws IOException {
    LoraWeights lora = lora("qv", 2, 8);
    roundTrip(Map.of(QKV, lora));
    Path file = folder.resolve("adapter_model.safetensors");
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    String name = "base_model.model." + QKV + ".lora_B.weight";
    Map<String, String> metadata;
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      metadata = checkpoint.metadata();
      float[] b = checkpoint.require(name).toFloats();
      b[3] = Float.MIN_VALUE; // row 0 of q, a column of v's
      tensors.putAll(checkpoint.tensors());
      tensors.put(name, HostTensor.of(b, 3 * WIDTH, 4));
      SafetensorsWriter.write(file, tensors, metadata);
    }
    LoraWeights plain = PeftAdapter.read(folder).modules().get(QKV);
    assertThat(plain.groups()).hasSize(1);
    assertThat(plain.rank()).isEqualTo(4);
    float[] expected = delta(lora);
    float[] actual = delta(plain);
    for (int i = 0; i < expected.length; i++) {
      assertThat(actual[i]).isCloseTo(expected[i], offset(1e-6f));
    }
  }

  @Test
  void modulesOfDifferentRankAndAlphaComeBack() throws IOException {
    Map<String, LoraWeights> modules = new LinkedHashMap<>();
    modules.put(QKV, lora("qv", 2, 8));
    modules.put("blocks.1.attn.qkv", lora("qkv", 1, 0.1f));
    modules.put("query", LoraWeights.plain(matrix(3, WIDTH), matrix(5, 3), 2, 0.1f));
    modules.put("blocks.1.fc-1", LoraWeights.plain(matrix(4, WIDTH), matrix(5, 4), 1f / 3, 0.1f));
    PeftAdapter read = roundTrip(modules);
    assertThat(read.modules().keySet()).containsExactlyElementsOf(modules.keySet());
    modules.forEach((name, lora) -> assertSame(read.modules().get(name), lora));
    assertThat(Files.readString(folder.resolve("adapter_config.json")))
        .contains("\"blocks\\\\.1\\\\.attn\\\\.qkv\" : 3", "\"query\" : 3")
        .contains("\"blocks\\\\.1\\\\.fc\\\\-1\" : 1.3333333");
    modules.put("other", LoraWeights.plain(matrix(3, WIDTH), matrix(5, 3), 2, 0.2f));
    assertThatThrownBy(() -> new PeftAdapter(modules, Map.of(), 0).write(folder))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("2 different dropouts");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'lora_alpha': 6 | 1.5",
        "'lora_alpha': 6, 'use_rslora': true | 3",
        "'lora_alpha': 6, 'alpha_pattern': {'x\\\\.y': 9, '[q-z]': 2, 'y': 7} | 0.5",
        "'lora_alpha': 6, 'alpha_pattern': {'0.attn.y': 10} | 2.5",
        "'lora_alpha': 1e1, 'alpha_pattern': {'^y': 1} | 2.5",
      })
  void scalingFollowsTheConfig(String alpha, float scaling) throws IOException {
    roundTrip(Map.of("b.0.attn.y", LoraWeights.plain(matrix(4, 3), matrix(5, 4), 1, 0)));
    config("{'peft_type': 'LORA', 'r': 4, 'target_modules': ['y'], " + alpha + "}");
    PeftAdapter read = PeftAdapter.read(folder);
    assertThat(read.modules().get("b.0.attn.y").scaling()).isEqualTo(scaling);
    assertThat(read.modules().get("b.0.attn.y").dropout()).isZero();
    assertThat(read.notes()).isEmpty();
  }

  @Test
  void ranksFollowTheConfig() throws IOException {
    roundTrip(Map.of("b.0.y", LoraWeights.plain(matrix(4, 3), matrix(5, 4), 1, 0)));
    config("{'peft_type':'LORA','r':8,'lora_alpha':8,'rank_pattern':{'b\\\\.[0-3]\\\\.y':4}}");
    assertThat(PeftAdapter.read(folder).modules().get("b.0.y").scaling()).isEqualTo(2);
    config("{'peft_type':'LORA','r':8,'lora_alpha':8,'rank_pattern':{'b\\\\.[1-3]\\\\.y':4}}");
    assertThatThrownBy(() -> PeftAdapter.read(folder))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("'b.0.y' has A f32 [4, 3] and B f32 [5, 4], expected [8, inputs]");
  }

  @Test
  void notesWhatItIgnores() throws IOException {
    roundTrip(Map.of("b.0.y", LoraWeights.plain(matrix(4, 3), matrix(5, 4), 1, 0)));
    config(
        "{'peft_type':'LORA','r':4,'lora_alpha':8,'new_key':[1,{'a':null}],'init_lora_weights':"
            + "'pissa','target_modules':'.*\\\\.(q|v)','peft_version':'0.18.0'}");
    assertThat(PeftAdapter.read(folder).notes())
        .containsExactly(
            "init_lora_weights is 'pissa': it may have changed the base weights the adapter"
                + " belongs to",
            "ignored in adapter_config.json: 'new_key'",
            "adapted, though target_modules does not name them: 'b.0.y'");
    config("{'peft_type':'LORA','r':4,'lora_alpha':8,'target_modules':'b\\\\.\\\\d\\\\.y'}");
    assertThat(PeftAdapter.read(folder).notes()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`{'peft_type':'IA3'}` | 'peft_type' is 'IA3', expected \"LORA\"",
        "`{'r':4}` | 'peft_type' is absent",
        "`{'peft_type':'LORA','lora_alpha':8}` | 'r' is absent, expected a whole number",
        "`{'peft_type':'LORA','r':0,'lora_alpha':8}` | 'r' is 0",
        "`{'peft_type':'LORA','r':4.5,'lora_alpha':8}` | 'r' is 4.5",
        "`{'peft_type':'LORA','r':4,'lora_alpha':'8'}` | 'lora_alpha' is '8', expected a number",
        "`{'peft_type':'LORA','r':4,'lora_alpha':8,'use_dora':true}` | DoRA",
        "`{'peft_type':'LORA','r':4,'lora_alpha':8,'lora_dropout':1}` | dropout 1.0",
        "`{'peft_type':'LORA','r':4,'lora_alpha':1e300}` | scaling Infinity",
        "`{'peft_type':'LORA','r':4,'lora_alpha':8,'target_modules':{}}` | is an object",
        "`{'peft_type':'LORA','r':4,'lora_alpha':8,'alpha_pattern':{'a{2}':1}}` | '{' repetitions",
        "`{'peft_type':'LORA','r':4,'r':8}` | the key 'r' comes twice",
        "`{'peft_type':'LORA'` | is not valid JSON: Unexpected end-of-input: expected close marker"
            + " for Object (byte",
        "`[]` | expected an object",
      })
  void saysWhatIsWrongWithAConfig(String json, String problem) throws IOException {
    roundTrip(Map.of("b.0.y", LoraWeights.plain(matrix(4, 3), matrix(5, 4), 1, 0)));
    config(json);
    assertThatThrownBy(() -> PeftAdapter.read(folder))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining(problem);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "base_model.model.y.lora_A.weight | has no tensor 'base_model.model.y.lora_B.weight'",
        "base_model.model.y.lora_B.weight | has no tensor 'base_model.model.y.lora_A.weight'",
        "base_model.model.y.lora_magnitude_vector | is not supported",
        "blocks.0.attn.qkv.lora_A | does not start with 'base_model.model.'",
      })
  void saysWhatIsWrongWithTensors(String name, String problem) throws IOException {
    config("{'peft_type':'LORA','r':4,'lora_alpha':8}");
    SafetensorsWriter.write(
        folder.resolve("adapter_model.safetensors"), Map.of(name, matrix(4, 3)));
    assertThatThrownBy(() -> PeftAdapter.read(folder))
        .isInstanceOf(WeightsException.class)
        .hasMessageContaining("adapter_model.safetensors")
        .hasMessageContaining(problem);
  }

  @ParameterizedTest
  @ValueSource(strings = {"4294967295", "0", "-8", "wide"})
  void anImageSizeIsANumberOfPixels(String size) {
    roundTrip(Map.of(QKV, lora("qv", 2, 8)));
    Path file = folder.resolve("adapter_model.safetensors");
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      SafetensorsWriter.write(file, checkpoint.tensors(), Map.of("lorikeet.image_size", size));
    }
    assertThatThrownBy(() -> PeftAdapter.read(folder))
        .isInstanceOf(WeightsException.class)
        .hasMessage(file + ": lorikeet.image_size is '" + size + "', expected pixels a side");
  }

  /** Older versions of PEFT, and newer ones that are told to, write torch.save's format. */
  @Test
  void readsTensorsThatTorchSaved() throws IOException {
    config("{'peft_type':'LORA','r':2,'lora_alpha':8,'target_modules':['proj']}");
    Pickle pickle = Pickle.protocol(2).op("}(");
    String module = "base_model.model.blocks.0.attn.proj";
    pickle.text(module + ".lora_A.weight");
    pickle.tensor("FloatStorage", "0", 6, 0, new long[] {2, 3}, new long[] {3, 1});
    pickle.text(module + ".lora_B.weight");
    pickle.tensor("FloatStorage", "1", 8, 0, new long[] {4, 2}, new long[] {2, 1});
    new TorchFile(pickle.op('u').stop())
        .floats("0", 1, 2, 3, 4, 5, 6)
        .floats("1", 8, 7, 6, 5, 4, 3, 2, 1)
        .store(folder.resolve("adapter_model.bin"));
    LoraWeights lora = PeftAdapter.read(folder).modules().get("blocks.0.attn.proj");
    assertThat(lora.scaling()).isEqualTo(4);
    assertThat(lora.a().toFloats()).containsExactly(1, 2, 3, 4, 5, 6);
    assertThat(lora.b().toFloats()).containsExactly(8, 7, 6, 5, 4, 3, 2, 1);
  }

  @Test
  void readsTheStudysCheckpointLayout() {
    try (Checkpoint init = Checkpoint.open(Goldens.file("train/init.safetensors"))) {
      Map<String, LoraWeights> found = LoraWeights.find(init, 32, 0.1f);
      assertThat(found.keySet()).containsExactly(QKV, "blocks.1.attn.qkv");
      LoraWeights lora = found.get(QKV);
      assertThat(lora.groups()).containsExactly(new Columns(0, 128), new Columns(256, 128));
      assertThat(lora.rank()).isEqualTo(4);
      assertThat(lora.scaling()).isEqualTo(8);
      assertThat(lora.a().toFloats())
          .containsExactly(init.require(QKV + ".lora_A", 8, 128).toFloats());
    }
  }

  @Test
  void partsOfAnAdapterMustFit() {
    HostTensor a = matrix(4, WIDTH);
    HostTensor b = matrix(2 * WIDTH, 2);
    assertThatThrownBy(() -> new LoraWeights(a, b, thirds("vq"), 3 * WIDTH, 1, 0))
        .hasMessageContaining("ascending");
    assertThatThrownBy(() -> new LoraWeights(a, b, thirds("qv"), 2 * WIDTH, 1, 0))
        .hasMessageContaining("within 8");
    assertThatThrownBy(() -> new LoraWeights(a, b, thirds("q"), 3 * WIDTH, 1, 0))
        .hasMessageContaining("A f32 [4, 4]");
    assertThatThrownBy(() -> new LoraWeights(a, b, thirds("qv"), 3 * WIDTH, 1, 1))
        .hasMessageContaining("dropout 1.0");
    assertThatThrownBy(() -> LoraWeights.plain(a, b, 1, 0)).isInstanceOf(WeightsException.class);
  }
}
