// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import io.github.lorikeet.cli.output.Format;
import java.util.List;

/**
 * Everything a report page shows; a part that is empty is left out.
 *
 * @param title such as "LoRA on chest radiographs"
 * @param summary sentences that say what was found, in the order of their weight
 * @param results a row a method, rows of one group beside each other
 * @param tables of text
 * @param charts curves
 * @param exampleNote what the bars beside the examples are: "Predicted probability of pneumonia."
 * @param examples images with what was predicted
 * @param memory what the device's memory held
 * @param facts how the run was made: seeds, files, versions
 */
public record Report(
    String title,
    List<String> summary,
    List<Result> results,
    List<Table> tables,
    List<Chart> charts,
    String exampleNote,
    List<Example> examples,
    List<Memory> memory,
    List<Fact> facts) {

  public Report {
    summary = List.copyOf(summary);
    results = List.copyOf(results);
    tables = List.copyOf(tables);
    charts = List.copyOf(charts);
    examples = List.copyOf(examples);
    memory = List.copyOf(memory);
    facts = List.copyOf(facts);
  }

  /**
   * How a method did.
   *
   * @param group what is compared within: "54 labels"
   * @param method "LoRA, rank 4"
   * @param color of the method everywhere on the page
   * @param trainable parameters that were trained
   * @param parameters of the whole model
   * @param aurocs on the test list, one a seed
   * @param seconds of wall time of one run, the mean over seeds
   * @param peakBytes of device memory
   */
  public record Result(
      String group,
      String method,
      Color color,
      long trainable,
      long parameters,
      List<Double> aurocs,
      double seconds,
      long peakBytes) {

    public Result {
      aurocs = List.copyOf(aurocs);
    }

    /** Mean AUROC over the seeds, NaN without any. */
    public double mean() {
      return aurocs.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
    }

    /** Sample standard deviation over the seeds, NaN below two. */
    public double deviation() {
      double mean = mean();
      double squares = aurocs.stream().mapToDouble(a -> (a - mean) * (a - mean)).sum();
      return aurocs.size() < 2 ? Double.NaN : Math.sqrt(squares / (aurocs.size() - 1));
    }

    /** Mean and spread: "0.868 ± 0.006". */
    public String auroc() {
      String mean = Format.decimals(mean(), 3);
      return aurocs.size() < 2 ? mean : mean + " ± " + Format.decimals(deviation(), 3);
    }
  }

  /** A table of text: the first column flush left, the others flush right. */
  public record Table(String title, List<String> header, List<List<String>> rows) {
    public Table {
      header = List.copyOf(header);
      rows = rows.stream().map(List::copyOf).toList();
    }
  }

  /**
   * An image, or several that belong together, with predictions.
   *
   * @param name such as the file's
   * @param truth "pneumonia", or "" where it is not known
   */
  public record Example(
      String name, String truth, List<Picture> pictures, List<Prediction> predictions) {
    public Example {
      pictures = List.copyOf(pictures);
      predictions = List.copyOf(predictions);
    }
  }

  /**
   * A grey image, or one in colour.
   *
   * @param caption "masked", or "" where there is nothing to say
   * @param pixels row by row, a byte each, 255 is white; or red, green and blue of each
   */
  public record Picture(String caption, int width, int height, byte[] pixels) {
    public Picture {
      long count = (long) width * height;
      if (width < 1 || height < 1 || pixels.length != count && pixels.length != 3 * count) {
        throw new IllegalArgumentException(
            "picture: " + width + " x " + height + " pixels, but " + pixels.length + " bytes");
      }
    }

    boolean isColor() {
      return pixels.length > width * height;
    }
  }

  /**
   * A bar beside an example.
   *
   * @param name the method, or the label
   * @param probability 0 to 1
   */
  public record Prediction(String name, Color color, double probability) {}

  /**
   * The memory plan of a run.
   *
   * @param name whose: "LoRA, rank 4, batch 32"
   * @param planned peak in bytes, known before the run
   * @param measured peak in bytes
   */
  public record Memory(String name, List<Part> parts, long planned, long measured) {
    public Memory {
      parts = List.copyOf(parts);
    }

    /** What a share of the memory is for. */
    public record Part(String name, long bytes) {}
  }

  /** A name and a value. */
  public record Fact(String name, String value) {}
}
