"""Predictions in MongoDB."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import bson.errors
import pymongo
from pymongo import errors, uri_parser
from pymongo.write_concern import WriteConcern

from freshet.server.prediction_log.finding import LATEST, Page, Search
from freshet.server.prediction_log.records import Key, Prediction, from_microseconds
from freshet.server.prediction_log.sinks import LogRefusedError, LogUnavailableError, hidden, parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymongo.collection import Collection

    from freshet.server.prediction_log.records import PredictionBlock

__all__ = ["MongoSink"]

_DATABASE: Final = "freshet"
_COLLECTION: Final = "predictions"
#: Documents that are deleted at once.
_CHUNK: Final = 5_000
_OPTIONS: Final[dict[str, Any]] = {
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 30_000,
    "appname": "freshet",
}
_IS_THERE_ALREADY: Final = 11_000
#: The server's codes for what it will refuse again: BadValue, an unsuitable name, a failed
#: validation, too large.
_REFUSED: Final = frozenset({2, 52, 55, 121, 10_334})
_LARGEST_INTEGER: Final = 2**63 - 1
_FIELDS: Final = tuple(name for name in Prediction.__slots__ if name not in ("timestamp", "values"))


class MongoSink:
    """The collection ``predictions`` of a database of MongoDB, or of what speaks its protocol.

    The ``_id`` of a document is its key as text, in the order of keys. ``timestamp`` is the same
    time for people and dashboards, in milliseconds as MongoDB has it.

    Parameters
    ----------
    url : str
        With the database as its path; ``freshet`` if there is none.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        parsed = uri_parser.parse_uri(url)
        given = {name.lower() for name in parsed["options"]}
        hosts = ",".join(f"{host}:{port}" for host, port in parsed["nodelist"])
        database = parsed["database"] or _DATABASE
        self.name = f"mongodb://{hosts}/{database}"
        self._client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            url, **{name: value for name, value in _OPTIONS.items() if name.lower() not in given}
        )
        concern = self._client.write_concern
        if concern.is_server_default:
            # Confirmed by the server's disk: what is confirmed leaves the spool.
            concern = WriteConcern(w="majority", j=True)
        self._collection: Collection[dict[str, Any]] = self._client[database].get_collection(
            _COLLECTION, write_concern=concern
        )
        self._has_index = False

    def write(self, blocks: Sequence[PredictionBlock]) -> None:
        """Add predictions; see `Sink`."""
        with self._errors():
            if not self._has_index:
                self._collection.create_index([("stream_id", 1), ("_id", 1)])
                self._has_index = True
            for part in parts(blocks):
                self._insert(list(map(_document, part)))

    def _insert(self, documents: list[dict[str, Any]]) -> None:
        try:
            self._collection.insert_many(documents, ordered=False)
        except errors.BulkWriteError as error:
            details = error.details or {}
            failed = [
                one
                for one in details.get("writeErrors", ())
                if one.get("code") != _IS_THERE_ALREADY
            ]
            if any(one.get("code") in _REFUSED for one in failed):
                raise LogRefusedError(
                    hidden(failed[0].get("errmsg"), self._url), id="log_refused"
                ) from None
            failed += details.get("writeConcernErrors", ())
            if failed:
                # Its own message holds the documents.
                raise errors.OperationFailure(str(failed[0].get("errmsg"))) from None

    def find(self, search: Search, after: Key | None, limit: int, *, is_descending: bool) -> Page:
        """Return predictions; see `Log`."""
        query = _query(search, after, is_descending)
        order = pymongo.DESCENDING if is_descending else pymongo.ASCENDING
        with self._errors():
            found = list(self._collection.find(query).sort("_id", order).limit(limit + 1))
        predictions = [_prediction(one) for one in found[:limit]]
        return Page(predictions, predictions[-1].key if len(found) > limit else None)

    def streams(self) -> list[str]:
        """Return what has predictions; see `Finder`."""
        steps: list[dict[str, Any]] = [
            {"$group": {"_id": "$stream_id"}},
            {"$sort": {"_id": 1}},
        ]
        with self._errors():
            found = list(self._collection.aggregate(steps))
        return [one["_id"] for one in found]

    def oldest_of_newest(self, n_rows: int) -> int | None:
        """Return the time of a prediction; see `Log`."""
        with self._errors():
            surplus = self._collection.estimated_document_count() - n_rows
            if surplus <= 0:
                return None
            # From the old end, where few are too many.
            found = list(
                self._collection.find({}, {"_id": 1}).sort("_id", 1).skip(surplus).limit(1)
            )
        return _microseconds(found[0]["_id"]) if found else None

    def delete_before(self, microseconds: int) -> Iterator[int]:
        """Delete what is older, in parts; see `Log`."""
        is_older = {"_id": {"$lt": _moment(microseconds)}}
        while True:
            with self._errors():
                cursor = self._collection.find(is_older, {"_id": 1}).sort("_id", 1)
                last = list(cursor.skip(_CHUNK - 1).limit(1))
                part = {"_id": {"$lte": last[0]["_id"]}} if last else is_older
                count = self._collection.delete_many(part).deleted_count
            if count:
                yield count
            if not last:
                return

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (bson.errors.BSONError, errors.DocumentTooLarge, errors.InvalidName) as error:
            raise LogRefusedError(hidden(error, self._url), id="log_refused") from None
        except errors.PyMongoError as error:
            raise LogUnavailableError(
                f"the log {self.name} does not work: {hidden(error, self._url)}",
                id="log_unavailable",
            ) from None


def _document(prediction: Prediction) -> dict[str, Any]:
    document: dict[str, Any] = {
        "_id": _id(prediction.key),
        "timestamp": prediction.timestamp,
    }
    for name in _FIELDS:
        document[name] = getattr(prediction, name)
    document["values"] = _stored(prediction.values)
    return document


def _prediction(document: dict[str, Any]) -> Prediction:
    values = document["values"]
    return Prediction(
        timestamp=from_microseconds(_microseconds(document["_id"])),
        values={one["name"]: one["value"] for one in values}
        if isinstance(values, list)
        else values,
        **{name: document[name] for name in _FIELDS},
    )


def _stored(values: dict[str, Any]) -> dict[str, Any] | list[dict[str, Any]]:
    """Return a row as a document or, where a name cannot be a field's, as a list of cells."""
    # MongoDB has no larger integers.
    values = {
        name: float(value) if isinstance(value, int) and abs(value) > _LARGEST_INTEGER else value
        for name, value in values.items()
    }
    if any(not name or name.startswith("$") or "." in name or "\0" in name for name in values):
        return [{"name": name, "value": value} for name, value in values.items()]
    return values


def _moment(microseconds: int) -> str:
    """Return what the ``_id`` of predictions of a time begins with."""
    return f"{min(max(microseconds, 0), LATEST):016d}"


def _id(key: Key) -> str:
    # Of one width up to the stream, so that texts are in the order of keys.
    return f"{_moment(key.microseconds)}/{key.incarnation}/{key.position:012d}/{key.stream_id}"


def _microseconds(identity: str) -> int:
    return int(identity[:16])


def _query(search: Search, after: Key | None, is_descending: bool) -> dict[str, Any]:
    """Return what MongoDB calls a filter."""
    conditions: list[dict[str, Any]] = [
        {name: value}
        for name in ("stream_id", "label", "mode", "model_version", "bundle")
        if (value := getattr(search, name)) is not None
    ]
    if search.prefixes is not None:
        conditions.append({"$or": [_begins(one) for one in search.prefixes] or [_NOTHING]})
    if search.since is not None:
        conditions.append({"_id": {"$gte": _moment(search.since)}})
    if search.until is not None:
        conditions.append({"_id": {"$lt": _moment(search.until)}})
    if search.min_score is not None:
        conditions.append({"score": {"$gte": search.min_score}})
    if after is not None:
        conditions.append({"_id": {"$lt" if is_descending else "$gt": _id(after)}})
    return {"$and": conditions} if conditions else {}


_NOTHING: Final[dict[str, Any]] = {"stream_id": {"$in": []}}


def _begins(prefix: str) -> dict[str, Any]:
    # No regular expression, which every server would read in its own way. A range, up to the last
    # character that there is.
    return {"stream_id": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}}
