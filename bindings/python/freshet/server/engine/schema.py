"""The tables of the journal."""

from __future__ import annotations

from typing import Final

from freshet.server.engine.events import OF_NO_STREAM, Rows

__all__ = ["IS_CHANGE", "SCHEMA"]

#: Of entries that are neither rows nor predictions, and few: a query that has these words need not
#: look at the others.
IS_CHANGE: Final = f"kind NOT IN ('{Rows.kind}', '{OF_NO_STREAM}')"

SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS journal (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  stream_id TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  sequence INTEGER,
  kind TEXT NOT NULL,
  mode TEXT NOT NULL,
  received_at REAL NOT NULL,
  first_index INTEGER NOT NULL,
  n_rows INTEGER NOT NULL,
  event BLOB NOT NULL,
  results BLOB,
  threshold REAL,
  n_anomalies INTEGER NOT NULL,
  max_score REAL,
  model TEXT,
  bundle TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS journal_by_stream ON journal (stream_id, incarnation, sequence);
CREATE INDEX IF NOT EXISTS journal_of_changes ON journal (stream_id, incarnation, sequence)
  WHERE {IS_CHANGE};
CREATE INDEX IF NOT EXISTS journal_by_model ON journal (model) WHERE model IS NOT NULL;
CREATE INDEX IF NOT EXISTS journal_by_time ON journal (received_at, n_rows) WHERE n_rows > 0;
CREATE INDEX IF NOT EXISTS journal_by_stream_time ON journal (stream_id, received_at)
  WHERE n_rows > 0;
CREATE INDEX IF NOT EXISTS journal_of_anomalies ON journal (received_at) WHERE n_anomalies > 0;
CREATE TABLE IF NOT EXISTS streams (
  stream_id TEXT PRIMARY KEY, incarnation TEXT NOT NULL, sequence INTEGER NOT NULL,
  info TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS snapshots (
  stream_id TEXT NOT NULL, incarnation TEXT NOT NULL, sequence INTEGER NOT NULL,
  created_at REAL NOT NULL, library_version TEXT NOT NULL, info BLOB NOT NULL, data BLOB NOT NULL,
  digest TEXT NOT NULL, PRIMARY KEY (stream_id, incarnation, sequence)
);
CREATE TABLE IF NOT EXISTS quarantine (
  id INTEGER PRIMARY KEY, stream_id TEXT NOT NULL, incarnation TEXT NOT NULL,
  sequence INTEGER NOT NULL, quarantined_at REAL NOT NULL, reason TEXT NOT NULL, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
"""
