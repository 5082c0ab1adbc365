// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.ArenaPlanner.Interval;
import io.github.lorikeet.core.autograd.ArenaPlanner.Layout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class LifetimesTest {
  private final Tensor a = tensor(8);
  private final Tensor b = tensor(8);
  private final Tensor c = tensor(8);

  private static Tensor tensor(long bytes) {
    return Tensor.unplaced(DType.U8, bytes);
  }

  private static Call call() {
    return new Call("call", () -> {});
  }

  private static Lifetimes lifetimes(Call... calls) {
    return new Lifetimes(List.of(calls), Set.of(), Set.of());
  }

  @Test
  void fromFirstWriteToLastUse() {
    Lifetimes lifetimes =
        lifetimes(
            call().writes(a), call().reads(a).writes(b), call().writes(c), call().reads(b, a));
    assertThat(lifetimes.intervals())
        .containsExactly(new Interval(0, 3, 8), new Interval(1, 3, 8), new Interval(2, 2, 8));
  }

  @Test
  void keptTensorsOutliveTheLastCall() {
    Lifetimes lifetimes =
        new Lifetimes(List.of(call().writes(a), call().writes(b)), Set.of(a), Set.of());
    assertThat(lifetimes.intervals()).containsExactly(new Interval(0, 2, 8), new Interval(1, 1, 8));
  }

  @Test
  void tensorsElsewhereHaveNoInterval() {
    Lifetimes lifetimes =
        new Lifetimes(List.of(call().reads(a).writes(b).mayReplace(b, a)), Set.of(), Set.of(a));
    assertThat(lifetimes.tenants()).containsExactly(List.of(b));
  }

  @Test
  void aReplacementSharesThePlaceOfWhatNobodyReadsLater() {
    Lifetimes lifetimes =
        lifetimes(
            call().writes(a),
            call().reads(a).writes(b).mayReplace(b, a),
            call().reads(b).writes(c).mayReplace(c, b),
            call().reads(c));
    assertThat(lifetimes.tenants()).containsExactly(List.of(a, b, c));
    assertThat(lifetimes.intervals()).containsExactly(new Interval(0, 3, 8));
  }

  @Test
  void aReplacementDoesNotShareThePlaceOfWhatIsReadLater() {
    Lifetimes lifetimes =
        lifetimes(call().writes(a), call().reads(a).writes(b).mayReplace(b, a), call().reads(a, b));
    assertThat(lifetimes.tenants()).containsExactly(List.of(a), List.of(b));
  }

  @Test
  void onlyOneReplacementSharesAPlace() {
    Lifetimes lifetimes =
        lifetimes(call().writes(a), call().reads(a).writes(b, c).mayReplace(b, a).mayReplace(c, a));
    assertThat(lifetimes.tenants()).containsExactly(List.of(a, b), List.of(c));
  }

  @Test
  void readingWhatNoCallWroteIsADefect() {
    assertThatIllegalStateException()
        .isThrownBy(() -> lifetimes(call().reads(a).writes(b)))
        .withMessage("call: reads u8 [8] before any call writes it");
  }

  /** Plays random calls over the planned memory: every read finds what was last written. */
  @RepeatedTest(20)
  void everyReadFindsWhatWasWritten(RepetitionInfo repetition) {
    SplittableRandom random = new SplittableRandom(repetition.getCurrentRepetition());
    List<Call> calls = new ArrayList<>();
    List<Tensor> known = new ArrayList<>();
    for (int i = random.nextInt(1, 120); i > 0; i--) {
      calls.add(randomCall(random, known));
    }
    Set<Tensor> kept = new HashSet<>();
    known.stream().filter(t -> random.nextInt(20) == 0).forEach(kept::add);
    Lifetimes lifetimes = new Lifetimes(calls, kept, Set.of());
    Layout layout = ArenaPlanner.plan(lifetimes.intervals(), 4);
    Map<Tensor, Integer> offsets = new HashMap<>();
    for (int place = 0; place < lifetimes.tenants().size(); place++) {
      for (Tensor tensor : lifetimes.tenants().get(place)) {
        offsets.put(tensor, (int) layout.offsets()[place]);
      }
    }
    assertThat(offsets).hasSameSizeAs(known);

    int[] memory = new int[(int) layout.bytes()];
    Map<Tensor, Integer> written = new HashMap<>();
    int stamp = 0;
    for (Call call : calls) {
      call.reads().forEach(t -> assertHolds(memory, offsets.get(t), t, written.get(t)));
      for (Tensor t : call.writes()) {
        int from = offsets.get(t);
        Arrays.fill(memory, from, from + (int) t.bytes(), ++stamp);
        written.put(t, stamp);
      }
      call.writes().forEach(t -> assertHolds(memory, offsets.get(t), t, written.get(t)));
    }
    kept.forEach(t -> assertHolds(memory, offsets.get(t), t, written.get(t)));
  }

  /** Reads some tensors, old ones seldom; writes new ones, and sometimes one that it reads. */
  private static Call randomCall(SplittableRandom random, List<Tensor> known) {
    Call call = call();
    for (int i = Math.min(known.size(), random.nextInt(4)); i > 0; i--) {
      int age = random.nextInt(random.nextBoolean() ? 3 : known.size());
      call.reads(known.get(Math.max(0, known.size() - 1 - age)));
    }
    if (!call.reads().isEmpty() && random.nextInt(4) == 0) {
      call.writes(call.reads().getFirst());
    }
    for (int i = random.nextInt(1, 3); i > 0; i--) {
      Tensor output = tensor(4L * random.nextInt(1, 4));
      call.writes(output);
      known.add(output);
      for (Tensor input : call.reads()) {
        if (!call.writes().contains(input) && random.nextBoolean()) {
          call.mayReplace(output, input);
        }
      }
    }
    return call;
  }

  private static void assertHolds(int[] memory, int offset, Tensor tensor, int stamp) {
    for (int i = offset; i < offset + tensor.bytes(); i++) {
      assertThat(memory[i]).as("byte %d of %s", i - offset, tensor).isEqualTo(stamp);
    }
  }
}
