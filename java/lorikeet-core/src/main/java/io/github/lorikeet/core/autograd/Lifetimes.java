// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.ArenaPlanner.Interval;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * From when to when each tensor of a list of calls holds something: from the first call that writes
 * it to the last call that reads or writes it. A tensor that may take another's place, at the very
 * call that uses that one last, does so: both then share one place and one interval.
 */
final class Lifetimes {
  /** Tensors that follow one another in one place. */
  private static final class Place {
    private final List<Tensor> tenants = new ArrayList<>();
    private final int first;
    private final long bytes;
    private int last;

    Place(int first, long bytes) {
      this.first = first;
      this.bytes = bytes;
    }
  }

  private final Map<Tensor, Integer> last = new HashMap<>();
  private final Map<Tensor, Place> placeOf = new HashMap<>();
  private final List<Place> places = new ArrayList<>();

  /**
   * @param calls in the order in which they run
   * @param kept tensors that hold their contents beyond the last call
   * @param elsewhere tensors that have memory of their own
   */
  Lifetimes(List<Call> calls, Set<Tensor> kept, Set<Tensor> elsewhere) {
    for (int i = 0; i < calls.size(); i++) {
      for (Tensor tensor : calls.get(i).reads()) {
        last.put(tensor, i);
      }
      for (Tensor tensor : calls.get(i).writes()) {
        last.put(tensor, i);
      }
    }
    kept.forEach(tensor -> last.put(tensor, calls.size()));
    for (int i = 0; i < calls.size(); i++) {
      Call call = calls.get(i);
      for (Tensor tensor : call.reads()) {
        if (!elsewhere.contains(tensor) && !placeOf.containsKey(tensor)) {
          throw new IllegalStateException(
              call.name() + ": reads " + tensor.shape() + " before any call writes it");
        }
      }
      for (Tensor tensor : call.writes()) {
        if (!elsewhere.contains(tensor) && !placeOf.containsKey(tensor)) {
          Place place = choosePlace(tensor, call, i);
          place.tenants.add(tensor);
          place.last = last.get(tensor);
          placeOf.put(tensor, place);
        }
      }
    }
  }

  /** The place of a tensor that call i is the first to write: another's, or a new one. */
  private Place choosePlace(Tensor tensor, Call call, int i) {
    for (Call.InPlace pair : call.inPlace()) {
      Place place = placeOf.get(pair.input());
      if (pair.output() == tensor
          && place != null
          && place.tenants.getLast() == pair.input()
          && place.last == i
          && place.bytes == tensor.bytes()) {
        return place;
      }
    }
    Place place = new Place(i, tensor.bytes());
    places.add(place);
    return place;
  }

  /** One interval a place. */
  List<Interval> intervals() {
    return places.stream().map(p -> new Interval(p.first, p.last, p.bytes)).toList();
  }

  /** The tensors that share each place. */
  List<List<Tensor>> tenants() {
    return places.stream().map(p -> List.copyOf(p.tenants)).toList();
  }
}
