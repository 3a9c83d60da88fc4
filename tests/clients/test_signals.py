"""What a signal ends is ended in order."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from types import ModuleType

import pytest
from rich.console import Console

from clients import watching, webcam
from clients.signals import ran_to_its_end


class Work:
    """It sends itself a signal."""

    def __init__(self, number: signal.Signals | None = None) -> None:
        self.ended = False
        self._number = number

    async def do(self) -> None:
        try:
            if self._number is not None:
                os.kill(os.getpid(), self._number)
                await asyncio.Event().wait()
        finally:
            if self._number == signal.SIGTERM:
                os.kill(os.getpid(), signal.SIGTERM)  # as `timeout` sends two
            await asyncio.sleep(0.01)  # as goodbyes take a moment
            self.ended = True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_runs_in_order(number: signal.Signals) -> None:
    work = Work(number)
    assert not ran_to_its_end(work.do())
    assert work.ended


def test_what_is_not_ended_from_outside_runs_to_its_end() -> None:
    work = Work()
    assert ran_to_its_end(work.do())
    assert work.ended


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("command", "does", "arguments"),
    [(watching, "watch", ["http://127.0.0.1:9/film"]), (webcam, "converse", [])],
)
def test_a_command_that_is_asked_to_end_has_not_failed(
    monkeypatch: pytest.MonkeyPatch,
    command: ModuleType,
    does: str,
    arguments: list[str],
    number: signal.Signals,
) -> None:
    work = Work(number)

    async def asked_to_end(args: argparse.Namespace, console: Console) -> None:
        await work.do()

    monkeypatch.setattr(command, does, asked_to_end)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args(arguments)) == 0
    assert work.ended
