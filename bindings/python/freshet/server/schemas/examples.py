"""What answers look like, for the OpenAPI document: an example of each, by the model's name."""

from __future__ import annotations

from typing import Any, Final

from freshet import __version__

__all__ = ["ANSWERS"]

_DETECTOR: Final[dict[str, Any]] = {
    "model_id": "sensor-stream",
    "backend": "ecod",
    "status": "ready",
    "model_version": 3,
    "samples_collected": 450,
    "total_processed": 450,
    "samples_since_retrain": 50,
    "min_samples": 50,
    "retrain_interval": 100,
    "window_size": 1000,
    "threshold": 0.5,
    "is_ready": True,
    "bundle": None,
    "failed_retrains": 0,
    "last_error": None,
}
_BUFFER: Final[dict[str, Any]] = {
    "buffer_id": "sensor-data",
    "size": 2,
    "window_size": 1000,
    "columns": ["temperature", "humidity"],
    "numeric_columns": ["temperature", "humidity"],
    "memory_bytes": 1024,
    "append_count": 1,
    "avg_append_ms": 1.9,
}
_BACKEND: Final[dict[str, Any]] = {
    "backend": "ecod",
    "name": "ECOD",
    "description": "How far out in the tails of each column's empirical distribution a row is",
    "category": "fast",
    "speed": "very_fast",
    "memory": "medium",
    "parameters": ["variant"],
    "best_for": "a first try: nothing to tune, exact explanations, any units",
    "is_legacy": False,
}
_MODEL_FILE: Final[dict[str, Any]] = {
    "filename": "sensor-monitor.ecod.model",
    "size_bytes": 513,
    "modified": 1764057600.25,
    "backend": "ecod",
}
_PREDICTION: Final[dict[str, Any]] = {
    "timestamp": "2025-11-25T08:00:00.123456+00:00",
    "stream_id": "sensor-stream",
    "index": 1041,
    "mode": "stream",
    "label": "anomaly",
    "score": 0.93,
    "raw_score": 21.7,
    "threshold": 0.5,
    "model_version": 11,
    "bundle": None,
    "row_timestamp": None,
    "values": {"temperature": 98.1, "humidity": 45.2},
    "incarnation": "5a3f8c1e9d0b4a7f8e6d5c4b3a291807",
}

ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "Health": {"status": "ok", "version": __version__},
    "Readiness": {
        "status": "ready",
        "checks": {"store": "sqlite", "durability": "full", "streams": 12, "is_closing": False},
    },
    "StreamingResult": {
        "object": "streaming_result",
        "model": "sensor-stream",
        "status": "ready",
        "results": [
            {
                "index": 0,
                "score": 0.32,
                "is_anomaly": False,
                "raw_score": 2.8,
                "samples_until_ready": 0,
            }
        ],
        "model_version": 1,
        "samples_collected": 51,
        "samples_until_ready": 0,
        "threshold": 0.5,
        "bundle": None,
    },
    "DetectorInfo": _DETECTOR,
    "DetectorList": {"object": "list", "data": [_DETECTOR], "total": 1},
    "Removed": {"object": "detector_deleted", "model": "sensor-stream", "status": "deleted"},
    "BackendList": {"object": "list", "data": [_BACKEND], "total": 1, "categories": ["fast"]},
    "FitResult": {
        "object": "fit_result",
        "model": "sensor-monitor",
        "backend": "ecod",
        "samples_fitted": 9,
        "training_time_ms": 0.7,
        "model_params": {
            "backend": "ecod",
            "contamination": 0.1,
            "threshold": 0.5,
            "input_dim": 1,
        },
        "encoder": {"schema": {"f0": "numeric"}, "features": ["f0"]},
        "status": "fitted",
    },
    "ScoreResult": {
        "object": "list",
        "data": [
            {"index": 0, "score": 0.41, "is_anomaly": False, "raw_score": 1.2},
            {"index": 1, "score": 0.93, "is_anomaly": True, "raw_score": 2.3},
        ],
        "summary": {
            "total_points": 2,
            "anomaly_count": 1,
            "anomaly_rate": 0.5,
            "threshold": 0.5,
        },
    },
    "DetectResult": {
        "object": "list",
        "data": [{"index": 1, "score": 0.93, "raw_score": 2.3}],
        "total_count": 1,
        "summary": {"anomalies_detected": 1, "threshold": 0.5},
    },
    "SaveResult": {
        "object": "save_result",
        "model": "sensor-monitor",
        "backend": "ecod",
        "filename": "sensor-monitor.ecod.model",
        "path": "models-batch/sensor-monitor.ecod.model",
        "encoder_path": None,
        "status": "saved",
    },
    "ModelList": {
        "object": "list",
        "data": [_MODEL_FILE],
        "models_dir": "models-batch",
        "total": 1,
    },
    "ModelRemoved": {
        "object": "model_deleted",
        "filename": "sensor-monitor.ecod.model",
        "status": "deleted",
    },
    "PointResult": {
        "stream_id": "default",
        "label": "normal",
        "error": 0.45,
        "threshold": 1.89,
        "samples_until_ready": 0,
        "model_version": "nyc_taxi@4be5b9a01cc2",
    },
    "SeriesResult": {
        "errors": [0.43, 2.45],
        "labels": ["normal", "anomaly"],
        "threshold": 1.89,
        "window": 48,
        "model_version": "nyc_taxi@4be5b9a01cc2",
    },
    "PredictionItem": _PREDICTION,
    "PredictionPage": {
        "object": "list",
        "data": [_PREDICTION],
        "next_cursor": "1764057600123456-1041-3561-73",
    },
    "BufferCreated": {
        "object": "buffer_created",
        "buffer_id": "sensor-data",
        "window_size": 1000,
        "status": "created",
    },
    "BufferInfo": _BUFFER,
    "BufferList": {"object": "list", "data": [_BUFFER], "total": 1},
    "AppendResult": {
        "object": "append_result",
        "buffer_id": "sensor-data",
        "appended": 2,
        "buffer_size": 2,
        "avg_append_ms": 1.9,
    },
    "BufferData": {
        "object": "polars_data",
        "buffer_id": "sensor-data",
        "rows": 1,
        "columns": ["temperature", "temperature_rolling_mean_5", "temperature_lag_1"],
        "data": [
            {
                "temperature": 73.1,
                "temperature_rolling_mean_5": 72.8,
                "temperature_lag_1": 72.5,
            }
        ],
    },
    "BufferCleared": {
        "object": "buffer_cleared",
        "buffer_id": "sensor-data",
        "size": 0,
        "cleared": True,
        "status": "cleared",
    },
    "BufferRemoved": {
        "object": "buffer_deleted",
        "buffer_id": "sensor-data",
        "deleted": True,
        "status": "deleted",
    },
    "Problem": {
        "type": "urn:freshet:problem:value_non_finite",
        "title": "The data cannot be accepted",
        "status": 422,
        "detail": "row 3, column temperature: NaN, expected a finite number",
        "instance": "urn:freshet:request:5f0c6c1f2f3e4d5a8b9c0d1e2f3a4b5c",
        "id": "value_non_finite",
        "field": "temperature",
        "row": 3,
        "column": 0,
        "expected": "a finite number",
    },
}
