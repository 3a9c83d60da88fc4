"""Small real objects in the place of the model, the connection and the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from session.errors import BadRequest
from sieve import RowConfig
from sieve.errors import NoRowFree, QuestionTooLong, SettingInvalid
from sieve.tokens import (
    WINDOW_SAMPLES,
    Begun,
    Counts,
    GridMap,
    Ingested,
    KeptMap,
    MemoryState,
    Query,
    RawWindow,
    Span,
    Step,
)
from sieve.verdict import Count, Verdict
from stream.rtc import ChannelClosedError
from stream.window import Frame, Sound

PATIENCE_S = 30.0


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeRow:
    config: RowConfig
    retention: float
    slots: int
    selector: str
    windows: list[RawWindow] = field(default_factory=list)


@dataclass
class FakeBranch:
    row: int
    words: list[str]
    max_tokens: int
    said: int = 0


class FakeEngine:
    """Answers every question with "<question> at <windows>", a word a step.

    A question with "slowly" in it is answered by 10,000 words, one every 5 ms of real time.
    `ingest_s` and `step_s` of `clock` pass with every window and step. A window whose start is in
    `poison` makes `ingest` fail; `sound` is what `check_integrity` says.
    """

    def __init__(
        self,
        *,
        rows: int = 4,
        clock: Clock | None = None,
        ingest_s: float = 0,
        step_s: float = 0,
        judge_s: float = 0,
    ) -> None:
        self.log: list[tuple[str, int]] = []
        self.open_rows: dict[int, FakeRow] = {}
        self.branches: dict[int, FakeBranch] = {}
        self.poison: set[float] = set()
        self.sound = True
        self.asked: list[tuple[str, tuple[tuple[str, str], ...], RawWindow | None]] = []
        self.judged: list[Query] = []  # in the newest pass
        self._rows = rows
        self._clock = clock
        self._ingest_s = ingest_s
        self._step_s = step_s
        self._judge_s = judge_s
        self._next = 0

    def open(self, config: RowConfig) -> int:
        free = [row for row in range(self._rows) if row not in self.open_rows]
        if not free:
            raise NoRowFree("all rows are taken")
        self.open_rows[free[0]] = FakeRow(
            config, config.retention or 0.2, config.slots or 512, str(config.selector or "cs2")
        )
        return free[0]

    def configure(
        self,
        row: int,
        *,
        retention: float | None = None,
        selector: str | None = None,
        instruction: str | None = None,
        slots: int | None = None,
    ) -> None:
        if slots is not None and slots > 512:
            raise SettingInvalid(f"a memory has 1 to 512 slots, got {slots}")
        if instruction is not None and "too long" in instruction:
            raise SettingInvalid("a memory of 512 slots is too small: the prompt takes 600")
        if selector not in (None, "cs2", "uniform"):
            raise SettingInvalid(f"no selector is called {selector!r}: there are cs2, uniform")
        state = self.open_rows[row]
        state.retention = retention or state.retention
        state.selector = selector or state.selector
        state.slots = slots or state.slots

    def ingest(self, row: int, window: RawWindow) -> Ingested:
        self.log.append(("ingest", row))
        self._pass(self._ingest_s)
        if window.start_s in self.poison:
            raise RuntimeError("bad pixels")
        self.open_rows[row].windows.append(window)
        return Ingested(kept_map(window), self.memory(row), 0)

    def ask(
        self,
        row: int,
        question: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        open_window: RawWindow | None = None,
        max_tokens: int = 64,
    ) -> Begun:
        if "too long" in question or sum(len(q) + len(a) for q, a in history) > 100:
            raise QuestionTooLong("the question takes 9999 tokens, at most 1024 are read")
        if "explode" in question:
            raise RuntimeError("the accelerator is on fire")
        self.log.append(("ask", row))
        self.asked.append((question, tuple(history), open_window))
        seen = len(self.open_rows[row].windows)
        words = [f"{word} " for word in question.split()] + ["at ", str(seen)]
        if "slowly" in question:
            words = ["word "] * 10_000
        self._next += 1
        self.branches[self._next] = FakeBranch(row, words, max_tokens)
        return Begun(
            branch=self._next,
            newest_frame_s=None,
            spans=(Span(0.0, 2.0 * seen),),
            seen=Counts(18 * seen, 50 * seen),
            kept=Counts(3 * seen, 4 * seen),
            retention=self.open_rows[row].retention,
            second_look=kept_map(open_window) if open_window else None,
        )

    def judge(self, asked: Sequence[tuple[int, Query]]) -> list[Verdict]:
        """Yes from the window on that a question names by "since <seconds>", to the one it names
        by "until <seconds>", from where on it is not answered if "answered," is in it; half a yes
        without any. Asked "how many", the number of windows."""
        self.judged = [query for _, query in asked]
        if any(self._explodes(row, query.text) for row, query in asked):
            raise RuntimeError("the accelerator is on fire")
        if any("too long" in query.text for _, query in asked):
            raise QuestionTooLong("the question takes 9999 tokens, at most 1024 are read")
        if asked:
            self.log.append(("judge", len({row for row, _ in asked})))
            self._pass(self._judge_s)
        return [self._verdict(row, query.text.rstrip("?").split()) for row, query in asked]

    def _explodes(self, row: int, question: str) -> bool:
        """Where it says "later", once something was seen."""
        seen = self.open_rows[row].windows
        return "explode" in question and ("later" not in question or bool(seen))

    def _verdict(self, row: int, words: list[str]) -> Verdict:
        windows = self.open_rows[row].windows
        now_s = windows[-1].start_s if windows else 0.0
        if words[:2] == ["how", "many"]:
            sure = 0.3 if "unsure" in words else 0.9
            return Verdict(0.5, 0.1, Count(len(windows), sure, 0.1 if "dreams" in words else 0.99))
        said = dict(zip(words, [*words[1:], ""], strict=True))
        if "since" not in said:
            return Verdict(0.5, 0.1)
        end_s = float(said.get("until", "inf"))
        if "answered," in words and now_s >= end_s:
            return Verdict(0.9, 0.1)
        return Verdict(0.9 if float(said["since"]) <= now_s < end_s else 0.1, 0.99)

    def step(self, branch: int) -> Step:
        self.log.append(("step", branch))
        self._pass(self._step_s)
        state = self.branches[branch]
        if len(state.words) > 1_000:
            time.sleep(0.005)
        text = state.words[state.said]
        state.said += 1
        spoken, cut = state.said == len(state.words), state.said == state.max_tokens
        if spoken or cut:
            del self.branches[branch]
        reason = "stop" if spoken else "length" if cut else None
        return Step(branch, 7, 1.0, text, spoken or cut, reason)

    def cancel(self, branch: int) -> None:
        self.branches.pop(branch, None)

    def close(self, row: int) -> None:
        del self.open_rows[row]
        self.branches = {n: b for n, b in self.branches.items() if b.row != row}

    def memory(self, row: int) -> MemoryState:
        state = self.open_rows[row]
        seen = len(state.windows)
        return MemoryState(
            slots=state.slots,
            used=12 + 7 * seen,
            prompt=12,
            video=3 * seen,
            audio=4 * seen,
            bytes=4096,
            oldest_s=state.windows[0].start_s if seen else None,
            newest_s=state.windows[-1].start_s + 2.0 if seen else None,
        )

    def check_integrity(self) -> bool:
        return self.sound

    def _pass(self, seconds: float) -> None:
        if self._clock:
            self._clock.sleep(seconds)


def kept_map(window: RawWindow) -> KeptMap:
    grids = tuple(GridMap(t, 3, 3, (0, 4, 8)) for t in window.grid_times_s)
    seen = Counts(9 * len(grids), 50)
    return KeptMap(window.start_s, seen, Counts(3 * len(grids), 4), grids, (1, 2, 3, 4))


def raw(index: int, grids: int = 2) -> RawWindow:
    """A closed window of an engine test."""
    pixels = np.zeros((2, 28, 28, 3), np.uint8)
    return RawWindow(
        start_s=2.0 * index,
        grids=(pixels,) * grids,
        grid_times_s=tuple(2.0 * index + i for i in range(grids)),
        grid_s=1.0,
        samples=np.zeros(WINDOW_SAMPLES, np.float32),
        lookahead=np.zeros(40, np.float32),
    )


async def eventually(is_so: Callable[[], bool]) -> None:
    """Let the service work until `is_so`, which may take long on a machine that is busy."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 - nothing to wait upon from outside
            await asyncio.sleep(0.002)


class FakeChannel:
    """One end of a data channel; the test holds the other."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[str] = asyncio.Queue()
        self.heard: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.is_open = asyncio.Event()
        self.closed = False

    async def send(self, text: str) -> None:
        await self.is_open.wait()
        if self.closed:
            raise ChannelClosedError("the data channel is closed")
        self.sent.put_nowait(text)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (said := await self.heard.get()) is not None:
            yield said

    def close(self) -> None:
        self.closed = True
        self.is_open.set()
        self.heard.put_nowait(None)


class FakePeer:
    """A connection whose media the test plays by hand, on its own session clock."""

    has_video = True
    has_audio = True

    def __init__(self) -> None:
        self.channel = FakeChannel()
        self.clock_s = 0.0
        self.is_closed = False
        self.is_dark = False  # no picture comes
        self._items: asyncio.Queue[Frame | Sound | None] = asyncio.Queue()

    def now(self) -> float:
        return self.clock_s

    async def __aiter__(self) -> AsyncIterator[Frame | Sound]:
        while (item := await self._items.get()) is not None:
            yield item

    async def closed(self) -> str:
        return "remote"

    async def close(self) -> None:
        self.is_closed = True
        self.channel.close()
        self.leave()

    def leave(self) -> None:
        self._items.put_nowait(None)

    def bring(self, item: Frame | Sound) -> None:
        """Send one thing, whenever it was captured."""
        self._items.put_nowait(item)

    async def play(self, end_s: float) -> None:
        """Send up to `end_s`, and let it be taken in."""
        self.send(end_s)
        await eventually(lambda: self._items.empty() or self.is_closed)

    def send(self, end_s: float) -> None:
        """Two frames and ten sounds a second up to `end_s`."""
        while self.clock_s < end_s:
            tenth = round(self.clock_s * 10)
            if tenth % 5 == 0 and not self.is_dark:
                self._items.put_nowait(Frame(self.clock_s, np.zeros((28, 28, 3), np.uint8)))
            self._items.put_nowait(Sound(self.clock_s, np.zeros(1600, np.float32)))
            self.clock_s = (tenth + 1) / 10


class Exchange:
    """Where offers are answered: keeps the peers it made, which begin with `shown_s` of media."""

    def __init__(self, shown_s: float = 0.0) -> None:
        self.peers: list[FakePeer] = []
        self._shown_s = shown_s

    async def __call__(self, offer_sdp: str) -> tuple[FakePeer, str]:
        if not offer_sdp.startswith("v=0"):
            raise BadRequest("this is no SDP: the first line must be v=0")
        peer = FakePeer()
        peer.send(self._shown_s)
        self.peers.append(peer)
        return peer, "v=0\r\nanswer"
