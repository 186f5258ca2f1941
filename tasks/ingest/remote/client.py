"""A small HTTP client for services that answer JSON: bounded tries, time and size, and no secrets.

429 and 5xx, connections that fail or break, and JSON that is cut off are tried again; everything
else is an error at once, since a repeated wrong question has the same answer.
"""

import json
import random
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple

import httpx

from tasks.core import progress
from tasks.ingest.remote.credentials import Credentials, Signing, redact
from tasks.ingest.remote.errors import AnswerError, CredentialsError, PagingError, ServiceError
from tasks.ingest.remote.faults import Fault, fault_of
from tasks.ingest.remote.options import CollectOptions, is_loopback
from tasks.ingest.remote.waiting import back_off_s, retry_after_s

AGAIN = "What was fetched is kept: collect again later, and it goes on from there."
EXCERPT = 200  # characters of an answer that are shown
ERRORS = ("error", "errors", "fault")  # keys of the body of an error, beside a list too
WORDS = ("detail", "message")  # those of one without a list; beside a list they may be a remark
CODES = ("status", "statusCode", "code")
Query = dict[str, str | list[str]]  # a list: the parameter once for each


class Answer(NamedTuple):
    """A whole answer: its status, the Retry-After header and the unpacked bytes."""

    status: int
    retry_after: str | None
    body: bytes


class Client:
    """Asks one service; to be used in a `with` block.

    Raises:
        CredentialsError: a token is not set.
    """

    def __init__(
        self,
        options: CollectOptions,
        credentials: Credentials,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base = options.base_url
        self.patience = options.patience
        self.credentials = credentials
        self.secrets = credentials.secrets()
        self.sleep = sleep
        self.draw = random.Random()  # of waits: no result depends on it
        self.signs = True
        address = httpx.URL(self.base)
        transport = httpx.HTTPTransport(
            verify=address.scheme == "https",  # http is for this machine: it has no certificates
            proxy=_proxy(address),
        )
        self.http = httpx.Client(
            transport=Signing(transport, self._sign),
            follow_redirects=False,  # a token goes to the host that it is for, and to no other
            trust_env=False,  # else ~/.netrc signs too
            timeout=self.patience.timeout_s,
            headers={"Accept": "application/json"},
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()

    def rows(self, path: str, query: Query, key: str | None) -> tuple[list[dict], dict]:
        """Return the objects of an answer, in its list `key` (None: it is a list), and the answer.

        What else stands among objects comes as the object {"value": it}, which has no day.

        Raises:
            CredentialsError: a token is refused.
            ServiceError: no sound answer within the tries and the time.
            AnswerError: an answer of another shape, an error with status 200 among them.
        """
        content = self._asked("GET", path, query)
        if content is None:  # status 204: there is nothing
            return [], {}
        found = content if key is None else content.get(key) if isinstance(content, dict) else None
        if isinstance(content, dict) and _is_error(content, listed=isinstance(found, list)):
            raise AnswerError(
                f"{self._where(path)}: an error with status 200: {self._shown(json.dumps(content))}"
            )
        if isinstance(found, list) and (not found or any(isinstance(row, dict) for row in found)):
            objects = [row if isinstance(row, dict) else {"value": row} for row in found]
            return objects, content if isinstance(content, dict) else {}
        expected = f"an object with the list {key!r} of objects" if key else "a list of objects"
        raise AnswerError(
            f"{self._where(path)}: expected {expected}, found {self._shown(_shape(content))}. Is "
            "base_url the address of this service, and has its interface changed?"
        )

    def pages(self, path: str, query: Query, key: str, token: str) -> Iterator[dict]:
        """Yield the objects of all pages; `token` names the next page in an answer and in a query.

        Raises:
            PagingError: a page leads back to an earlier one, or there are more than `pages`.
        """
        seen: set[str] = set()
        for _ in range(self.patience.pages):
            found, content = self.rows(path, query, key)
            yield from found
            following = content.get(token)
            if not following:
                return
            if not isinstance(following, str) or following in seen:
                raise PagingError(
                    f"{self._where(path)}: after {len(seen) + 1} pages {token} leads to a page "
                    f"that was there already. Nothing of this window is kept. {AGAIN}"
                )
            seen.add(following)
            query = {**query, token: following}
        raise PagingError(
            f"{self._where(path)}: more than {self.patience.pages} pages. If that is right, raise "
            "ingest.options.patience.pages."
        )

    def post(self, path: str, query: Query, form: dict[str, str]) -> dict:
        """Return the object that answers a form; sent without a signature.

        Raises:
            CredentialsError, ServiceError, AnswerError: as `rows`.
        """
        self.signs = False
        try:
            content = self._ask("POST", path, query, form)
        finally:
            self.signs = True
        if not isinstance(content, dict):
            raise AnswerError(
                f"{self._where(path)}: expected an object, found {self._shown(_shape(content))}"
            )
        return content

    def _asked(self, method: str, path: str, query: Query) -> Any:
        """Return an answer's JSON; where a session is needed it is opened, once more if it ends."""
        log_in = self.credentials.log_in
        if log_in is None:
            return self._ask(method, path, query)
        fresh = self.credentials.session not in self.secrets
        if fresh:
            self.secrets[self.credentials.session] = log_in(self)
        try:
            return self._ask(method, path, query)
        except CredentialsError:
            if fresh:
                raise
        self.secrets[self.credentials.session] = log_in(self)
        return self._ask(method, path, query)

    def _ask(self, method: str, path: str, query: Query, form: dict[str, str] | None = None) -> Any:
        deadline = time.monotonic() + self.patience.total_s
        attempt = 0
        while True:
            attempt += 1
            found, fault = self._once(method, path, query, form, deadline)
            if fault is None:
                return found
            tries = min(fault.tries or self.patience.tries, self.patience.tries)
            if attempt >= tries:
                words = f"{fault.words}, after {tries} tries.{fault.advice}"
                raise ServiceError(f"{self._where(path)}: {words} {AGAIN}")
            wait_s = fault.wait_s or back_off_s(attempt, self.draw)
            left_s = deadline - time.monotonic()
            if wait_s >= left_s:
                raise ServiceError(
                    f"{self._where(path)}: {fault.words}; the next try would be in {wait_s:.0f} s, "
                    f"and {max(left_s, 0):.0f} s of patience.total_s are left. {AGAIN}"
                )
            said = f"{fault.words}; try {attempt + 1} of {tries} in {max(wait_s, 1):.0f} s"
            progress.tell(progress.Event("notice", path, text=f"{self.base}: {said}"))
            self.sleep(wait_s)

    def _once(
        self, method: str, path: str, query: Query, form: dict[str, str] | None, deadline: float
    ) -> tuple[Any, Fault | None]:
        """Return an answer's JSON, or what went wrong and may pass."""
        try:
            answer = self._send(method, path, query, form, deadline)
        except httpx.HTTPError as error:
            return None, fault_of(error, self._shown)
        if answer.status == 429 or answer.status >= 500:
            asked_s = retry_after_s(answer.retry_after, datetime.now(UTC))
            return None, Fault(f"status {answer.status} {self._excerpt(answer)}".strip(), asked_s)
        self._refuse(answer, path)
        if answer.status == 204:
            return None, None
        try:
            return json.loads(answer.body, parse_constant=lambda _: None), None
        except (ValueError, RecursionError):
            cut = f"an answer of {len(answer.body)} bytes is no whole JSON: {self._excerpt(answer)}"
            return None, Fault(cut)

    def _send(
        self, method: str, path: str, query: Query, form: dict[str, str] | None, deadline: float
    ) -> Answer:
        most = int(self.patience.most_mib * 2**20)
        address = f"{self.base}/{path}"
        with self.http.stream(method, address, params=query, data=form) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > most:
                    raise AnswerError(
                        f"{self._where(path)}: an answer of more than {self.patience.most_mib:g} "
                        "MiB. If that is right, raise ingest.options.patience.most_mib."
                    )
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("patience.total_s has passed")
            return Answer(response.status_code, response.headers.get("Retry-After"), bytes(body))

    def _refuse(self, answer: Answer, path: str) -> None:
        """Raise an error for an answer that no further try would change."""
        if answer.status < 300:
            return
        names, said = ", ".join(self.credentials.variables), self._excerpt(answer)
        if answer.status == 401:
            raise CredentialsError(
                f"{self._where(path)}: status 401: {names} is not valid, or no longer. "
                f"{self.credentials.origin}. {said}"
            )
        if answer.status == 403:
            raise CredentialsError(
                f"{self._where(path)}: status 403: what {names} may read does not include this; "
                f"{self.credentials.origin}, with the right to it. {said}"
            )
        if answer.status < 400:
            raise AnswerError(
                f"{self._where(path)}: status {answer.status} leads elsewhere, where no token is "
                "sent. Set ingest.options.base_url to the service's own address."
            )
        raise AnswerError(f"{self._where(path)}: status {answer.status}: {said or 'no reason'}")

    def _sign(self, request: httpx.Request) -> None:
        if self.signs:
            self.credentials.sign(request, self.secrets)

    def _where(self, path: str) -> str:
        return f"{self.base}/{path}"

    def _excerpt(self, answer: Answer) -> str:
        return self._shown(answer.body.decode("utf-8", "replace"))

    def _shown(self, text: str) -> str:
        """Return the beginning of a text of the service's, redacted before it is cut, on a line."""
        text = "".join(c if c.isprintable() else " " for c in redact(text, self.secrets))
        text = " ".join(text.split())
        return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


def _proxy(address: httpx.URL) -> str | None:
    """Return the proxy that the environment names for an address; none for this machine."""
    if is_loopback(address.host) or urllib.request.proxy_bypass(address.host):
        return None
    return urllib.request.getproxies().get(address.scheme)


def _is_error(content: dict, listed: bool) -> bool:
    """Return whether an object says that something failed, whatever list it has beside that."""
    told = any(content.get(word) for word in (ERRORS if listed else ERRORS + WORDS))
    codes = (content.get(name) for name in CODES)
    failed = any(isinstance(code, int) and 400 <= code < 600 for code in codes)
    return told or failed or content.get("success") is False


def _shape(content: Any) -> str:
    if isinstance(content, dict):
        keys = ", ".join(sorted(map(str, content))[:10]) or "no keys"
        return f"an object with {keys[:EXCERPT]}"
    if isinstance(content, list):
        return f"a list of {len(content)}"
    return type(content).__name__
