// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.OutputFile;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.weights.PeftAdapter;
import io.github.lorikeet.vision.weights.Provenance;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import io.github.lorikeet.vision.weights.TorchWriter;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Weights and an adapter read and written as one file: what merge and export share. */
final class ModelExport {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Option(
      names = "--weights",
      paramLabel = "FILE",
      required = true,
      description = "The weights it was trained on.")
  private Path weights;

  @Option(
      names = "--adapter",
      paramLabel = "DIR",
      description = "PEFT adapter folder; none for LoRA layers that lie among the weights.")
  private Path adapter;

  @Option(
      names = "--heads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Attention heads; 0: width / 64 (default).")
  private int heads;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description =
          "File to write: PyTorch's format where it is named .pth or .pt, else safetensors.")
  private Path out;

  /**
   * @param contents of the file, by name
   */
  int run(Function<VisionTransformer, Map<String, HostTensor>> contents) {
    List<Path> inputs = new ArrayList<>(List.of(weights));
    if (adapter != null) {
      inputs.addAll(PeftAdapter.files(adapter));
    }
    OutputFile.check(out, inputs);
    try (ModelFile file = ModelFile.open(weights, adapter)) {
      if (!file.isAdapted()) {
        throw new IllegalArgumentException(
            (adapter == null ? weights : adapter)
                + ": holds no LoRA layers"
                + (adapter == null ? ": pass the --adapter that was trained on them" : ""));
      }
      VisionTransformer model = file.classifier(heads);
      List<String> labels = file.labels(model.labels());
      Map<String, HostTensor> tensors = contents.apply(model);
      PrintWriter err = spec.commandLine().getErr();
      if (out.toString().endsWith(".pth") || out.toString().endsWith(".pt")) {
        TorchWriter.write(out, tensors);
        noteUnsaid(file.recipe(), labels, err);
      } else {
        SafetensorsWriter.write(
            out, tensors, new Provenance(file.recipe(), labels, null).metadata());
      }
      file.notes().forEach(note -> err.println("note: " + Format.printable(note)));
      PrintWriter stdout = spec.commandLine().getOut();
      stdout.println(out + ": " + tensors.size() + " tensors");
      stdout.flush();
    }
    return 0;
  }

  /** Says what PyTorch's format has no place for. */
  private static void noteUnsaid(String recipe, List<String> labels, PrintWriter err) {
    List<String> unsaid = new ArrayList<>();
    if (recipe != null) {
      unsaid.add("that images are prepared by --recipe " + recipe);
    }
    if (labels != null) {
      unsaid.add("that labels are called by --label-names '" + String.join(",", labels) + "'");
    }
    if (!unsaid.isEmpty()) {
      err.println("note: this format does not say " + String.join(", nor ", unsaid));
    }
  }
}
