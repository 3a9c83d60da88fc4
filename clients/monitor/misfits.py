"""What does not fit together in a configuration, as far as its tables can be read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from clients.mqtt.settings import contradictions
from clients.mqtt.topics import alike, slug
from session import wire

CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]?\d")
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Misfit = tuple[list[str], str]  # the keys, and what is wrong


def misfits(tables: Mapping[str, Any]) -> Iterator[Misfit]:
    """As far as the tables can be read: what else is wrong with them is told elsewhere."""
    sources = _tables_of(tables, "source")
    yield from _doubled(sources)
    yield from _of_one_room(sources)
    yield from _of_one_receiver(_tables_of(tables, "webhook"))
    watches = _tables_of(tables, "watch")
    yield from _of_no_source(sources, watches)
    yield from _of_one_source(watches, lamps=isinstance(tables.get("mqtt"), dict))
    bots = tables.get("bots")
    if isinstance(bots, dict) and isinstance(host := bots.get("host"), str):
        yield from _open_bots(sources, host)
    yield from _of_one_table(tables)


def _tables_of(tables: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Those of one name; an entry that is no table stands there as an empty one."""
    found = tables.get(key)
    entries = found if isinstance(found, list) else []
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def _doubled(sources: list[dict[str, Any]]) -> Iterator[Misfit]:
    for place, name in _again(sources, "name"):
        yield ["source", str(place), "name"], f"{name} stands more than once"


def _again(tables: list[dict[str, Any]], key: str) -> Iterator[tuple[int, str]]:
    """The places at which a text stands that stood before, and the text."""
    before = set[str]()
    for place, table in enumerate(tables):
        if not isinstance(text := table.get(key), str):
            continue
        if text in before:
            yield place, text
        before.add(text)


def _of_one_room(sources: list[dict[str, Any]]) -> Iterator[Misfit]:
    """Each would set the sessions of the other. What a monitor publishes itself has its name for a
    room."""
    before: dict[str, str] = {}  # the source of each room
    for place, source in enumerate(sources):
        key = "room" if source.get("kind") == "room" and source.get("room") is not None else "name"
        room, name = source.get(key), source.get("name")
        if not isinstance(room, str) or not isinstance(name, str):
            continue
        if (other := before.setdefault(room, name)) != name:
            yield ["source", str(place), key], f"the room {room} is watched as {other} already"


def _of_one_receiver(webhooks: list[dict[str, Any]]) -> Iterator[Misfit]:
    """It would get each report twice. The URL is not told, as there may be a secret in it."""
    for place, _ in _again(webhooks, "url"):
        yield ["webhook", str(place), "url"], "this receiver stands more than once"


def _of_no_source(sources: list[dict[str, Any]], watches: list[dict[str, Any]]) -> Iterator[Misfit]:
    """Nothing where a source has no name yet: it may be the one that is meant."""
    if not sources or not all(isinstance(source.get("name"), str) for source in sources):
        return
    names = {source["name"]: None for source in sources}  # in their order
    for place, watch in enumerate(watches):
        asked = watch.get("sources")
        for name in asked if isinstance(asked, list) else []:
            if isinstance(name, str) and name not in names:
                known = ", ".join(names)
                yield (
                    ["watch", str(place), "sources"],
                    f"no source is called {name!r}; there is {known}",
                )


def _of_one_source(watches: list[dict[str, Any]], *, lamps: bool) -> Iterator[Misfit]:
    """Those of one kind and query that one source would have, or, where there are `lamps`, of one
    topic."""
    seen: dict[tuple[str, str, str], str] = {}  # a query by its kind, level and source
    for place, watch in enumerate(watches):
        query, kind = watch.get("query"), watch.get("kind", "event")
        if not isinstance(query, str) or not isinstance(kind, str):
            continue
        level = slug(query) if lamps else query
        looked, stands = _places_of(watch)
        others = [seen[key] for one in looked if (key := (kind, level, one)) in seen]
        if others:
            said = alike(query, others[:1]) or f"{query!r} stands more than once for one source"
            yield ["watch", str(place), "query"], said
        for one in stands:
            seen.setdefault((kind, level, one), query)


SOME, ALL = "*", "**"  # what no source is called


def _places_of(watch: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Where others that have a source in common with it stand, and where it stands itself."""
    if not isinstance(sources := watch.get("sources"), list):
        return [SOME], [SOME, ALL]
    names = [name for name in sources if isinstance(name, str)]
    return [ALL, *names], [SOME, *names]


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


# --- Within one table -----------------------------------------------------------------------------


def _of_one_table(tables: Mapping[str, Any]) -> Iterator[Misfit]:
    if isinstance(service := tables.get("service"), dict) and _both(service, "token"):
        yield ["service"], "give token_file or token_env, not both"
    if isinstance(mqtt := tables.get("mqtt"), dict):
        yield from ((["mqtt"], said) for said in contradictions(mqtt))
    for keys, source in _entries(tables, "source"):
        if source.get("kind") == "bot" and _both(source, "secret"):
            yield keys, "give secret_file or secret_env, not both"
    for keys, hook in _entries(tables, "webhook"):
        if bool(hook.get("secret_file")) == bool(hook.get("secret_env")):
            yield keys, "give secret_file or secret_env: a report is signed with it"
    for keys, watch in _entries(tables, "watch"):
        yield from _of_a_watch(keys, watch)


def _of_a_watch(keys: list[str], watch: Mapping[str, Any]) -> Iterator[Misfit]:
    threshold = wire.THRESHOLD if watch.get("threshold") is None else watch["threshold"]
    release = watch.get("release")
    if _is_share(threshold) and _is_share(release) and release > threshold:
        yield keys, f"release <= threshold: {release} is above {threshold}"
    for place, quiet in _entries(watch, "quiet"):
        start, end = quiet.get("start"), quiet.get("end")
        if _is_clock(start) and _is_clock(end) and _minutes(start) == _minutes(end):
            yield keys + place, f"quiet hours from {start} to {end} are empty"


def _entries(table: Mapping[str, Any], key: str) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Those that are tables, each with its keys."""
    found = table.get(key)
    for place, entry in enumerate(found if isinstance(found, list) else []):
        if isinstance(entry, dict):
            yield [key, str(place)], entry


def _both(table: Mapping[str, Any], what: str) -> bool:
    return bool(table.get(f"{what}_file") and table.get(f"{what}_env"))


def _is_share(value: object) -> TypeGuard[float]:
    return isinstance(value, float) and 0.0 < value < 1.0


def _is_clock(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and CLOCK.fullmatch(value) is not None


def _minutes(clock: str) -> int:
    """Of the day: of "22:30"."""
    hour, minute = clock.split(":")
    return 60 * int(hour) + int(minute)
