"""Where the keys of a TOML file stand, which tomllib does not tell. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

Keys = tuple[str, ...]

HEAD = re.compile(r"\s*(\[\[?)([^\[\]]+)\]")
KEY = re.compile(r"\s*([\w.\"'-]+(?:\s*\.\s*[\w\"'-]+)*)\s*=")


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line of a key, or of the innermost one that it stands in; None where neither is there.
    Tables of one name are told apart by their place, as in `("watch", "0", "query")`."""
    places = _places(text)
    outwards = (tuple(keys[:depth]) for depth in range(len(keys), 0, -1))
    return next((places[one] for one in outwards if one in places), None)


@lru_cache(maxsize=1)  # as it is asked for everything that is wrong
def _places(text: str) -> Mapping[Keys, int]:
    """The line of every key and every head of a table; the first, where one stands again."""
    places: dict[Keys, int] = {}
    counts: Counter[Keys] = Counter()
    table: Keys = ()
    for number, line in enumerate(text.splitlines(), 1):
        if head := HEAD.match(line):
            table = _table(head[2], head[1] == "[[", counts)
            found = table
        elif key := KEY.match(line):
            found = table + _parts(key[1])
        else:
            continue
        for depth in range(1, len(found) + 1):
            places.setdefault(found[:depth], number)
    return places


def _table(name: str, repeated: bool, counts: Counter[Keys]) -> Keys:
    """The keys of a table by its head; one that is `repeated` gets its place behind its name."""
    *outer, last = _parts(name)
    table: Keys = ()
    for part in outer:
        table += (part,)
        if table in counts:  # of the newest of that name
            table += (str(counts[table] - 1),)
    table += (last,)
    if not repeated:
        return table
    counts[table] += 1
    return (*table, str(counts[table] - 1))


def _parts(dotted: str) -> Keys:
    """Of a key like `mqtt.port`; dots within quotes do not occur in ours."""
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
