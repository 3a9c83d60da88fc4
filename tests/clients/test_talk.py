"""The conversation in a terminal."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

from rich.console import Console

from clients.talk import Talk, lines_of
from tests.clients.sdk.conftest import Line, line

__all__ = ["line"]


def terminal() -> Console:
    return Console(file=io.StringIO(), width=100)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def said(*lines: str) -> AsyncIterator[str]:
    for one in lines:
        yield one


async def test_an_answer_is_printed_with_what_it_rests_on(line: Line) -> None:
    session, _ = await line.join(4.5)
    console = terminal()
    await Talk(console, lambda: session).ask("what [now]")
    text = printed(console)
    assert text.startswith("what [now] at 2\n")
    assert "from 14 of" in text


async def test_a_question_that_fails_is_told_and_the_conversation_goes_on(line: Line) -> None:
    session, _ = await line.join(4.5)
    console = terminal()
    await Talk(console, lambda: session).hold(said("this is too long\n", "\n", "what now\n"))
    text = printed(console)
    assert "the answer failed" in text
    assert "what now at 2" in text


async def test_lines_come_to_their_end() -> None:
    found = [one async for one in lines_of(io.StringIO("one\ntwo\n"))]
    assert found == ["one\n", "two\n"]
