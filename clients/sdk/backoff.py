"""How long to wait before trying again, and for how long at all. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_GENERATOR = random.SystemRandom()  # clients that lost the same service must not come back at once


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `first_s` to `most_s`, each shortened by up to a half at random."""

    first_s: float = 0.2
    most_s: float = 10.0

    def __post_init__(self) -> None:
        """Raises ValueError."""
        numbers = _is_number(self.first_s) and _is_number(self.most_s)
        if not numbers or not 0.0 < self.first_s <= self.most_s:
            raise ValueError(f"0 < first_s <= most_s, not {self.first_s!r} and {self.most_s!r}")

    def wait_s(self, failures: int, generator: random.Random | None = None) -> float:
        """Seconds to wait after so many failures in a row (1, 2 ...)."""
        doublings = min(failures - 1, 62)  # a float holds no more than 2**1023
        longest_s = min(self.most_s, self.first_s * 2.0**doublings)
        return longest_s * (generator or _GENERATOR).uniform(0.5, 1.0)


def asked_s(retry_after: str | None, now: float) -> float | None:
    """How many seconds the header Retry-After asks to wait, a number or a date (RFC 9110, 10.2.3);
    None where it asks for nothing that can be understood. `now`: Unix seconds."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": a time of no zone, in UTC (RFC 5322, 3.3)
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """What a client waits for, in seconds."""

    connect_s: float = 5.0  # until the connection stands
    reply_s: float = 30.0  # until the service replies to a request
    silence_s: float = 45.0  # of a stream; the service gives a sign of life every 15 s
    patience_s: float = 15.0  # over refusals that say when to come back (Retry-After)

    def __post_init__(self) -> None:
        """Raises ValueError."""
        for name in ("connect_s", "reply_s", "silence_s", "patience_s"):
            value = getattr(self, name)
            least = 0.0 if name == "patience_s" else 1e-3
            if not _is_number(value) or value < least:
                raise ValueError(f"{name} is a number of seconds above 0, not {value!r}")


def _is_number(value: object) -> bool:
    """No truth value, and none that nothing can be compared with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


BACKOFF = Backoff()
TIMEOUTS = Timeouts()
