"""What flows through the sieve: raw windows, kept tokens, and what is told about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 2.0
SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 32_000
LOOKAHEAD_SAMPLES = 40  # the last mel frame of a window reads 2.5 ms of the next one
AUDIO_TOKENS_PER_S = 25
IDS_PER_S = 25  # position ids a second, TMRoPE and Sync-RoPE alike
FARTHEST_S = 2.0**33  # 272 years, in s; farther, float64 is coarser than a microsecond

TEXT, VIDEO, AUDIO = 0, 1, 2


@dataclass(frozen=True, slots=True)
class RawWindow:
    """The arrays of one window, as they come from the media side.

    ``grids`` holds pairs of frames, uint8 [2, H, W, 3]; ``grid_times_s[i]`` is the nominal start of
    pair i on the session clock and ``grid_s`` the seconds a pair covers (2 / fps). ``samples`` is
    float32 [S], 16 kHz mono, S = 32,000 for a closed window and fewer for the open one; ``None``
    where the stream has no sound track. ``lookahead`` is the first 40 samples after the window.
    """

    start_s: float
    grids: tuple[NDArray[np.uint8], ...]
    grid_times_s: tuple[float, ...]
    grid_s: float
    samples: NDArray[np.float32] | None
    lookahead: NDArray[np.float32] | None = None

    def moved(self, by_s: float) -> RawWindow:
        """The same window ``by_s`` later."""
        times_s = tuple(time_s + by_s for time_s in self.grid_times_s)
        return replace(self, start_s=self.start_s + by_s, grid_times_s=times_s)


@dataclass(frozen=True, slots=True)
class Query:
    """A question that is judged again and again. ``within_s``: it sees what came in the last so
    many seconds, whole windows, the newest always; None: all that is remembered."""

    text: str
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens by modality."""

    video: int
    audio: int

    @property
    def total(self) -> int:
        return self.video + self.audio


@dataclass(frozen=True, slots=True)
class GridMap:
    """Which cells of one temporal grid were kept: row-major indices into rows x cols."""

    time_s: float
    rows: int
    cols: int
    kept: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeptMap:
    """What the sieve kept of one window. ``audio_kept`` are token indices, 40 ms each."""

    start_s: float
    seen: Counts
    kept: Counts
    grids: tuple[GridMap, ...]
    audio_kept: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MemoryState:
    """The fill of one row of the arena. Times are session seconds, ``None`` while empty."""

    slots: int
    used: int
    prompt: int
    video: int
    audio: int
    bytes: int
    oldest_s: float | None
    newest_s: float | None


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a window: what was kept, the memory after it, tokens that had to leave."""

    kept: KeptMap
    memory: MemoryState
    evicted: int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of session time [start_s, end_s)."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Begun:
    """A question that was taken: its branch, and what the answer will rest on."""

    branch: int
    newest_frame_s: float | None
    spans: tuple[Span, ...]
    seen: Counts  # raw tokens of the windows the answer rests on
    kept: Counts  # tokens the answer can attend to
    retention: float
    second_look: KeptMap | None  # what was kept of the still open window


@dataclass(frozen=True, slots=True)
class Step:
    """One decoding step of a branch: the token and its probability, new text (may be empty), and
    whether the answer ended."""

    branch: int
    token: int
    probability: float
    text: str
    done: bool
    reason: Literal["stop", "length"] | None = None
