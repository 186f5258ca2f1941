"""`temper ui` serves both UIs on loopback and leaves nothing behind."""

import os
import re
import signal
import urllib.request

import pytest

from tests.pipeline.conftest import Project, until


@pytest.mark.parametrize(
    "sign", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_both_uis_answer_and_end(ran: Project, sign: signal.Signals):
    process = ran.start("ui")
    assert process.stdout is not None
    try:
        head = "".join(process.stdout.readline() for _ in range(3))
        addresses = dict(re.findall(r"(Prefect|MLflow)\s+(http://127\.0\.0\.1:\d+)", head))
        assert set(addresses) == {"Prefect", "MLflow"}, head
        for address in addresses.values():
            assert until(lambda a=address: _status(a) == 200, 60, 0.3), address
        os.kill(process.pid, sign)
        text, _ = process.communicate(timeout=30)
        assert process.returncode == 0, text
        assert "Traceback" not in text
        assert until(lambda: not ran.processes(server=False), 10), ran.processes()
    finally:
        if process.poll() is None:
            ran.end()


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status
    except OSError:
        return 0
