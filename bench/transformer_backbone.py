"""The window beside full attention: tokens a second of the same weights, by the length of the text.

Usage: python bench/transformer_backbone.py [--json FILE] [--size xs|s|m] [--lengths N...] [--device cpu|cuda]

Forward only, one stream, one thread on a CPU; there a second is one of process time, so that other work
does not count. The control is the same model whose attention is `is_causal` over the whole text, without a
band. On a GPU both run in bfloat16, and the control may use FlashAttention.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional

from nexus.transformer import backbone
from nexus.transformer.backbone import Backbone
from nexus.transformer.config import Config
from nexus.transformer.rope import Rotation

PIECE = 4096  # tokens of one call on the window: what is streamed needs no more memory than that


class Full:
    """Attention over the whole text. Heads that share keys are spread out, which costs it less than 1 %."""

    def __init__(self, config: Config, length: int, device: str) -> None:
        self.rotation = Rotation(config.head_width, -(-length // 2), config.rope_base).to(device)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, rotation: Rotation, window: int) -> Tensor:
        shared = query.shape[1] // key.shape[1]
        return functional.scaled_dot_product_attention(
            self.rotation(query, 0),
            self.rotation(key, 0).repeat_interleave(shared, 1),
            value.repeat_interleave(shared, 1),
            is_causal=True,
        )


def clock(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def window_run(net: Backbone, tokens: Tensor) -> None:
    past = None
    for piece in torch.split(tokens, PIECE, dim=1):
        hidden, past = net(piece, past)
        net.logits(hidden[:, -1:])


def full_run(net: Backbone, tokens: Tensor, full: Full) -> None:
    with mock.patch.object(backbone, "attend", full):
        hidden, _ = net(tokens)
    net.logits(hidden[:, -1:])


def measured(net: Backbone, length: int, device: str, runs: int) -> dict[str, Any]:
    tokens = torch.randint(0, net.config.vocabulary, (1, length), device=device)
    full = Full(net.config, length, device)
    seconds: dict[str, list[float]] = {"window": [], "full": []}
    for _ in range(runs):
        for name in seconds:
            began = clock(device)
            if name == "window":
                window_run(net, tokens)
            else:
                full_run(net, tokens, full)
            seconds[name].append(clock(device) - began)
    rate = {name: length / statistics.median(each) for name, each in seconds.items()}
    return {"tokens": length, **{f"{n}_tokens_per_second": round(r, 1) for n, r in rate.items()}} | {
        "ratio": round(rate["window"] / rate["full"], 3)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", choices=["xs", "s", "m"], default="xs")
    parser.add_argument("--lengths", type=int, nargs="+", default=[2048, 4096, 8192, 16384, 32768])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config: Config = getattr(Config, asked.size)()
    net = Backbone(config).eval().to(asked.device)
    if asked.device == "cuda":
        net = net.bfloat16()
    rows = []
    with torch.inference_mode():
        window_run(net, torch.zeros(1, 512, dtype=torch.int64, device=asked.device))
        for length in asked.lengths:
            rows.append(measured(net, length, asked.device, asked.runs))
            row = rows[-1]
            print(
                f"{row['tokens']:>7} tokens: window {row['window_tokens_per_second']:>10,.0f} tok/s, "
                f"full attention {row['full_tokens_per_second']:>10,.0f}, ratio {row['ratio']:.2f}",
                flush=True,
            )
    result = {
        "size": asked.size,
        "weights": sum(p.numel() for p in net.parameters()),
        "device": torch.cuda.get_device_name() if asked.device == "cuda" else platform.processor() or "cpu",
        "torch": torch.__version__,
        "runs": asked.runs,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "lengths": rows,
    }
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
