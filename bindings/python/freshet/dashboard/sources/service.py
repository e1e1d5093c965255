"""The predictions of a service, asked for over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import requests

from freshet._secrets import without_secrets
from freshet.dashboard.contributions import rebuilt
from freshet.dashboard.problems import ServiceError
from freshet.dashboard.sources.predictions import Found, FoundPage, PredictionFeed

if TYPE_CHECKING:
    from freshet.dashboard.contributions import Contributions
    from freshet.dashboard.options import DetectorOptions
    from freshet.dashboard.points import Points

__all__ = ["ServiceSource"]

_TIMEOUT_SECONDS: Final = (5.0, 30.0)
#: Of one answer, as the service has it.
_MOST_PER_ANSWER: Final = 1000


class ServiceSource:
    """Verdicts of a service.

    Parameters
    ----------
    url : str
        Such as ``http://localhost:14345``.
    api_key : str, optional
    """

    has_detector = False

    def __init__(self, url: str, api_key: str | None = None) -> None:
        url = url.rstrip("/")
        self.name = without_secrets(url)
        self._base = f"{url}/v1/ml/anomaly"
        self._session = requests.Session()
        if api_key:
            self._session.headers["Authorization"] = f"Bearer {api_key}"

    def streams(self) -> list[str]:
        """Return the streams, and whatever else has predictions lately; see `Source`."""
        known = self._get("/stream/detectors")["data"]
        # Batches, and streams that were deleted, have predictions too.
        latest = self._get("/predictions", limit=_MOST_PER_ANSWER)["data"]
        return sorted({one["model_id"] for one in known} | {one["stream_id"] for one in latest})

    def feed(self, stream: str, limit: int) -> PredictionFeed:
        """Return a stream's newest predictions; see `Source`."""

        def read(since: datetime | None, is_descending: bool, after: Any, n: int) -> FoundPage:
            answer = self._get(
                "/predictions",
                stream_id=stream,
                since=None if since is None else since.isoformat(),
                order="desc" if is_descending else "asc",
                cursor=after,
                limit=min(n, _MOST_PER_ANSWER),
            )
            return FoundPage(list(map(_found, answer["data"])), answer["next_cursor"])

        return PredictionFeed(read, limit)

    def explain(self, points: Points, identity: int, fallback: DetectorOptions) -> Contributions:
        """Explain a row by a detector made now; see `Source`."""
        return rebuilt(points, identity, fallback.backend, fallback.contamination)

    def _get(self, path: str, **query: Any) -> Any:
        response = self._session.get(
            self._base + path, params=query, timeout=_TIMEOUT_SECONDS, allow_redirects=False
        )
        if response.status_code == 200:
            return response.json()
        raise ServiceError(response.status_code, _said(response))


def _said(response: requests.Response) -> str:
    try:
        problem = response.json()
        return str(problem.get("detail") or problem.get("title"))
    except (ValueError, AttributeError):
        return response.reason


def _found(one: dict[str, Any]) -> Found:
    return Found(
        # Python 3.10 does not know Z.
        datetime.fromisoformat(one["timestamp"].replace("Z", "+00:00")),
        one["index"], one["incarnation"], one["score"], one["raw_score"], one["threshold"],
        one["label"], one["model_version"], one["row_timestamp"], one["values"],
    )  # fmt: skip
