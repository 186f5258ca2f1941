"""Web services on this machine that answer like the real ones, with their faults."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """A request: method, path, query (the last of each), headers (names in small), body."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str


class Said(NamedTuple):
    """An answer; `cut`: the connection breaks after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple's default
    cut: int | None = None


Answers = Callable[[Asked], Said]


def said(content: Any, status: int = 200, **headers: str) -> Said:
    """Return an answer of JSON; names of headers with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, json.dumps(content).encode(), named)


class Service:
    """What was asked, and how it is answered: faults first, one a request, then `answers`."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.faults: list[Said] = []
        self.asked: list[Asked] = []
        self.delay_s = 0.0
        self.url = ""

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        time.sleep(self.delay_s)
        return self.faults.pop(0) if self.faults else self.answers(asked)


@contextmanager
def serving(answers: Answers) -> Iterator[Service]:
    """Give a service on a free port of this machine; it is stopped however the block ends."""
    service = Service(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

        def _do(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0))).decode()
            answer = service.answer(Asked(self.command, parts.path, query, headers, body))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body if answer.cut is None else answer.body[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

        do_GET = do_POST = _do  # noqa: N815 - the base class looks for these names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


TOKEN = "tok-3fJ9+s/Zq=eret"  # of no service; with what an address must encode
READINESS = (
    *("activity_balance", "body_temperature", "hrv_balance", "previous_day_activity"),
    *("previous_night", "recovery_index", "resting_heart_rate", "sleep_balance"),
)


def oura(asked: Asked, per_page: int = 9) -> Said:
    """Answer as the Oura API v2 does: made of the day alone, page by page."""
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        detail = f"Invalid token {asked.headers.get('authorization')}"
        return said({"status": 401, "title": "Unauthorized", "detail": detail}, 401)
    endpoint = asked.path.rsplit("/", 1)[-1]
    key = "datetime" if endpoint == "heartrate" else "date"
    first = date.fromisoformat(asked.query[f"start_{key}"][:10])
    last = date.fromisoformat(asked.query[f"end_{key}"][:10])
    days = [first + timedelta(days=i) for i in range((last - first).days)]  # the end is left out
    documents = [each for day in days for each in document(endpoint, day)]
    at = int(asked.query.get("next_token", "page-0").removeprefix("page-"))
    after = f"page-{at + 1}" if (at + 1) * per_page < len(documents) else None
    return said({"data": documents[at * per_page : (at + 1) * per_page], "next_token": after})


def document(endpoint: str, day: date) -> list[dict[str, Any]]:
    """Return the documents of a day, in the real shape; every seventh has a nap too."""
    n, text = day.toordinal(), str(day)
    ids = {"id": f"{endpoint}-{text}", "day": text}
    stamp = {"timestamp": f"{text}T00:00:00+00:00"}
    contributors = {name: (n * (i + 3)) % 100 for i, name in enumerate(READINESS)}
    if endpoint == "heartrate":
        times = [f"{text}T0{hour}:15:00+00:00" for hour in range(3)]
        return [
            {"bpm": 50 + (n + i) % 30, "source": "sleep", "timestamp": t}
            for i, t in enumerate(times)
        ]
    if endpoint == "daily_readiness":
        more = {"temperature_deviation": 0.1, "temperature_trend_deviation": -0.02}
        return [ids | stamp | more | {"score": 60 + n % 40, "contributors": contributors}]
    if endpoint in ("daily_sleep", "daily_activity"):
        return [ids | stamp | {"score": 50 + n % 50, "contributors": None, "steps": 100 * (n % 90)}]
    if endpoint == "sleep":
        night = sleep(day, "long_sleep", 25_000 + n % 1000)
        return [night, sleep(day, "late_nap", 1800)] if n % 7 == 0 else [night]
    start = {"start_datetime": f"{text}T10:00:00+02:00", "end_datetime": f"{text}T10:30:00+02:00"}
    if endpoint == "workout":
        return [ids | start | {"activity": "walking", "calories": 90.5, "distance": 1200.0}]
    return [ids | start | {"type": "meditation", "heart_rate": None, "mood": "good"}]


def sleep(day: date, kind: str, total_s: int) -> dict[str, Any]:
    """Return a document of the endpoint `sleep`."""
    before = day - timedelta(days=1)
    return {
        "id": f"{kind}-{day}",
        "day": str(day),
        "type": kind,
        "bedtime_start": f"{before}T23:30:00+01:00",
        "bedtime_end": f"{day}T07:00:00+01:00",
        "total_sleep_duration": total_s,
        "time_in_bed": total_s + 1200,
        "average_heart_rate": 55.5,
        "average_hrv": 42,
        "lowest_heart_rate": 48,
        "efficiency": 91,
        "heart_rate": {"interval": 300, "items": [50, None], "timestamp": f"{before}T23:30:00"},
        "readiness": {"score": 70, "contributors": {"activity_balance": 74}},
        "sleep_phase_5_min": "4221",
    }
