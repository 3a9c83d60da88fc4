"""Reports by HTTP: signed, in order, and tried again until they arrive.

    X-EchoSieve-Timestamp: 1790000000
    X-EchoSieve-Signature: v1=<hex of HMAC-SHA256(secret, "<timestamp>.<body>")>
    X-EchoSieve-Delivery: <the same whenever this report comes again>

A receiver computes the signature over the bytes that came, compares in constant time, refuses
timestamps that are minutes old, and drops deliveries it has seen.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from clients.database import database
from clients.sdk.backoff import Backoff, asked_s

log = logging.getLogger("echosieve")

PATIENT = Backoff(first_s=1.0, most_s=300.0)
REPLY_S = 15.0  # until the receiver says something, and something more
ATTEMPT_S = 30.0  # for all that it says: it may say a little again and again
MOST_ASKED_S = 3_600.0  # that a receiver's Retry-After is heeded
NEVER = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})  # coming again is of no use

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY,
    url TEXT NOT NULL,
    delivery TEXT NOT NULL,
    body BLOB NOT NULL,
    since REAL NOT NULL,  -- Unix seconds
    UNIQUE (url, delivery)
)
"""


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """What stands in `X-EchoSieve-Signature`."""
    signed = f"{timestamp}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Report:
    """One that has not arrived."""

    number: int
    delivery: str
    body: bytes
    since: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a report has not arrived; the receiver asks that none comes for `wait_s`."""

    reason: str
    for_good: bool = False
    wait_s: float = 0.0


class Outbox:
    """What has not arrived yet, over restarts: a SQLite file. The same delivery is put in once."""

    def __init__(self, path: Path | str) -> None:
        """Raises EchoSieveError where the file cannot be used."""
        self._db = database(path, SCHEMA, "as an outbox")

    def close(self) -> None:
        self._db.close()

    def put(self, url: str, delivery: str, body: bytes, now: float) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO outbox (url, delivery, body, since) VALUES (?, ?, ?, ?)",
            (url, delivery, body, now),
        )

    def first(self, url: str) -> Report | None:
        """The oldest one for a receiver."""
        query = "SELECT number, delivery, body, since FROM outbox WHERE url = ? ORDER BY number"
        row = self._db.execute(query, (url,)).fetchone()
        return Report(*row) if row else None

    def remove(self, number: int) -> None:
        self._db.execute("DELETE FROM outbox WHERE number = ?", (number,))


class Webhook:
    """Sends to one receiver. `run` beside the rest; `put` whenever there is something."""

    def __init__(
        self,
        url: str,
        secret: str,
        outbox: Outbox,
        *,
        give_up_s: float = 86_400.0,
        backoff: Backoff = PATIENT,
        transport: httpx.AsyncBaseTransport | None = None,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._secret = secret
        self._outbox = outbox
        self._give_up_s = give_up_s
        self._backoff = backoff
        self._transport = transport
        self._wall = wall
        self._sleep = sleep
        self._news = asyncio.Event()
        self._idle = asyncio.Event()

    def put(self, delivery: str, body: bytes) -> None:
        """Kept until it has arrived, or was refused for good."""
        self._outbox.put(self._url, delivery, body, self._wall())
        self._idle.clear()
        self._news.set()

    async def emptied(self) -> None:
        """Wait until everything has arrived."""
        await self._idle.wait()

    async def run(self) -> None:
        """Does not end."""
        async with httpx.AsyncClient(timeout=REPLY_S, transport=self._transport) as http:
            failures = 0
            while True:
                report = self._outbox.first(self._url)
                if report is None:
                    self._idle.set()
                    self._news.clear()
                    await self._news.wait()
                    continue
                refusal = await self._send(http, report)
                if refusal is None or self._gives_up(report, refusal):
                    self._outbox.remove(report.number)
                    failures = 0
                else:
                    failures += 1
                    wait_s = max(refusal.wait_s, self._backoff.wait_s(failures))
                    said = "the webhook %s did not take a report: %s; it is tried again in %.1f s"
                    log.warning(said, shown(self._url), refusal.reason, wait_s)
                    await self._sleep(wait_s)

    async def _send(self, http: httpx.AsyncClient, report: Report) -> Refusal | None:
        """None where it has arrived."""
        timestamp = int(self._wall())
        headers = {
            "Content-Type": "application/json",
            "X-EchoSieve-Timestamp": str(timestamp),
            "X-EchoSieve-Signature": signature(self._secret, timestamp, report.body),
            "X-EchoSieve-Delivery": report.delivery,
        }
        try:
            async with asyncio.timeout(ATTEMPT_S):
                response = await http.post(self._url, content=report.body, headers=headers)
        except TimeoutError:
            return Refusal(f"no whole answer within {ATTEMPT_S:g} s")
        except httpx.HTTPError as error:
            return Refusal(type(error).__name__)
        if response.is_success:
            return None
        asked = asked_s(response.headers.get("Retry-After"), self._wall())
        return Refusal(
            f"status {response.status_code}",
            for_good=response.status_code in NEVER,
            wait_s=min(asked or 0.0, MOST_ASKED_S),
        )

    def _gives_up(self, report: Report, refusal: Refusal) -> bool:
        """Whether it will not be sent again; then the log says so."""
        receiver = shown(self._url)
        if refusal.for_good:
            log.error("the webhook %s refuses a report: %s", receiver, refusal.reason)
        elif self._wall() - report.since > self._give_up_s:
            log.error("the webhook %s never took a report: %s", receiver, refusal.reason)
        else:
            return False
        return True


def shown(url: str) -> str:
    """Without what may be secret in it: path, query and user."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}"
