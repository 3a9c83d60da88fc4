"""A synthetic audio-visual world without an end: shapes, symbols, sounds, and the truth about them.

One seed makes one world. A world is a chain of segments; in each a coloured shape is visible, in
some a symbol (a digit) beside it, in some a sound is heard. Any frame and any stretch of sound can
be rendered in any order: the same seed and time always give the same pixels and samples. The world
asks questions about itself whose answers it knows. It serves the training of the built-in model,
the demonstration and the tests.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
COLOURS = {
    "red": (225, 30, 30),
    "green": (30, 190, 40),
    "blue": (40, 60, 230),
    "yellow": (235, 220, 40),
    "purple": (160, 40, 190),
    "cyan": (40, 210, 220),
}
SHAPES = ("circle", "square", "triangle", "cross")
SOUNDS = ("low beep", "high beep", "click", "buzz", "rise", "fall", "hiss")
OBJECTS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)

NATIVE_SIZE = 84  # pixels a side: 3 x 3 cells
CELL = 28  # pixels a side: one token of the model's picture tower
CELLS = NATIVE_SIZE // CELL
SEGMENT_S = (2.0, 5.0)
DISTINCT_S = 16.0  # an object, a sound or any symbol does not come again within this time
SOUND_MARGIN_S = 0.25  # between a sound and the cuts around it
CHAPTER_S = 24.0  # loud and quiet stretches alternate at this pace
SHOWN_S = 1.0  # what is visible for less is not asked about
HEARD_S = 0.4  # what began to sound later than this before the question is not asked about

_GLYPH_ROWS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11110 00001 00001 01110 00001 00001 11110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
}
SYMBOLS = tuple(_GLYPH_ROWS)


def _glyph(rows: str) -> NDArray[np.bool_]:
    bits = np.array([[char == "1" for char in row] for row in rows.split()])
    return np.kron(bits, np.ones((3, 3), dtype=bool))  # 21 x 15 pixels


_GLYPHS = {symbol: _glyph(rows) for symbol, rows in _GLYPH_ROWS.items()}
_Y, _X = np.mgrid[0:CELL, 0:CELL].astype(np.float32)
_NOISE_OFFSETS = 4096
_PIXEL_NOISE = (
    np.random.default_rng(9).standard_normal(NATIVE_SIZE * NATIVE_SIZE + _NOISE_OFFSETS) * 6
).astype(np.int16)
_SOUND_NOISE = np.random.default_rng(10).standard_normal(400_000).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Segment:
    """What the world shows and sounds in [start_s, end_s). Times are scene seconds.

    ``symbol`` and ``sound`` are ``None`` where there is none; the sound is heard in
    [sound_start_s, sound_end_s), both equal to ``start_s`` in a silent segment.
    """

    index: int
    start_s: float
    end_s: float
    colour: str
    shape: str
    symbol: str | None
    sound: str | None
    sound_start_s: float
    sound_end_s: float

    @property
    def object(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a span of the world, and its answer.

    ``chance`` is how often a guess is right that knows which objects and sounds occur in the span,
    but neither when nor together with what.
    """

    kind: str
    text: str
    answer: str
    chance: float


@dataclass(frozen=True, slots=True)
class _Look:
    """How a segment is drawn: one row of ``path`` a second."""

    background: NDArray[np.int16]  # [3]
    radius: float
    path: NDArray[np.int64]  # [seconds] cell of the object, row-major
    jitter: NDArray[np.float64]  # [seconds, 2] pixels
    velocity: NDArray[np.float64]  # [seconds, 2] pixels a second
    symbol_cell: int
    symbol_corner: tuple[int, int]  # x, y of the glyph in the picture


class Scene:
    """An endless world. ``symbols``: share of the possible segments that carry one; ``sounds``:
    share of the segments that sound, by default changing from chapter to chapter."""

    def __init__(self, seed: int, *, symbols: float = 0.6, sounds: float | None = None) -> None:
        if seed < 0:
            raise ValueError(f"a scene's seed must be 0 or more, not {seed}")
        for name, share in (("symbols", symbols), ("sounds", sounds)):
            if share is not None and not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} is a share between 0 and 1, not {share}")
        self.seed = seed
        self._symbols = symbols
        self._sounds = sounds
        self._segments: list[Segment] = []
        self._ends: list[float] = []
        self._look_cache: tuple[int, _Look] | None = None
        self._noise_level = float(np.random.default_rng([seed, 1]).uniform(0.001, 0.01))

    def segment_at(self, time_s: float) -> Segment:
        """The segment that is visible at ``time_s``."""
        self._grow(time_s)
        return self._segments[bisect_right(self._ends, time_s)]

    def segments(self, start_s: float, end_s: float) -> tuple[Segment, ...]:
        """The segments that overlap [start_s, end_s), in order."""
        self._grow(max(start_s, end_s))
        first = bisect_right(self._ends, start_s)
        found = self._segments[first : bisect_right(self._ends, end_s) + 1]
        return tuple(segment for segment in found if segment.start_s < end_s)

    def cells(self, time_s: float) -> tuple[int, int | None]:
        """Cells (row-major, 3 x 3) of the object and of the symbol at ``time_s``."""
        segment = self.segment_at(time_s)
        look = self._look(segment)
        step = int(time_s - segment.start_s)
        return int(look.path[step]), None if segment.symbol is None else look.symbol_cell

    def frame(self, time_s: float, size: int = NATIVE_SIZE) -> NDArray[np.uint8]:
        """The picture at ``time_s``: RGB u8 [size, size, 3], size a multiple of 84."""
        if size <= 0 or size % NATIVE_SIZE:
            raise ValueError(f"a frame's size must be a multiple of {NATIVE_SIZE}, not {size}")
        segment = self.segment_at(time_s)
        image = self._draw(segment, self._look(segment), time_s)
        scale = size // NATIVE_SIZE
        return image if scale == 1 else image.repeat(scale, 0).repeat(scale, 1)

    def sound(self, start_s: float, samples: int) -> NDArray[np.float32]:
        """``samples`` of sound from ``start_s``, 16 kHz mono f32; exact for any cut."""
        if samples < 0:
            raise ValueError(f"the number of samples must be 0 or more, not {samples}")
        first = round(start_s * SAMPLE_RATE)
        last = first + samples
        noise = _SOUND_NOISE[np.arange(first, last) % _SOUND_NOISE.size]
        out = (noise * np.float32(self._noise_level)).astype(np.float32)
        for segment in self.segments(start_s, last / SAMPLE_RATE + 1e-9):
            if segment.sound is not None:
                begin = round(segment.sound_start_s * SAMPLE_RATE)
                _add(out, self._waveform(segment), begin - first)
        return out

    def questions(
        self,
        now_s: float,
        since_s: float,
        rng: np.random.Generator,
        kinds: Collection[str] | None = None,
    ) -> list[Question]:
        """What can be asked at ``now_s`` about [since_s, now_s): at most one question a kind.

        Nothing is asked whose truth hangs on an edge of the span: on a segment that shows for less
        than a second, or on a sound that is cut or began less than 0.4 s ago.
        """
        if now_s <= since_s:
            raise ValueError(f"an empty span: now {now_s} s is not after {since_s} s")
        span = _Span.of(self.segments(since_s, now_s), since_s, now_s)
        asked = []
        for kind, ask in _ASK.items():
            if kinds is None or kind in kinds:
                question = ask(span, rng)
                if question is not None:
                    asked.append(question)
        return asked

    def _grow(self, time_s: float) -> None:
        if time_s < 0:
            raise ValueError(f"a scene begins at 0 s; there is nothing at {time_s} s")
        while not self._ends or self._ends[-1] <= time_s:
            segment = self._next_segment()
            self._segments.append(segment)
            self._ends.append(segment.end_s)

    def _next_segment(self) -> Segment:
        index = len(self._segments)
        rng = np.random.default_rng([self.seed, 2, index])
        start_s = self._ends[-1] if self._ends else 0.0
        end_s = round(start_s + float(rng.uniform(*SEGMENT_S)), 3)
        recent = [s for s in self._segments[-12:] if s.end_s > start_s - DISTINCT_S]
        colour, shape = _choose_object(recent, rng).split()
        symbol = None
        if rng.random() < self._symbols and all(s.symbol is None for s in recent):
            symbol = SYMBOLS[rng.integers(len(SYMBOLS))]
        sound, sound_start_s, sound_end_s = self._choose_sound(recent, start_s, end_s, rng)
        return Segment(
            index, start_s, end_s, colour, shape, symbol, sound, sound_start_s, sound_end_s
        )

    def _choose_sound(
        self, recent: Sequence[Segment], start_s: float, end_s: float, rng: np.random.Generator
    ) -> tuple[str | None, float, float]:
        share = self._sounds
        if share is None:
            chapter = np.random.default_rng([self.seed, 3, int(start_s / CHAPTER_S)])
            share = float(chapter.choice([0.15, 0.6, 0.9], p=[0.2, 0.4, 0.4]))
        free = [name for name in SOUNDS if all(s.sound != name for s in recent)]
        if rng.random() >= share or not free:
            return None, start_s, start_s
        duration_s = float(rng.uniform(0.3, 0.7))
        begin_s = float(rng.uniform(start_s + SOUND_MARGIN_S, end_s - SOUND_MARGIN_S - duration_s))
        first = round(begin_s * SAMPLE_RATE)
        last = first + round(duration_s * SAMPLE_RATE)
        return free[rng.integers(len(free))], first / SAMPLE_RATE, last / SAMPLE_RATE

    def _waveform(self, segment: Segment) -> NDArray[np.float32]:
        rng = np.random.default_rng([self.seed, 4, segment.index])
        samples = round((segment.sound_end_s - segment.sound_start_s) * SAMPLE_RATE)
        return _waveform(segment.sound or "", samples, rng)

    def _look(self, segment: Segment) -> _Look:
        if self._look_cache is None or self._look_cache[0] != segment.index:
            rng = np.random.default_rng([self.seed, 5, segment.index])
            seconds = int(segment.end_s - segment.start_s) + 1
            self._look_cache = (segment.index, _choose_look(seconds, rng))
        return self._look_cache[1]

    def _draw(self, segment: Segment, look: _Look, time_s: float) -> NDArray[np.uint8]:
        image = np.empty((NATIVE_SIZE, NATIVE_SIZE, 3), np.int16)
        image[:] = look.background
        step = int(time_s - segment.start_s)
        phase = time_s - segment.start_s - step
        row, column = divmod(int(look.path[step]), CELLS)
        x, y = 13.5 + look.jitter[step] + look.velocity[step] * phase
        cell = image[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
        cell[_shape_mask(segment.shape, x, y, look.radius)] = COLOURS[segment.colour]
        if segment.symbol is not None:
            left, top = look.symbol_corner
            image[top : top + 21, left : left + 15][_GLYPHS[segment.symbol]] = 250
        offset = (int(time_s * 1000) * 2_654_435_761 + self.seed) % _NOISE_OFFSETS
        noise = _PIXEL_NOISE[offset : offset + NATIVE_SIZE * NATIVE_SIZE]
        image += noise.reshape(NATIVE_SIZE, NATIVE_SIZE, 1)
        return image.clip(0, 255).astype(np.uint8)


def _choose_object(recent: Sequence[Segment], rng: np.random.Generator) -> str:
    """A new object; mostly one that shares its colour or its shape with one of the last two, so
    that colour or shape alone does not tell objects apart."""
    used = {segment.object for segment in recent}
    free = [name for name in OBJECTS if name not in used]
    if rng.random() < 0.6:
        words = {word for segment in recent[-2:] for word in (segment.colour, segment.shape)}
        free = [name for name in free if words & set(name.split())] or free
    return free[rng.integers(len(free))]


def _choose_look(seconds: int, rng: np.random.Generator) -> _Look:
    shade = rng.integers(20, 110) + rng.integers(-12, 13, 3)
    cells = rng.permutation(CELLS * CELLS)
    symbol_cell, cell = int(cells[0]), int(cells[1])
    path = [cell]
    for _ in range(seconds):
        cell = _neighbour(cell, symbol_cell, rng) if rng.random() < 0.5 else cell
        path.append(cell)
    row, column = divmod(symbol_cell, CELLS)
    left = column * CELL + 6 + int(rng.integers(-3, 4))
    top = row * CELL + 3 + int(rng.integers(-2, 3))
    return _Look(
        background=shade.clip(0, 255).astype(np.int16),
        radius=float(rng.uniform(10, 12.5)),
        path=np.array(path),
        jitter=rng.uniform(-2.5, 2.5, (seconds + 1, 2)),
        velocity=rng.uniform(-1.5, 1.5, (seconds + 1, 2)),
        symbol_cell=symbol_cell,
        symbol_corner=(left, top),
    )


def _neighbour(cell: int, taken: int, rng: np.random.Generator) -> int:
    """A cell beside ``cell``; ``cell`` itself where that would leave the picture or be taken."""
    row, column = divmod(cell, CELLS)
    step_row, step_column = ((1, 0), (-1, 0), (0, 1), (0, -1))[rng.integers(4)]
    row, column = row + step_row, column + step_column
    moved = row * CELLS + column
    return moved if 0 <= row < CELLS and 0 <= column < CELLS and moved != taken else cell


def _shape_mask(shape: str, x: float, y: float, radius: float) -> NDArray[np.bool_]:
    dx, dy = _X - x, _Y - y
    if shape == "circle":
        return np.asarray(dx * dx + dy * dy < radius * radius)
    if shape == "square":
        return np.asarray((abs(dx) < radius * 0.88) & (abs(dy) < radius * 0.88))
    if shape == "triangle":
        return np.asarray((dy < radius * 0.8) & (abs(dx) < (dy + radius) * 0.6))
    arm = radius * 0.33
    upright = (abs(dx) < arm) & (abs(dy) < radius)
    return np.asarray(upright | ((abs(dy) < arm) & (abs(dx) < radius)))


def _waveform(sound: str, samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """One sound, [samples] f32, faded in and out over 20 ms."""
    duration_s = samples / SAMPLE_RATE
    t = np.arange(samples) / SAMPLE_RATE
    pitch = rng.uniform(0.93, 1.07)
    sweep = 2400.0 * t * t / (2 * duration_s)  # cycles added by a sweep over 2,400 Hz
    if sound == "low beep":
        wave = np.sin(2 * np.pi * 350 * pitch * t)
    elif sound == "high beep":
        wave = np.sin(2 * np.pi * 1800 * pitch * t)
    elif sound == "click":
        wave = _clicks(samples, rng)
    elif sound == "buzz":
        wave = ((110 * pitch * t) % 1 - 0.5) * 1.5
    elif sound == "rise":
        wave = np.sin(2 * np.pi * pitch * (400 * t + sweep))
    elif sound == "fall":
        wave = np.sin(2 * np.pi * pitch * (2800 * t - sweep))
    else:
        wave = rng.standard_normal(samples) * 0.6
    fade = np.minimum(1.0, np.minimum(t, duration_s - t) / 0.02)
    loud = wave * fade * rng.uniform(0.15, 0.7)
    return loud.clip(-0.9, 0.9).astype(np.float32)  # clicks peak


def _clicks(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    wave = np.zeros(samples)
    count = int(rng.integers(3, 6))
    for i in range(count):
        begin = 400 + i * (samples - 800) // count
        length = min(160, samples - begin)
        decay = np.exp(-np.arange(length) / 40)
        wave[begin : begin + length] += rng.standard_normal(length) * decay * 2
    return wave


def _add(out: NDArray[np.float32], wave: NDArray[np.float32], at: int) -> None:
    """Adds ``wave`` at index ``at`` of ``out``, which may lie partly or wholly outside."""
    begin, end = max(0, at), min(out.size, at + wave.size)
    if begin < end:
        out[begin:end] += wave[begin - at : end - at]


@dataclass(frozen=True, slots=True)
class _Span:
    """What is certain, and what is doubtful, about [since_s, now_s)."""

    shown: tuple[Segment, ...]  # visible long enough
    glimpsed: tuple[Segment, ...]  # visible, but too briefly
    heard: tuple[Segment, ...]  # their sounds lie wholly inside, or have begun long enough ago
    muddled: tuple[Segment, ...]  # their sounds are cut by an edge
    now: Segment | None  # visible at the end, if it is shown
    first: Segment | None  # visible at the beginning, if it is shown

    @staticmethod
    def of(segments: Sequence[Segment], since_s: float, now_s: float) -> _Span:
        def seen_s(segment: Segment) -> float:
            return min(segment.end_s, now_s) - max(segment.start_s, since_s)

        shown = tuple(s for s in segments if seen_s(s) >= SHOWN_S)
        sounding = [
            s for s in segments if s.sound and s.sound_end_s > since_s and s.sound_start_s < now_s
        ]
        heard = tuple(
            s
            for s in sounding
            if s.sound_start_s >= since_s and (s.sound_start_s <= now_s - HEARD_S)
        )
        return _Span(
            shown=shown,
            glimpsed=tuple(s for s in segments if s not in shown),
            heard=heard,
            muddled=tuple(s for s in sounding if s not in heard),
            now=segments[-1] if segments[-1] in shown else None,
            first=segments[0] if segments[0] in shown else None,
        )

    def named(self, name: str) -> list[Segment]:
        """Every segment that shows the object, however briefly."""
        return [s for s in self.shown + self.glimpsed if s.object == name]

    @property
    def single(self) -> list[Segment]:
        """Shown segments whose object is seen once only."""
        return [s for s in self.shown if len(self.named(s.object)) == 1]

    @property
    def symbols(self) -> list[Segment]:
        return [s for s in self.shown if s.symbol]

    @property
    def symbols_clear(self) -> bool:
        return len(self.symbols) <= 1 and not any(s.symbol for s in self.glimpsed)


T = TypeVar("T")
_Ask = Callable[[_Span, np.random.Generator], Question | None]
_ASK: dict[str, _Ask] = {}


def _kind(ask: _Ask) -> _Ask:
    """Registers a question under its function's name."""
    _ASK[ask.__name__.removeprefix("_ask_")] = ask
    return ask


def _pick(items: Sequence[T], rng: np.random.Generator) -> T:
    return items[int(rng.integers(len(items)))]


def _one_of(count: int) -> float:
    return 1.0 / max(1, count)


def _absent_sound(span: _Span, rng: np.random.Generator) -> str | None:
    present = {s.sound for s in span.heard + span.muddled}
    absent = [name for name in SOUNDS if name not in present]
    return _pick(absent, rng) if absent else None


def _absent_object(span: _Span, rng: np.random.Generator) -> str:
    """An object that is not there, mostly made of a colour and a shape that are."""
    present = {s.object for s in span.shown + span.glimpsed}
    colours = [s.colour for s in span.shown] or list(COLOURS)
    shapes = [s.shape for s in span.shown] or list(SHAPES)
    mixed = [f"{c} {s}" for c in colours for s in shapes if f"{c} {s}" not in present]
    near = [o for o in OBJECTS if o not in present and set(o.split()) & {*colours, *shapes}]
    if mixed and rng.random() < 0.5:
        return _pick(mixed, rng)
    return _pick(near or [o for o in OBJECTS if o not in present], rng)


@_kind
def _ask_now(span: _Span, rng: np.random.Generator) -> Question | None:
    if span.now is None:
        return None
    text = _pick(["what is visible now?", "what do you see now?"], rng)
    return Question("now", text, span.now.object, _one_of(len(span.shown)))


@_kind
def _ask_first(span: _Span, rng: np.random.Generator) -> Question | None:
    if span.first is None:
        return None
    text = _pick(["what was visible first?", "what did you see first?"], rng)
    return Question("first", text, span.first.object, _one_of(len(span.shown)))


@_kind
def _ask_during(span: _Span, rng: np.random.Generator) -> Question | None:
    bound = [s for s in span.heard if s in span.shown]
    absent = _absent_sound(span, rng)
    if absent and (not bound or rng.random() < 0.15):
        sound, answer = absent, "none"
    elif bound:
        segment = _pick(bound, rng)
        sound, answer = segment.sound or "", segment.object
        if sum(s.sound == sound for s in span.heard + span.muddled) > 1:
            return None
    else:
        return None
    forms = [f"what was visible during the {sound}?", f"what did you see when the {sound} sounded?"]
    return Question("during", _pick(forms, rng), answer, _one_of(len(span.shown)))


@_kind
def _ask_sound_of(span: _Span, rng: np.random.Generator) -> Question | None:
    known = [s for s in span.single if not s.sound or s in span.heard]
    loud = [s for s in known if s.sound]
    silent = [s for s in known if not s.sound]
    if not loud and not silent:
        return None
    segment = _pick(loud if loud and (not silent or rng.random() < 0.65) else silent, rng)
    chance = max(0.65 / len(loud), 0.35) if loud and silent else _one_of(len(loud))
    name = segment.object
    forms = [f"what sound came with the {name}?", f"what did you hear during the {name}?"]
    return Question("sound_of", _pick(forms, rng), segment.sound or "none", chance)


@_kind
def _ask_order(span: _Span, rng: np.random.Generator) -> Question | None:
    if len(span.single) < 2:
        return None
    i, j = rng.choice(len(span.single), 2, replace=False)
    a, b = span.single[int(i)], span.single[int(j)]
    forms = [
        f"which came first, the {a.object} or the {b.object}?",
        f"which was visible earlier, the {a.object} or the {b.object}?",
    ]
    earlier = min(a, b, key=lambda s: s.start_s)
    return Question("order", _pick(forms, rng), earlier.object, 0.5)


@_kind
def _ask_digit(span: _Span, rng: np.random.Generator) -> Question | None:
    if not span.symbols_clear:
        return None
    answer = (span.symbols[0].symbol or "") if span.symbols else "none"
    text = _pick(["what digit appeared?", "which digit did you see?"], rng)
    return Question("digit", text, answer, 1 / 11)


@_kind
def _ask_count(span: _Span, rng: np.random.Generator) -> Question | None:
    if span.muddled:
        return None
    text = _pick(["how many sounds were there?", "how many sounds did you hear?"], rng)
    segments = len(span.shown) + len(span.glimpsed)
    return Question("count", text, str(len(span.heard)), _one_of(segments + 1))


@_kind
def _ask_any(span: _Span, rng: np.random.Generator) -> Question | None:
    if span.muddled and not span.heard:
        return None
    text = _pick(["was there any sound?", "did you hear any sound?"], rng)
    return Question("any", text, "yes" if span.heard else "no", 0.5)


@_kind
def _ask_first_sound(span: _Span, rng: np.random.Generator) -> Question | None:
    if span.muddled:
        return None
    text = _pick(["what was the first sound?", "what did you hear first?"], rng)
    answer = (span.heard[0].sound or "") if span.heard else "none"
    return Question("first_sound", text, answer, _one_of(len(span.heard)))


@_kind
def _ask_last_sound(span: _Span, rng: np.random.Generator) -> Question | None:
    if span.muddled:
        return None
    text = _pick(["what was the last sound?", "what did you hear last?"], rng)
    answer = (span.heard[-1].sound or "") if span.heard else "none"
    return Question("last_sound", text, answer, _one_of(len(span.heard)))


@_kind
def _ask_exists(span: _Span, rng: np.random.Generator) -> Question | None:
    if not span.shown:
        return None
    there = rng.random() < 0.5
    name = _pick(span.shown, rng).object if there else _absent_object(span, rng)
    text = _pick([f"was there a {name}?", f"did you see a {name}?"], rng)
    return Question("exists", text, "yes" if there else "no", 0.5)


@_kind
def _ask_with_symbol(span: _Span, rng: np.random.Generator) -> Question | None:
    if not span.symbols_clear or (not span.symbols and rng.random() < 0.7):
        return None
    answer = span.symbols[0].object if span.symbols else "none"
    forms = ["what was visible with the digit?", "what did you see with the digit?"]
    return Question("with_symbol", _pick(forms, rng), answer, _one_of(len(span.shown)))


@_kind
def _ask_after(span: _Span, rng: np.random.Generator) -> Question | None:
    single = span.single
    if span.now in single and span.now is not None and rng.random() < 0.15:
        segment, answer = span.now, "none"
    else:
        pairs = [(a, b) for a in single for b in span.shown if b.index == a.index + 1]
        if not pairs:
            return None
        segment, following = _pick(pairs, rng)
        answer = following.object
    name = segment.object
    forms = [f"what came after the {name}?", f"what did you see after the {name}?"]
    return Question("after", _pick(forms, rng), answer, _one_of(len(span.shown) - 1))


@_kind
def _ask_heard(span: _Span, rng: np.random.Generator) -> Question | None:
    absent = _absent_sound(span, rng)
    there = bool(span.heard) and (absent is None or rng.random() < 0.5)
    sound = _pick(span.heard, rng).sound if there else absent
    if sound is None:
        return None
    text = _pick([f"was there a {sound}?", f"did you hear a {sound}?"], rng)
    return Question("heard", text, "yes" if there else "no", 0.5)


@_kind
def _ask_which(span: _Span, rng: np.random.Generator) -> Question | None:
    if not span.shown:
        return None
    segment = _pick(span.shown, rng)
    word = segment.colour if rng.random() < 0.5 else segment.shape
    if sum(word in (s.colour, s.shape) for s in span.shown + span.glimpsed) > 1:
        return None
    what = "thing" if word in COLOURS else ""
    name = f"{word} {what}".strip()
    text = _pick([f"which {name} was there?", f"which {name} did you see?"], rng)
    return Question("which", text, segment.object, _one_of(len(span.shown)))


@_kind
def _ask_symbol_of(span: _Span, rng: np.random.Generator) -> Question | None:
    if not span.symbols_clear or not span.symbols:
        return None
    holder = span.symbols[0]
    segment = _pick(span.single, rng) if span.single and rng.random() < 0.35 else holder
    if segment is holder and holder not in span.single:
        return None
    name = segment.object
    forms = [f"what digit came with the {name}?", f"which digit was beside the {name}?"]
    return Question("symbol_of", _pick(forms, rng), segment.symbol or "none", 0.5)


KINDS = tuple(_ASK)
