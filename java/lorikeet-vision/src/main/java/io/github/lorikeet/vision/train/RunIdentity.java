// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.LoraAdapter;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.model.MaskedAutoencoder;
import io.github.lorikeet.vision.model.VisionTransformer;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.zip.CRC32C;

/**
 * Everything that decides a run's bits, as short texts: a run may go on from a state only where all
 * are the same. Weights and lists are told apart by checksums; the images' pixels are not looked
 * at.
 */
final class RunIdentity {
  private static final long CHUNK = 1L << 26;

  private RunIdentity() {}

  static Map<String, String> of(
      Device device,
      VisionTransformer model,
      TrainOptions options,
      ImageLoader training,
      ImageLoader validation) {
    Map<String, String> identity = new LinkedHashMap<>();
    identity.put("options", options.toString());
    identity.put("model", model.config() + ", labels=" + model.labels() + adapters(model));
    identity.put("starting values", weights(model.parameters()));
    identity.put("training list", training.list().checksum());
    identity.put("validation list", validation.list().checksum());
    identity.put("preprocessing", training.preprocess() + ", " + validation.preprocess());
    identity.put("device", describe(device));
    return identity;
  }

  static Map<String, String> of(
      Device device, MaskedAutoencoder model, PretrainOptions options, ImageLoader images) {
    Map<String, String> identity = new LinkedHashMap<>();
    identity.put("options", options.toString());
    identity.put("model", model.config().toString());
    identity.put("starting values", weights(model.parameters()));
    identity.put("list", images.list().checksum());
    identity.put("preprocessing", images.preprocess().toString());
    identity.put("device", describe(device));
    return identity;
  }

  /**
   * Threads do not matter, and neither does which of several equal GPUs it is. Another instruction
   * set sums in another order.
   */
  private static String describe(Device device) {
    return device.info().name().replaceFirst(":.*", "")
        + ", "
        + device.info().isa()
        + ", "
        + device.precision();
  }

  /** What the tensors do not tell. */
  private static String adapters(VisionTransformer model) {
    return model.linears().values().stream()
        .filter(linear -> linear.lora() != null)
        .map(linear -> adapter(linear.lora()))
        .distinct()
        .collect(Collectors.joining());
  }

  private static String adapter(LoraAdapter lora) {
    return ", alpha=" + lora.alpha() + ", dropout=" + lora.dropout() + ", " + lora.groups();
  }

  private static String weights(Collection<Parameter> parameters) {
    CRC32C sum = new CRC32C();
    for (Parameter parameter : parameters) {
      add(sum, parameter.describe() + parameter.trainable());
      MemorySegment data = parameter.initial().data();
      for (long begin = 0; begin < data.byteSize(); begin += CHUNK) {
        long bytes = Math.min(CHUNK, data.byteSize() - begin);
        sum.update(data.asSlice(begin, bytes).asByteBuffer());
      }
      parameter.initial().unload();
    }
    return hex(sum);
  }

  private static void add(CRC32C sum, String text) {
    sum.update(text.getBytes(StandardCharsets.UTF_8));
  }

  private static String hex(CRC32C sum) {
    return "%08x".formatted(sum.getValue());
  }

  /** Says in which parts two runs differ, old and new; empty where they are the same. */
  static String differences(Map<String, String> before, Map<String, String> now) {
    List<String> differences = new ArrayList<>();
    now.forEach(
        (key, value) -> {
          List<String> old = parts(before.getOrDefault(key, "none"));
          List<String> mine = parts(value);
          if (!old.equals(mine)) {
            differences.add(key + ": " + without(old, mine) + ", now " + without(mine, old));
          }
        });
    return String.join("; ", differences);
  }

  /** {@code Name[a=1, b=2]} in its parts. */
  private static List<String> parts(String text) {
    return List.of(text.split(", "));
  }

  private static String without(List<String> parts, List<String> others) {
    return parts.stream().filter(part -> !others.contains(part)).collect(Collectors.joining(", "));
  }
}
