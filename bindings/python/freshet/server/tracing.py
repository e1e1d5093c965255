"""Traces of requests with OpenTelemetry, where it is installed and its variables ask for them."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["install", "is_wanted"]

#: A span for each of these requests would only bury the others.
_EXCLUDED: Final = "/health,/ready,/metrics"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

_log = structlog.get_logger(__name__)


def is_wanted() -> bool:
    """Return whether OpenTelemetry's own variables ask for traces."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter:
        return exporter != "none"
    return any(os.environ.get(name) for name in _ENDPOINTS)


def install(app: FastAPI) -> bool:
    """Trace the requests of an application if that is wanted and possible; return whether it is.

    Spans go where ``OTEL_TRACES_EXPORTER`` says (``otlp`` if it says nothing) with the resource,
    sampler and end points that the other variables name; a provider that is there already is used
    as it is.
    """
    if not is_wanted():
        return False
    try:
        from opentelemetry import trace
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError:
        _log.warning("tracing_unavailable", remedy="pip install 'freshet[tracing]'")
        return False
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = _provider()
        if provider is None:
            return False
        trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app, excluded_urls=_EXCLUDED)
    return True


def _provider() -> Any:
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not found:
        _log.warning("tracing_unavailable", exporter=name, remedy="pip install 'freshet[tracing]'")
        return None
    # The environment's name, if there is one, wins over this.
    resource = Resource.create(
        {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "freshet"}
    )
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
    return provider
