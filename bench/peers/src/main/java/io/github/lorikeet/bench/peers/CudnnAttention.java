// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import static org.bytedeco.cuda.global.cudnn.*;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.cuda.cudnn.cudnnBackendDescriptor_t;
import org.bytedeco.cuda.cudnn.cudnnContext;
import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * Attention by cuDNN's scaled dot product operation, over the packed qkv [batch, tokens, 3, heads,
 * d] in place: an operation, a graph of it, the engine that cuDNN's heuristics put first, a plan.
 */
final class CudnnAttention implements CudaPeers.CudaBody {
  private static final long Q = 1;
  private static final long K = 2;
  private static final long V = 3;
  private static final long OUT = 4;
  private static final long SCALE = 5;

  private final cudnnContext handle = new cudnnContext();
  private final List<cudnnBackendDescriptor_t> all = new ArrayList<>();
  private final FloatPointer scale;
  private final Tensor out;
  private final Tensor workspace;
  private final cudnnBackendDescriptor_t plan;
  private final cudnnBackendDescriptor_t pack;

  CudnnAttention(Body body, Device device) {
    Tensor qkv = body.tensors().get("qkv");
    long b = qkv.size(0);
    long t = qkv.size(1);
    long h = qkv.size(3);
    long d = qkv.size(4);
    int type = qkv.type() == DType.BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF;
    scale = new FloatPointer(1 / (float) Math.sqrt(d));
    out = device.allocate(qkv.type(), b, t, h, d);
    check(cudnnCreate(handle));
    long[] sizes = {b, h, t, d};
    long[] packed = {t * 3 * h * d, d, 3 * h * d, 1};
    long[] rows = {t * h * d, d, h * d, 1};
    cudnnBackendDescriptor_t operation = create(CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
    set(operation, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, tensor(Q, type, sizes, packed, false));
    set(operation, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, tensor(K, type, sizes, packed, false));
    set(operation, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, tensor(V, type, sizes, packed, false));
    set(operation, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, tensor(OUT, type, sizes, rows, false));
    long[] ones = {1, 1, 1, 1};
    set(
        operation,
        CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC,
        tensor(SCALE, CUDNN_DATA_FLOAT, ones, ones, true));
    check(cudnnBackendFinalize(operation));
    plan = plan(operation);
    long bytes = workspaceBytes();
    workspace = bytes == 0 ? null : device.allocate(DType.U8, bytes);
    pack = pack(qkv, h * d * qkv.type().bytes());
  }

  private cudnnBackendDescriptor_t create(int kind) {
    cudnnBackendDescriptor_t descriptor = new cudnnBackendDescriptor_t();
    check(cudnnBackendCreateDescriptor(kind, descriptor));
    all.add(descriptor);
    return descriptor;
  }

  private static void set(
      cudnnBackendDescriptor_t descriptor, int attribute, cudnnBackendDescriptor_t value) {
    set(descriptor, attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, new PointerPointer<>(value));
  }

  private static void set(
      cudnnBackendDescriptor_t descriptor, int attribute, int type, long count, Pointer values) {
    check(cudnnBackendSetAttribute(descriptor, attribute, type, count, values));
  }

  private cudnnBackendDescriptor_t tensor(
      long id, int type, long[] sizes, long[] strides, boolean byValue) {
    cudnnBackendDescriptor_t tensor = create(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    set(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, new IntPointer(type));
    set(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, new LongPointer(sizes));
    set(tensor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, new LongPointer(strides));
    set(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, new LongPointer(new long[] {id}));
    set(
        tensor,
        CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT,
        CUDNN_TYPE_INT64,
        1,
        new LongPointer(new long[] {16}));
    set(
        tensor,
        CUDNN_ATTR_TENSOR_IS_BY_VALUE,
        CUDNN_TYPE_BOOLEAN,
        1,
        new BoolPointer(1).put(byValue));
    check(cudnnBackendFinalize(tensor));
    return tensor;
  }

  private cudnnBackendDescriptor_t plan(cudnnBackendDescriptor_t operation) {
    cudnnBackendDescriptor_t graph = create(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    PointerPointer<Pointer> context = new PointerPointer<>(handle);
    set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, context);
    set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
    check(cudnnBackendFinalize(graph));
    cudnnBackendDescriptor_t heuristics = create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    set(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set(
        heuristics,
        CUDNN_ATTR_ENGINEHEUR_MODE,
        CUDNN_TYPE_HEUR_MODE,
        1,
        new IntPointer(CUDNN_HEUR_MODE_A));
    check(cudnnBackendFinalize(heuristics));
    cudnnBackendDescriptor_t engine = create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    LongPointer found = new LongPointer(1);
    check(
        cudnnBackendGetAttribute(
            heuristics,
            CUDNN_ATTR_ENGINEHEUR_RESULTS,
            CUDNN_TYPE_BACKEND_DESCRIPTOR,
            1,
            found,
            new PointerPointer<>(engine)));
    if (found.get() < 1) {
      throw new IllegalStateException("cuDNN has no engine for this attention");
    }
    cudnnBackendDescriptor_t made = create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set(made, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, context);
    set(made, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine);
    check(cudnnBackendFinalize(made));
    return made;
  }

  private long workspaceBytes() {
    LongPointer bytes = new LongPointer(1);
    check(
        cudnnBackendGetAttribute(
            plan,
            CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
            CUDNN_TYPE_INT64,
            1,
            new LongPointer(1),
            bytes));
    return bytes.get();
  }

  /**
   * @param step bytes from q to k, and from k to v
   */
  private cudnnBackendDescriptor_t pack(Tensor qkv, long step) {
    cudnnBackendDescriptor_t made = create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    long at = qkv.address();
    PointerPointer<Pointer> data =
        new PointerPointer<>(
            Torch.pointer(at),
            Torch.pointer(at + step),
            Torch.pointer(at + 2 * step),
            Torch.pointer(out.address()),
            scale);
    LongPointer ids = new LongPointer(new long[] {Q, K, V, OUT, SCALE});
    set(made, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 5, ids);
    set(made, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 5, data);
    if (workspace != null) {
      set(
          made,
          CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
          CUDNN_TYPE_VOID_PTR,
          1,
          new PointerPointer<>(Torch.pointer(workspace.address())));
    }
    check(cudnnBackendFinalize(made));
    return made;
  }

  @Override
  public void run() {
    check(cudnnBackendExecute(handle, plan, pack));
  }

  private static void check(int status) {
    if (status != 0) {
      throw new IllegalStateException("cuDNN: " + cudnnGetErrorString(status).getString());
    }
  }

  @Override
  public Tensor result() {
    return out;
  }

  @Override
  public String without() {
    return null;
  }

  @Override
  public String name() {
    return "out";
  }

  @Override
  public void close() {
    all.reversed().forEach(descriptor -> cudnnBackendDestroyDescriptor(descriptor));
    cudnnDestroy(handle);
    out.close();
    if (workspace != null) {
      workspace.close();
    }
  }
}
