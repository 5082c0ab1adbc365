// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Optimizer;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.metrics.Auroc;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.StateFile;
import io.github.lorikeet.vision.weights.WeightsException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/**
 * What a run needs to go on after an epoch as if it had never stopped: the trained values, the best
 * ones so far, the optimiser's moments and steps, how many passes the random masks have counted,
 * and the epochs' results. Data order, augmentation and learning rate follow from the epoch.
 */
final class TrainingState {
  private static final String FORMAT = "lorikeet.training_state";
  private static final String VERSION = "1";
  private static final String PASSES = "passes";
  private static final String SECONDS = "seconds";
  private static final String RESULTS = "results";
  private static final String NOTES = "notes";

  private static final String VALUE = "value/";
  private static final String BEST = "best/";
  private static final String OPTIMIZER = "optimizer/";
  private static final String[] MOMENTS = {".first_moment", ".second_moment"};

  private final Path file;
  private final Map<String, String> identity;
  private final int labels;
  private final List<Parameter> trained;
  private final Optimizer optimizer;
  private final Snapshot best;
  private final List<String> warnings = new ArrayList<>();

  /**
   * How far a run is.
   *
   * @param passes forward and backward passes done
   * @param seconds of training so far
   * @param epochs done
   */
  record Reached(long passes, double seconds, List<EpochResult> epochs) {
    static final Reached NOTHING = new Reached(0, 0, List.of());
  }

  /**
   * @param identity of the run, see {@link RunIdentity}
   * @param labels that the looks at a validation list tell of
   * @param trained parameters, on the device
   * @param best values so far; empty where none are kept
   */
  TrainingState(
      Path file,
      Map<String, String> identity,
      int labels,
      List<Parameter> trained,
      Optimizer optimizer,
      Snapshot best) {
    this.file = file;
    this.identity = identity;
    this.labels = labels;
    this.trained = trained;
    this.optimizer = optimizer;
    this.best = best;
  }

  /** What was wrong with a state that was passed over, for the user to see. */
  List<String> warnings() {
    return warnings;
  }

  // ---- Writing

  /** Replaces the state on disk. */
  void write(Reached reached) {
    Map<String, String> metadata = new LinkedHashMap<>(identity);
    metadata.put(FORMAT, VERSION);
    metadata.put(PASSES, String.valueOf(reached.passes));
    metadata.put(SECONDS, String.valueOf(reached.seconds));
    metadata.put(RESULTS, format(reached.epochs));
    metadata.put(NOTES, notes(reached.epochs));
    StateFile state = new StateFile(file);
    try (Arena arena = Arena.ofConfined()) {
      long largest = trained.stream().mapToLong(Parameter::elements).max().orElse(0);
      MemorySegment buffer = arena.allocate(largest * Float.BYTES, Float.BYTES);
      for (Parameter parameter : trained) {
        add(state, VALUE + parameter.name(), parameter.value(), buffer);
        Tensor[] moments = {parameter.firstMoment(), parameter.secondMoment()};
        for (int i = 0; i < moments.length; i++) {
          if (moments[i] != null) {
            add(state, OPTIMIZER + parameter.name() + MOMENTS[i], moments[i], buffer);
          }
        }
        if (!best.isEmpty()) {
          String name = BEST + parameter.name();
          state.add(name, DType.F32, parameter.sizes(), () -> best.of(parameter));
        }
      }
      optimizer
          .exportCounters()
          .forEach(
              (name, counter) ->
                  state.add(OPTIMIZER + name, counter.type(), counter.sizes(), counter::data));
      state.write(metadata);
    }
  }

  private static void add(StateFile state, String name, Tensor tensor, MemorySegment buffer) {
    state.add(
        name,
        tensor.type(),
        tensor.sizes(),
        () -> {
          MemorySegment data = buffer.asSlice(0, tensor.bytes());
          tensor.download(data);
          return data;
        });
  }

  /** A line an epoch, numbers apart by spaces; the AUROCs, the mean first, where there are any. */
  private static String format(List<EpochResult> epochs) {
    StringBuilder text = new StringBuilder();
    for (EpochResult epoch : epochs) {
      StringJoiner line = new StringJoiner(" ", "", "\n");
      line.add(String.valueOf(epoch.epoch()));
      line.add(String.valueOf(epoch.learningRate()));
      line.add(String.valueOf(epoch.trainLoss()));
      line.add(String.valueOf(epoch.validationLoss()));
      line.add(String.valueOf(epoch.best()));
      line.add(String.valueOf(epoch.seconds()));
      line.add(String.valueOf(epoch.images()));
      line.add(String.valueOf(epoch.waitingSeconds()));
      if (epoch.validation() != null) {
        line.add(String.valueOf(epoch.validation().mean()));
        epoch.validation().perLabel().forEach(area -> line.add(String.valueOf(area)));
      }
      text.append(line);
    }
    return text.toString();
  }

  /** Those of every look at the validation list: they tell of its labels only. */
  private static String notes(List<EpochResult> epochs) {
    return epochs.stream()
        .filter(epoch -> epoch.validation() != null)
        .findFirst()
        .map(epoch -> String.join("\n", epoch.validation().notes()))
        .orElse("");
  }

  // ---- Reading

  /**
   * Goes on from the state on disk, or where that is damaged from the one before it: loads
   * parameters, optimiser and best values. Without any state changes nothing.
   *
   * @throws TrainingException if a state is of another run, or all there are cannot be used
   */
  Reached read() {
    for (Path candidate : List.of(file, StateFile.previous(file))) {
      if (Files.exists(candidate)) {
        try (Checkpoint checkpoint = StateFile.open(candidate)) {
          return read(checkpoint);
        } catch (WeightsException e) {
          warnings.add(e.getMessage());
        } catch (IllegalArgumentException e) {
          warnings.add(candidate + ": is no state of this run: " + e.getMessage());
        }
      }
    }
    if (!warnings.isEmpty()) {
      throw new TrainingException(
          String.join("; ", warnings) + "; there is no other state to go on from: start anew");
    }
    return Reached.NOTHING;
  }

  private Reached read(Checkpoint checkpoint) {
    Map<String, String> metadata = checkpoint.metadata();
    if (!VERSION.equals(metadata.get(FORMAT))) {
      throw new WeightsException(
          checkpoint.path() + ": was written by another version of Lorikeet");
    }
    String differences = RunIdentity.differences(metadata, identity);
    if (!differences.isEmpty()) {
      throw new TrainingException(
          checkpoint.path() + ": is the state of another run (" + differences + ")");
    }
    Map<String, HostTensor> moments = new LinkedHashMap<>();
    checkpoint
        .tensors()
        .forEach(
            (name, tensor) -> {
              if (name.startsWith(OPTIMIZER)) {
                moments.put(name.substring(OPTIMIZER.length()), tensor);
              }
            });
    Reached reached =
        new Reached(
            Long.parseLong(metadata.getOrDefault(PASSES, "")),
            Double.parseDouble(metadata.getOrDefault(SECONDS, "")),
            parse(metadata.getOrDefault(RESULTS, ""), metadata.getOrDefault(NOTES, "")));
    optimizer.importState(moments);
    for (Parameter parameter : trained) {
      parameter.load(checkpoint.require(VALUE + parameter.name(), parameter.sizes()));
    }
    if (reached.epochs.stream().anyMatch(EpochResult::best)) {
      best.take(parameter -> checkpoint.require(BEST + parameter.name(), parameter.sizes()));
    }
    return reached;
  }

  private List<EpochResult> parse(String text, String notes) {
    List<String> noteList = notes.isEmpty() ? List.of() : List.of(notes.split("\n"));
    List<EpochResult> epochs = new ArrayList<>();
    for (String line : text.lines().toList()) {
      EpochResult epoch = parseEpoch(line.split(" "), noteList);
      if (epoch.epoch() != epochs.size() + 1) {
        throw new IllegalArgumentException(
            "epoch " + epoch.epoch() + " where " + (epochs.size() + 1) + " should be");
      }
      if (epoch.validation() == null
          ? epoch.best()
          : epoch.validation().perLabel().size() != labels) {
        throw new IllegalArgumentException(
            "epoch " + epoch.epoch() + " without the AUROCs of " + labels + " labels");
      }
      epochs.add(epoch);
    }
    return epochs;
  }

  private static EpochResult parseEpoch(String[] words, List<String> notes) {
    if (words.length < 8) {
      throw new IllegalArgumentException("an epoch of " + words.length + " numbers");
    }
    List<Double> areas = new ArrayList<>();
    for (int i = 8; i < words.length; i++) {
      areas.add(Double.parseDouble(words[i]));
    }
    return new EpochResult(
        Integer.parseInt(words[0]),
        Double.parseDouble(words[1]),
        Double.parseDouble(words[2]),
        Double.parseDouble(words[3]),
        areas.isEmpty() ? null : new Auroc(areas.subList(1, areas.size()), areas.getFirst(), notes),
        Boolean.parseBoolean(words[4]),
        Double.parseDouble(words[5]),
        Integer.parseInt(words[6]),
        Double.parseDouble(words[7]));
  }
}
