"""The service in a process of its own."""

from __future__ import annotations

import multiprocessing

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
