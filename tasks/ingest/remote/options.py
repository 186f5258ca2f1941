"""The parameters that every collecting plugin has; no token is among them."""

import ipaddress
from datetime import date
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from tasks.core.plugins import PluginParams


class Patience(PluginParams):
    """How long a service is waited for, and how much it may say."""

    tries: int = Field(default=6, ge=1, le=20, description="of one request")
    timeout_s: float = Field(default=30, gt=0, le=600, description="without a byte")
    total_s: float = Field(
        default=600, gt=0, le=86_400, description="of one request with all its tries and waits"
    )
    most_mib: float = Field(default=64, gt=0, le=1024, description="of one answer, unpacked")
    pages: int = Field(default=1000, ge=1, description="the most of one window")


class CollectOptions(PluginParams):
    """Since when, how often anew, and from where."""

    base_url: str = Field(description="https, or http on this machine")
    start: date | None = Field(default=None, description="the first day to collect")
    end: date | None = Field(default=None, description="the last day; null: today")
    refetch_days: int = Field(
        default=3, ge=0, le=60, description="days that are fetched anew: devices sync late"
    )
    refetch_empty_days: int = Field(
        default=28,
        ge=0,
        le=365,
        description="of days that came back empty; at least refetch_days",
    )
    patience: Patience = Patience()
    licence: str | None = Field(default=None, description="the licence of the data, for the record")

    @field_validator("base_url")
    @classmethod
    def _safe(cls, value: str) -> str:
        parts = urlsplit(value)
        if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("expected an address like https://host/path, without user or query")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise ValueError("expected https: tokens are sent there (http only on this machine)")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _in_order(self) -> "CollectOptions":
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        return self


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
