"""What does not fit together in a configuration, as far as its tables can be read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from clients.mqtt.settings import contradictions
from clients.mqtt.topics import alike
from session import wire

CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]?\d")
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Misfit = tuple[list[str], str]  # the keys, and what is wrong


def misfits(tables: Mapping[str, Any]) -> Iterator[Misfit]:
    """As far as the tables can be read: what else is wrong with them is told elsewhere."""
    sources = _tables_of(tables, "source")
    yield from _doubled(sources)
    watches = _tables_of(tables, "watch")
    yield from _of_no_source(sources, watches)
    if isinstance(tables.get("mqtt"), dict):
        yield from _of_one_topic(watches)
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


def _of_one_topic(watches: list[dict[str, Any]]) -> Iterator[Misfit]:
    """Those that one source would have."""
    for place, watch in enumerate(watches):
        before = (other for other in watches[:place] if _meet(watch, other))
        queries = (query for other in before if isinstance(query := other.get("query"), str))
        if isinstance(query := watch.get("query"), str) and (said := alike(query, queries)):
            yield ["watch", str(place), "query"], said


def _meet(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two watches are of one kind and have a source in common."""
    if one.get("kind", "event") != other.get("kind", "event"):
        return False
    some, others = one.get("sources"), other.get("sources")
    if not isinstance(some, list) or not isinstance(others, list):
        return True  # of all of them
    return any(name in others for name in some)


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
