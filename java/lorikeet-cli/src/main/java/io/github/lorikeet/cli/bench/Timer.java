// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import com.sun.management.ThreadMXBean;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.MemoryInfo;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * Times bodies in turns: a round measures the machine's limits, then each body once, the order
 * reversed every other round. With one thread a body is measured by its processor time, which other
 * load on the machine does not enter; else by the wall clock.
 */
public final class Timer {
  /** A sample lasts at least this long: short bodies run several times. */
  private static final double SAMPLE_SECONDS = 0.005;

  private static final double WARM_UP_SECONDS = 0.5;

  /** For so long threads that were woken may share a core. */
  private static final double SETTLE_SECONDS = 0.02;

  /** More tell little more; for each second that may be spent, where it is more than one. */
  private static final int MOST_ROUNDS = 25;

  private final Device device;
  private final Probe probe;
  private final double seconds;
  private final int rounds;
  private final BooleanSupplier interrupted;
  private final boolean processorTime;
  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /**
   * @param probe null where the machine's limits are not to be had
   * @param seconds to spend on each body
   * @param rounds at least, whatever time they take
   * @param interrupted asked after each run
   */
  public Timer(
      Device device, Probe probe, double seconds, int rounds, BooleanSupplier interrupted) {
    this.device = device;
    this.probe = probe;
    this.seconds = seconds;
    this.rounds = rounds;
    this.interrupted = interrupted;
    processorTime = device.info().threads() == 1 && device.name().equals("cpu");
  }

  /** What is timed beside what. */
  public record Entrant(String peer, Body body) {}

  /** One entrant's samples on their way. */
  private static final class Lane {
    private final Entrant entrant;
    private final List<Double> seconds = new ArrayList<>();
    private final List<Double> cost = new ArrayList<>();
    private double estimate;
    private int runs;
    private long heapBytes;
    private long nativeAllocations;

    Lane(Entrant entrant) {
      this.entrant = entrant;
    }
  }

  /**
   * Times the entrants of a case beside each other; returns nothing when interrupted.
   *
   * @param peakBytes of the device's memory that the case took
   */
  public List<Measurement> time(Case subject, List<Entrant> entrants, long peakBytes) {
    List<Lane> lanes = entrants.stream().map(Lane::new).toList();
    lanes.forEach(this::warmUp);
    double longest = lanes.stream().mapToDouble(lane -> lane.estimate).max().orElse(1);
    double round = Math.max(SAMPLE_SECONDS, longest);
    double most = MOST_ROUNDS * Math.max(1, seconds);
    int count = Math.max(rounds, (int) Math.min(seconds / round, most));
    List<Double> arithmetic = new ArrayList<>();
    List<Double> memory = new ArrayList<>();
    List<Double> pass = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      double operations = probe == null ? 0 : probe.arithmetic(subject.type());
      double bytes = probe == null ? 0 : probe.memory();
      arithmetic.add(operations);
      memory.add(bytes);
      pass.add(probe == null ? 0 : probe.memory(subject.work().pass()));
      double limit = limit(subject.work(), operations, bytes);
      for (Lane lane : i % 2 == 0 ? lanes : lanes.reversed()) {
        if (interrupted.getAsBoolean()) {
          return List.of();
        }
        sample(lane, limit);
      }
    }
    return lanes.stream()
        .map(
            lane ->
                new Measurement(
                    subject,
                    lane.entrant.peer(),
                    samples(lane.seconds),
                    samples(arithmetic),
                    samples(memory),
                    samples(pass),
                    samples(lane.cost),
                    lane.heapBytes,
                    lane.nativeAllocations,
                    lane.entrant.peer().isEmpty() ? peakBytes : 0))
        .toList();
  }

  /** Seconds that the work would take at the machine's limit; 1 where there is none. */
  private static double limit(Work work, double operations, double bytes) {
    double least = 0;
    if (operations > 0 && work.isArithmetic()) {
      least = work.operations() / operations;
    } else if (bytes > 0 && !work.isArithmetic()) {
      least = work.bytes() / bytes;
    }
    return least > 0 ? least : 1;
  }

  /** Fresh code and threads are slow at first, for a time and not for a number of calls. */
  private void warmUp(Lane lane) {
    long end = System.nanoTime() + (long) (Math.min(seconds, WARM_UP_SECONDS) * 1e9);
    int runs = 0;
    double least = Double.POSITIVE_INFINITY;
    do {
      long start = System.nanoTime();
      lane.entrant.body().run();
      device.synchronize();
      least = Math.min(least, (System.nanoTime() - start) / 1e9);
      runs++;
    } while (!interrupted.getAsBoolean() && (runs < 3 || System.nanoTime() < end));
    lane.estimate = least;
    lane.runs = (int) Math.clamp(SAMPLE_SECONDS / least, 1, 100_000);
  }

  private void sample(Lane lane, double limit) {
    settle(lane);
    Body body = lane.entrant.body();
    MemoryInfo before = device.memory();
    long heap = threads.getCurrentThreadAllocatedBytes();
    long start = now();
    for (int i = 0; i < lane.runs; i++) {
      body.run();
    }
    device.synchronize();
    double taken = (now() - start) / 1e9 / lane.runs;
    lane.heapBytes = (threads.getCurrentThreadAllocatedBytes() - heap) / lane.runs;
    lane.nativeAllocations = device.memory().allocations() - before.allocations();
    lane.seconds.add(taken);
    lane.cost.add(taken / limit);
  }

  /** Runs a short body until its threads, asleep while others were measured, are spread again. */
  private void settle(Lane lane) {
    long end = System.nanoTime() + (long) (Math.min(seconds, SETTLE_SECONDS) * 1e9);
    while (!processorTime && lane.estimate < 10 * SETTLE_SECONDS && System.nanoTime() < end) {
      lane.entrant.body().run();
    }
    device.synchronize();
  }

  private long now() {
    return processorTime ? threads.getCurrentThreadCpuTime() : System.nanoTime();
  }

  private static Samples samples(List<Double> values) {
    return new Samples(values.stream().mapToDouble(Double::doubleValue).toArray());
  }
}
