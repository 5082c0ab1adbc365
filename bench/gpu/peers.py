# SPDX-FileCopyrightText: The Lorikeet authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of bench/gpu: the cases of bench.cpp, timed the same way.

Usage: peers.py SECONDS ROUND. Prints a line of JSON a case and contender: `torch` is eager PyTorch
(LoRA as PEFT composes it, cuBLAS behind F.linear), `sdpa-*` one backend of its attention.
"""

import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

SECONDS, ROUND = float(sys.argv[1]), int(sys.argv[2])
BATCH, TOKENS, HEADS, HEAD_DIM, HIDDEN = 64, 197, 12, 64, 3072
WIDTH, ROWS, RANK = HEADS * HEAD_DIM, 64 * 197, 16
DROPOUT, SCALING = 0.1, 2.0

flushed = torch.empty(64 << 20, dtype=torch.float32, device="cuda")


def numbers(*sizes, grad=False):
    return (torch.rand(*sizes, device="cuda") * 2 - 1).bfloat16().requires_grad_(grad)


def microseconds(body):
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    flushed.zero_()
    begin.record()
    body()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1e3


def report(case, by, body):
    try:
        for _ in range(3):
            body()
        torch.cuda.synchronize()
    except RuntimeError as error:
        if ROUND == 1:
            print(f"skipped: {case} by {by}: {str(error).splitlines()[0]}")
        return
    times, begun = [], time.monotonic()
    while not times or time.monotonic() - begun < SECONDS:
        times.append(microseconds(body))
    print(
        json.dumps(
            {
                "case": case,
                "by": by,
                "device": torch.cuda.get_device_name(),
                "dtype": "bf16",
                "round": ROUND,
                "calls": len(times),
                "us": round(statistics.median(times), 2),
            }
        ),
        flush=True,
    )


def report_both(case, by, forward, inputs, shape):
    """The forward pass as training runs it, and the gradients of `inputs`."""
    report(f"{case}_forward", by, forward)
    try:
        y, dy = forward(), numbers(*shape)
    except RuntimeError:
        return  # said above
    report(
        f"{case}_backward", by, lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)
    )


def lora_plain(x, w, bias, a, b):
    dropped = F.dropout(x, DROPOUT)
    return F.linear(x, w, bias) + F.linear(F.linear(dropped, a), b) * SCALING


def lora_merged(x, w, bias, a, b):
    """Queries and values adapted: a [2 rank, k], b [2 width, rank], zeros for the keys."""
    ranks = F.linear(F.dropout(x, DROPOUT), a)
    q = F.linear(ranks[:, :RANK], b[:WIDTH])
    v = F.linear(ranks[:, RANK:], b[WIDTH:])
    update = torch.cat([q, torch.zeros_like(q), v], dim=1)
    return F.linear(x, w, bias) + update * SCALING


def lora():
    x, w, bias = numbers(ROWS, WIDTH, grad=True), numbers(3 * WIDTH, WIDTH), numbers(3 * WIDTH)
    for name, layer, groups, columns in (
        ("plain", lora_plain, 1, 3 * WIDTH),
        ("merged", lora_merged, 2, 2 * WIDTH),
    ):
        a = numbers(groups * RANK, WIDTH, grad=True)
        b = numbers(columns, RANK, grad=True)
        report_both(
            f"lora_{name}", "torch", lambda: layer(x, w, bias, a, b), (x, a, b), (ROWS, 3 * WIDTH)
        )


def linear():
    x, w, bias = numbers(ROWS, WIDTH), numbers(3 * WIDTH, WIDTH), numbers(3 * WIDTH)
    dy = numbers(ROWS, 3 * WIDTH)
    report("linear_qkv_forward", "torch", lambda: F.linear(x, w, bias))
    report("linear_qkv_input_gradient", "torch", lambda: dy @ w)
    report("linear_qkv_weight_gradient", "torch", lambda: dy.t() @ x)
    w1, bias1 = numbers(HIDDEN, WIDTH), numbers(HIDDEN)
    report("linear_fc1_gelu_forward", "torch", lambda: F.gelu(F.linear(x, w1, bias1)))
    wide, w2, bias2 = numbers(ROWS, HIDDEN), numbers(WIDTH, HIDDEN), numbers(WIDTH)
    report("linear_fc2_residual_forward", "torch", lambda: x + F.linear(wide, w2, bias2))


def attention():
    backends = {
        "sdpa-flash": SDPBackend.FLASH_ATTENTION,
        "sdpa-efficient": SDPBackend.EFFICIENT_ATTENTION,
        "sdpa-cudnn": getattr(SDPBackend, "CUDNN_ATTENTION", None),
    }
    for tokens in (197, 785):
        qkv = numbers(BATCH, tokens, 3, HEADS, HEAD_DIM, grad=True)

        def forward():
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
            return F.scaled_dot_product_attention(q, k, v)

        for name, backend in backends.items():
            if backend is None:
                continue
            with sdpa_kernel(backend):
                report_both(
                    f"attention_{tokens}", name, forward, (qkv,), (BATCH, HEADS, tokens, HEAD_DIM)
                )


def layer_norm():
    x = numbers(ROWS, WIDTH, grad=True)
    gamma, beta = numbers(WIDTH, grad=True), numbers(WIDTH, grad=True)
    report_both(
        "layer_norm",
        "torch",
        lambda: F.layer_norm(x, (WIDTH,), gamma, beta, 1e-6),
        (x, gamma, beta),
        (ROWS, WIDTH),
    )


if __name__ == "__main__":
    torch.manual_seed(1)
    lora()
    linear()
    attention()
    layer_norm()
