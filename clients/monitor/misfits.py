"""What does not fit together in a configuration, as far as its tables can be read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LOOPBACK = ("127.0.0.1", "::1", "localhost")

Misfit = tuple[list[str], str]  # the keys, and what is wrong


def misfits(tables: Mapping[str, Any]) -> Iterator[Misfit]:
    """As far as the tables can be read: what else is wrong with them is told elsewhere."""
    sources = _tables_of(tables, "source")
    yield from _doubled(sources)
    yield from _of_no_source(sources, _tables_of(tables, "watch"))
    bots = tables.get("bots")
    if isinstance(bots, dict) and isinstance(host := bots.get("host"), str):
        yield from _open_bots(sources, host)


def _tables_of(tables: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Those of one name; an entry that is no table stands there as an empty one."""
    found = tables.get(key)
    entries = found if isinstance(found, list) else []
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def _doubled(sources: list[dict[str, Any]]) -> Iterator[Misfit]:
    names = [source.get("name") for source in sources]
    for place, name in enumerate(names):
        if isinstance(name, str) and name in names[:place]:
            yield ["source", str(place), "name"], f"{name} stands more than once"


def _of_no_source(sources: list[dict[str, Any]], watches: list[dict[str, Any]]) -> Iterator[Misfit]:
    """Nothing where a source has no name yet: it may be the one that is meant."""
    names = [name for source in sources if isinstance(name := source.get("name"), str)]
    if not names or len(names) < len(sources):
        return
    for place, watch in enumerate(watches):
        asked = watch.get("sources")
        for name in asked if isinstance(asked, list) else []:
            if isinstance(name, str) and name not in names:
                known = ", ".join(names)
                yield (
                    ["watch", str(place), "sources"],
                    f"no source is called {name!r}: {known}",
                )


def _open_bots(sources: list[dict[str, Any]], host: str) -> Iterator[Misfit]:
    """Those without a secret, where others than this machine reach them."""
    for source in sources if host not in LOOPBACK else []:
        if source.get("kind") == "bot" and not (
            source.get("secret_file") or source.get("secret_env")
        ):
            yield (
                ["bots", "host"],
                f"{host} is beyond loopback: the bot {source.get('name')!r} needs secret_file or "
                "secret_env",
            )
