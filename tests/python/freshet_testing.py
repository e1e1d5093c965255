"""Tables to test with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

KINDS = ("gaussian", "heavy-tailed", "ties", "constant-columns")


def table(kind: str, n_rows: int, n_columns: int, seed: int = 0) -> Floats:
    """Rows of one of `KINDS`."""
    rng = np.random.default_rng([seed, KINDS.index(kind), n_rows, n_columns])
    size = (n_rows, n_columns)
    if kind == "gaussian":
        return rng.normal(rng.normal(size=n_columns), 3.0, size)
    if kind == "heavy-tailed":
        X = rng.standard_t(2, size)
        X[:, 1::2] = rng.lognormal(0.0, 2.0, size)[:, 1::2]
        return X
    if kind == "ties":
        return rng.integers(-3, 5, size).astype(float)
    X = rng.normal(size=size)
    X[:, ::3] = -2.5
    X[:, 0] = 0.0 if n_columns > 1 else 1e6 + 0.1
    return X


def queries(kind: str, X: Floats) -> Floats:
    """Rows to score with a model trained on `X`: typical, training, edge and extreme ones."""
    held_out = table(kind, 3, X.shape[1], seed=1)
    low, high = X.min(axis=0), X.max(axis=0)
    spread = high - low + 1.0
    return np.vstack(
        [
            held_out,
            X[:2],
            X[-1:],
            np.median(X, axis=0),
            np.zeros(X.shape[1]),
            low,
            high,
            low - 0.01 * spread,
            high + 10.0 * spread,
            np.where(np.arange(X.shape[1]) % 2 == 0, low - 1e6, high + 1e6),
        ]
    )


def stream(n_rows: int, n_columns: int = 3, seed: int = 0) -> Floats:
    """A series with a daily rhythm, noise and a few anomalies."""
    rng = np.random.default_rng(seed)
    X = np.sin(np.arange(n_rows)[:, None] / 7.0 + np.arange(n_columns)) + rng.normal(
        0.0, 0.3, (n_rows, n_columns)
    )
    X[rng.random(n_rows) < 0.02] *= 5.0
    return X


def same(a: Any, b: Any) -> bool:
    """Whether two batches of results are the same to the bit."""
    return len(a) == len(b) and list(a) == list(b)


BACKENDS: list[tuple[str, dict[str, Any]]] = [
    ("ecod", {}),
    ("copod", {"variant": "paper"}),
    ("hbos", {"n_bins": "auto"}),
    ("loda", {"n_random_cuts": 40}),
    ("isolation_forest", {"n_estimators": 30, "max_features": 0.7}),
    ("mcd", {"support_fraction": 0.8}),
    ("one_class_svm", {"nu": 0.2, "gamma": "scale"}),
    ("knn", {"n_neighbors": 3, "method": "mean"}),
    ("local_outlier_factor", {"n_neighbors": 7}),
    ("cblof", {"n_clusters": 4, "use_weights": True}),
    ("suod", {"combination": "maximization"}),
    ("autoencoder", {"hidden_neuron_list": [8, 3], "epoch_num": 2}),
]
