// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.file.AtomicFile;
import io.github.lorikeet.vision.weights.LoraWeights.Columns;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A LoRA adapter in the layout of Hugging Face PEFT: a folder with {@code adapter_config.json} and
 * {@code adapter_model.safetensors}.
 *
 * <p>PEFT knows no groups of output columns. Adapters with groups (q and v of a fused qkv) are
 * written as the plain LoRA that computes the same: rank and alpha times the number of groups, B
 * filled up with zeros. When such a file is read, groups are taken back only if everything outside
 * them is exactly zero, else it is a plain adapter of the larger rank. Which groups: those this
 * class names in the tensors' metadata ({@code lorikeet.columns.MODULE}, which other readers pass
 * over), so that an untrained adapter, B all zero, comes back as it was; in files without it, for
 * modules called {@code qkv}, those of q, k and v whose rows are not all zero, so that an untrained
 * one is a plain adapter. Nor does PEFT know image sizes: {@code lorikeet.image_size} in the same
 * place says which one the adapter was trained on, and there is its {@link Provenance}.
 *
 * @param modules the adapted layers by module name, such as {@code blocks.0.attn.qkv}
 * @param saved other tensors trained along, by full name, such as {@code head.weight}
 * @param imageSize pixels a side of the images it was trained on, 0 where that is not known
 * @param provenance what is known of the training it comes from
 * @param notes what was ignored in reading, one sentence each
 */
public record PeftAdapter(
    Map<String, LoraWeights> modules,
    Map<String, HostTensor> saved,
    int imageSize,
    Provenance provenance,
    List<String> notes) {

  private static final String CONFIG = "adapter_config.json";
  private static final String TENSORS = "adapter_model.safetensors";
  private static final String TORCH_TENSORS = "adapter_model.bin";
  private static final String PREFIX = "base_model.model.";
  private static final String A_SUFFIX = ".lora_A.weight";
  private static final String B_SUFFIX = ".lora_B.weight";
  private static final String BASE_LAYER = ".base_layer.";
  private static final String COLUMNS = "lorikeet.columns.";
  private static final String IMAGE_SIZE = "lorikeet.image_size";
  private static final String FUSED = "qkv";

  public PeftAdapter {
    modules = Collections.unmodifiableMap(new LinkedHashMap<>(modules));
    saved = Collections.unmodifiableMap(new LinkedHashMap<>(saved));
    notes = List.copyOf(notes);
  }

  public PeftAdapter(
      Map<String, LoraWeights> modules, Map<String, HostTensor> saved, int imageSize) {
    this(modules, saved, imageSize, Provenance.NONE, List.of());
  }

  /** The same, saying what training it comes from. */
  public PeftAdapter with(Provenance provenance) {
    return new PeftAdapter(modules, saved, imageSize, provenance, notes);
  }

  /**
   * Reads an adapter's folder; its tensors are copies, and independent of the files afterwards.
   *
   * @throws WeightsException if a file is missing or damaged, or asks for what is not supported
   */
  public static PeftAdapter read(Path folder) {
    PeftConfig config = PeftConfig.read(folder.resolve(CONFIG));
    Path tensors = folder.resolve(TENSORS);
    if (!Files.exists(tensors) && Files.exists(folder.resolve(TORCH_TENSORS))) {
      tensors = folder.resolve(TORCH_TENSORS);
    }
    try (Checkpoint checkpoint = Checkpoint.open(tensors)) {
      return read(config, checkpoint);
    }
  }

  private static PeftAdapter read(PeftConfig config, Checkpoint checkpoint) {
    Map<String, LoraWeights> modules = new LinkedHashMap<>();
    Map<String, HostTensor> saved = new LinkedHashMap<>();
    List<String> notes = new ArrayList<>(config.notes());
    notes.addAll(checkpoint.notes());
    List<String> untargeted = new ArrayList<>();
    for (String key : checkpoint.tensors().keySet()) {
      String name = withoutPrefix(checkpoint, key);
      if (name.endsWith(A_SUFFIX)) {
        String module = name.substring(0, name.length() - A_SUFFIX.length());
        modules.put(module, module(config, checkpoint, module));
        if (!config.targets(module)) {
          untargeted.add(module);
        }
      } else if (name.endsWith(B_SUFFIX)) {
        String module = name.substring(0, name.length() - B_SUFFIX.length());
        checkpoint.require(PREFIX + module + A_SUFFIX);
      } else if (name.contains(".lora_")) {
        throw WeightsException.in(
            checkpoint.path(),
            "%s is not supported; expected lora_A.weight and lora_B.weight of linear layers"
                .formatted(WeightsException.quote(key)));
      } else {
        saved.put(name.replace(BASE_LAYER, "."), checkpoint.copy(key));
      }
    }
    if (!untargeted.isEmpty()) {
      notes.add("adapted, though target_modules does not name them: " + Contents.some(untargeted));
    }
    return new PeftAdapter(modules, saved, imageSize(checkpoint), Provenance.of(checkpoint), notes);
  }

  private static int imageSize(Checkpoint checkpoint) {
    String size = checkpoint.metadata().get(IMAGE_SIZE);
    if (size == null) {
      return 0;
    }
    try {
      int pixels = Integer.parseInt(size);
      if (pixels < 1) {
        throw new NumberFormatException();
      }
      return pixels;
    } catch (NumberFormatException e) {
      throw WeightsException.in(
          checkpoint.path(),
          "%s is %s, expected pixels a side".formatted(IMAGE_SIZE, WeightsException.quote(size)),
          e);
    }
  }

  private static String withoutPrefix(Checkpoint checkpoint, String key) {
    if (!key.startsWith(PREFIX)) {
      throw WeightsException.in(
          checkpoint.path(),
          "%s does not start with '%s', as PEFT names an adapter's tensors"
              .formatted(WeightsException.quote(key), PREFIX));
    }
    return key.substring(PREFIX.length());
  }

  private static LoraWeights module(PeftConfig config, Checkpoint checkpoint, String module) {
    HostTensor a = matrix(checkpoint, PREFIX + module + A_SUFFIX);
    HostTensor b = matrix(checkpoint, PREFIX + module + B_SUFFIX);
    long rank = config.rank(module);
    if (a.size(0) != rank || b.size(1) != rank) {
      throw WeightsException.in(
          checkpoint.path(),
          "%s has A %s and B %s, expected [%d, inputs] and [outputs, %d]: the rank in %s"
              .formatted(WeightsException.quote(module), a.shape(), b.shape(), rank, rank, CONFIG));
    }
    try {
      List<Columns> groups = groups(checkpoint, module, b);
      HostTensor split = LoraBlocks.split(b, groups);
      return split == null
          ? LoraWeights.plain(a, b, config.scaling(module), config.dropout())
          : new LoraWeights(a, split, groups, b.size(0), config.scaling(module), config.dropout());
    } catch (WeightsException e) {
      throw WeightsException.in(
          checkpoint.path(), WeightsException.quote(module) + ": " + e.getMessage(), e);
    }
  }

  /** The groups a module is said, or seems, to have; they may not fit. */
  private static List<Columns> groups(Checkpoint checkpoint, String module, HostTensor b) {
    String columns = checkpoint.metadata().get(COLUMNS + module);
    if (columns != null) {
      return parseColumns(columns);
    }
    return module.equals(FUSED) || module.endsWith("." + FUSED)
        ? LoraBlocks.changedThirds(b)
        : List.of();
  }

  /** A copy in f32 of what is checked to be a matrix. */
  private static HostTensor matrix(Checkpoint checkpoint, String key) {
    LoraWeights.matrix(checkpoint, key);
    return checkpoint.copy(key).f32();
  }

  /**
   * Writes the adapter's folder, made if it is not there; the same adapter gives the same bytes.
   *
   * @throws UncheckedIOException if a file cannot be written
   * @throws WeightsException if the modules differ in dropout, of which PEFT's layout holds one
   */
  public void write(Path folder) {
    byte[] config = PeftConfigWriter.write(modules, savedModules());
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    Map<String, String> metadata = new TreeMap<>(provenance.metadata());
    modules.forEach(
        (module, lora) -> {
          tensors.put(PREFIX + module + A_SUFFIX, lora.a());
          tensors.put(PREFIX + module + B_SUFFIX, LoraBlocks.join(lora));
          metadata.put(COLUMNS + module, formatColumns(lora.groups()));
        });
    saved.forEach((name, tensor) -> tensors.put(PREFIX + name, tensor));
    if (imageSize > 0) {
      metadata.put(IMAGE_SIZE, String.valueOf(imageSize));
    }
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": cannot be made", e);
    }
    SafetensorsWriter.write(folder.resolve(TENSORS), tensors, metadata);
    AtomicFile.write(
        folder.resolve(CONFIG), channel -> AtomicFile.writeFully(channel, ByteBuffer.wrap(config)));
  }

  /** The files that {@link #read} looks for in a folder. */
  public static List<Path> files(Path folder) {
    return Stream.of(CONFIG, TENSORS, TORCH_TENSORS).map(folder::resolve).toList();
  }

  /**
   * Deletes what {@link #write} wrote, and the folder if it has nothing else.
   *
   * @throws UncheckedIOException if a file cannot be deleted
   */
  public static void delete(Path folder) {
    try {
      Files.deleteIfExists(folder.resolve(CONFIG));
      Files.deleteIfExists(folder.resolve(TENSORS));
      Files.deleteIfExists(folder);
    } catch (DirectoryNotEmptyException e) {
      // What else is in it is somebody else's.
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": cannot be deleted", e);
    }
  }

  /** The modules that tensors saved whole belong to. */
  private List<String> savedModules() {
    return saved.keySet().stream()
        .map(name -> name.substring(0, Math.max(name.lastIndexOf('.'), 0)))
        .distinct()
        .toList();
  }

  /** Such as {@code 0-128,256-384}: the first column and the one after the last. */
  private static String formatColumns(List<Columns> groups) {
    return groups.stream()
        .map(group -> group.first() + "-" + group.end())
        .collect(Collectors.joining(","));
  }

  /** Groups as {@link #formatColumns} writes them; none if the text is anything else. */
  private static List<Columns> parseColumns(String text) {
    List<Columns> groups = new ArrayList<>();
    for (String range : text.split(",", -1)) {
      int dash = range.indexOf('-');
      try {
        long first = Integer.parseInt(range.substring(0, Math.max(dash, 0)));
        groups.add(new Columns(first, Integer.parseInt(range.substring(dash + 1)) - first));
      } catch (NumberFormatException e) {
        return List.of();
      }
    }
    return groups;
  }
}
