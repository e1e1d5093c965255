"""Points and series, scored by trained bundles."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from freshet._core import read_rows
from freshet._rows import as_seconds
from freshet.errors import DataError
from freshet.server.bodies import json_response, read_json
from freshet.server.limits import require_size
from freshet.server.models.bundles import BundleDirectory
from freshet.server.openapi import operation
from freshet.server.problems import Problem
from freshet.server.schemas.points import PointRequest, PointResult, SeriesRequest, SeriesResult
from freshet.server.security import authorize_stream
from freshet.server.work import WorkPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from freshet.server.models.bundle import LoadedBundle
    from freshet.server.models.points import PointEngine

__all__ = ["router"]

#: Threads that score series.
_N_THREADS: Final = 2
#: Names of bundles that a problem mentions.
_MAX_NAMES: Final = 10


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = app.state.settings
    app.state.series_work = WorkPool("series", _N_THREADS)
    bundles: BundleDirectory | None = None
    if settings.models_dir is not None:
        bundles = BundleDirectory(
            settings.models_dir,
            app.state.metrics,
            default=settings.bundle,
            poll_seconds=settings.models_poll_seconds,
        )
        await asyncio.to_thread(bundles.start)
    app.state.bundles = bundles
    try:
        yield
    finally:
        if bundles is not None:
            await asyncio.to_thread(bundles.close)
        await asyncio.to_thread(app.state.series_work.close)


router = APIRouter(tags=["points"], lifespan=_lifespan)


@router.post(
    "/predict_point",
    response_model=PointResult,
    **operation("write", body=PointRequest, problems=[404, 409]),
)
async def predict_point(request: Request) -> Response:
    """Score the next point of a stream, and keep it. The first window of points is the warm-up.

    The answer comes when the point is stored. A point that is refused changes nothing.
    """
    body = await read_json(request, PointRequest)
    authorize_stream(request, body.stream_id)
    rows = _rows([body.value])
    require_size(request.app.state.settings, rows, field="value")
    values, columns = read_rows(rows)
    timestamp = None if body.timestamp is None else as_seconds(body.timestamp)
    engine: PointEngine = request.app.state.engine
    # Chosen now: of two requests the later one never comes to an older bundle.
    found = await engine.predict_point(
        body.stream_id,
        _bundle(request, body.bundle),
        values=values,
        columns=columns,
        timestamp=timestamp,
    )
    label = "anomaly" if found.is_anomaly else "normal"
    return json_response(
        {
            "stream_id": body.stream_id,
            "label": "warmup" if found.error is None else label,
            "error": found.error,
            "threshold": found.threshold,
            "samples_until_ready": found.samples_until_ready,
            "model_version": found.model_version,
        }
    )


@router.post(
    "/predict",
    response_model=SeriesResult,
    **operation("write", body=SeriesRequest, problems=[404]),
)
async def predict(request: Request) -> Response:
    """Score every window of a series. It goes into the log of predictions, and nowhere else."""
    received_at = round(time.time(), 6)
    body = await read_json(request, SeriesRequest)
    authorize_stream(request, body.stream_id)
    state = request.app.state
    require_size(state.settings, body.values, field="values")
    bundle = _bundle(request, body.bundle)
    scored: _Scored = await state.series_work.run(lambda: _score(bundle, body.values))
    engine: PointEngine = state.engine
    await engine.log_predictions(
        stream_id=body.stream_id,
        mode="batch",
        columns=bundle.columns,
        values=scored.rows,
        scores=scored.errors,
        raw_scores=scored.errors,
        is_anomaly=scored.is_anomaly,
        threshold=bundle.threshold,
        model_version=bundle.version,
        received_at=received_at,
    )
    return scored.response


def _bundle(request: Request, name: str | None) -> LoadedBundle:
    """Return the bundle of a name, or the service's own.

    Raises
    ------
    Problem
        503 if there is none at all, 404 if there is none of the name, 422 if it takes a name.
    """
    bundles: BundleDirectory | None = request.app.state.bundles
    serving = {} if bundles is None else bundles.serving
    if not serving:
        raise Problem(
            503,
            "The service has no bundle. Write one with freshet train, or with "
            "LSTMAutoencoder.save, into the directory that the setting models_dir "
            + ("should name" if bundles is None else "names"),
            id="bundle_missing",
            title="There is no bundle",
            expected="a bundle in models_dir",
            headers={"Retry-After": "5"},
        )
    assert bundles is not None
    found = bundles.default() if name is None else serving.get(name)
    if found is not None:
        return found
    names = sorted(serving)
    shown = ", ".join(names[:_MAX_NAMES]) + (", …" if len(names) > _MAX_NAMES else "")
    raise Problem(
        422 if name is None else 404,
        "There is no bundle for requests that name none"
        if name is None
        else f"There is no bundle {name}",
        id="bundle_unknown",
        title="There is no such bundle",
        field="bundle",
        expected=f"one of {shown}",
    )


@dataclass(frozen=True, slots=True)
class _Scored:
    """The rows that windows end at, the verdicts on them, and the answer."""

    rows: npt.NDArray[np.float64]
    errors: npt.NDArray[np.float64]
    is_anomaly: npt.NDArray[np.bool_]
    response: Response


def _score(bundle: LoadedBundle, values: list[Any]) -> _Scored:
    """Score a series; off the event loop."""
    matrix = _in_order(*read_rows(_rows(values)), bundle.columns)
    if len(matrix) < bundle.window:
        raise Problem(
            422,
            f"The series has {len(matrix)} rows",
            id="series_too_short",
            title="The series has no window",
            field="values",
            expected=f"at least {bundle.window} rows",
        )
    errors = bundle.estimator.score_rows(matrix)[bundle.window - 1 :]
    is_anomaly = errors > bundle.threshold
    response = json_response(
        {
            "errors": errors,
            "labels": np.where(is_anomaly, "anomaly", "normal").tolist(),
            "threshold": bundle.threshold,
            "window": bundle.window,
            "model_version": bundle.version,
        }
    )
    return _Scored(matrix[bundle.window - 1 :], errors, is_anomaly, response)


def _rows(values: list[Any]) -> list[Any]:
    """Return values as rows; a number is a row of one column."""
    rows = [one if isinstance(one, (list, dict)) else [one] for one in values]
    for i, row in enumerate(rows):
        for j, value in enumerate(row.values() if isinstance(row, dict) else row):
            # Python takes them for numbers, the document of the API does not.
            if isinstance(value, bool):
                raise DataError(
                    f"row {i}, column {j}: boolean, expected a finite number",
                    id="value_non_finite",
                    field="value",
                    expected="a finite number",
                    row=i,
                    column=j,
                )
    return rows


def _in_order(
    rows: npt.NDArray[np.float64], names: list[str] | None, columns: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    """Return rows with the columns of a bundle, in its order."""
    if names is None:
        return rows
    missing = [column for column in columns if column not in names]
    unknown = [name for name in names if name not in columns]
    if missing or unknown:
        what = "missing" if missing else "unknown"
        name = (missing or unknown)[0]
        raise DataError(
            f'row 0: column "{name}" is {what}',
            id=f"column_{what}",
            field=name,
            expected=f"the columns {', '.join(columns)}",
            row=0,
        )
    return rows[:, [names.index(column) for column in columns]]
