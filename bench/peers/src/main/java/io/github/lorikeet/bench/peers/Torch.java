// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.core.DType;
import java.util.Map;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What programs over libtorch share. */
final class Torch {
  private Torch() {}

  /** An address as JavaCPP has it. */
  private static final class Address extends Pointer {
    Address(long address) {
      this.address = address;
    }
  }

  static Pointer pointer(long address) {
    return new Address(address);
  }

  /** Loads libtorch and its OpenBLAS, of which it has two files. */
  static void load() {
    Loader.load(torch.class);
    Loader.load(openblas_nolapack.class);
  }

  static void threads(int count) {
    torch.set_num_threads(count);
    blasThreads(count);
  }

  /** Of OpenBLAS, which computes libtorch's f32 matrix products. */
  static void blasThreads(int count) {
    openblas_nolapack.blas_set_num_threads(count);
  }

  /** The same memory as a tensor of Lorikeet's on the CPU. */
  static Tensor of(io.github.lorikeet.core.Tensor tensor) {
    return at(tensor.address(), tensor.type(), tensor.sizes());
  }

  static Tensor at(long address, DType type, long... sizes) {
    return torch.from_blob(new Address(address), sizes, new TensorOptions(type(type)));
  }

  static ScalarType type(DType type) {
    return switch (type) {
      case F32 -> ScalarType.Float;
      case BF16 -> ScalarType.BFloat16;
      case F16 -> ScalarType.Half;
      case I32 -> ScalarType.Int;
      case U8 -> ScalarType.Byte;
    };
  }

  /** A copy of a tensor that gradients are wanted of, in a dtype. */
  static Tensor leaf(Tensor tensor, ScalarType type) {
    return tensor.toType(type).clone().detach().requires_grad_(true);
  }

  static TensorOptional optional(Tensor tensor) {
    return new TensorOptional(tensor);
  }

  static Tensor times(Tensor tensor, double factor) {
    return tensor.mul(new Scalar(factor));
  }

  /** Takes the gradient away, so that the next backward pass writes it afresh. */
  static void dropGradients(Tensor... leaves) {
    for (Tensor leaf : leaves) {
      leaf.mutable_grad().reset();
    }
  }

  /**
   * Compares results by name with the tensors of the same names.
   *
   * @throws IllegalStateException where they differ by more than rounding
   */
  static void compare(
      String what,
      Map<String, Tensor> results,
      Map<String, io.github.lorikeet.core.Tensor> expected) {
    results.forEach(
        (name, result) -> {
          io.github.lorikeet.core.Tensor own = expected.get(name);
          Tensor theirs = result.toType(ScalarType.Double).reshape(own.elements());
          Tensor ours = of(own).toType(ScalarType.Double).reshape(own.elements());
          double error = theirs.sub(ours).norm().item_double() / ours.norm().item_double();
          if (!(error <= (own.type() == DType.F32 && !what.contains("bf16") ? 1e-3 : 3e-2))) {
            throw new IllegalStateException(
                "%s: its %s differs by %.1e from Lorikeet's: they do not compute the same"
                    .formatted(what, name, error));
          }
        });
  }
}
