"""Reads text/event-stream (HTML Living Standard, 9.2). Pure: bytes in, messages out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Message:
    """One block: what it holds of each field, None where it has none (`event`: empty)."""

    id: str | None
    event: str
    data: str | None


class Parser:
    """Takes the body in pieces of any size. Only the ends of lines that the standard names count:
    U+2028 inside of JSON is text."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._rest = ""
        self._id: str | None = None
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that are complete with `chunk`."""
        self._rest += self._decoder.decode(chunk)
        # A \r at the very end may be the first half of \r\n: it waits.
        held = self._rest.endswith("\r")
        lines = LINE_END.split(self._rest[:-1] if held else self._rest)
        self._rest = lines.pop() + ("\r" if held else "")
        for line in lines:
            if line:
                self._take(line)
            elif (message := self._dispatch()) is not None:
                yield message

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value

    def _dispatch(self) -> Message | None:
        """The block so far, if there is anything in it; begins the next one."""
        data = "\n".join(self._data) if self._data else None
        message = Message(self._id, self._event, data)
        self._id, self._event, self._data = None, "", []
        return None if message.id is message.data is None else message
