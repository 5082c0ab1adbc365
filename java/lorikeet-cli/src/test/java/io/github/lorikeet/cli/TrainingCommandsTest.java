// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** pretrain, train, predict, evaluate and merge from files to files, and how they fail. */
class TrainingCommandsTest {
  private static final String OTHER_RUN = "other options, weights or lists";

  private record Result(int exitCode, String out, String err) {}

  @TempDir static Path data;
  @TempDir Path folder;
  private static Path list;
  private static Path start;
  private Path out;

  private static Result lorikeet(Object... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] words = Arrays.stream(arguments).map(String::valueOf).toArray(String[]::new);
    int exitCode = Main.run(new PrintWriter(out), new PrintWriter(err), words);
    return new Result(exitCode, out.toString(), err.toString());
  }

  /** Images whose upper or lower half is bright, and a small pretrained start. */
  @BeforeAll
  static void makeData() throws IOException {
    SplittableRandom random = new SplittableRandom(1);
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 16; i++) {
      BufferedImage image = new BufferedImage(36, 40, BufferedImage.TYPE_BYTE_GRAY);
      for (int y = 0; y < 40; y++) {
        for (int x = 0; x < 36; x++) {
          image
              .getRaster()
              .setSample(x, y, 0, (y < 20 == (i % 2 == 0) ? 140 : 50) + random.nextInt(40));
        }
      }
      ImageIO.write(image, "png", data.resolve(i + ".png").toFile());
      lines.append(i).append(".png ").append(i % 2).append('\n');
    }
    list = Files.writeString(data.resolve("list.txt"), lines);
    start = data.resolve("start.safetensors");
    Result made =
        lorikeet(
            "pretrain",
            "--list",
            list,
            "--out",
            start,
            "--image-size",
            32,
            "--patch",
            8,
            "--width",
            64,
            "--depth",
            1,
            "--decoder-width",
            32,
            "--decoder-depth",
            1,
            "--decoder-heads",
            2,
            "--epochs",
            2,
            "--batch",
            8,
            "--half");
    assertThat(made.exitCode()).as(made.err()).isZero();
    assertThat(Files.readAllLines(data.resolve("start.safetensors.jsonl"))).hasSize(2);
  }

  @BeforeEach
  void chooseOut() {
    out = folder.resolve("run");
  }

  /**
   * A short run; more: options by pairs, in place of the usual ones where they have the same name;
   * "" is no value.
   */
  private Result train(Object... more) {
    Map<String, Object> options = new LinkedHashMap<>();
    options.put("--weights", start);
    options.put("--train", list);
    options.put("--val", list);
    options.put("--test", list);
    options.put("--epochs", 2);
    options.put("--batch", 8);
    options.put("--out", out);
    for (int i = 0; i < more.length; i += 2) {
      options.put((String) more[i], more[i + 1]);
    }
    List<Object> arguments = new ArrayList<>(List.of("train"));
    options.forEach((name, value) -> arguments.addAll(List.of(name, value)));
    arguments.removeIf(""::equals);
    return lorikeet(arguments.toArray());
  }

  @ParameterizedTest
  @ValueSource(strings = {"lora", "linear-probe", "full"})
  void trainWritesAllItPromises(String mode) throws IOException {
    Result result = train("--mode", mode, "--label-names", "lower");
    assertThat(result.exitCode()).as(result.err()).isZero();
    assertThat(Files.readAllLines(out.resolve("log.jsonl")))
        .hasSize(2)
        .allMatch(l -> l.contains("val_auroc"));
    assertThat(Files.readAllLines(out.resolve("predictions.csv")))
        .hasSize(17)
        .startsWith("path,lower");
    assertThat(out.resolve("config.json")).content().contains("\"mode\" : \"" + mode + "\"");
    assertThat(out.resolve("report.html")).content().contains("<html").contains("ROC");
    try (Stream<Path> files = Files.list(out)) {
      Path events = files.filter(f -> f.toString().contains("tfevents")).toList().getFirst();
      assertThat(Files.readString(events, StandardCharsets.ISO_8859_1))
          .contains("train/loss", "train/lr", "val/loss", "val/auroc", "val/auroc/lower")
          .contains("train/images_per_second", "train/waiting_share", "memory/device_bytes");
    }
    assertThat(Files.exists(out.resolve("adapter/adapter_config.json")))
        .isEqualTo(mode.equals("lora"));
    assertThat(Files.exists(out.resolve("weights.safetensors"))).isEqualTo(!mode.equals("lora"));
  }

  private List<Double> losses(Path run) throws IOException {
    return Files.readAllLines(run.resolve("log.jsonl")).stream()
        .map(line -> line.replaceFirst(".*\"loss\":([0-9.]+).*", "$1"))
        .map(Double::valueOf)
        .toList();
  }

  @Test
  void bf16TrainsLikeF32ButForRounding() throws IOException {
    Path rounded = folder.resolve("bf16");
    assertThat(train("--mode", "full").exitCode()).isZero();
    Result result = train("--mode", "full", "--dtype", "bf16", "--out", rounded);
    assertThat(result.exitCode()).as(result.err()).isZero();
    assertThat(rounded.resolve("config.json")).content().contains("\"dtype\" : \"bf16\"");
    List<Double> expected = losses(out);
    List<Double> losses = losses(rounded);
    assertThat(losses).hasSize(2).isNotEqualTo(expected);
    for (int epoch = 0; epoch < 2; epoch++) {
      assertThat(losses.get(epoch))
          .isCloseTo(expected.get(epoch), within(0.01 * expected.get(epoch)));
    }
  }

  @Test
  void predictionsFromFilesAreThoseOfTheRunMergedOrNot() throws IOException {
    assertThat(train("--targets", "q,v,fc1", "--lr", 0.05).exitCode()).isZero();
    Path adapter = out.resolve("adapter");
    Path csv = folder.resolve("p.csv");
    assertThat(
            lorikeet(
                    "predict",
                    "--weights",
                    start,
                    "--adapter",
                    adapter,
                    "--list",
                    list,
                    "--out",
                    csv)
                .exitCode())
        .isZero();
    assertThat(csv).hasSameTextualContentAs(out.resolve("predictions.csv"));
    Path merged = folder.resolve("merged.safetensors");
    assertThat(
            lorikeet("merge", "--weights", start, "--adapter", adapter, "--out", merged).exitCode())
        .isZero();
    Path again = folder.resolve("m.csv");
    assertThat(
            lorikeet("predict", "--weights", merged, "--list", list, "--out", again, "--batch", 3)
                .exitCode())
        .isZero();
    List<String> expected = Files.readAllLines(csv);
    List<String> actual = Files.readAllLines(again);
    for (int i = 1; i < expected.size(); i++) {
      double difference = probability(expected.get(i)) - probability(actual.get(i));
      assertThat(Math.abs(difference)).as(expected.get(i)).isLessThan(1e-4);
    }
    Result evaluated = lorikeet("evaluate", "--weights", merged, "--list", list, "--json");
    assertThat(evaluated.exitCode()).isZero();
    assertThat(evaluated.out()).contains("\"auroc\"", "\"images\" : 16", "label_1");
  }

  /** The study's layout, in either format and of another alpha, says the same as the adapter. */
  @ParameterizedTest
  @CsvSource({"32,study.pth", "32,study.safetensors", "8,study.pth"})
  void aCheckpointInTheStudysLayoutPredictsTheSame(int alpha, String name) throws IOException {
    assertThat(train("--rank", 2, "--lr", 0.05, "--alpha", alpha).exitCode()).isZero();
    Path study = folder.resolve(name);
    Result exported =
        lorikeet("export", "--weights", start, "--adapter", out.resolve("adapter"), "--out", study);
    assertThat(exported.exitCode()).as(exported.err()).isZero();
    try (Checkpoint checkpoint = Checkpoint.open(study)) {
      checkpoint.require("blocks.0.attn.qkv.lora_A", 4, 64);
      checkpoint.require("blocks.0.attn.qkv.lora_B", 128, 2);
      checkpoint.require("blocks.0.attn.qkv.weight", 192, 64);
      checkpoint.require("head.weight", 1, 64);
    }
    String note = "note: this format does not say that images are prepared by --recipe cxr-mae";
    assertThat(exported.err().contains(note)).isEqualTo(name.endsWith(".pth"));
    Path csv = folder.resolve("p.csv");
    Object[] predict = {"predict", "--weights", study, "--list", list, "--out", csv};
    assertThat(lorikeet(with(predict, "--recipe", "cxr-mae")).exitCode()).isZero();
    assertThat(csv).hasSameTextualContentAs(out.resolve("predictions.csv"));
  }

  @Test
  void trainingSaysThatAdaptersAmongTheWeightsAreLeftOut() {
    assertThat(train("--lr", 0.05).exitCode()).isZero();
    Path study = folder.resolve("study.pth");
    Path adapter = out.resolve("adapter");
    assertThat(
            lorikeet("export", "--weights", start, "--adapter", adapter, "--out", study).exitCode())
        .isZero();
    assertThat(notes(study)).anyMatch(note -> note.startsWith("1 LoRA layers found in " + study));
    Path merged = folder.resolve("merged.safetensors");
    assertThat(lorikeet("merge", "--weights", study, "--out", merged).exitCode()).isZero();
    assertThat(notes(merged)).noneMatch(note -> note.contains("LoRA layers"));
    assertOneFailure(
        2, lorikeet("merge", "--weights", merged, "--out", folder.resolve("m")), "--adapter");
  }

  @Test
  void namesInAFileTellATerminalNothing() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>(TestFiles.smallModel(1, 1));
    tensors.put("blocks.0.attn.qkv.lora_A", HostTensor.of(new float[2 * 64], 2, 64));
    tensors.put("blocks.0.attn.qkv.lora_B", HostTensor.of(new float[128], 128, 1));
    tensors.put("\u001b[31m", HostTensor.of(new float[1], 1));
    Path weights = folder.resolve("weights.safetensors");
    SafetensorsWriter.write(weights, tensors);
    Result merged = lorikeet("merge", "--weights", weights, "--out", folder.resolve("m.pth"));
    assertThat(merged.exitCode()).as(merged.err()).isZero();
    assertThat(merged.err()).contains("left out of " + weights + ": ?[31m");
  }

  private static List<String> notes(Path weights) {
    try (ModelFile file = ModelFile.open(weights, null)) {
      file.backbone(0, 1, 0, new Initializer(0), name -> true);
      return file.notes();
    }
  }

  /** The position embedding is resized for the images that an adapter was trained on. */
  @Test
  void anAdapterTrainedOnOtherImageSizesPredictsTheSame() {
    assertThat(train("--image-size", 48, "--lr", 0.05).exitCode()).isZero();
    Path adapter = out.resolve("adapter");
    Path csv = folder.resolve("p.csv");
    Result result =
        lorikeet("predict", "--weights", start, "--adapter", adapter, "--list", list, "--out", csv);
    assertThat(result.exitCode()).as(result.err()).isZero();
    assertThat(csv).hasSameTextualContentAs(out.resolve("predictions.csv"));
    Path merged = folder.resolve("merged.safetensors");
    assertThat(
            lorikeet("merge", "--weights", start, "--adapter", adapter, "--out", merged).exitCode())
        .isZero();
    try (Checkpoint checkpoint = Checkpoint.open(merged)) {
      checkpoint.require("pos_embed", 1, 1 + 6 * 6, 64);
    }
  }

  /** Pixels of another mean would be measured without a word. */
  @Test
  void imagesArePreparedAsThoseThatTheModelLearntFrom() {
    assertThat(train("--recipe", "mrm").exitCode()).isZero();
    Path adapter = out.resolve("adapter");
    Object[] files = {
      "evaluate", "--weights", start, "--adapter", adapter, "--list", list, "--json"
    };
    String evaluated = lorikeet(files).out();
    assertThat(evaluated).isEqualTo(lorikeet(with(files, "--recipe", "mrm")).out());
    assertThat(lorikeet(with(files, "--recipe", "cxr-mae")).out()).isNotEqualTo(evaluated);
    Path merged = folder.resolve("merged.safetensors");
    lorikeet("merge", "--weights", start, "--adapter", adapter, "--out", merged);
    Object[] one = {"evaluate", "--weights", merged, "--list", list, "--json"};
    assertThat(lorikeet(one).out()).isEqualTo(lorikeet(with(one, "--recipe", "mrm")).out());
  }

  private static Object[] with(Object[] arguments, Object... more) {
    return Stream.concat(Stream.of(arguments), Stream.of(more)).toArray();
  }

  @Test
  void aRandomStartHasTheImageSizeAskedFor() {
    assertThat(train("--random-start", "", "--image-size", 48).exitCode()).isZero();
    assertThat(out.resolve("config.json")).content().contains("\"image_size\" : 48");
  }

  @Test
  void aNewRunLeavesNothingOfTheOldOne() {
    assertThat(train().exitCode()).isZero();
    assertThat(out.resolve("adapter/adapter_config.json")).exists();
    assertThat(train("--mode", "linear-probe", "--overwrite", "").exitCode()).isZero();
    assertThat(out.resolve("adapter")).doesNotExist();
    assertThat(out.resolve("weights.safetensors")).exists();
  }

  @Test
  void theStudysLayoutHoldsNoOtherLayers() {
    assertThat(train("--targets", "q,v,fc1").exitCode()).isZero();
    Path study = folder.resolve("study.pth");
    Result result =
        lorikeet("export", "--weights", start, "--adapter", out.resolve("adapter"), "--out", study);
    assertOneFailure(result, "blocks.0.mlp.fc1");
    assertThat(study).doesNotExist();
  }

  private static double probability(String line) {
    return Double.parseDouble(line.substring(line.indexOf(',') + 1));
  }

  /** Wrong usage: exit code 2 and one line; nothing is made. */
  private void isWrong(Result result, String... words) {
    assertThat(result.err()).as("stderr").startsWith("lorikeet: ").hasLineCount(1).contains(words);
    assertThat(result.exitCode()).isEqualTo(2);
    assertThat(out).doesNotExist();
  }

  /** A failure: exit code 1, one line after notes; no results. */
  private void failed(Result result, String... words) {
    List<String> lines = result.err().lines().filter(line -> !line.startsWith("note: ")).toList();
    assertThat(lines).as("stderr").hasSize(1);
    assertThat(lines.getFirst()).startsWith("lorikeet: ").contains(words);
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(out.resolve("adapter")).doesNotExist();
    assertThat(out.resolve("report.html")).doesNotExist();
  }

  /** The study's AdamW recipe, every setting by hand. */
  @Test
  void everySettingOfARecipeCanBeChosen() {
    Result result =
        train(
            "--optimizer",
            "adamw",
            "--base-lr",
            0.003,
            "--accumulate",
            2,
            "--weight-decay",
            0.05,
            "--layer-decay",
            0.65,
            "--drop-path",
            0.1,
            "--clip",
            1,
            "--rand-augment",
            "",
            "--erase",
            0.25,
            "--recipe",
            "cxr-mae",
            "--warmup",
            1,
            "--evaluate-every",
            2);
    assertThat(result.exitCode()).as(result.err()).isZero();
    // .003 * 8 * 2 / 256
    assertThat(out.resolve("config.json"))
        .content()
        .contains("\"lr\" : 1.875E-4", "\"rand_augment\" : true", "\"erase\" : 0.25");
  }

  @Test
  void badOptionsAreWrongUsage() {
    isWrong(train("--rank", 0), "rank 0", "expected 1 to");
    isWrong(train("--rank", 100000), "rank 100000", "expected 1 to");
    isWrong(train("--batch", 17), "--batch 17", "16");
    isWrong(train("--batch", 0), "batch 0");
    isWrong(train("--targets", "q,x"), "\"x\"", "expected some of q, k, v");
    isWrong(train("--mode", "half"), "--mode half", "linear-probe");
    isWrong(train("--optimizer", "lion"), "--optimizer lion", "adamw");
    isWrong(train("--dropout", 1), "dropout 1");
    isWrong(train("--lr", -1), "lr -1");
    isWrong(train("--lr", 1, "--base-lr", 1), "--lr and --base-lr");
    isWrong(train("--erase", 1.5), "erase probability 1.5");
    isWrong(train("--epochs", 0, "--warmup", 0), "epochs 0");
    isWrong(train("--label-names", "a,b"), "--label-names", "2 names, expected 1");
    isWrong(train("--recipe", "imagenet"), "imagenet", "mrm");
    isWrong(train("--heads", 3), "heads 3");
    isWrong(train("--heads", -1), "heads -1: expected 0 or more");
    isWrong(train("--image-size", -1), "image size -1: expected 0 or more");
    isWrong(train("--image-size", 80000), "image size 80000: expected 1 to 16384");
  }

  @Test
  void aDeviceThatIsNotThereFailsWithOneLine() {
    failed(train("--device", "abacus"), "no device \"abacus\", expected cpu or cuda:N");
    failed(train("--device", "cuda:1000"), "device_open: ");
    isWrong(train("--dtype", "f64"), "--dtype f64: expected f32, tf32, bf16 or f16");
    isWrong(
        train("--dtype", "tf32"),
        "--dtype tf32: tf32 is a precision of CUDA devices; device cpu multiplies f32 exactly");
    isWrong(
        train("--dtype", "f16"),
        "--dtype f16: device cpu computes f32, bf16, CUDA devices f32, bf16 and f16");
  }

  @Test
  void badFilesFailWithOneLineThatNamesThem() throws IOException {
    Path nowhere = folder.resolve("nowhere");
    failed(train("--weights", nowhere), "nowhere", "no such file");
    failed(train("--train", nowhere), "nowhere", "no such file");
    Path text = Files.writeString(folder.resolve("text.pth"), "these are no weights");
    failed(train("--weights", text), "text.pth");
    byte[] bytes = Files.readAllBytes(start);
    Path cut =
        Files.write(folder.resolve("cut.safetensors"), Arrays.copyOf(bytes, bytes.length / 2));
    failed(train("--weights", cut), "cut.safetensors");
    Path counts = Files.writeString(data.resolve("counts.txt"), "0.png 1\n1.png 1 0\n");
    failed(train("--train", counts), "counts.txt:2", "1 labels");
    Path missing = Files.writeString(data.resolve("missing.txt"), "0.png 1\nnone.png 0\n");
    failed(train("--val", missing), "missing.txt", "none.png");
  }

  @Test
  void badImagesFailWithOneLineThatNamesThem() throws IOException {
    byte[] image = Files.readAllBytes(data.resolve("0.png"));
    Files.write(data.resolve("cut.png"), Arrays.copyOf(image, image.length / 3));
    Files.writeString(data.resolve("text.png"), "no image");
    String good = Files.readString(list);
    Path cut = Files.writeString(data.resolve("cut.txt"), good + "cut.png 1\n");
    Path text = Files.writeString(data.resolve("text.txt"), good + "text.png 1\n");
    assertOneFailure(train("--val", cut), "cut.png");
    assertOneFailure(train("--val", text), "text.png");
  }

  /** The plan and progress may stand before the failure. */
  private static void assertOneFailure(Result result, String word) {
    assertOneFailure(1, result, word);
  }

  private static void assertOneFailure(int exitCode, Result result, String word) {
    assertThat(result.exitCode()).isEqualTo(exitCode);
    assertThat(result.err().lines().filter(line -> line.startsWith("lorikeet: ")))
        .singleElement()
        .asString()
        .contains(word);
    assertThat(result.err()).doesNotContain("at io.github");
  }

  @Test
  void anUnwritableFolderIsNoticedBeforeTraining() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    Result result = train("--out", file.resolve("run"));
    assertOneFailure(result, "file");
    assertThat(Files.readString(file)).isEmpty();
  }

  @Test
  void aLossThatIsNoNumberStopsTheRun() {
    Result result = train("--mode", "full", "--lr", 1e30, "--warmup", 0);
    assertOneFailure(result, "the loss became");
    assertThat(out.resolve("weights.safetensors")).doesNotExist();
    // One update an epoch: the list that is looked at shows it before any loss does.
    result = train("--mode", "full", "--lr", 1e30, "--warmup", 0, "--batch", 16);
    assertOneFailure(result, "answers became NaN");
    assertThat(out.resolve("weights.safetensors")).doesNotExist();
  }

  @Test
  void resumeStartsOrDoesNothingOrRefuses() throws IOException {
    assertThat(train("--resume", "").exitCode()).isZero();
    assertThat(out.resolve("result.json"))
        .content()
        .contains(
            "\"best_epoch\"", "\"val_auroc\"", "\"auroc_95\"", "\"trained_parameters\" : 1217");
    byte[] report = Files.readAllBytes(out.resolve("report.html"));
    assertThat(train("--resume", "").exitCode()).isZero();
    assertThat(out.resolve("report.html")).hasBinaryContent(report);
    Path config = out.resolve("config.json");
    String earlier = Files.readString(config).replaceFirst("(version\" : \")[^\"]*", "$10");
    Files.writeString(config, earlier);
    Path sameList = data.resolve("..").resolve(data.getFileName()).resolve("list.txt");
    assertThat(train("--resume", "", "--val", sameList).exitCode()).isZero();
    Result other = train("--resume", "", "--lr", 0.5);
    assertOneFailure(2, other, OTHER_RUN + " (lr: 0.02, now 0.5)");
    Path changed = Files.copy(list, data.resolve("changed.txt"));
    Path images = Files.createDirectory(folder.resolve("images"));
    for (int i = 0; i < 16; i++) {
      Files.copy(data.resolve(i + ".png"), images.resolve(i + ".png"));
    }
    for (String role : List.of("--train", "--val", "--test")) {
      assertThat(train(role, changed, "--overwrite", "").exitCode()).isZero();
      assertThat(train(role, changed, "--resume", "").exitCode()).isZero();
      Files.writeString(changed, Files.readString(list).replace("3.png 1", "3.png 0"));
      assertOneFailure(2, train(role, changed, "--resume", ""), OTHER_RUN);
      Files.copy(list, changed, StandardCopyOption.REPLACE_EXISTING);
    }
    assertThat(train("--overwrite", "").exitCode()).isZero();
    assertOneFailure(2, train("--resume", "", "--images", images), OTHER_RUN);
    Path weights = Files.copy(start, data.resolve("weights.safetensors"));
    assertThat(train("--weights", weights, "--overwrite", "").exitCode()).isZero();
    assertThat(train("--weights", weights, "--resume", "").exitCode()).isZero();
    byte[] bytes = Files.readAllBytes(weights);
    bytes[bytes.length - 1] ^= 1;
    Files.write(weights, bytes);
    assertOneFailure(2, train("--weights", weights, "--resume", ""), OTHER_RUN);
    assertThat(train("--lr", 0.5, "--overwrite", "").exitCode()).isZero();
    assertThat(out.resolve("config.json")).content().contains("\"lr\" : 0.5");
  }

  @Test
  void aStateOfOtherOptionsIsRefused() throws IOException {
    // A first run that ends at its test list leaves its state.
    Path late = Files.writeString(data.resolve("late.png"), "no image");
    Path test = Files.writeString(data.resolve("late.txt"), "late.png 1\n");
    assertOneFailure(train("--test", test), "late.png");
    String config = Files.readString(out.resolve("config.json"));
    assertOneFailure(train("--resume", "", "--lr", 0.5), "learningRate=0.02, now learningRate=0.5");
    assertThat(out.resolve("config.json")).content().isEqualTo(config);
    Files.copy(data.resolve("1.png"), late, StandardCopyOption.REPLACE_EXISTING);
    assertThat(train("--test", test, "--resume", "").exitCode()).isZero();
    assertThat(out.resolve("result.json")).exists();
    assertThat(out.resolve("state.safetensors")).doesNotExist();
  }

  @Test
  void anAdapterOfAnotherWidthIsNamed() {
    assertThat(train().exitCode()).isZero();
    Path wide = folder.resolve("wide.safetensors");
    assertThat(
            lorikeet(
                    "pretrain",
                    "--list",
                    list,
                    "--out",
                    wide,
                    "--image-size",
                    32,
                    "--patch",
                    8,
                    "--width",
                    128,
                    "--depth",
                    1,
                    "--decoder-width",
                    32,
                    "--decoder-depth",
                    1,
                    "--decoder-heads",
                    2,
                    "--epochs",
                    1,
                    "--warmup",
                    0,
                    "--batch",
                    8)
                .exitCode())
        .isZero();
    Result result =
        lorikeet(
            "predict",
            "--weights",
            wide,
            "--adapter",
            out.resolve("adapter"),
            "--list",
            list,
            "--out",
            folder.resolve("p.csv"));
    assertOneFailure(result, wide + " with " + out.resolve("adapter"));
    assertThat(folder.resolve("p.csv")).doesNotExist();
  }

  @Test
  void weightsWithoutAHeadPredictNothing() {
    Result result =
        lorikeet("predict", "--weights", start, "--list", list, "--out", folder.resolve("p.csv"));
    assertOneFailure(result, "no head");
    assertThat(folder.resolve("p.csv")).doesNotExist();
  }
}
