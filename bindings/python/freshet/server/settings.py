"""The settings of the service: options, environment variables and a file, in this order."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

if TYPE_CHECKING:
    from pydantic_settings import PydanticBaseSettingsSource

__all__ = ["ENVIRONMENT_PREFIX", "ServerSettings"]

ENVIRONMENT_PREFIX: Final = "FRESHET_"

_REDIS: Final = frozenset({"redis", "rediss", "unix"})


def _list(value: object) -> object:
    """Read ``a,b`` as the list it is in a variable or an option."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _table(value: object) -> object:
    """Read ``a=b,c=d`` as the table it is in a variable or an option."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if not all(separator for _, separator, _ in pairs):
        raise ValueError("expected NAME=VALUE, separated by commas")
    return {name.strip(): text.strip() for name, _, text in pairs}


_Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)]
_Pairs = Annotated[dict[str, str], NoDecode, BeforeValidator(_table)]
_Count = Annotated[int, Field(ge=1)]


class ServerSettings(BaseSettings):
    """All there is to configure. Every field is documented by its description.

    A field ``max_body_bytes`` is the option ``--max-body-bytes``, the variable
    ``FRESHET_MAX_BODY_BYTES`` and the key ``max_body_bytes`` of the TOML file.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True, allow_inf_nan=False
    )

    host: str = Field("127.0.0.1", description="Address to listen on.", min_length=1)
    port: int = Field(14345, ge=0, le=65535, description="Port to listen on; 0 for any free one.")
    data_dir: Path = Field(
        Path("freshet-data"), description="Directory of everything the service keeps."
    )
    models_dir: Path | None = Field(
        None, description="Directory of bundles, watched while the service runs; empty for none."
    )
    bundle: str | None = Field(
        None,
        description="Bundle that serves streams of /predict_point that name none; "
        "empty for the only one there is.",
    )
    models_poll_seconds: float = Field(
        2.0, gt=0, description="How often models_dir is looked at where it cannot be watched."
    )
    store: str = Field(
        "sqlite",
        description="Where streams are kept: sqlite for a file in data_dir, or "
        "redis://HOST:PORT/DB to share them between replicas.",
    )
    durability: Literal["full", "relaxed"] = Field(
        "full",
        description="full: a request is answered when its points are in the store. relaxed: "
        "before; a crash may lose those that were answered last.",
    )
    snapshot_interval_rows: _Count = Field(
        10_000, description="Rows of a stream after which its state is stored anew."
    )
    snapshot_interval_seconds: float = Field(
        300.0, gt=0, description="Time after which the state of a stream with new rows is stored."
    )
    idle_eviction_seconds: float = Field(
        3600.0,
        ge=0,
        description="Time after which a stream without rows leaves the memory until its next row; "
        "0 for never.",
    )
    retrain_threads: _Count = Field(1, description="Trainings that run at once.")
    log: str = Field(
        "sqlite",
        description="Where predictions are logged: sqlite, none, mongodb://… or the URL of a "
        "database that SQLAlchemy knows.",
    )
    log_retention_days: float = Field(
        30.0, ge=0, description="Age at which logged predictions are deleted; 0 for never."
    )
    log_max_rows: int = Field(
        10_000_000, ge=0, description="Logged predictions that are kept; 0 for all."
    )
    log_spool_bytes: int = Field(
        4 * 2**30,
        ge=0,
        description="Bytes of predictions that may wait for the database that log names; above it "
        "points are sent away with 503. 0 for any number.",
    )
    max_streams: _Count = Field(100_000, description="Streams that may exist.")
    max_stream_bytes: int = Field(
        256 * 2**20,
        ge=0,
        description="Memory that the window and the features of a stream may take; 0 for no bound.",
    )
    max_columns: _Count = Field(1_000, description="Columns a row may have.")
    max_batch_rows: _Count = Field(100_000, description="Rows a request may have.")
    max_buffers: _Count = Field(1_000, description="Buffers that may exist.")
    max_buffer_bytes: _Count = Field(
        256 * 2**20, description="Memory that the rows of all buffers may take."
    )
    max_body_bytes: _Count = Field(16 * 2**20, description="Bytes the body of a request may have.")
    max_memory_bytes: int = Field(
        2 * 2**30,
        ge=0,
        description="Memory of the process above which no new streams are made; 0 for no bound.",
    )
    max_queued_requests: _Count = Field(
        1_024, description="Requests that may be in progress; others are sent away with 503."
    )
    auth: Literal["auto", "required", "off"] = Field(
        "auto",
        description="Whether requests need an API key. auto: unless the service listens on a "
        "loopback address.",
    )
    api_keys_file: Path | None = Field(
        None, description="File of API keys; api-keys.json in data_dir if empty."
    )
    rate_limit_per_second: float = Field(
        0.0, ge=0, description="Requests a key, or an address without one, may send; 0 for any."
    )
    rate_limit_burst: int = Field(
        0,
        ge=0,
        description="Requests that may come at once; 0 for those of one second.",
    )
    cors_origins: _Texts = Field(
        (), description="Origins whose pages may call the service, or *; empty for none."
    )
    allowed_hosts: _Texts = Field(
        (),
        description="Host names by which browsers may reach a service without keys, beside "
        "addresses and names without a dot.",
    )
    trusted_proxies: _Texts = Field(
        (), description="Addresses or networks whose X-Forwarded-For is believed, or *."
    )
    stream_classes: _Pairs = Field(
        {}, description="Classes of streams in the metrics, by the beginning of a stream's name."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is written to standard error."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="How it is written: for programs or for people."
    )
    shutdown_timeout_seconds: float = Field(
        30.0, gt=0, description="Time in which requests may end when the service is stopped."
    )

    @field_validator("models_dir", "bundle", "api_keys_file", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("store")
    @classmethod
    def _check_store(cls, value: str) -> str:
        if value != "sqlite" and urlsplit(value).scheme not in _REDIS:
            raise ValueError("expected sqlite or redis://HOST:PORT/DB")
        return value

    @field_validator("log")
    @classmethod
    def _check_log(cls, value: str) -> str:
        if value not in ("sqlite", "none") and "://" not in value:
            raise ValueError("expected sqlite, none or the URL of a database")
        return value

    @field_validator("stream_classes")
    @classmethod
    def _check_stream_classes(cls, value: dict[str, str]) -> dict[str, str]:
        # Each class is a label of metrics, and their number is to stay small.
        if len(set(value.values())) > 32:
            raise ValueError("expected 32 classes at most")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is passed before what the environment says; nothing else is read."""
        return init_settings, env_settings

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def needs_keys(self) -> bool:
        """Whether requests need an API key."""
        return self.auth == "required" or (self.auth == "auto" and not self.is_on_loopback)

    @property
    def keys_path(self) -> Path:
        """The file of API keys."""
        return self.api_keys_file or self.data_dir / "api-keys.json"

    def stream_class(self, stream_id: str) -> str:
        """Return the class of a stream, for the metrics: the one of the longest prefix."""
        if not self.stream_classes:
            return "default"
        matching = [prefix for prefix in self.stream_classes if stream_id.startswith(prefix)]
        return self.stream_classes[max(matching, key=len)] if matching else "default"
