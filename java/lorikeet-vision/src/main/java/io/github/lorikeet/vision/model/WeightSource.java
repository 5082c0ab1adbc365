// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.weights.WeightsException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Where a model's tensors come from: a checkpoint's tensors by name, checked against the shape the
 * model needs, and starting values for those it lacks. Keeps count, so that what was initialised
 * and what was not used can be said.
 */
public final class WeightSource {
  /** Names listed in one note before it says "and N more". */
  private static final int NAMES_LISTED = 4;

  private final String origin;
  private final Map<String, HostTensor> tensors;
  private final Set<String> dropped = new HashSet<>();
  private final Set<String> used = new LinkedHashSet<>();
  private final Set<String> started = new LinkedHashSet<>();
  private final List<String> notes = new ArrayList<>();

  /**
   * @param origin the file, for messages
   * @param tensors by name; empty when everything starts anew
   */
  public WeightSource(String origin, Map<String, HostTensor> tensors) {
    this.origin = origin;
    this.tensors = tensors;
  }

  /** Nothing but starting values. */
  public static WeightSource none() {
    return new WeightSource("no checkpoint", Map.of());
  }

  /** Without a tensor at all, so that a whole model starts anew. */
  private boolean isNone() {
    return tensors.isEmpty();
  }

  public String origin() {
    return origin;
  }

  public boolean has(String name) {
    return tensors.containsKey(name) && !dropped.contains(name);
  }

  /**
   * The tensor of this name, of whatever shape.
   *
   * @throws WeightsException if it is missing or holds integers
   */
  public HostTensor find(String name) {
    HostTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new WeightsException(
          origin
              + ": no tensor "
              + name
              + ", expected the weights of a vision transformer under timm's names");
    }
    if (!tensor.type().isFloatingPoint()) {
      throw unexpected(name, tensor, ModelFile.FLOATING_POINT);
    }
    return tensor;
  }

  /**
   * The tensor of this name as f32 with these sizes.
   *
   * @throws WeightsException if it is missing or of another shape
   */
  public HostTensor require(String name, long... sizes) {
    HostTensor tensor = find(name);
    if (!Arrays.equals(tensor.sizes(), sizes)) {
      throw unexpected(name, tensor, "sizes " + Arrays.toString(sizes));
    }
    used.add(name);
    return tensor.f32();
  }

  private WeightsException unexpected(String name, HostTensor tensor, String expected) {
    return new WeightsException(
        origin + ": " + name + " is " + tensor.shape() + ", expected " + expected);
  }

  /** The same, or starting values where there is no such tensor. */
  public HostTensor orStart(String name, Supplier<float[]> start, long... sizes) {
    return has(name) ? require(name, sizes) : start(name, start, sizes);
  }

  /** The same, or starting values where the whole model starts anew. */
  HostTensor orAnew(String name, Supplier<float[]> start, long... sizes) {
    return isNone() ? start(name, start, sizes) : require(name, sizes);
  }

  /**
   * Forgets a module's tensors, which then start anew.
   *
   * @param why for a note, where there are any
   */
  void drop(String module, String why) {
    List<String> names =
        tensors.keySet().stream().filter(name -> name.startsWith(module + ".")).toList();
    if (!names.isEmpty()) {
      dropped.addAll(names);
      used.addAll(names);
      notes.add(list(names) + " of " + origin + " dropped: " + why);
    }
  }

  private HostTensor start(String name, Supplier<float[]> start, long... sizes) {
    if (!dropped.contains(name)) {
      started.add(name);
    }
    return HostTensor.of(start.get(), sizes);
  }

  /** Says that a tensor was used in another shape than it has. */
  public void use(String name, String note) {
    used.add(name);
    notes.add(note);
  }

  /** What a person should know of how the checkpoint was read. */
  public List<String> notes() {
    List<String> all = new ArrayList<>(notes);
    if (!isNone() && !started.isEmpty()) {
      all.add("not in " + origin + ", so initialised: " + list(started));
    }
    Set<String> unused = unused();
    if (!unused.isEmpty()) {
      all.add("not needed, left out of " + origin + ": " + list(unused));
    }
    return all;
  }

  private Set<String> unused() {
    Set<String> unused = new LinkedHashSet<>(tensors.keySet());
    unused.removeAll(used);
    return unused;
  }

  /**
   * Makes sure that a finished model took every tensor of a part but its LoRA layers, which are
   * attached apart: it would compute something else than the checkpoint's model did.
   *
   * @param prefix of the part's names
   * @throws WeightsException if tensors are left
   */
  void checkAllUsed(String prefix) {
    Set<String> left = unused();
    left.removeIf(name -> !name.startsWith(prefix) || name.contains(".lora_"));
    if (!left.isEmpty()) {
      throw new WeightsException(
          origin
              + ": has layers that this model does not have: "
              + list(left)
              + "; expected plain blocks, numbered without a gap");
    }
  }

  private static String list(Collection<String> names) {
    String listed = String.join(", ", names.stream().limit(NAMES_LISTED).toList());
    int more = names.size() - NAMES_LISTED;
    return more > 0 ? listed + " and " + more + " more" : listed;
  }
}
