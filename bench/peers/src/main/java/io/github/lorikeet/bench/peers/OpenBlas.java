// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.lorikeet.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** An OpenBLAS in a file of its own: another copy beside the one that libtorch brings along. */
@SuppressWarnings("restricted")
final class OpenBlas {
  private static final int ROW_MAJOR = 101;
  private static final int AS_IS = 111;
  private static final int TRANSPOSED = 112;

  private final Path file;
  private final SymbolLookup symbols;
  private final MethodHandle sgemm;

  /**
   * Loads it. Both copies have the same soname, by which the loader would take one for the other:
   * so libtorch's must be loaded already, and this one is named by its whole path.
   *
   * @throws IllegalArgumentException where the file is not there or is no OpenBLAS that serves
   */
  OpenBlas(Path file) {
    this.file = file;
    // Never unloaded: its threads live as long as the process.
    symbols = SymbolLookup.libraryLookup(file.toAbsolutePath(), Arena.global());
    MemoryLayout[] parameters = {
      JAVA_INT, // order
      JAVA_INT, // whether A is transposed
      JAVA_INT, // whether B is
      JAVA_INT, // m
      JAVA_INT, // n
      JAVA_INT, // k
      JAVA_FLOAT, // alpha
      ADDRESS, // A
      JAVA_INT, // its row stride
      ADDRESS, // B
      JAVA_INT, // its row stride
      JAVA_FLOAT, // beta
      ADDRESS, // C
      JAVA_INT, // its row stride
    };
    sgemm = handle("cblas_sgemm", FunctionDescriptor.ofVoid(parameters));
    if (config().contains("USE64BITINT")) {
      throw new IllegalArgumentException(file + " takes 64-bit integers");
    }
  }

  private MethodHandle handle(String name, FunctionDescriptor descriptor) {
    MemorySegment function =
        symbols
            .find(name)
            .orElseThrow(() -> new IllegalArgumentException(file + " has no " + name));
    return Linker.nativeLinker().downcallHandle(function, descriptor);
  }

  /** Its version, how it was built and the processor that it took its kernels for. */
  String config() {
    try {
      MethodHandle config = handle("openblas_get_config", FunctionDescriptor.of(ADDRESS));
      return ((MemorySegment) config.invokeExact()).reinterpret(1 << 10).getString(0).strip();
    } catch (Throwable e) {
      throw failure(e);
    }
  }

  void threads(int count) {
    try {
      handle("openblas_set_num_threads", FunctionDescriptor.ofVoid(JAVA_INT)).invokeExact(count);
    } catch (Throwable e) {
      throw failure(e);
    }
  }

  /** C [m, n] = A [m, k] B; B is [k, n] or, transposed, [n, k]. */
  void multiply(Tensor a, Tensor b, boolean transposed, Tensor c) {
    int m = (int) c.size(0);
    int n = (int) c.size(1);
    int k = (int) a.size(1);
    int way = transposed ? TRANSPOSED : AS_IS;
    int stride = (int) b.size(1);
    try {
      sgemm.invokeExact(
          ROW_MAJOR, AS_IS, way, m, n, k, 1f, memory(a), k, memory(b), stride, 0f, memory(c), n);
    } catch (Throwable e) {
      throw failure(e);
    }
  }

  static MemorySegment memory(Tensor tensor) {
    return MemorySegment.ofAddress(tensor.address()).reinterpret(tensor.bytes());
  }

  private static RuntimeException failure(Throwable e) {
    return e instanceof RuntimeException known ? known : new IllegalStateException(e);
  }
}
