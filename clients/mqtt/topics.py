"""Names of topics, and what is sent to one. Pure. See docs/MONITOR.md for the table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

QoS = Literal[0, 1]
NAME = r"^[A-Za-z0-9_-]{1,64}$"
PREFIX = r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,3}$"
ONLINE, OFFLINE = "online", "offline"
MOST_SLUG = 48


@dataclass(frozen=True, slots=True)
class Message:
    """What is published.

    QoS 1 is sent until the broker has acknowledged it, over any number of connections, unless it is
    sent `once`; QoS 0 is dropped while there is no connection.
    """

    topic: str
    payload: bytes
    qos: QoS = 1
    retain: bool = False
    once: bool = False
    content_type: str = "application/json"
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics under a prefix. A session goes by a `name` that outlives it, such as "kitchen"."""

    prefix: str = "echosieve"
    discovery: str = "homeassistant"  # where Home Assistant listens

    @property
    def available(self) -> str:
        return f"{self.prefix}/available"

    @property
    def events(self) -> str:
        return f"{self.prefix}/events"

    @property
    def alerts(self) -> str:
        return f"{self.prefix}/alerts"

    @property
    def stats(self) -> str:
        return f"{self.prefix}/stats"

    @property
    def birth(self) -> str:
        """Where Home Assistant tells that it has started."""
        return f"{self.discovery}/status"

    def of(self, name: str, *parts: str) -> str:
        """A topic of one session."""
        return "/".join((self.prefix, name, *parts))

    def source(self, name: str) -> str:
        """Whether what feeds a session can be watched."""
        return self.of(name, "source")

    def device(self, name: str) -> str:
        """Where Home Assistant looks for the description of a session."""
        prefix = self.prefix.replace("/", "_")
        return f"{self.discovery}/device/{prefix}_{name}/config"

    def answerable(self, topic: str) -> bool:
        """Whether an answer may go to a topic that somebody asked for: never to one that means
        something to the bridge, the broker or Home Assistant."""
        reserved = (f"{self.prefix}/", f"{self.discovery}/", "$")
        wild = any(character in topic for character in "+#\0")
        return bool(topic) and not wild and not topic.startswith(reserved)


def slug(query: str) -> str:
    """A query as a level of a topic; "a red circle appears" becomes "a-red-circle-appears"."""
    plain = "-".join(re.findall(r"[a-z0-9]+", query.lower()))
    if plain and query.isascii() and len(plain) <= MOST_SLUG:
        return plain
    digest = hashlib.sha256(query.encode()).hexdigest()[:8]
    return f"{plain[:MOST_SLUG]}-{digest}".strip("-")


def alike(query: str, others: Iterable[str]) -> str | None:
    """What is wrong with a query that would share its topic with another: a lamp can show one."""
    level = slug(query)
    for other in others:
        if other != query and slug(other) == level:
            return f"{query!r} and {other!r} have one topic ({level}): word one of them otherwise"
    return None
