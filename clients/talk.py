"""A conversation in a terminal: questions from lines, answers as they are written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import TextIO

from rich.console import Console
from rich.markup import escape

from clients.advice import told
from clients.sdk.errors import EchoSieveError, Unauthorized
from clients.sdk.session import Session
from session import wire

PROMPT = "[bold cyan]>[/] "


class Talk:
    """Asks the session that `session` gives at that moment, and prints."""

    def __init__(self, console: Console, session: Callable[[], Session]) -> None:
        self._console = console
        self._session = session

    async def ask(self, question: str) -> wire.Answer:
        """Print the answer as it is written, then what it rests on. Raises EchoSieveError."""
        asking = self._session().ask(question)
        async for delta in asking:
            self._console.print(escape(delta), end="", soft_wrap=True, highlight=False)
        self._console.print()
        self._console.print(f"[dim]{footnote(asking.answer)}[/]", highlight=False)
        return asking.answer

    async def hold(self, lines: AsyncIterator[str]) -> None:
        """Answer line after line. A question that fails is told, and the conversation goes on."""
        self._console.print(PROMPT, end="")
        async for line in lines:
            if line.strip():
                try:
                    await self.ask(line.strip())
                except Unauthorized:
                    raise
                except EchoSieveError as error:
                    self._console.print(f"[red]{escape(told(error))}[/]")
            self._console.print(PROMPT, end="")


def footnote(answer: wire.Answer) -> str:
    """What the answer rests on, in a line."""
    kept, seen = (c.video + c.audio for c in (answer.kept, answer.seen))
    first = f", first word after {answer.first_token_ms:.0f} ms" if answer.first_token_ms else ""
    return f"at {answer.asked_s:.1f} s, from {kept} of {seen} tokens{first}"


async def lines_of(stream: TextIO) -> AsyncIterator[str]:
    """The lines of a text stream, to its end. They are read in a thread that ends with the process:
    a read from a terminal cannot be broken off."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def tell(line: str) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(lines.put_nowait, line)

    def read() -> None:
        for line in stream:
            tell(line)
        tell("")

    threading.Thread(target=read, name="lines", daemon=True).start()
    while line := await lines.get():
        yield line
