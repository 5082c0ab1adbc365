// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import io.github.lorikeet.cli.report.Report.Example;
import io.github.lorikeet.cli.report.Report.Fact;
import io.github.lorikeet.cli.report.Report.Memory;
import io.github.lorikeet.cli.report.Report.Picture;
import io.github.lorikeet.cli.report.Report.Prediction;
import io.github.lorikeet.cli.report.Report.Result;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;

/**
 * A report of the demonstration's size with made-up figures. Its main method writes it to a file,
 * to look at.
 */
final class MadeUpReport {
  private static final String[] METHODS = {"LoRA, rank 4", "linear probe", "full fine-tuning"};

  private MadeUpReport() {}

  public static void main(String[] arguments) throws IOException {
    List<Picture> pictures = new ArrayList<>();
    for (int i = 1; i < arguments.length; i++) {
      Raster raster = ImageIO.read(Path.of(arguments[i]).toFile()).getRaster();
      byte[] pixels =
          (byte[]) raster.getDataElements(0, 0, raster.getWidth(), raster.getHeight(), null);
      pictures.add(new Picture("", raster.getWidth(), raster.getHeight(), pixels));
    }
    Files.writeString(Path.of(arguments[0]), HtmlReport.of(of(pictures)));
  }

  static Report of(List<Picture> pictures) {
    return new Report(
        "LoRA on chest radiographs",
        List.of("LoRA reached an AUROC of 0.868 with 0.67 % of the weights trained.", "Second."),
        List.of(
            new Result(
                "54 labels",
                METHODS[0],
                Color.BLUE,
                18_817,
                2_830_000,
                List.of(.862, .874, .868),
                31.2,
                61_200_000),
            new Result(
                "54 labels",
                METHODS[1],
                Color.ORANGE,
                577,
                2_830_000,
                List.of(.873, .879, .876),
                15.8,
                21_400_000),
            new Result(
                "54 labels",
                METHODS[2],
                Color.GREEN,
                2_830_000,
                2_830_000,
                List.of(.842, .848, .845),
                41.0,
                121_000_000),
            new Result(
                "54 labels",
                "full, random start",
                Color.GREY,
                2_830_000,
                2_830_000,
                List.of(.70, .73, .71),
                41.0,
                121_000_000),
            new Result(
                "550 labels",
                "LoRA, rank 8",
                Color.BLUE,
                37_000,
                2_850_000,
                List.of(.877),
                61,
                61_200_000)),
        List.of(
            new Report.Table(
                "By <label>", List.of("label & more", "AUROC"), List.of(List.of("hernia", "0.9")))),
        List.of(
            curve("Loss & labels <54>", "loss", .69, .35),
            curve("Validation AUROC", "AUROC", .6, .87),
            roc()),
        "Predicted probability of pneumonia.",
        examples(pictures),
        List.of(
            new Memory(
                "LoRA, rank 4, batch 27",
                List.of(
                    new Memory.Part("frozen weights", 11_300_000),
                    new Memory.Part("activations", 38_000_000)),
                61_234_567,
                61_234_567)),
        List.of(new Fact("command", "lorikeet demo --seed 1"), new Fact("seeds", "1, 2, 3")));
  }

  private static Chart curve(String title, String y, double from, double to) {
    List<Chart.Line> lines = new ArrayList<>();
    for (int method = 0; method < 3; method++) {
      double rate = .08 + .03 * method;
      double[] epochs = IntStream.rangeClosed(1, 50).asDoubleStream().toArray();
      double[] values =
          IntStream.range(0, 50)
              .mapToDouble(i -> to + (from - to) * Math.exp(-rate * i) + .01 * Math.sin(i * 2.1))
              .toArray();
      lines.add(new Chart.Line(METHODS[method], Color.of(method), epochs, values));
    }
    return new Chart(title, Chart.Axis.epochs(), Chart.Axis.of(y), lines, false);
  }

  private static Chart roc() {
    List<Chart.Line> lines = new ArrayList<>();
    for (int method = 0; method < 3; method++) {
      double power = .2 + .05 * method;
      double[] x = IntStream.rangeClosed(0, 80).mapToDouble(i -> i / 80.0).toArray();
      double[] y =
          IntStream.rangeClosed(0, 80).mapToDouble(i -> Math.pow(i / 80.0, power)).toArray();
      lines.add(new Chart.Line(METHODS[method], Color.of(method), x, y));
    }
    return Chart.roc("ROC on the test list", lines);
  }

  private static List<Example> examples(List<Picture> pictures) {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < pictures.size(); i++) {
      List<Prediction> predictions = new ArrayList<>();
      for (int method = 0; method < 3; method++) {
        predictions.add(
            new Prediction(METHODS[method], Color.of(method), (.17 + .31 * (i + method)) % 1));
      }
      String truth = i % 2 == 0 ? "pneumonia" : "not pneumonia";
      examples.add(
          new Example("image_" + i + ".jpg", truth, List.of(pictures.get(i)), predictions));
    }
    return examples;
  }
}
