// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.cli.bench.Case;
import io.github.lorikeet.cli.bench.Peers;
import io.github.lorikeet.cli.bench.Timer.Entrant;
import io.github.lorikeet.core.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** libtorch on the CPU, by JavaCPP's PyTorch. */
public final class TorchPeers implements Peers {
  /** For how long a fresh process multiplies before anything is timed: at first it is slow. */
  private static final long WARM_UP_NANOS = 3_000_000_000L;

  /** Floats of memory that malloc is made to keep, touched, before anything is timed: 2 GB. */
  private static final long KEPT = 1L << 29;

  private boolean warm;

  /** Loads libtorch. */
  public TorchPeers() {
    Torch.load();
  }

  private void warmUp() {
    if (warm) {
      return;
    }
    warm = true;
    try (PointerScope scope = new PointerScope()) {
      torch.ones(KEPT).close();
      Tensor matrix = torch.ones(1536, 1536);
      long end = System.nanoTime() + WARM_UP_NANOS;
      while (System.nanoTime() < end) {
        torch.mm(matrix, matrix).close();
      }
    }
  }

  @Override
  public List<String> describe() {
    return List.of(
        "libtorch 2.10.0 through JavaCPP, with OpenBLAS and "
            + torch.get_mkldnn_version().getString()
            + "; each variant's results agree with Lorikeet's",
        "libtorch's settings: " + settings());
  }

  /** What the environment says to it and its libraries. */
  private static String settings() {
    return System.getenv().entrySet().stream()
        .filter(e -> e.getKey().matches("(OMP|GOMP|OPENBLAS|MKL|ONEDNN|DNNL|MALLOC)_.*"))
        .map(e -> e.getKey() + "=" + e.getValue())
        .sorted()
        .collect(Collectors.joining(", "));
  }

  @Override
  public List<Entrant> of(Case subject, Body body, Device device) {
    List<Variant> variants = variants(subject);
    if (variants.isEmpty() || !device.name().equals("cpu")) {
      return List.of();
    }
    int threads = device.info().threads();
    Torch.threads(threads);
    warmUp();
    check(subject, variants, body, device);
    List<Entrant> entrants = new ArrayList<>();
    for (Variant variant : variants) {
      // The scope outlives its first close: its second, the body's, frees what the program holds.
      try (PointerScope scope = new PointerScope().extend()) {
        Program program = variant.maker().apply(body);
        int blas = blas(variant, threads);
        entrants.add(new Entrant(name(variant), new TorchBody(program, blas, scope::close)));
      }
    }
    return entrants;
  }

  @Override
  public List<String> ways(Case subject) {
    return variants(subject).stream().map(TorchPeers::name).toList();
  }

  @Override
  public Body alone(Case subject, String way, Body inputs, Device device) {
    int threads = device.info().threads();
    Torch.threads(threads);
    Variant variant =
        variants(subject).stream().filter(each -> name(each).equals(way)).findFirst().orElseThrow();
    Program program = variant.maker().apply(inputs);
    return new TorchBody(program, blas(variant, threads), inputs::close);
  }

  private static String name(Variant variant) {
    return "libtorch, " + variant.name();
  }

  private static int blas(Variant variant, int threads) {
    return variant.blasThreads() == 0 ? threads : variant.blasThreads();
  }

  private static List<Variant> variants(Case subject) {
    return switch (subject.name()) {
      case "linear-forward" -> LinearPeers.forward(subject);
      case "linear-forward-backward" -> LinearPeers.forwardBackward(subject);
      case "lora-forward" -> LoraPeers.forward();
      case "lora-forward-backward" -> LoraPeers.forwardBackward();
      case "attention-forward" -> AttentionPeers.forward(subject.type());
      case "attention-forward-backward" -> AttentionPeers.forwardBackward(subject.type());
      case "layer-norm-forward" -> RowPeers.layerNorm();
      case "layer-norm-backward" -> RowPeers.layerNormBackward();
      case "gelu-forward" -> RowPeers.gelu();
      case "gelu-backward" -> RowPeers.geluBackward();
      case "patch-embed-forward" -> PatchPeers.forward();
      case "sgd-step" -> OptimizerPeers.sgd();
      case "adamw-step" -> OptimizerPeers.adamW();
      case "vit-inference" -> VitPeers.of(subject.type(), false);
      case "vit-lora-step", "vit-full-step" -> VitPeers.of(subject.type(), true);
      case "mae-step" -> MaePeers.of(subject.type());
      default -> List.of();
    };
  }

  /**
   * Each variant's run beside one of the case, both from the same state: a program copies what it
   * changes when it is made.
   */
  private static void check(Case subject, List<Variant> variants, Body body, Device device) {
    for (Variant variant : variants) {
      Body checked = subject.isCheckedApart() ? subject.openChecked(device) : body;
      try (PointerScope scope = new PointerScope()) {
        Program program = variant.maker().apply(checked);
        checked.run();
        String what = name(variant) + ", " + subject.key();
        Torch.compare(what, program.run(), checked.tensors());
      } finally {
        if (checked != body) {
          checked.close();
        }
      }
    }
  }

  /** A program as it is run, and what goes with it. */
  private record TorchBody(Program program, int blasThreads, Runnable end) implements Body {
    @Override
    public void run() {
      Torch.blasThreads(blasThreads);
      try (PointerScope scope = new PointerScope()) {
        program.run();
      }
    }

    @Override
    public void close() {
      end.run();
    }
  }
}
