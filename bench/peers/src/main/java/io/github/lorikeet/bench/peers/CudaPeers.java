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
import java.util.List;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.cuda.global.cudnn;
import org.bytedeco.javacpp.Loader;

/** cuBLAS's product and cuDNN's attention on CUDA devices, by JavaCPP's CUDA presets. */
public final class CudaPeers implements Peers {
  /** Why one of the libraries cannot be used; null where both can. */
  private final String missing;

  /** Loads the libraries, which are the system's: the presets bring none. */
  public CudaPeers() {
    String why = null;
    try {
      Loader.load(cublas.class);
      Loader.load(cudnn.class);
    } catch (UnsatisfiedLinkError | NoClassDefFoundError | ExceptionInInitializerError e) {
      why = first(e);
    }
    missing = why;
  }

  /** What went wrong first: the library that the loader looked for. */
  private static String first(Throwable e) {
    return e.getCause() == null ? e.getMessage() : first(e.getCause());
  }

  @Override
  public List<String> describe() {
    return List.of(
        missing == null
            ? "on CUDA devices cuBLAS and cuDNN " + cudnn.cudnnGetVersion() + " through JavaCPP"
            : "no cuBLAS and cuDNN to time on CUDA devices: " + missing);
  }

  @Override
  public List<Entrant> of(Case subject, Body body, Device device) {
    if (missing != null || !device.name().startsWith("cuda")) {
      return List.of();
    }
    return switch (subject.name()) {
      case "linear-forward" ->
          body.tensors().containsKey("residual") || subject.shape().contains("gelu")
              ? List.of()
              : List.of(
                  new Entrant(
                      "cuBLAS, without bias",
                      checked(new CublasProduct(body, device), body, device)));
      case "attention-forward" ->
          subject.type() == DType.F32
              ? List.of()
              : List.of(
                  new Entrant("cuDNN", checked(new CudnnAttention(body, device), body, device)));
      default -> List.of();
    };
  }

  /** A peer on a CUDA device. */
  interface CudaBody extends Body {
    /** What it computed. */
    Tensor result();

    /** What the case has under this name, [n], on top of the result; null for nothing. */
    String without();

    /** The case's name for the result. */
    String name();
  }

  private static Body checked(CudaBody peer, Body body, Device device) {
    body.run();
    peer.run();
    device.synchronize();
    float[] theirs = floats(peer.result(), device);
    float[] ours = floats(body.tensors().get(peer.name()), device);
    float[] extra =
        peer.without() == null
            ? new float[] {0}
            : floats(body.tensors().get(peer.without()), device);
    double difference = 0;
    double size = 0;
    for (int i = 0; i < ours.length; i++) {
      double expected = ours[i] - extra[i % extra.length];
      difference += (theirs[i] - expected) * (theirs[i] - expected);
      size += expected * expected;
    }
    double error = Math.sqrt(difference / size);
    // Tensor cores round f32 to TF32 unless told otherwise; cuBLAS is told otherwise.
    if (!(error <= (peer.result().type() == DType.F32 ? 1e-3 : 3e-2))) {
      peer.close();
      throw new IllegalStateException(
          "%s differs by %.1e from Lorikeet's: they do not compute the same"
              .formatted(peer.name(), error));
    }
    return peer;
  }

  private static float[] floats(Tensor tensor, Device device) {
    try (Tensor f32 = device.allocate(DType.F32, tensor.sizes())) {
      device.kernels().convert(tensor, f32);
      return f32.download();
    }
  }
}
