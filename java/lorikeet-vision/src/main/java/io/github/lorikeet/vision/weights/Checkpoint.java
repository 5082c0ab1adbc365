// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.core.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A file of named tensors, opened for reading: safetensors, or what PyTorch's {@code torch.save}
 * writes. The file is mapped, not read: tensors that it holds contiguously in a type of {@link
 * io.github.lorikeet.core.DType} are views of its pages, whatever its size; others (f64, strided,
 * compressed) are copied once. Tensors are valid until {@link #close}, and the file must not change
 * until then.
 *
 * <p>Of a PyTorch file the weights are the dictionary under {@code model} or {@code state_dict},
 * else the top level. Where all names start with {@code module.} (a model saved inside
 * DataParallel) that prefix is dropped. Whatever was left out or changed is told in {@link #notes}.
 */
public final class Checkpoint implements AutoCloseable {
  private static final String PARALLEL_PREFIX = "module.";

  private final MappedFile file;
  private final Map<String, HostTensor> tensors;
  private final Map<String, String> metadata;
  private final List<String> notes;
  private final Map<String, String> leftOut;

  private Checkpoint(MappedFile file, Contents contents) {
    this.file = file;
    tensors = Collections.unmodifiableMap(withoutParallelPrefix(contents));
    metadata = Collections.unmodifiableMap(contents.metadata);
    notes = List.copyOf(contents.notes());
    leftOut = Collections.unmodifiableMap(contents.leftOut());
  }

  /**
   * Opens a file, telling its format by its contents.
   *
   * @throws WeightsException if it cannot be read, is of no known format, damaged, or holds no
   *     weights
   */
  public static Checkpoint open(Path path) {
    MappedFile file = MappedFile.open(path);
    try {
      Contents contents = read(file);
      if (contents.tensors.isEmpty()) {
        throw file.error("holds no weights; " + String.join("; ", contents.notes()));
      }
      return new Checkpoint(file, contents);
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  public Path path() {
    return file.path();
  }

  /** The tensors by name, in the file's order. Valid until the checkpoint is closed. */
  public Map<String, HostTensor> tensors() {
    return tensors;
  }

  /** Text a safetensors file carries beside its tensors; empty for PyTorch's format. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** What was left out or changed in reading, one sentence each, for the user to see. */
  public List<String> notes() {
    return notes;
  }

  /** Entries that were left out, by the name they have in the file, and why: "of type I8". */
  public Map<String, String> leftOut() {
    return leftOut;
  }

  /**
   * The tensor of that name.
   *
   * @throws WeightsException if there is none
   */
  public HostTensor require(String name) {
    HostTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw file.error(
          "has no tensor %s; it has %d: %s"
              .formatted(
                  WeightsException.quote(name),
                  tensors.size(),
                  Contents.some(List.copyOf(tensors.keySet()))));
    }
    return tensor;
  }

  /**
   * The tensor of that name and those sizes.
   *
   * @throws WeightsException if there is none, or it has other sizes
   */
  public HostTensor require(String name, long... sizes) {
    HostTensor tensor = require(name);
    if (!Arrays.equals(tensor.sizes(), sizes)) {
      throw file.error(
          "%s is %s, expected sizes %s"
              .formatted(WeightsException.quote(name), tensor.shape(), Arrays.toString(sizes)));
    }
    return tensor;
  }

  /**
   * A copy of that tensor that outlives the checkpoint.
   *
   * @throws WeightsException if there is none, or the file would ask for too much memory
   */
  HostTensor copy(String name) {
    HostTensor tensor = require(name);
    file.charge(tensor.bytes(), name);
    return new HostTensor(
        tensor.type(),
        tensor.sizes(),
        Arena.ofAuto().allocate(tensor.bytes()).copyFrom(tensor.data()));
  }

  /** Ends the mapping: the tensors must not be used any more. */
  @Override
  public void close() {
    file.close();
  }

  private static Contents read(MappedFile file) {
    if (SafetensorsReader.recognises(file)) {
      return SafetensorsReader.read(file);
    }
    if (TorchReader.recognises(file)) {
      return TorchReader.read(file);
    }
    byte[] start = file.bytes().asSlice(0, Math.min(file.size(), 8)).toArray(ValueLayout.JAVA_BYTE);
    throw file.error(
        "is neither safetensors nor a PyTorch checkpoint (it is %d bytes long and starts with %s);"
                .formatted(file.size(), hex(start))
            + " was it downloaded completely, and is it the file itself and not a page about it?");
  }

  private static Map<String, HostTensor> withoutParallelPrefix(Contents contents) {
    Map<String, HostTensor> tensors = contents.tensors;
    if (tensors.isEmpty() || !tensors.keySet().stream().allMatch(Checkpoint::isParallel)) {
      return tensors;
    }
    contents.notes.add("dropped the prefix '" + PARALLEL_PREFIX + "' of all names");
    Map<String, HostTensor> renamed = new LinkedHashMap<>();
    tensors.forEach(
        (name, tensor) -> renamed.put(name.substring(PARALLEL_PREFIX.length()), tensor));
    return renamed;
  }

  private static boolean isParallel(String name) {
    return name.startsWith(PARALLEL_PREFIX);
  }

  private static String hex(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    for (byte b : bytes) {
      text.append(text.isEmpty() ? "" : " ").append("%02x".formatted(b));
    }
    return text.isEmpty() ? "nothing" : text.toString();
  }
}
