"""The files of a benchmark: entries with their lines, media beside them, and what is amiss."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sieve.errors import BenchmarkError
from sieve.eval.benchmarks.item import Item, LeftOut, Unusable
from sieve.faults import faults

_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Entry:
    """An element of a JSON list or object (then with its ``key``), or a line of JSON Lines."""

    where: str
    key: str
    value: Any


class Loading:
    """What a loader finds: the items that can be asked, the entries that cannot and why."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.left_out: list[LeftOut] = []
        self._lines: dict[str, str] = {}  # id -> where

    def entries(self, path: Path) -> Iterator[Entry]:
        """The entries of a .json or .jsonl file; what is no JSON is noted with its line.

        Raises BenchmarkError for a file that is no text.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise BenchmarkError(f"{path} cannot be read as UTF-8 text: {error}") from error
        read = self._lines_of if path.suffix == ".jsonl" else self._elements_of
        for entry in read(path.name, text):
            if _is_text(entry):
                yield entry
            else:
                self.left_out.append(LeftOut(entry.where, "holds half of a character (UTF-16)"))

    def _lines_of(self, name: str, text: str) -> Iterator[Entry]:
        for number, line in enumerate(text.split("\n"), start=1):
            where = f"{name}:{number}"
            if not line.strip():
                continue
            try:
                yield Entry(where, "", json.loads(line))
            except (ValueError, RecursionError) as error:
                self.left_out.append(LeftOut(where, f"no JSON: {_amiss(error)}"))

    def _elements_of(self, name: str, text: str) -> Iterator[Entry]:
        line = 1
        try:
            for line, key, value in elements(text):
                yield Entry(f"{name}:{line}", key, value)
        except (ValueError, RecursionError) as error:
            line = error.lineno if isinstance(error, json.JSONDecodeError) else line
            reason = f"no JSON: {_amiss(error)}; nothing after it could be read"
            self.left_out.append(LeftOut(f"{name}:{line}", reason))

    @contextmanager
    def entry(self, where: str) -> Iterator[None]:
        """An entry that turns out to be unusable is left out; the others go on."""
        try:
            yield
        except ValidationError as error:
            self.left_out.append(LeftOut(where, faults(error, "the entry")))
        except Unusable as error:
            self.left_out.append(LeftOut(where, str(error)))

    def add(self, item: Item) -> None:
        """Raises Unusable for an id that is taken."""
        if item.id in self._lines:
            raise Unusable(f"the id {item.id!r} is that of {self._lines[item.id]} already")
        self._lines[item.id] = item.where
        self.items.append(item)


class Folder:
    """The directory a benchmark was downloaded to."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise BenchmarkError(f"there is no directory {root}")
        self.root = root

    def file(self, *names: str) -> Path:
        """The first of the files that is there; raises BenchmarkError where none is."""
        for name in names:
            if (self.root / name).is_file():
                return self.root / name
        raise BenchmarkError(f"{self.root} has no {' and no '.join(names)} (docs/BENCHMARKS.md)")

    def media(self, *names: str) -> Path:
        """The first of the media files that is there; raises Unusable where none is."""
        for name in names:
            if os.path.isfile(self.root / name):  # noqa: PTH113 - a name no file can have is none
                return self.root / name
        raise Unusable(f"there is no {' and no '.join(names)}")


def elements(text: str) -> Iterator[tuple[int, str, Any]]:
    """Line, key ("" in a list) and value of each element of a JSON list or object.

    Raises JSONDecodeError where the text stops being JSON, after what came before it.
    """
    decode = json.JSONDecoder().raw_decode
    at = _after_space(text, 0)
    closing = {"[": "]", "{": "}"}.get(text[at : at + 1])
    if closing is None:
        raise json.JSONDecodeError("a list or an object of entries was expected", text, at)
    at = _after_space(text, at + 1)
    line, counted = 1, 0
    while text[at : at + 1] != closing:
        line, counted = line + text.count("\n", counted, at), at
        key = ""
        if closing == "}":
            key, end = decode(text, at)
            if not isinstance(key, str):
                raise json.JSONDecodeError("a key in double quotes was expected", text, at)
            at = _after(":", text, end)
        value, at = decode(text, at)
        yield line, key, value
        end = _after_space(text, at)
        if text[end : end + 1] == closing:
            return
        at = _after(",", text, at)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _after(mark: str, text: str, at: int) -> int:
    at = _after_space(text, at)
    if text[at : at + 1] != mark:
        raise json.JSONDecodeError(f"Expecting {mark!r} delimiter", text, at)
    return _after_space(text, at + 1)


def _is_text(entry: Entry) -> bool:
    """JSON may hold lone surrogates, which no tokenizer reads and no terminal shows."""
    try:
        json.dumps([entry.key, entry.value], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _amiss(error: Exception) -> str:
    """What is wrong with a text that is no JSON, or more than can be read: depth, digits."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)
