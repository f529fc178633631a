"""The control that learns by back-propagation: a GRU over bytes, with Adam. Prints JSON for bench/flowing.py.

    python bench/flowing_gru.py CPU_SECONDS TRAIN HELD_OUT

Needs torch, one thread. Embedding 128, GRU 256, 0.40 M parameters, 8 streams, windows of 64 bytes, rate
0.003, clipped at 1; passes over TRAIN go on until the CPU seconds of training are over. Untuned.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

STREAMS, SPAN = 8, 64


def main() -> None:
    """Train, read what was held out, print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    budget = float(sys.argv[1])
    train, held = (torch.tensor(list(Path(name).read_bytes())) for name in sys.argv[2:4])
    length = len(train) // STREAMS
    streams = train[: length * STREAMS].view(STREAMS, length)
    embedding, gru, head = nn.Embedding(256, 128), nn.GRU(128, 256, batch_first=True), nn.Linear(256, 256)
    parameters = [*embedding.parameters(), *gru.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, 3e-3)
    began, read, state, at = time.process_time(), 0, None, 0
    while time.process_time() - began < budget:
        out, state = gru(embedding(streams[:, at : at + SPAN]), state)
        logits, state = head(out), state.detach()
        targets = streams[:, at + 1 : at + SPAN + 1]
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        read += targets.numel()
        at += SPAN
        if at + SPAN + 1 > length:
            at, state = 0, None
    seconds = time.process_time() - began
    with torch.no_grad():
        logits = head(gru(embedding(held[None, :-1]))[0])
        bits = float(functional.cross_entropy(logits[0], held[1:])) / math.log(2)
    print(json.dumps({"held_out_bpb": bits, "cpu_seconds": seconds, "bytes_trained": read}))


if __name__ == "__main__":
    main()
