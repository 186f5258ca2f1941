"""The client against a service on this machine, with the faults that real ones have."""

import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.core import progress
from tasks.ingest.remote.client import Client
from tasks.ingest.remote.credentials import HIDDEN, Credentials, bearer, in_query, redact
from tasks.ingest.remote.errors import (
    AnswerError,
    CredentialsError,
    PagingError,
    ServiceError,
)
from tasks.ingest.remote.options import CollectOptions
from tasks.ingest.remote.waiting import retry_after_s
from tests.services import TOKEN, Asked, Said, Service, said, serving

VARIABLE = "TEMPER_TEST_TOKEN"
GOOD = said({"data": [{"x": 1}], "next_token": None})
ASK: dict[str, Any] = {"path": "v2/things", "query": {"a": "b"}, "key": "data"}
Make = Callable[..., Client]


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(lambda _: GOOD) as made:
        yield made


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(service: Service, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[Client] = []
    monkeypatch.setenv(VARIABLE, TOKEN)

    def make(query: bool = False, **patience: Any) -> Client:
        options = CollectOptions(base_url=service.url, patience=patience)
        sign = in_query(VARIABLE, "apiKey") if query else bearer(VARIABLE)
        credentials = Credentials((VARIABLE,), "make one at example.org", sign)
        made.append(Client(options, credentials, waits.append))
        return made[-1]

    yield make
    for each in made:
        each.http.close()


def test_an_answer_and_its_signature(service: Service, client: Make):
    assert client().rows(**ASK)[0] == [{"x": 1}]
    assert service.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert service.asked[0].query == {"a": "b"}
    client(query=True).rows(**ASK)
    assert service.asked[1].query == {"a": "b", "apiKey": TOKEN}
    assert "authorization" not in service.asked[1].headers


@pytest.mark.parametrize(
    "fault",
    [
        said({}, 500),
        said({}, 503),
        said({}, 429),
        Said(200, b'{"data": [{"x": 1}, {"x"'),
        Said(200, b'{"data": [{"x": 1}]}', {}, 9),
        Said(200, b"", {}, 0),
        Said(200, b"\xff\xfe{"),
    ],
    ids=["500", "503", "429", "JSON cut off", "dropped", "nothing", "no text"],
)
def test_what_passes_is_tried_again(fault: Said, service: Service, client: Make, waits: list):
    service.faults = [fault, fault]
    assert client().rows(**ASK)[0] == [{"x": 1}]
    assert len(service.asked) == 3
    assert 0.5 <= waits[0] <= 1
    assert 1 <= waits[1] <= 2


def test_a_service_that_is_not_there(service: Service, client: Make, waits: list):
    made = client(tries=3)
    made.base = "http://127.0.0.1:1"
    with pytest.raises(ServiceError, match=r"ConnectError.* after 3 tries.*goes on from there"):
        made.rows(**ASK)
    assert len(waits) == 2


def test_a_name_that_cannot_be_resolved(client: Make, waits: list, monkeypatch: pytest.MonkeyPatch):
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    made = client()
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    words = (
        r"cannot be resolved \(Name or .*\), after 3 tries. Is this machine on a network, and is"
    )
    with pytest.raises(ServiceError, match=words):
        made.rows(**ASK)
    assert len(waits) == 2
    assert sum(waits) <= 3
    with pytest.raises(ServiceError, match="after 1 tries"):
        client(tries=1).rows(**ASK)


def test_each_try_is_told(service: Service, client: Make, waits: list):
    service.faults = [said({}, 429, Retry_After="7"), said({}, 500)]
    heard: list[progress.Event] = []
    with progress.listening(heard.append):
        client().rows(**ASK)
    assert [event.kind for event in heard] == ["notice", "notice"]
    assert heard[0].text == f"{service.url}: status 429 {{}}; try 2 of 6 in 7 s"
    assert "status 500" in heard[1].text
    assert f"try 3 of 6 in {waits[1]:.0f} s" in heard[1].text


def test_retry_after_is_kept_to(service: Service, client: Make, waits: list):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    service.faults = [said({}, 429, Retry_After="7"), said({}, 503, Retry_After=later)]
    client().rows(**ASK)
    assert waits[0] == 7
    assert 35 < waits[1] <= 40


def test_retry_after_in_all_its_forms():
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert retry_after_s("120", now) == 120
    assert retry_after_s("Sat, 31 Jan 2026 12:01:00 GMT", now) == 60
    assert retry_after_s("Sat, 31 Jan 2026 11:00:00 GMT", now) == 0
    assert retry_after_s("soon", now) is None
    assert retry_after_s("-3", now) is None
    assert retry_after_s(None, now) is None


def test_tries_and_time_are_bounded(service: Service, client: Make, waits: list):
    service.faults = [said({"message": "busy"}, 500)] * 9
    with pytest.raises(ServiceError, match=r"status 500.*busy.* after 4 tries"):
        client(tries=4).rows(**ASK)
    assert len(service.asked) == 4
    service.faults = [said({}, 429, Retry_After="3600")]
    with pytest.raises(ServiceError, match=r"next try would be in 3600 s, and \d+ s of patience"):
        client().rows(**ASK)
    assert sum(waits) < 20


def test_a_slow_answer_ends_at_the_time_limit(service: Service, client: Make):
    service.delay_s = 0.4
    with pytest.raises(ServiceError, match="ReadTimeout"):
        client(tries=1, timeout_s=0.1).rows(**ASK)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (said({"detail": "no"}, 401), CredentialsError, f"401: {VARIABLE} is not valid.*example"),
        (said({"detail": "scope"}, 403), CredentialsError, f"403: what {VARIABLE} may read"),
        (said({"detail": "start_date"}, 400), AnswerError, "status 400: .*start_date"),
        (Said(404, b"<html>gone"), AnswerError, "status 404: <html>gone"),
        (Said(302, b"", {"Location": "http://127.0.0.1:9/"}), AnswerError, "302 leads elsewhere"),
        (said({"error": {"message": "no device"}}), AnswerError, "error with status 200.*no dev"),
        (said({"success": False, "errors": [1]}), AnswerError, "error with status 200"),
        (said({"data": [], "error": "internal"}), AnswerError, "error with status 200"),
        (said({"data": [], "success": False}), AnswerError, "error with status 200"),
        (said({"data": [{}], "status": 500}), AnswerError, "error with status 200"),
        (said({"rows": []}), AnswerError, "list 'data' of objects, found an object with rows"),
        (said([1, 2]), AnswerError, "list 'data' of objects, found a list of 2"),
        (said({"data": [1]}), AnswerError, "list 'data' of objects"),
        (said("text"), AnswerError, "found str"),
        (Said(200, b"[" * 100_000), ServiceError, "no whole JSON"),
        (Said(200, b" " * 3000), AnswerError, "more than 0.001 MiB.*most_mib"),
    ],
)  # fmt: skip
def test_what_no_try_would_change(
    answer: Said, error: type, words: str, service: Service, client: Make
):
    service.answers = lambda _: answer
    patience = {"tries": 1} if error is ServiceError else {}
    if "MiB" in words:
        patience["most_mib"] = 0.001
    with pytest.raises(error, match=words):
        client(**patience).rows(**ASK)
    assert len(service.asked) == 1


def test_nothing_there_is_no_error(service: Service, client: Make):
    service.answers = lambda _: Said(204)
    assert client().rows(**ASK) == ([], {})
    remark = {"data": [], "message": "no records", "status": 200, "success": True, "errors": []}
    service.answers = lambda _: said(remark)
    assert client().rows(**ASK) == ([], remark)


def test_pages_are_followed_and_circles_are_not(service: Service, client: Make):
    def answers(asked: Asked) -> Said:
        at = int(asked.query.get("next_token", "0"))
        return said({"data": [{"x": at}], "next_token": str(at + 1) if at < 4 else None})

    service.answers = answers
    pages = client().pages("v2/things", {"a": "b"}, "data", "next_token")
    assert [row["x"] for row in pages] == [0, 1, 2, 3, 4]
    assert all(asked.query["a"] == "b" for asked in service.asked)

    service.answers = lambda asked: said(
        {"data": [], "next_token": {"p": "q"}.get(asked.query.get("next_token", ""), "p")}
    )
    with pytest.raises(PagingError, match="after 3 pages next_token leads to a page"):
        list(client().pages("v2/things", {}, "data", "next_token"))
    count = iter(range(10_000))
    service.answers = lambda _: said({"data": [], "next_token": str(next(count))})
    with pytest.raises(PagingError, match="more than 5 pages"):
        list(client(pages=5).pages("v2/things", {}, "data", "next_token"))


@pytest.mark.parametrize("query", [False, True], ids=["header", "address"])
def test_the_token_is_in_no_log_and_in_no_error(
    query: bool, service: Service, client: Make, caplog: pytest.LogCaptureFixture
):
    """The service repeats the address and the header that it got; httpx logs all it can."""
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    logging.getLogger("httpcore").setLevel(logging.DEBUG)
    texts = []
    for status in (200, 400, 401, 403, 404, 500):
        service.answers = lambda asked, status=status: said(
            {"error": f"{asked.headers.get('authorization')} {asked.query}"}, status
        )
        with caplog.at_level(logging.DEBUG):
            made = client(query=query, tries=1)
            with pytest.raises((AnswerError, ServiceError, CredentialsError)) as caught:
                made.rows(**ASK)
        shown = "".join(traceback.format_exception(caught.value))
        assert HIDDEN in str(caught.value)
        texts += [shown, repr(caught.value), repr(made.credentials), str(vars(made.http))]
    texts += [record.getMessage() for record in caplog.records]
    assert any("HTTP Request: GET" in text for text in texts)
    assert not any(TOKEN in text or "3fJ9" in text for text in texts)


def test_a_missing_token_names_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    credentials = Credentials((VARIABLE,), "make one at example.org", bearer(VARIABLE))
    with pytest.raises(CredentialsError, match=rf"{VARIABLE}: not set.*\.env.*make one at"):
        credentials.secrets()
    monkeypatch.setenv(VARIABLE, "two\nlines")
    with pytest.raises(CredentialsError, match="characters that no token has"):
        credentials.secrets()


def test_redaction_knows_the_forms_of_an_address():
    secret = {"A": "a b/c+d=é"}
    assert redact("x a%20b%2Fc%2Bd%3D%C3%A9 a+b%2Fc%2Bd%3D%C3%A9 a b/c+d=é y", secret) == (
        f"x {HIDDEN} {HIDDEN} {HIDDEN} y"
    )
    assert redact(r'{"sent": "a\"b\/cdef"}', {"A": 'a"b/cdef'}) == f'{{"sent": "{HIDDEN}"}}'


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "https://u:p@example.org",
        "https://h/?key=1",
        "ftp://h",
        "https://",
        "x",
    ],
)
def test_an_address_that_no_token_goes_to(url: str):
    with pytest.raises(ValidationError, match="base_url"):
        CollectOptions(base_url=url)


def test_addresses_that_one_may_go_to():
    for url in (
        "https://example.org/a/",
        "http://127.0.0.1:80",
        "http://localhost",
        "http://[::1]",
    ):
        assert CollectOptions(base_url=url).base_url == url.rstrip("/")
