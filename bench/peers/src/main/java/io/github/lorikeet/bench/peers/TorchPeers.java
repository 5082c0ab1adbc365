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

  /** Loads libtorch and warms it up. */
  public TorchPeers() {
    Torch.load();
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
    check(subject, variants, body, device);
    List<Entrant> entrants = new ArrayList<>();
    for (Variant variant : variants) {
      Program program = variant.maker().apply(body);
      int blas = variant.blasThreads() == 0 ? threads : variant.blasThreads();
      entrants.add(new Entrant("libtorch, " + variant.name(), new TorchBody(program, blas)));
    }
    return entrants;
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
      case "gelu-forward" -> RowPeers.gelu();
      case "gelu-backward" -> RowPeers.geluBackward();
      case "vit-inference", "vit-lora-step", "vit-full-step" -> VitPeers.of(subject.type());
      default -> List.of();
    };
  }

  /** Random masks differ from library to library: what is compared has none. */
  private static void check(Case subject, List<Variant> variants, Body body, Device device) {
    Body checked = subject.isRandom() ? subject.openChecked(device) : body;
    try {
      checked.run();
      for (Variant variant : variants) {
        try (PointerScope scope = new PointerScope()) {
          String what = "libtorch, " + variant.name() + ", " + subject.key();
          Torch.compare(what, variant.maker().apply(checked).run(), checked.tensors());
        }
      }
    } finally {
      if (checked != body) {
        checked.close();
      }
    }
  }

  /** A program as it is timed. */
  private record TorchBody(Program program, int blasThreads) implements Body {
    @Override
    public void run() {
      Torch.blasThreads(blasThreads);
      try (PointerScope scope = new PointerScope()) {
        program.run();
      }
    }

    @Override
    public void close() {}
  }
}
