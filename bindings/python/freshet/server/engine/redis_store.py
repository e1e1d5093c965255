"""Streams that replicas share through Redis.

Every stream has a log of events in a Redis stream whose ids are the events' positions, and a hash
that says which position is the last. One script appends an event if nobody has come before whoever
wants it; otherwise it says what was missed. So every event gets one position, and every replica
that applies the events in their order gets to the state that one process would have.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import orjson
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from freshet import __version__
from freshet.server.engine.changes import Change, ModelBytes, SnapshotBytes, StoreError, StreamInfo
from freshet.server.engine.events import Create, Event, decode
from freshet.server.engine.recovery import Recovery, StoredSnapshot, digest_of
from freshet.server.engine.store import Missed, Proposal

__all__ = ["RedisStore"]

_PREFIX: Final = "freshet"
_STREAMS: Final = f"{_PREFIX}:streams"
_FIELD: Final = b"e"
_PARTS: Final = ("head", "events", "snapshots", "models", "published")
#: Events that a replica is told at most when it has missed some; with more it recovers.
_MISSED_AT_MOST: Final = 1000
_SNAPSHOTS_KEPT: Final = 2

# KEYS: head, events, models, published, the names of all streams. ARGV: incarnation, sequence,
# created, info, the number of models, the stream's name, a digest and the bytes of each model, the
# events. Answers {1} when the events have happened, {0, missed events …} when others have come
# before and are kept one by one, {-1} when the state has to be recovered.
_APPEND: Final = """
local head = redis.call('HMGET', KEYS[1], 'incarnation', 'sequence')
local incarnation, sequence = head[1], tonumber(head[2])
local first_event = 7 + 2 * tonumber(ARGV[5])
if not incarnation then
  if ARGV[1] ~= '' then return {-1} end
  if #ARGV < first_event then return {1} end
  sequence = 0
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'incarnation', ARGV[3], 'info', ARGV[4])
  redis.call('SADD', KEYS[5], ARGV[6])
elseif incarnation ~= ARGV[1] then
  return {-1}
elseif sequence ~= tonumber(ARGV[2]) then
  local first = string.format('%.0f-0', tonumber(ARGV[2]) + 1)
  local missed = redis.call('XRANGE', KEYS[2], first, '+', 'COUNT', LIMIT)
  if #missed == 0 or missed[1][1] ~= first then return {-1} end
  local answer = {0}
  for _, one in ipairs(missed) do answer[#answer + 1] = one[2][2] end
  return answer
end
for i = first_event, #ARGV do
  sequence = sequence + 1
  redis.call('XADD', KEYS[2], string.format('%.0f-0', sequence), 'e', ARGV[i])
end
for i = 7, first_event - 1, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[4], ARGV[i], sequence)
end
redis.call('HSET', KEYS[1], 'sequence', sequence)
return {1}
""".replace("LIMIT", str(_MISSED_AT_MOST))

# KEYS: head, events, snapshots, models, published. ARGV: incarnation, sequence, info, the snapshot.
# Keeps the snapshot and the one before it; forgets older ones, and the events and models that only
# they needed.
_KEEP: Final = """
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'info', ARGV[3])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
local kept = {}
for _, one in ipairs(redis.call('HKEYS', KEYS[3])) do kept[#kept + 1] = tonumber(one) end
table.sort(kept, function(a, b) return a > b end)
for i = KEPT + 1, #kept do redis.call('HDEL', KEYS[3], string.format('%.0f', kept[i])) end
if #kept < KEPT then return 1 end
redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', kept[KEPT] + 1))
local published = redis.call('HGETALL', KEYS[5])
for i = 1, #published, 2 do
  if tonumber(published[i + 1]) <= kept[KEPT] then
    redis.call('HDEL', KEYS[4], published[i])
    redis.call('HDEL', KEYS[5], published[i])
  end
end
return 1
""".replace("KEPT", str(_SNAPSHOTS_KEPT))

# KEYS: the names of all streams, head, events, snapshots, models, published. ARGV: incarnation, the
# stream's name.
_REMOVE: Final = """
if redis.call('HGET', KEYS[2], 'incarnation') ~= ARGV[1] then return 0 end
redis.call('SREM', KEYS[1], ARGV[2])
return redis.call('DEL', unpack(KEYS, 2))
"""

# KEYS: head, snapshots, where to put it. ARGV: incarnation, sequence, what is said about it.
_QUARANTINE: Final = """
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then return 0 end
local data = redis.call('HGET', KEYS[2], ARGV[2])
if not data then return 0 end
redis.call('HSET', KEYS[3], 'about', ARGV[3], 'data', data)
return redis.call('HDEL', KEYS[2], ARGV[2])
"""

# KEYS: the training of a version. ARGV: the replica that wants to have it, or has it already, and
# for how many milliseconds.
_LEASE: Final = """
local replica = redis.call('GET', KEYS[1])
if replica and replica ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


class RedisStore:
    """Streams in Redis, for any number of replicas.

    Parameters
    ----------
    url : str
        ``redis://[:PASSWORD@]HOST:PORT/DB``, ``rediss://…`` or ``unix://…``.
    """

    is_shared = True

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=5.0,
            socket_connect_timeout=2.0,
            health_check_interval=15,
            # An append whose answer is lost may have happened: sent again, it would be another one.
            retry=Retry(NoBackoff(), 0),
        )
        self._append = self._client.register_script(_APPEND)
        self._keep = self._client.register_script(_KEEP)
        self._remove = self._client.register_script(_REMOVE)
        self._quarantine = self._client.register_script(_QUARANTINE)
        self._lease = self._client.register_script(_LEASE)
        self._replica = uuid.uuid4().hex

    def expect(self, models: Sequence[ModelBytes]) -> None:
        """Nothing: each comes with its event, in one script."""

    def append(self, proposals: Sequence[Proposal]) -> list[Missed | None]:
        """Let events happen unless others have come before them; one round trip for all."""
        with _store_errors():
            pipe = self._client.pipeline(transaction=False)
            for one in proposals:
                keys = _keys(one.stream_id, "head", "events", "models", "published")
                self._append([*keys, _STREAMS], _arguments(one), client=pipe)
            answers = pipe.execute()
        return [_missed(answer) for answer in answers]

    def changes(self, proposal: Proposal, info: dict[str, Any]) -> Iterable[Change]:
        """None: all is in Redis already."""
        return ()

    def keep(self, snapshot: SnapshotBytes) -> Iterable[Change]:
        """Keep a snapshot; forget what is no longer needed."""
        info = orjson.dumps(snapshot.info)
        packed = _pack(snapshot.data, info)
        with _store_errors():
            self._keep(
                _keys(snapshot.stream_id, *_PARTS),
                [snapshot.incarnation, snapshot.sequence, info, packed],
            )
        return ()

    def remove(self, stream_id: str, incarnation: str) -> None:
        """Delete a stream, and all of it that is in Redis."""
        with _store_errors():
            self._remove([_STREAMS, *_keys(stream_id, *_PARTS)], [incarnation, stream_id])

    def streams(self) -> list[StreamInfo]:
        """How every stream was last seen."""
        with _store_errors():
            names = [name.decode() for name in cast("set[bytes]", self._client.smembers(_STREAMS))]
            pipe = self._client.pipeline(transaction=False)
            for name in names:
                pipe.hmget(_key(name, "head"), "incarnation", "sequence", "info")
            heads = pipe.execute()
        return [
            StreamInfo(name, head[0].decode(), int(head[1] or 0), orjson.loads(head[2]))
            for name, head in zip(names, heads, strict=True)
            if head[0] is not None
        ]

    def recovery(self, stream_id: str) -> Recovery | None:
        """What a stream's state is made again from; None if there is no such stream."""
        with _store_errors():
            both = self._client.pipeline(transaction=True)
            both.hmget(_key(stream_id, "head"), "incarnation", "info")
            both.hgetall(_key(stream_id, "snapshots"))
            (incarnation, info), found = both.execute()
        if incarnation is None or info is None:
            return None
        snapshots = [_unpack(int(sequence), data) for sequence, data in found.items()]
        snapshots.sort(key=lambda one: one.sequence, reverse=True)
        return Recovery(incarnation.decode(), orjson.loads(info), snapshots)

    def events(self, stream_id: str, incarnation: str, after: int) -> Iterator[tuple[int, Event]]:
        """The events kept that follow the one at position `after`."""
        while True:
            with _store_errors():
                found = self._client.xrange(
                    _key(stream_id, "events"), f"{after + 1}-0", "+", count=_MISSED_AT_MOST
                )
            for place, fields in cast("list[Any]", found):
                after = int(place.partition(b"-")[0])
                yield after, decode(fields[_FIELD])
            if len(cast("list[Any]", found)) < _MISSED_AT_MOST:
                return

    def quarantine(self, stream_id: str, incarnation: str, sequence: int, reason: str) -> None:
        """Put a snapshot that is damaged aside."""
        about = orjson.dumps({"reason": reason, "quarantined_at": time.time()})
        aside = _key(stream_id, f"quarantine:{incarnation}:{sequence}")
        with _store_errors():
            self._quarantine(
                [*_keys(stream_id, "head", "snapshots"), aside], [incarnation, sequence, about]
            )

    def model(self, stream_id: str, digest: str) -> bytes | None:
        """The bytes of a trained model that an event of the stream refers to."""
        with _store_errors():
            return cast("bytes | None", self._client.hget(_key(stream_id, "models"), digest))

    def lease_training(self, stream_id: str, version: int, seconds: float) -> bool:
        """Whether no other replica has asked before, for a time that is not over.

        Until then, or until the time is over that it has asked for last, no other one may train.
        """
        key = _key(stream_id, f"training:{version}")
        with _store_errors():
            return bool(self._lease([key], [self._replica, int(seconds * 1000)]))

    def check(self) -> None:
        """Raise StoreError unless Redis answers."""
        with _store_errors():
            self._client.ping()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _key(stream_id: str, what: str) -> str:
    return f"{_PREFIX}:{{{stream_id}}}:{what}"


def _keys(stream_id: str, *parts: str) -> list[str]:
    return [_key(stream_id, part) for part in parts]


def _arguments(one: Proposal) -> list[Any]:
    info = b"{}"
    if one.created and one.events and isinstance(one.events[0], Create):
        info = orjson.dumps({"settings": one.events[0].settings, "bundle": one.events[0].bundle})
    models = [part for model in one.models for part in (model.digest, model.data)]
    head = [one.incarnation or "", one.sequence, one.created, info, len(one.models), one.stream_id]
    return [*head, *models, *one.encoded]


def _missed(answer: list[Any]) -> Missed | None:
    if answer[0] == 1:
        return None
    return Missed(None if answer[0] < 0 else [decode(one) for one in answer[1:]])


def _pack(data: bytes, info: bytes) -> bytes:
    """A snapshot with what is told about it, and a checksum of both."""
    header = orjson.dumps(
        {
            "library_version": __version__,
            "created_at": time.time(),
            "info_bytes": len(info),
            "digest": digest_of(data, info),
        }
    )
    return b"\n".join((header, info + data))


def _unpack(sequence: int, packed: bytes) -> StoredSnapshot:
    try:
        header_text, _, rest = packed.partition(b"\n")
        header = orjson.loads(header_text)
        info, data = rest[: header["info_bytes"]], rest[header["info_bytes"] :]
        return StoredSnapshot.found(sequence, data, info, header["digest"])
    except (ValueError, KeyError, TypeError):
        return StoredSnapshot(sequence, b"", {}, is_intact=False)


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise StoreError(f"Redis cannot be used: {error}", id="store_unavailable") from error
