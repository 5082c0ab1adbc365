// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.cli.bench.Case;
import io.github.lorikeet.cli.bench.Peers;
import io.github.lorikeet.cli.bench.Timer.Entrant;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;

/** The system's own OpenBLAS on the CPU: f32 products of linear layers. */
public final class OpenBlasPeers implements Peers {
  private static final String NAME = "OpenBLAS, products without bias";

  /** Null where there is none. */
  private final OpenBlas blas;

  private final String description;

  /** Loads the file that LORIKEET_OPENBLAS names, else the one in a folder of the system's. */
  public OpenBlasPeers() {
    Torch.load();
    OpenBlas found = null;
    String text;
    try {
      Path file = file();
      found = new OpenBlas(file);
      text = "%s: %s; for f32 products that only a bias follows".formatted(file, found.config());
    } catch (IllegalArgumentException e) {
      text =
          "no OpenBLAS of the system's to time: %s; Debian has it in libopenblas0"
              .formatted(e.getMessage());
    }
    blas = found;
    description = text;
  }

  private static Path file() {
    String named = System.getenv("LORIKEET_OPENBLAS");
    return named != null && !named.isEmpty()
        ? Path.of(named)
        : Stream.of("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib")
            .map(folder -> Path.of(folder, "libopenblas.so.0"))
            .filter(Files::exists)
            .findFirst()
            .orElseThrow(() -> new IllegalArgumentException("no libopenblas.so.0 under /usr/lib"));
  }

  @Override
  public List<String> describe() {
    return List.of(description);
  }

  @Override
  public List<Entrant> of(Case subject, Body body, Device device) {
    if (blas == null
        || !List.of("linear-forward", "linear-forward-backward").contains(subject.name())
        || subject.type() != DType.F32
        || !device.name().equals("cpu")
        || body.tensors().containsKey("residual")
        || subject.shape().contains("gelu")) {
      return List.of();
    }
    blas.threads(device.info().threads());
    Products peer = new Products(blas, body.tensors(), device);
    try (PointerScope scope = new PointerScope()) {
      peer.run();
      Torch.compare(NAME + ", " + subject.key(), peer.results(), body.tensors());
    } catch (IllegalStateException e) {
      peer.close();
      throw e;
    }
    return List.of(new Entrant(NAME, peer));
  }

  /** y [m, n] = x [m, k] Wᵀ and, where the case has a dy, dx [m, k] = dy W. */
  private record Products(OpenBlas blas, Map<String, Tensor> given, Tensor y, Tensor dX)
      implements Body {
    Products(OpenBlas blas, Map<String, Tensor> given, Device device) {
      Tensor x = given.get("x");
      Tensor weight = given.get("weight");
      this(
          blas,
          given,
          device.allocate(DType.F32, x.size(0), weight.size(0)),
          given.containsKey("dy") ? device.allocate(DType.F32, x.sizes()) : null);
      // NaN: the memory may hold another peer's right results, and a product not done must show.
      OpenBlas.memory(y).fill((byte) 0xff);
      if (dX != null) {
        OpenBlas.memory(dX).fill((byte) 0xff);
      }
    }

    @Override
    public void run() {
      blas.multiply(given.get("x"), given.get("weight"), true, y);
      if (dX != null) {
        blas.multiply(given.get("dy"), given.get("weight"), false, dX);
      }
    }

    Map<String, org.bytedeco.pytorch.Tensor> results() {
      var withBias = Torch.of(y).add(Torch.of(given.get("bias")));
      return dX == null ? Map.of("y", withBias) : Map.of("y", withBias, "dx", Torch.of(dX));
    }

    @Override
    public void close() {
      y.close();
      if (dX != null) {
        dX.close();
      }
    }
  }
}
