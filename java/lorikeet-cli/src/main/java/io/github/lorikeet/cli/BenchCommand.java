// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.cli.bench.Case;
import io.github.lorikeet.cli.bench.Cases;
import io.github.lorikeet.cli.bench.Comparison;
import io.github.lorikeet.cli.bench.Measurement;
import io.github.lorikeet.cli.bench.Peers;
import io.github.lorikeet.cli.bench.Probe;
import io.github.lorikeet.cli.bench.Results;
import io.github.lorikeet.cli.bench.ResultsView;
import io.github.lorikeet.cli.bench.Timer;
import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.OutputFile;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.DeviceInfo;
import io.github.lorikeet.core.Precision;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import java.util.concurrent.Callable;
import java.util.function.BooleanSupplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lorikeet bench}. */
@Command(
    name = "bench",
    description = "Time kernels, steps and loading beside this machine's own limits.",
    footer = {
      "",
      "Exit code 1 where --compare names a regression. Ctrl-C ends with what was timed so far.",
      "docs/performance.md says how to read the table.",
      "",
      "Examples:",
      "  lorikeet bench --list",
      "  lorikeet bench --case lora,attention --threads 1",
      "  lorikeet bench --shape M=1576 --json before.json",
      "  lorikeet bench --shape M=1576 --compare before.json",
      "  lorikeet bench --case lora --peers      beside libtorch, in a clone of the repository",
      "  lorikeet bench --case vit --memory      peak memory of whole processes"
    })
final class BenchCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private DeviceOptions device;

  @Option(
      names = "--case",
      paramLabel = "TEXT",
      split = ",",
      description = "Only cases whose name contains one of these.")
  private List<String> names = List.of();

  @Option(
      names = "--shape",
      paramLabel = "TEXT",
      split = ",",
      description = "Only cases whose shape contains one of these.")
  private List<String> shapes = List.of();

  @Option(names = "--list", description = "List the cases and end.")
  private boolean list;

  @Option(
      names = "--seconds",
      paramLabel = "S",
      defaultValue = "1",
      description = "To spend on each case (default: 1).")
  private double seconds;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "5",
      description = "Rounds of each case at least, whatever time they take (default: 5).")
  private int rounds;

  @Option(names = "--peers", description = "Time other libraries beside the cases.")
  private boolean peers;

  @Option(
      names = "--memory",
      description = "Measure no time, but the peak memory of a process of its own for each model.")
  private boolean memory;

  @Option(names = BenchMemory.WAY, hidden = true)
  private String way;

  @Option(names = BenchMemory.WEIGHTS, hidden = true)
  private Path weights;

  @Option(names = "--json", paramLabel = "FILE", description = "Write the results as JSON.")
  private Path json;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      defaultValue = "bench.html",
      description = "Where to write the page with the roofline (default: bench.html).")
  private Path html;

  @Option(
      names = "--compare",
      paramLabel = "FILE",
      description = "Name what became slower than in this file of an earlier --json.")
  private Path compare;

  private boolean failed;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    List<Case> cases = chosen();
    if (list) {
      cases.forEach(each -> out.println(each.name() + "  " + each.shape()));
      out.flush();
      return 0;
    }
    if (!(seconds > 0) || rounds < 1) {
      throw new IllegalArgumentException("--seconds and --rounds: expected more than 0");
    }
    if (memory && (json != null || compare != null)) {
      throw new IllegalArgumentException(
          "--memory: prints its table alone; leave out " + (json != null ? "--json" : "--compare"));
    }
    Comparison.Earlier before = compare == null ? null : Comparison.read(compare);
    // A library that computes must not be ended under its threads: libtorch crashes.
    try (Interrupt interrupt = new Interrupt()) {
      if (way != null) {
        out.println(new BenchMemory(device).measure(cases, way, weights));
        return 0;
      }
      if (memory) {
        List<Peers> libraries = peers ? libraries() : List.of();
        PrintWriter err = spec.commandLine().getErr();
        out.print(new BenchMemory(device).table(cases, libraries, err, interrupt::requested));
        return 0;
      }
      checkOutputs();
      List<String> notes = new ArrayList<>();
      Results results = measure(cases, before, notes, interrupt::requested);
      if (results.all().isEmpty()) {
        out.println(notes.getLast());
        return 1;
      }
      boolean regressed = report(out, results, before, notes);
      return regressed || failed ? 1 : 0;
    } finally {
      out.flush();
    }
  }

  private void checkOutputs() {
    List<Path> inputs = compare == null ? List.of() : List.of(compare);
    OutputFile.check(html, inputs);
    if (json != null) {
      OutputFile.check(json, inputs);
    }
  }

  /** Prints and writes the results; returns whether something became slower. */
  private boolean report(
      PrintWriter out, Results results, Comparison.Earlier before, List<String> notes) {
    ResultsView view = new ResultsView(results);
    out.print(view.table());
    out.println();
    view.facts().forEach(fact -> out.println(fact.name() + ": " + fact.value()));
    boolean regressed = before != null && reportChanges(out, Comparison.of(results, before), notes);
    notes.forEach(note -> out.println("note: " + note));
    OutputFile.write(html, view.page(notes));
    if (json != null) {
      OutputFile.write(json, Json.pretty(results.asMap()));
    }
    return regressed;
  }

  private List<Case> chosen() {
    List<Case> cases =
        Cases.of(device.dtype(), device.precision()).stream()
            .filter(each -> contains(each.name(), names) && contains(each.shape(), shapes))
            .toList();
    if (cases.isEmpty()) {
      throw new IllegalArgumentException(
          "no case of --case and --shape in "
              + device.dtype()
              + "; lorikeet bench --list names them all");
    }
    return cases;
  }

  private static boolean contains(String text, List<String> parts) {
    return parts.isEmpty() || parts.stream().anyMatch(text::contains);
  }

  /** Ctrl-C leaves out the case that is being timed, and those after it. */
  private Results measure(
      List<Case> cases,
      Comparison.Earlier before,
      List<String> notes,
      BooleanSupplier interrupted) {
    PrintWriter err = spec.commandLine().getErr();
    if (device.precision() == Precision.TF32) {
      notes.add("what is not multiplied in tf32 is timed with --dtype f32");
    } else if (device.dtype() != DType.F32) {
      notes.add("optimisers, images and files are timed with --dtype f32");
    }
    try (Device opened = device.open();
        Probe probe = probe(opened, notes)) {
      if (before != null) {
        before.check(cases, opened.info(), probe != null);
      }
      List<Peers> libraries = peers ? libraries() : List.of();
      libraries.forEach(library -> notes.addAll(library.describe()));
      DeviceInfo info = opened.info();
      Timer timer = new Timer(opened, probe, seconds, rounds, interrupted);
      List<Measurement> all = new ArrayList<>();
      int number = 0;
      for (Case each : cases) {
        number++;
        err.println("  %d/%d  %s %s".formatted(number, cases.size(), each.name(), each.shape()));
        err.flush();
        List<Measurement> timed;
        try {
          timed = measure(each, opened, timer, libraries, peers && all.isEmpty());
        } catch (IllegalStateException | UncheckedIOException e) {
          // A peer's or the probe's: what was timed before, for minutes perhaps, is not lost.
          failed = true;
          notes.add("failed: " + each.key() + " and what follows it: " + e.getMessage());
          break;
        }
        if (timed.isEmpty()) {
          notes.add("interrupted: " + each.key() + " and what follows it were not timed");
          break;
        }
        all.addAll(timed);
      }
      return new Results(
          info, Version.number(), Instant.now().truncatedTo(ChronoUnit.SECONDS), all);
    }
  }

  /**
   * @param again whether to time the case beside itself as well: how far from 1 that ratio is says
   *     how far to trust the others
   */
  private static List<Measurement> measure(
      Case each, Device opened, Timer timer, List<Peers> libraries, boolean again) {
    List<Timer.Entrant> others = new ArrayList<>();
    try (Body body = each.open(opened)) {
      opened.resetPeak(); // what filled its tensors is not the case's
      body.run();
      long peakBytes = opened.memory().peakBytes();
      libraries.forEach(peer -> others.addAll(peer.of(each, body, opened)));
      List<Timer.Entrant> entrants = new ArrayList<>();
      entrants.add(new Timer.Entrant("", body));
      if (again) {
        entrants.add(new Timer.Entrant("the same again", body));
      }
      entrants.addAll(others);
      return timer.time(each, entrants, peakBytes);
    } finally {
      others.forEach(entrant -> entrant.body().close());
    }
  }

  private static List<Peers> libraries() {
    List<Peers> found =
        ServiceLoader.load(Peers.class).stream().map(ServiceLoader.Provider::get).toList();
    if (found.isEmpty()) {
      throw new IllegalArgumentException(
          "--peers: no peers on the class path; ./lorikeet in a clone of the repository builds"
              + " them");
    }
    return found;
  }

  /** Null where the machine's limits cannot be measured; a note says why. */
  private static Probe probe(Device opened, List<String> notes) {
    String program = System.getProperty("lorikeet.probe");
    if (program == null) {
      notes.add(
          "no shares of the machine's limits: ./lorikeet in a clone of the repository has the"
              + " probe");
      return null;
    }
    if (!opened.name().equals("cpu")) {
      notes.add("no shares of the device's limits: the probe measures the CPU's");
      return null;
    }
    return Probe.start(Path.of(program), opened.info().isa(), opened.info().threads());
  }

  /** Prints what changed; true where something became slower. */
  private static boolean reportChanges(
      PrintWriter out, List<Comparison.Row> rows, List<String> notes) {
    boolean regressed = false;
    for (Comparison.Row row : rows) {
      if (row.isRegression() || row.isImprovement()) {
        String line =
            (row.isRegression() ? "slower: " : "faster: ")
                + row.key()
                + ", "
                + Format.decimals(row.ratio(), 2)
                + "x the time it took";
        out.println(line);
        regressed |= row.isRegression();
      }
    }
    notes.add(
        rows.size() + " cases compared" + (regressed ? "" : ", none slower outside the spread"));
    return regressed;
  }
}
