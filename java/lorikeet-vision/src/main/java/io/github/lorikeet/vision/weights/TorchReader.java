// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads what {@code torch.save} writes since PyTorch 1.6: a zip file with a pickle ({@code
 * NAME/data.pkl}) whose tensors refer to storages ({@code NAME/data/KEY}).
 */
final class TorchReader implements Unpickler.Names {
  private static final String PICKLE = "data.pkl";
  private static final int MAX_PICKLE_BYTES = 16 << 20;

  /** Where training scripts put the weights beside their own state, in the order looked for. */
  private static final List<String> WEIGHTS_KEYS = List.of("model", "state_dict");

  private static final String TENSOR_V2 = "torch._utils._rebuild_tensor_v2";

  /** The start of the pickle by which PyTorch before 1.6 begins its files. */
  private static final byte[] OLD_FORMAT = {(byte) 0x80, 2, (byte) 0x8a, 10, 0x6c, (byte) 0xfc};

  private record Storage(ElementType type, String key, long elements) {}

  private record Tensor(Storage storage, long offset, long[] sizes, long[] strides) {}

  private final MappedFile file;
  private final ZipDirectory zip;
  private final String prefix;
  private final Contents contents = new Contents();

  private TorchReader(MappedFile file, ZipDirectory zip, String prefix) {
    this.file = file;
    this.zip = zip;
    this.prefix = prefix;
  }

  static boolean recognises(MappedFile file) {
    return ZipDirectory.recognises(file) || isOld(file);
  }

  static Contents read(MappedFile file) {
    if (isOld(file)) {
      throw file.error(
          "is in the format PyTorch used before version 1.6; save it again with a newer one:"
              + " torch.save(torch.load(file), file)");
    }
    ZipDirectory zip = ZipDirectory.read(file);
    List<String> pickles =
        zip.names().stream()
            .filter(name -> name.equals(PICKLE) || name.endsWith("/" + PICKLE))
            .toList();
    if (pickles.size() != 1) {
      throw file.error(
          "is a zip file with %d entries named %s; expected one, as torch.save writes it"
              .formatted(pickles.size(), PICKLE));
    }
    String pickle = pickles.getFirst();
    String prefix = pickle.substring(0, pickle.length() - PICKLE.length());
    return new TorchReader(file, zip, prefix).read(pickle);
  }

  private static boolean isOld(MappedFile file) {
    return file.size() >= OLD_FORMAT.length
        && file.bytes().asSlice(0, OLD_FORMAT.length).mismatch(MemorySegment.ofArray(OLD_FORMAT))
            == -1;
  }

  private Contents read(String pickle) {
    checkByteOrder();
    MemorySegment bytes = zip.contents(pickle);
    if (bytes.byteSize() > MAX_PICKLE_BYTES) {
      throw file.error(
          "its pickle has %d bytes, more than %d; save the weights alone: torch.save("
                  .formatted(bytes.byteSize(), MAX_PICKLE_BYTES)
              + "{'model': model.state_dict()}, file)");
    }
    Object root = new Unpickler(bytes.toArray(ValueLayout.JAVA_BYTE), this, file::error).load();
    addWeights(findWeights(root));
    return contents;
  }

  private void checkByteOrder() {
    MemorySegment order = zip.contents(prefix + "byteorder");
    if (order == null) {
      return;
    }
    byte[] little = "little".getBytes(StandardCharsets.US_ASCII);
    if (order.mismatch(MemorySegment.ofArray(little)) != -1) {
      throw file.error("was saved on a big-endian machine; save it again on a little-endian one");
    }
  }

  private Map<?, ?> findWeights(Object root) {
    if (!(root instanceof Map<?, ?> top)) {
      throw noWeights("at the top level", root);
    }
    for (String key : WEIGHTS_KEYS) {
      if (top.get(key) instanceof Map<?, ?> weights && hasTensors(weights)) {
        for (Object other : top.keySet()) {
          if (!other.equals(key)) {
            contents.leaveOut("" + other, "beside the weights under '" + key + "'");
          }
        }
        return weights;
      }
    }
    if (hasTensors(top)) {
      return top;
    }
    for (String key : WEIGHTS_KEYS) {
      if (top.get(key) instanceof Unpickler.Opaque object) {
        throw noWeights("under the key '" + key + "'", object);
      }
    }
    List<String> keys = top.keySet().stream().map(String::valueOf).toList();
    throw file.error(
        "holds no weights: expected tensors at the top level or under one of the keys %s, found "
                .formatted(WEIGHTS_KEYS)
            + (keys.isEmpty() ? "nothing" : Contents.some(keys)));
  }

  private static boolean hasTensors(Map<?, ?> map) {
    return map.values().stream().anyMatch(Tensor.class::isInstance);
  }

  private WeightsException noWeights(String where, Object found) {
    String what =
        found instanceof Unpickler.Opaque opaque
            ? "a Python object of " + WeightsException.quote(opaque.what())
            : "no dictionary";
    return file.error(
        "has %s %s; expected names with tensors: save model.state_dict(), not the model"
            .formatted(what, where));
  }

  private void addWeights(Map<?, ?> weights) {
    for (Map.Entry<?, ?> entry : weights.entrySet()) {
      if (entry.getValue() instanceof Unpickler.Opaque opaque) {
        throw file.error(
            "%s is a Python object of %s; expected a tensor"
                .formatted(
                    WeightsException.quote("" + entry.getKey()),
                    WeightsException.quote(opaque.what())));
      }
      if (entry.getValue() instanceof Tensor tensor && entry.getKey() instanceof String name) {
        contents.add(file, name, locate(name, tensor));
      } else {
        contents.leaveOut("" + entry.getKey(), "not a tensor");
      }
    }
  }

  private StoredTensor locate(String name, Tensor tensor) {
    Storage storage = tensor.storage;
    MemorySegment bytes = zip.contents(prefix + "data/" + storage.key);
    String quoted = WeightsException.quote(name);
    if (bytes == null) {
      throw file.error(
          "%s refers to the entry %s, which is not there; the file is damaged"
              .formatted(quoted, WeightsException.quote("data/" + storage.key)));
    }
    int size = storage.type.bytes();
    if (storage.elements > bytes.byteSize() / size) {
      throw file.error(
          "%s refers to %d elements of %s, but the entry %s has %d bytes; the file is damaged"
              .formatted(
                  quoted,
                  storage.elements,
                  storage.type,
                  WeightsException.quote("data/" + storage.key),
                  bytes.byteSize()));
    }
    long reach = reach(tensor);
    if (reach < 0 || tensor.offset < 0 || tensor.offset > storage.elements - reach) {
      throw file.error(
          "%s (sizes %s, strides %s, from element %d) reaches outside its storage of %d elements"
              .formatted(
                  quoted,
                  Arrays.toString(tensor.sizes),
                  Arrays.toString(tensor.strides),
                  tensor.offset,
                  storage.elements));
    }
    return new StoredTensor(
        storage.type,
        tensor.sizes,
        tensor.strides,
        bytes.asSlice(tensor.offset * size, reach * size));
  }

  /** The number of elements from a tensor's first to its last in memory; -1 if it is no long. */
  private static long reach(Tensor tensor) {
    long last = 0;
    try {
      for (int d = 0; d < tensor.sizes.length; d++) {
        if (tensor.sizes[d] == 0) {
          return 0;
        }
        long step = Math.multiplyExact(tensor.sizes[d] - 1, tensor.strides[d]);
        last = Math.addExact(last, step);
      }
      return Math.addExact(last, 1);
    } catch (ArithmeticException e) {
      return -1;
    }
  }

  /** {@code ('storage', torch.FloatStorage, '0', 'cpu', elements)}. */
  @Override
  public Object persistent(Object id) {
    if (id instanceof Object[] parts
        && parts.length >= 5
        && "storage".equals(parts[0])
        && parts[1] instanceof Unpickler.Global type
        && parts[2] instanceof String key
        && parts[4] instanceof Long elements
        && elements >= 0) {
      ElementType elementType =
          type.module().equals("torch") ? ElementType.ofTorchStorage(type.name()) : null;
      return elementType == null
          ? new Unpickler.Opaque(type.toString())
          : new Storage(elementType, key, elements);
    }
    throw file.error("its pickle refers to something that is no storage of PyTorch's");
  }

  @Override
  public Object call(Unpickler.Global function, Object[] arguments) {
    return switch (function.toString()) {
      case "collections.OrderedDict" -> orderedDict(arguments);
      case TENSOR_V2, "torch._utils._rebuild_tensor" -> tensor(arguments);
      case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state" ->
          arguments.length > 0 && arguments[0] instanceof Tensor
              ? arguments[0]
              : new Unpickler.Opaque(function.toString());
      case "torch.Size" ->
          arguments.length == 1 ? arguments[0] : new Unpickler.Opaque(function.toString());
      default -> new Unpickler.Opaque(function.toString());
    };
  }

  private Object orderedDict(Object[] arguments) {
    if (arguments.length == 0) {
      return new LinkedHashMap<>();
    }
    // Only Python 2 gives the entries here; torch.save of that time wrote no zip files.
    return new Unpickler.Opaque("collections.OrderedDict with arguments");
  }

  /** {@code (storage, offset, sizes, strides, ...)}. */
  private Object tensor(Object[] arguments) {
    if (arguments.length > 0 && arguments[0] instanceof Unpickler.Opaque storage) {
      return storage;
    }
    if (arguments.length >= 4
        && arguments[0] instanceof Storage storage
        && arguments[1] instanceof Long offset) {
      long[] sizes = longs(arguments[2]);
      long[] strides = longs(arguments[3]);
      if (sizes != null && strides != null && sizes.length == strides.length) {
        return new Tensor(storage, offset, sizes, strides);
      }
    }
    throw file.error(
        "its pickle describes a tensor not as " + TENSOR_V2 + " expects it; the file is damaged");
  }

  /** A tuple of at most {@link StoredTensor#MAX_RANK} integers, none negative; else null. */
  private static long[] longs(Object tuple) {
    if (!(tuple instanceof Object[] items) || items.length > StoredTensor.MAX_RANK) {
      return null;
    }
    List<Long> values = new ArrayList<>();
    for (Object item : items) {
      if (!(item instanceof Long value) || value < 0) {
        return null;
      }
      values.add(value);
    }
    return values.stream().mapToLong(Long::longValue).toArray();
  }
}
