"""The server's port: waited for where a killed server's is taken for a moment longer."""

import socket
import threading

import pytest

from tasks.core import server


def test_a_port_that_is_taken_for_a_moment_is_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        threading.Timer(0.2, taken.close).start()
        with server._listen(port) as listening:
            assert listening.getsockname()[1] == port


def test_a_port_that_stays_taken_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "PORT_LIMIT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        server._listen(taken.getsockname()[1])
