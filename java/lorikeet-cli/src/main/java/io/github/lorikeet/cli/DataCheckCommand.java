// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.cli.output.TextTable;
import io.github.lorikeet.vision.data.DataCheck;
import io.github.lorikeet.vision.data.DataReport;
import io.github.lorikeet.vision.data.DataReport.Finding;
import io.github.lorikeet.vision.data.DataReport.Kind;
import io.github.lorikeet.vision.data.DataReport.ListCounts;
import io.github.lorikeet.vision.data.StudyData;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lorikeet data check}. */
@Command(
    name = "check",
    description = {
      "Find missing, corrupt and mislabelled images before training, and count labels.",
      "Every image is decoded. Exit code 1 if anything was found."
    },
    footer = {
      "",
      "A folder stands for its train_1.txt, train_10.txt, train_list.txt, val_list.txt and"
          + " test_list.txt, as far as they are there. A list has a line an image: its path, then a"
          + " 0 or 1 a label.",
      "",
      "Examples:",
      "  lorikeet data check --data nih /data/NIH_ChestX-ray",
      "  lorikeet data check --images /data/images train.txt val.txt test.txt",
      "  lorikeet data check --data rsna --json /data/RSNA > rsna.json"
    })
final class DataCheckCommand implements Callable<Integer> {
  /** Findings of each kind that are printed. */
  private static final int SHOWN = 10;

  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "DIR|LIST", arity = "1..*", description = "Folders of lists, or lists.")
  private List<Path> places;

  @Option(
      names = "--data",
      paramLabel = "NAME",
      description =
          "Which of the study's data sets it should be, with its labels, formats and place for"
              + " images: nih, chexpert or rsna.")
  private String dataName;

  @Option(
      names = "--images",
      paramLabel = "DIR",
      description = "Folder that the lists' paths are relative to; each list's own by default.")
  private Path images;

  @Option(
      names = "--json",
      description = "Print JSON, with every finding; of a list's wrong lines the first 1000.")
  private boolean json;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Threads that decode images; 0: one a processor (default).")
  private int threads;

  @Override
  public Integer call() throws InterruptedException {
    DeviceOptions.checkThreads(threads);
    StudyData data = dataName == null ? null : StudyData.named(dataName);
    long start = System.nanoTime();
    DataReport report;
    try (Progress progress = Progress.onStderr()) {
      progress.begin("checking");
      report =
          new DataCheck(lists(), images, data)
              .run(
                  threads,
                  (done, files) ->
                      progress.show(
                          new Progress.State(0, 0, done, files, Double.NaN, Double.NaN, 0)));
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    List<String> notes = notes(report, data);
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.print(Json.pretty(asMap(report, data, seconds, notes)));
    } else {
      print(out, report, data, seconds, notes);
    }
    out.flush();
    return report.findings().isEmpty() ? 0 : 1;
  }

  private List<Path> lists() {
    List<Path> lists = new ArrayList<>();
    for (Path place : places) {
      if (!Files.isDirectory(place)) {
        lists.add(place);
        continue;
      }
      List<Path> found =
          StudyData.lists().stream().map(place::resolve).filter(Files::exists).toList();
      if (found.isEmpty()) {
        throw new IllegalArgumentException(
            place + ": has none of the lists " + String.join(", ", StudyData.lists()));
      }
      lists.addAll(found);
    }
    return lists;
  }

  /** What is worth knowing but nothing to mend. */
  private static List<String> notes(DataReport report, StudyData data) {
    List<String> notes = new ArrayList<>();
    for (ListCounts list : report.lists()) {
      if (data != null
          && StudyData.lists().contains(list.list())
          && list.images() != data.size(list.list())) {
        notes.add(
            list.list()
                + " has "
                + Format.count(list.images())
                + " images, the study's "
                + Format.count(data.size(list.list())));
      }
      List<String> names = names(list.positives().size(), data);
      for (int label = 0; label < names.size(); label++) {
        int positives = list.positives().get(label);
        if (list.images() > 0 && (positives == 0 || positives == list.images())) {
          notes.add(
              list.list()
                  + " has no image "
                  + (positives == 0 ? "with " : "without ")
                  + names.get(label)
                  + ": no AUROC for it");
        }
      }
    }
    return notes;
  }

  private static List<String> names(int labels, StudyData data) {
    return data != null && data.labels().size() == labels
        ? data.labels()
        : IntStream.rangeClosed(1, labels).mapToObj(i -> "label_" + i).toList();
  }

  private void print(
      PrintWriter out, DataReport report, StudyData data, double seconds, List<String> notes) {
    out.print(table(report.lists(), data));
    out.println();
    out.println(
        Format.count(report.files())
            + " files in "
            + Format.seconds(seconds)
            + " ("
            + Format.decimals(report.files() / seconds, 0)
            + " a second)");
    notes.forEach(note -> out.println("note: " + note));
    if (report.findings().isEmpty()) {
      out.println("Every image is there and sound.");
      return;
    }
    for (Kind kind : Kind.values()) {
      List<Finding> findings =
          report.findings().stream().filter(finding -> finding.kind() == kind).toList();
      if (findings.isEmpty()) {
        continue;
      }
      int left = kind == Kind.WRONG_LINE ? report.moreWrongLines() : 0;
      int count = findings.size() + left;
      out.println();
      out.println(Format.count(count) + " " + kind + ":");
      findings.stream().limit(SHOWN).forEach(finding -> out.println("  " + line(finding)));
      if (count > SHOWN) {
        String all = left > 0 ? "more of them" : "all";
        out.println("  and " + Format.count(count - SHOWN) + " more (--json lists " + all + ")");
      }
    }
  }

  private static String line(Finding finding) {
    String image = finding.image();
    // Messages about a file begin with its path.
    return Format.printable(
        finding.list()
            + ": "
            + (image.isEmpty() || finding.message().contains(image) ? "" : image + ": ")
            + finding.message());
  }

  /** Lists beside each other, a label a row. */
  private static String table(List<ListCounts> lists, StudyData data) {
    int labels = lists.stream().mapToInt(list -> list.positives().size()).max().orElse(0);
    TextTable table = new TextTable(row(data == null ? "" : data.title(), lists, ListCounts::list));
    table.row(row("images", lists, list -> Format.count(list.images())));
    List<String> names = names(labels, data);
    for (int label = 0; label < labels; label++) {
      int row = label;
      table.row(
          row(
              names.get(label),
              lists,
              list ->
                  row < list.positives().size() ? Format.count(list.positives().get(row)) : ""));
    }
    table.row(row("none", lists, list -> Format.count(list.unlabelled())));
    return table.toString();
  }

  private static String[] row(
      String title, List<ListCounts> lists, Function<ListCounts, String> cell) {
    List<String> row = new ArrayList<>(List.of(title));
    lists.forEach(list -> row.add(cell.apply(list)));
    return row.toArray(String[]::new);
  }

  private static Map<String, Object> asMap(
      DataReport report, StudyData data, double seconds, List<String> notes) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("data", data == null ? null : data.id());
    all.put("lists", report.lists().stream().map(list -> asMap(list, data)).toList());
    all.put("files", report.files());
    all.put("seconds", seconds);
    all.put("notes", notes);
    all.put("findings", report.findings().stream().map(DataCheckCommand::asMap).toList());
    all.put("more_wrong_lines", report.moreWrongLines());
    return all;
  }

  private static Map<String, Object> asMap(ListCounts list, StudyData data) {
    Map<String, Object> positives = new LinkedHashMap<>();
    List<String> names = names(list.positives().size(), data);
    for (int label = 0; label < names.size(); label++) {
      positives.put(names.get(label), list.positives().get(label));
    }
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("list", list.list());
    map.put("images", list.images());
    map.put("positives", positives);
    map.put("unlabelled", list.unlabelled());
    return map;
  }

  private static Map<String, Object> asMap(Finding finding) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("kind", finding.kind().name().toLowerCase(Locale.ROOT));
    map.put("list", finding.list());
    map.put("image", finding.image());
    map.put("message", finding.message());
    return map;
  }
}
