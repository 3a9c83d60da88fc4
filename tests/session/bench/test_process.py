"""The service in a process of its own."""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import sys
import time

import pytest

from session.bench import process
from session.bench.process import ServiceEnded
from session.config import ServiceConfig


def test_a_service_that_ends_by_itself_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_serve", _tell_and_end)
    with pytest.raises(ServiceEnded, match="ended by itself"), process.service(ServiceConfig()):
        multiprocessing.active_children()[0].join()


def _tell_and_end(_: object, tell: object) -> None:
    tell.send("http://127.0.0.1:1")  # type: ignore[attr-defined]


MEASUREMENT = """
from session.bench.process import service
from session.config import ServiceConfig
with service(ServiceConfig()) as url:
    print(url, flush=True)
    input()
"""


def test_a_service_ends_with_a_measurement_that_is_killed() -> None:
    command = [sys.executable, "-c", MEASUREMENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as measuring:
        assert measuring.stdout is not None
        port = int(measuring.stdout.readline().rpartition(b":")[2])
        assert answers(port)
        measuring.kill()
    deadline = time.monotonic() + 30.0
    while answers(port) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not answers(port)


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
