// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F;
import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F_FAST_TF32;
import static org.bytedeco.cuda.global.cublas.CUBLAS_GEMM_DEFAULT;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_N;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_T;
import static org.bytedeco.cuda.global.cublas.cublasCreate_v2;
import static org.bytedeco.cuda.global.cublas.cublasDestroy_v2;
import static org.bytedeco.cuda.global.cublas.cublasGemmEx;
import static org.bytedeco.cuda.global.cudart.CUDA_R_16BF;
import static org.bytedeco.cuda.global.cudart.CUDA_R_16F;
import static org.bytedeco.cuda.global.cudart.CUDA_R_32F;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Precision;
import io.github.lorikeet.core.Tensor;
import org.bytedeco.cuda.cublas.cublasContext;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;

/** y [m, n] = x [m, k] Wᵀ by cublasGemmEx, which sees row-major matrices as their transposes. */
final class CublasProduct implements CudaPeers.CudaBody {
  private final cublasContext handle = new cublasContext();
  private final FloatPointer one = new FloatPointer(1f);
  private final FloatPointer zero = new FloatPointer(0f);
  private final Pointer x;
  private final Pointer w;
  private final Tensor y;
  private final int m;
  private final int n;
  private final int k;
  private final int type;
  private final int computed;

  CublasProduct(Body body, Device device) {
    Tensor given = body.tensors().get("x");
    Tensor weight = body.tensors().get("weight");
    m = Math.toIntExact(given.size(0));
    k = Math.toIntExact(given.size(1));
    n = Math.toIntExact(weight.size(0));
    type =
        given.type() == DType.F32
            ? CUDA_R_32F
            : given.type() == DType.BF16 ? CUDA_R_16BF : CUDA_R_16F;
    computed =
        device.precision() == Precision.TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    x = Torch.pointer(given.address());
    w = Torch.pointer(weight.address());
    y = device.allocate(given.type(), m, n);
    check(cublasCreate_v2(handle));
  }

  @Override
  public void run() {
    Pointer out = Torch.pointer(y.address());
    check(
        cublasGemmEx(
            handle,
            CUBLAS_OP_T,
            CUBLAS_OP_N,
            n,
            m,
            k,
            one,
            w,
            type,
            k,
            x,
            type,
            k,
            zero,
            out,
            type,
            n,
            computed,
            CUBLAS_GEMM_DEFAULT));
  }

  private static void check(int status) {
    if (status != 0) {
      throw new IllegalStateException("cuBLAS answered status " + status);
    }
  }

  @Override
  public Tensor result() {
    return y;
  }

  @Override
  public String without() {
    return "bias";
  }

  @Override
  public String name() {
    return "y";
  }

  @Override
  public void close() {
    cublasDestroy_v2(handle);
    y.close();
  }
}
