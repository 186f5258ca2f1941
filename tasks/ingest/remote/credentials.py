"""Tokens: from the environment alone, put on a request at the last moment, never shown.

They reach a request inside the transport, below everything that logs, so that neither httpx's own
log lines nor an exception hold a signed address. What a service says is shown redacted: some repeat
the token that they refuse.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import httpx

from tasks.ingest.remote.errors import CredentialsError

SHORTEST = 6  # characters; redacting a shorter one would garble the text and hide nothing
HIDDEN = "[hidden]"
Sign = Callable[[httpx.Request, dict[str, str]], None]


@dataclass(frozen=True)
class Credentials:
    """Which environment variables hold the secrets, where to get them, and how they sign.

    `sign` changes the request in place; it is given the secrets by the names of their variables.
    Where a service wants a session, `log_in` returns its token, known to `sign` as `session`.
    """

    variables: tuple[str, ...]
    origin: str  # "make one at …": what an error tells to do
    sign: Sign = field(repr=False)
    log_in: Callable[[Any], str] | None = field(default=None, repr=False)  # of a Client
    session: str = "session"

    def secrets(self) -> dict[str, str]:
        """Return the secrets by the names of their variables.

        Raises:
            CredentialsError: one is not set.
        """
        found = {name: os.environ.get(name, "").strip() for name in self.variables}
        missing = [name for name, value in found.items() if not value]
        if missing:
            raise CredentialsError(
                f"{', '.join(missing)}: not set. Put it into the environment or into .env "
                f"(never into params); {self.origin}"
            )
        bad = [n for n, value in found.items() if not (value.isascii() and value.isprintable())]
        if bad:
            raise CredentialsError(f"{', '.join(bad)}: holds characters that no token has")
        return found


def bearer(variable: str) -> Sign:
    """Return what signs by an `Authorization: Bearer` header."""

    def sign(request: httpx.Request, secrets: dict[str, str]) -> None:
        request.headers["Authorization"] = f"Bearer {secrets[variable]}"

    return sign


def in_query(variable: str, name: str) -> Sign:
    """Return what signs by a parameter of the address, for services that take it there only."""

    def sign(request: httpx.Request, secrets: dict[str, str]) -> None:
        request.url = request.url.copy_merge_params({name: secrets[variable]})

    return sign


def redact(text: str, secrets: dict[str, str]) -> str:
    """Return a text without the secrets, also as they are written in an address or in JSON."""
    for value in sorted(secrets.values(), key=len, reverse=True):
        if len(value) >= SHORTEST:
            escaped = json.dumps(value)[1:-1]
            forms = {value, quote(value), quote(value, safe=""), quote_plus(value)}
            for form in {*forms, escaped, escaped.replace("/", "\\/")}:
                text = text.replace(form, HIDDEN)
    return text


class Signing(httpx.BaseTransport):
    """Sends a signed copy of each request; what is above it never sees the copy."""

    def __init__(self, inner: httpx.BaseTransport, sign: Callable[[httpx.Request], None]) -> None:
        self.inner = inner
        self.sign = sign

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        signed = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        self.sign(signed)
        return self.inner.handle_request(signed)

    def close(self) -> None:
        self.inner.close()
