"""What ``./dev bench service`` holds ours against: a service as a known one describes itself.

FastAPI, PyOD and Polars on one event loop. Every stream has a window of rows in a Polars frame. A
point is appended to it, the features are recomputed over the whole window by ``rolling_*``, PyOD
scores the newest row, and every so many points a new detector is fitted to the window. Scoring and
training run where the request is handled, so that nothing else is answered meanwhile.

It does no more than that for a point, and what costs nothing to do well is done well: uvloop and
httptools serve it, columns are appended without copies, features are computed only if there are
any, and answers are not validated. State is in memory only.
"""

from __future__ import annotations

import argparse
import math
import warnings
from typing import Annotated, Any

import numpy as np
import polars as pl
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from peer import DETECTORS
from pydantic import BaseModel, Field

#: Pieces that a window may consist of before it is copied into one.
MAX_CHUNKS = 64

app = FastAPI()
streams: dict[str, Stream] = {}


class Request(BaseModel):
    """The body of a request; the other fields decide when the stream begins."""

    model: str = "default-stream"
    data: dict[str, float] | list[dict[str, float]] | list[list[float]]
    backend: str = "ecod"
    min_samples: Annotated[int, Field(ge=10)] = 50
    retrain_interval: Annotated[int, Field(ge=10)] = 100
    window_size: Annotated[int, Field(ge=50)] = 1000
    threshold: float = 0.5
    rolling_windows: list[int] | None = None
    include_lags: bool = False
    lag_periods: list[int] | None = None


class Stream:
    """A window, and the detector that was last fitted to it."""

    def __init__(self, settings: Request) -> None:
        self._settings = settings
        self._window: pl.DataFrame | None = None
        self._expressions: list[pl.Expr] = []
        self._model: Any = None
        self._since_fit = 0
        self.version = 0

    def process(self, row: dict[str, float]) -> dict[str, Any]:
        """Append a row and score it; train if that is due."""
        self._append(row)
        if self._model is None:
            if self.samples_until_ready == 0:
                self._train()
            return {"score": None, "is_anomaly": None, "raw_score": None}
        features = self._features()
        raw = float(self._model.decision_function(features[-1:])[0])
        score = 1.0 / (1.0 + math.exp(-(raw - self._mean) / self._std))
        self._since_fit += 1
        if self._since_fit >= self._settings.retrain_interval:
            self._train()
        is_anomaly = score > self._settings.threshold
        return {"score": score, "is_anomaly": is_anomaly, "raw_score": raw}

    @property
    def samples_collected(self) -> int:
        """Rows in the window."""
        return 0 if self._window is None else len(self._window)

    @property
    def samples_until_ready(self) -> int:
        """Rows that are missing before the first training."""
        return max(self._settings.min_samples - self.samples_collected, 0)

    def _append(self, row: dict[str, float]) -> None:
        newest = pl.DataFrame({name: [value] for name, value in row.items()})
        if self._window is None:
            self._window = newest
            self._expressions = self._features_of(newest.columns)
            return
        window = self._window.vstack(newest).tail(self._settings.window_size)
        self._window = window.rechunk() if window.n_chunks() > MAX_CHUNKS else window

    def _features_of(self, columns: list[str]) -> list[pl.Expr]:
        settings = self._settings
        rolling = [
            getattr(pl.col(column), f"rolling_{statistic}")(width, min_samples=1)
            .fill_null(0.0)
            .alias(f"{column}_rolling_{statistic}_{width}")
            for column in columns
            for width in settings.rolling_windows or []
            for statistic in ("mean", "std", "min", "max")
        ]
        lags = [
            pl.col(column).shift(period).fill_null(0.0).alias(f"{column}_lag_{period}")
            for column in columns
            for period in (settings.lag_periods or [] if settings.include_lags else [])
        ]
        return rolling + lags

    def _features(self) -> np.ndarray:
        assert self._window is not None
        if not self._expressions:
            return self._window.tail(1).to_numpy()
        return self._window.with_columns(self._expressions).to_numpy()

    def _train(self) -> None:
        assert self._window is not None
        model = DETECTORS[self._settings.backend]()
        model.fit(self._window.with_columns(self._expressions).to_numpy())
        scores = model.decision_scores_
        self._mean, self._std = float(scores.mean()), float(scores.std()) or 1.0
        self._model = model
        self._since_fit = 0
        self.version += 1


@app.post("/v1/ml/anomaly/stream")
async def process(request: Request) -> JSONResponse:
    """Score the points of a request, one after the other."""
    rows = [request.data] if isinstance(request.data, dict) else request.data
    stream = streams.get(request.model)
    if stream is None:
        stream = streams[request.model] = Stream(request)
    results = []
    for index, row in enumerate(rows):
        values = row if isinstance(row, dict) else {f"f{j}": x for j, x in enumerate(row)}
        verdict = stream.process(values)
        results.append(
            {"index": index, **verdict, "samples_until_ready": stream.samples_until_ready}
        )
    return JSONResponse(
        {
            "object": "streaming_result",
            "model": request.model,
            "status": "ready" if stream.version else "collecting",
            "results": results,
            "model_version": stream.version,
            "samples_collected": stream.samples_collected,
            "samples_until_ready": stream.samples_until_ready,
            "threshold": request.threshold,
        }
    )


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that requests are answered."""
    return {"status": "healthy"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=14345)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    uvicorn.run(app, host=options.host, port=options.port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
