"""The LSTM autoencoder of lstm.cpp in PyTorch: ``torch_side.py THREADS ROUNDS MILLISECONDS``.

Prints JSON: the least mean times in ns. Run by lstm.py with whichever Python has PyTorch, so
nothing else is imported here.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

# As in lstm.cpp.
N_STEPS = 48
N_WINDOWS = 256
BATCH_SIZE = 64
TRAINING_HIDDEN_SIZE = 32
HIDDEN_SIZES = (16, 32, 64)


class Autoencoder(nn.Module):
    """Windows in, their reconstructions out."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.encoder = nn.LSTM(1, hidden_size, batch_first=True)
        self.decoder = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.output = nn.Linear(hidden_size, 1)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Return the reconstructions; rows of steps, one column."""
        _, (hidden, _) = self.encoder(windows)
        code = hidden[-1].unsqueeze(1).expand(-1, windows.shape[1], -1)
        return self.output(self.decoder(code)[0])


def scoring(network: Autoencoder, windows: torch.Tensor) -> Callable[[], object]:
    def run() -> object:
        with torch.no_grad():
            return ((network(windows) - windows) ** 2).mean(dim=(1, 2))

    return run


def training(network: Autoencoder, windows: torch.Tensor) -> Callable[[], object]:
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)

    def run() -> object:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(windows), windows)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return run


def mean_ns(run: Callable[[], object], milliseconds: float) -> float:
    """Return the mean time of a call, of as many as take so long."""
    run()
    n_calls = 0
    began = now = time.perf_counter_ns()
    while now - began < milliseconds * 1e6:
        run()
        n_calls += 1
        now = time.perf_counter_ns()
    return (now - began) / n_calls


def blas() -> str:
    """Return what multiplies matrices: Debian's PyTorch takes whichever BLAS is installed."""
    if torch.backends.mkl.is_available():
        return "MKL"
    loaded = Path("/proc/self/maps").read_text("utf-8")
    names = set(re.findall(r"/(lib[^/\s]*blas[^/\s]*)\.so", loaded))
    # Other implementations are loaded by the reference's name too.
    others = sorted(names - {"libblas"})
    return others[0] if others else "the reference BLAS" if names else "its own BLAS"


def main() -> None:
    n_threads, n_rounds, milliseconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    torch.set_num_threads(n_threads)
    torch.manual_seed(0)
    windows = torch.randn(N_WINDOWS, N_STEPS, 1)
    cases: dict[str, tuple[float, Callable[[], object]]] = {}
    for hidden_size in HIDDEN_SIZES:
        network = Autoencoder(hidden_size).eval()
        cases[f"one/{hidden_size}"] = (1, scoring(network, windows[:1]))
        cases[f"many/{hidden_size}"] = (N_WINDOWS, scoring(network, windows))
    cases["training"] = (1, training(Autoencoder(TRAINING_HIDDEN_SIZE), windows[:BATCH_SIZE]))
    best = {
        name: min(mean_ns(run, milliseconds) for _ in range(n_rounds)) / n_items
        for name, (n_items, run) in cases.items()
    }
    json.dump({"version": torch.__version__, "blas": blas(), "best_ns": best}, sys.stdout)


if __name__ == "__main__":
    main()
