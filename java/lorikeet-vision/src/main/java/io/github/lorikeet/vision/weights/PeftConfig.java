// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The part of an {@code adapter_config.json} that decides what an adapter computes. */
final class PeftConfig {
  private static final long MAX_BYTES = 1 << 19;
  private static final int MAX_PATTERNS = 1000;

  /** States that matching may look at in all: a second's work, a real adapter's a thousandth. */
  private static final long MAX_STEPS = 4_000_000;

  /** Keys that change nothing once the adapter's tensors are there. */
  private static final Set<String> WITHOUT_EFFECT =
      Set.of(
          "alora_invocation_tokens",
          "arrow_config",
          "auto_mapping",
          "base_model_name_or_path",
          "bias",
          "corda_config",
          "ensure_weight_tying",
          "eva_config",
          "exclude_modules",
          "inference_mode",
          "layers_pattern",
          "layers_to_transform",
          "loftq_config",
          "megatron_config",
          "megatron_core",
          "modules_to_save",
          "peft_version",
          "revision",
          "runtime_config",
          "task_type");

  /** Ways to start training that leave the base weights as they were. */
  private static final Set<Object> PLAIN_STARTS =
      Set.of(true, false, "gaussian", "eva", "orthogonal");

  private record Pattern(ModulePattern names, double value) {}

  private final Path path;
  private final Map<String, Object> config;
  private final List<String> notes = new ArrayList<>();
  private final long r;
  private final double alpha;
  private final float dropout;
  private final boolean rankStabilised;
  private final List<Pattern> ranks;
  private final List<Pattern> alphas;
  private final List<ModulePattern> targets;
  private long steps;

  private PeftConfig(Path path, Map<String, Object> config) {
    this.path = path;
    this.config = new LinkedHashMap<>(config);
    if (!"LORA".equals(take("peft_type"))) {
      throw error("peft_type", config.get("peft_type"), "\"LORA\"");
    }
    r = wholeNumber("r", take("r"));
    alpha = number("lora_alpha", take("lora_alpha"));
    dropout = (float) number("lora_dropout", orElse(take("lora_dropout"), 0L));
    rankStabilised = flag("use_rslora");
    if (flag("use_dora")) {
      throw error("use_dora", true, "false: DoRA's magnitudes are not supported");
    }
    if (flag("fan_in_fan_out")) {
      notes.add("fan_in_fan_out is true: taken to speak of the base model's own layout");
    }
    ranks = patterns("rank_pattern");
    alphas = patterns("alpha_pattern");
    targets = targets(take("target_modules"));
    Object start = orElse(take("init_lora_weights"), true);
    if (!PLAIN_STARTS.contains(start)) {
      notes.add(
          "init_lora_weights is %s: it may have changed the base weights the adapter belongs to"
              .formatted(describe(start)));
    }
    noteTheRest();
  }

  static PeftConfig read(Path path) {
    try (MappedFile file = MappedFile.open(path)) {
      if (file.size() > MAX_BYTES) {
        throw file.error("is %d bytes long, more than %d".formatted(file.size(), MAX_BYTES));
      }
      return new PeftConfig(path, Json.readObject(file.bytes().toArray(ValueLayout.JAVA_BYTE)));
    } catch (IOException e) {
      throw WeightsException.in(path, "is not valid JSON: " + Json.problem(e), e);
    }
  }

  float dropout() {
    return dropout;
  }

  List<String> notes() {
    return notes;
  }

  /** What lora_A must have as rows. */
  long rank(String module) {
    return (long) first(ranks, module, r);
  }

  float scaling(String module) {
    double rank = rank(module);
    return (float) (first(alphas, module, alpha) / (rankStabilised ? Math.sqrt(rank) : rank));
  }

  /** Whether target_modules names the module, as far as that can be told. */
  boolean targets(String module) {
    return targets.isEmpty() || targets.stream().anyMatch(target -> matches(target, module));
  }

  private boolean matches(ModulePattern pattern, String module) {
    long before = pattern.steps();
    boolean matches = pattern.matches(module);
    steps += pattern.steps() - before;
    if (steps > MAX_STEPS) {
      throw WeightsException.in(path, "its patterns of module names take too long to compare");
    }
    return matches;
  }

  private double first(List<Pattern> patterns, String module, double otherwise) {
    for (Pattern pattern : patterns) {
      if (matches(pattern.names, module)) {
        return pattern.value;
      }
    }
    return otherwise;
  }

  private List<Pattern> patterns(String key) {
    Object value = orElse(take(key), Map.of());
    if (!(value instanceof Map<?, ?> map) || map.size() > MAX_PATTERNS) {
      throw error(key, value, "an object of at most %d numbers".formatted(MAX_PATTERNS));
    }
    List<Pattern> patterns = new ArrayList<>();
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      String name = (String) entry.getKey();
      String what = key + " " + name;
      double number =
          key.equals("rank_pattern")
              ? wholeNumber(what, entry.getValue())
              : number(what, entry.getValue());
      try {
        patterns.add(new Pattern(ModulePattern.compileForEndOfName(name), number));
      } catch (ModulePattern.UnsupportedException e) {
        throw WeightsException.in(
            path,
            "%s: the pattern has %s; write the module's name instead"
                .formatted(WeightsException.quote(what), e.getMessage()),
            e);
      }
    }
    return patterns;
  }

  /** A list names the ends of modules' names; one text is a pattern of whole names. */
  private List<ModulePattern> targets(Object value) {
    List<ModulePattern> patterns = new ArrayList<>();
    if (value == null || value.equals("all-linear")) {
      return patterns;
    }
    try {
      if (value instanceof String pattern) {
        return List.of(ModulePattern.compile(pattern));
      }
      if (value instanceof List<?> list
          && list.size() <= MAX_PATTERNS
          && list.stream().allMatch(String.class::isInstance)) {
        for (Object name : list) {
          patterns.add(ModulePattern.compileForEndOfName(ModulePattern.literal((String) name)));
        }
        return patterns;
      }
    } catch (ModulePattern.UnsupportedException e) {
      // Only a comparison is lost: the tensors' names tell which modules are adapted.
      notes.add("target_modules was not compared with the tensors: it has " + e.getMessage());
      return List.of();
    }
    throw error(
        "target_modules",
        value,
        "a list of at most %d names, or a pattern".formatted(MAX_PATTERNS));
  }

  private void noteTheRest() {
    List<String> unknown =
        config.keySet().stream().filter(key -> !WITHOUT_EFFECT.contains(key)).toList();
    if (!unknown.isEmpty()) {
      notes.add("ignored in " + path.getFileName() + ": " + Contents.some(unknown));
    }
  }

  private Object take(String key) {
    return config.remove(key);
  }

  private static Object orElse(Object value, Object otherwise) {
    return value == null ? otherwise : value;
  }

  private boolean flag(String key) {
    Object value = orElse(take(key), false);
    if (!(value instanceof Boolean flag)) {
      throw error(key, value, "true or false");
    }
    return flag;
  }

  private double number(String key, Object value) {
    if (!(value instanceof Number number) || !Double.isFinite(number.doubleValue())) {
      throw error(key, value, "a number");
    }
    return number.doubleValue();
  }

  private long wholeNumber(String key, Object value) {
    if (!(value instanceof Long number) || number < 1 || number > Integer.MAX_VALUE) {
      throw error(key, value, "a whole number from 1");
    }
    return number;
  }

  private WeightsException error(String key, Object found, String expected) {
    return WeightsException.in(
        path,
        "%s is %s, expected %s".formatted(WeightsException.quote(key), describe(found), expected));
  }

  private static String describe(Object value) {
    return switch (value) {
      case null -> "absent";
      case String text -> WeightsException.quote(text);
      case Number number -> number.toString();
      case Boolean flag -> flag.toString();
      case List<?> list -> "a list";
      default -> "an object";
    };
  }
}
