// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.Cli.Result;
import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.cli.bench.Case;
import io.github.lorikeet.cli.bench.Cases;
import io.github.lorikeet.cli.bench.Timer;
import io.github.lorikeet.cli.bench.Work;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Precision;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** Small runs of {@code lorikeet bench}, without the probe, which the launcher alone provides. */
class BenchCommandTest {
  @TempDir private Path folder;

  private Result bench(String... options) {
    return Cli.lorikeet("bench", "--html", html(), options);
  }

  private Path html() {
    return folder.resolve("bench.html");
  }

  private Result benchOne(String... options) {
    List<String> all =
        new ArrayList<>(
            List.of("--case", "lora-forward", "--shape", "M=197 r=4 p=0.1", "--threads", "1"));
    all.addAll(List.of("--seconds", "0.05", "--rounds", "3"));
    all.addAll(Arrays.asList(options));
    return bench(all.toArray(String[]::new));
  }

  /** Against sums made by hand from what each case reads, writes and multiplies. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "linear-forward qkv M=1576 f32 | 5577375744 | 26443776",
        "linear-forward-backward fc2+residual M=1576 f32 | 14873001984 | 91496448",
        "layer-norm-forward M=12608 f32 | 77463552 | 77463552",
        "mae-step ViT-B/16 batch=8 masked=0.75 f32 | 467763331072 | 0",
      })
  void workIsCounted(String key, double operations, double bytes) {
    Work work =
        Cases.of(DType.F32, Precision.EXACT).stream()
            .filter(each -> each.key().equals(key))
            .findFirst()
            .orElseThrow()
            .work();
    assertThat(work.operations()).isEqualTo(operations);
    assertThat(work.bytes()).isEqualTo(bytes);
  }

  @Test
  void listsEveryOperation() {
    Result result = bench("--list");
    assertThat(result.exitCode()).isZero();
    assertThat(result.out())
        .contains(
            "linear-forward  qkv M=1576",
            "lora-forward-backward  qkv M=12608 r=16 p=0.1",
            "attention-forward-backward  785 tokens",
            "adamw-step",
            "vit-full-step  ViT-B/16 batch=8",
            "mae-step",
            "pth-load");
    assertThat(bench("--list", "--case", "gelu").out()).hasLineCount(2);
  }

  @Test
  void timesACaseAndWritesItDown() throws Exception {
    Path json = folder.resolve("run.json");
    Result result = benchOne("--json", json.toString());
    assertThat(result.exitCode()).as(result.err()).isZero();
    assertThat(result.out())
        .containsPattern("lora-forward +qkv M=197 r=4 p=0.1 +f32 +[0-9.]+ [mu]s")
        .containsPattern("lora-forward-backward .* 0 B +0 ") // nothing allocated a run
        .contains("note: no shares of the machine's limits");
    assertThat(result.err()).startsWith("  1/2  lora-forward qkv M=197 r=4 p=0.1\n  2/2  ");
    assertThat(Files.readString(json)).contains("\"case\" : \"lora-forward\"", "\"seconds\" : [");
    var page = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(html().toFile());
    NodeList circles = page.getElementsByTagName("circle");
    assertThat(circles.getLength()).isEqualTo(2);
    assertThat(((Element) circles.item(0)).getAttribute("class")).startsWith("dot ");
  }

  @Test
  void patchesAndRowsRunInSixteenBits() {
    Result result =
        bench("--case", "patch-embed,layer-norm-backward", "--dtype", "bf16", "--seconds", "0.05");
    assertThat(result.exitCode()).as(result.err()).isZero();
    assertThat(result.out())
        .containsPattern("patch-embed-forward +224x224 batch=8 +bf16")
        .containsPattern("layer-norm-backward +M=12608 +bf16");
  }

  @Test
  void namesWhatBecameSlower() throws Exception {
    Path json = folder.resolve("before.json");
    assertThat(benchOne("--json", json.toString()).exitCode()).isZero();
    Files.writeString(json, costsTimes(Files.readString(json), 0.01, 100));
    Result result = benchOne("--compare", json.toString());
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.out())
        .containsPattern("slower: lora-forward qkv M=197 r=4 p=0.1 f32, [0-9.]+x")
        .containsPattern("faster: lora-forward-backward qkv M=197 r=4 p=0.1 f32, [0-9.]+x")
        .doesNotContain("slower: lora-forward-backward");
    String written = Files.readString(json);
    Files.writeString(json, costsTimes(written, 1e4, 1));
    assertThat(benchOne("--compare", json.toString()).exitCode()).isZero();
    assertThat(
            bench("--case", "gelu-forward", "--threads", "1", "--compare", json.toString()).err())
        .contains(json + ": has none of the cases chosen, such as gelu-forward")
        .hasLineCount(1);
    Result other = bench("--case", "lora-forward", "--threads", "2", "--compare", json.toString());
    assertThat(other.exitCode()).isEqualTo(2);
    assertThat(other.err()).contains(json + ": was measured with threads 1, this run has 2");
    Files.writeString(json, written.replaceAll("(\"peak_bytes_per_second\" : )0.0", "$11.0E10"));
    assertThat(benchOne("--compare", json.toString()).err())
        .contains("measured with the machine's limits known, this run has unknown");
  }

  /**
   * As if the cases had cost so much more, in their order: more than any load on the machine does.
   */
  private static String costsTimes(String json, double... factors) {
    Matcher costs = Pattern.compile("\"cost\" : \\[ ([^\\]]*) \\]").matcher(json);
    StringBuilder changed = new StringBuilder();
    for (double factor : factors) {
      assertThat(costs.find()).isTrue();
      List<String> scaled =
          Arrays.stream(costs.group(1).split(", "))
              .map(cost -> String.valueOf(factor * Double.parseDouble(cost)))
              .toList();
      costs.appendReplacement(changed, "\"cost\" : [ " + String.join(", ", scaled) + " ]");
    }
    return costs.appendTail(changed).toString();
  }

  @Test
  void interruptedACaseGivesNoFigures() {
    Case subject =
        Cases.of(DType.F32, Precision.EXACT).stream()
            .filter(each -> each.key().startsWith("lora-forward qkv M=197"))
            .findFirst()
            .orElseThrow();
    AtomicInteger runs = new AtomicInteger();
    try (Device device = Device.open("cpu", 1);
        Body body = subject.open(device)) {
      Timer timer = new Timer(device, null, 0.01, 1000, () -> runs.incrementAndGet() > 20);
      assertThat(timer.time(subject, List.of(new Timer.Entrant("", body)), 0)).isEmpty();
    }
    assertThat(runs).hasValueLessThan(30);
  }

  @Test
  void wrongUsageIsSaid() {
    assertThat(bench("--case", "no-such-case").err()).contains("no case of --case and --shape");
    assertThat(benchOne("--peers").err()).contains("--peers: no peers on the class path");
    assertThat(benchOne("--compare", folder.resolve("none").toString()).exitCode()).isEqualTo(1);
    assertThat(benchOne("--rounds", "0").exitCode()).isEqualTo(2);
  }

  @Test
  void tf32IsForCudaDevicesAndHasCasesOfItsOwn() {
    Result result = benchOne("--dtype", "tf32");
    assertThat(result.exitCode()).isEqualTo(2);
    assertThat(result.err())
        .isEqualTo(
            "lorikeet: --dtype tf32: tf32 is a precision of CUDA devices; device cpu multiplies f32"
                + " exactly\n");
    assertThat(bench("--list", "--dtype", "tf32").out())
        .contains("linear-forward", "lora-forward", "vit-lora-step")
        .doesNotContain("attention", "gelu-", "sgd", "image");
    assertThat(Cases.of(DType.F32, Precision.TF32))
        .allSatisfy(each -> assertThat(each.key()).endsWith(" tf32"));
    assertThat(Cases.of(DType.F32, Precision.EXACT))
        .noneSatisfy(each -> assertThat(each.key()).contains("tf32"));
  }

  @Test
  void measuresTheMemoryOfAProcessOfItsOwn() {
    Result result = bench("--memory", "--case", "vit-inference", "--dtype", "bf16");
    assertThat(result.exitCode()).as(result.err()).isZero();
    Matcher row =
        Pattern.compile("vit-inference +ViT-B/16 batch=8 +bf16 +([0-9.]+) MB +([0-9.]+) MB\n")
            .matcher(result.out());
    assertThat(row.find()).as(result.out()).isTrue();
    double peak = Double.parseDouble(row.group(1));
    double before = Double.parseDouble(row.group(2));
    // 86 million weights in 16 bits, at least; the mapped file of 344 MB is not kept beside them.
    assertThat(peak - before).isBetween(172.0, 344.0);
  }

  @Test
  void memoryIsThatOfModelsOnTheCpu() {
    assertThat(bench("--memory", "--json", folder.resolve("a.json").toString()).err())
        .contains("--memory: prints its table alone; leave out --json");
    assertThat(bench("--memory", "--case", "gelu").err()).contains("--memory: of the cases only");
    assertThat(bench("--memory", "--device", "cuda:0").err()).contains("on --device cpu only");
  }
}
