"""The pictures of the synthetic world: shapes and digits in a grid of 3 x 3 cells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.world.segment import COLOURS, Segment, Symbol, Thing

NATIVE_SIZE = 84  # pixels a side: 3 x 3 cells
CELL = 28  # pixels a side: one token of the model's picture tower
CELLS = NATIVE_SIZE // CELL
FAINT = 55  # how much brighter than what is behind it a faint symbol is, of 255
FLICKER_HZ = 4

_GLYPH_ROWS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "11110 00001 00001 01110 00001 00001 11110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)


def _glyph(rows: str) -> NDArray[np.bool_]:
    bits = np.array([[char == "1" for char in row] for row in rows.split()])
    return np.kron(bits, np.ones((3, 3), dtype=bool))  # 21 x 15 pixels


_GLYPHS = tuple(_glyph(rows) for rows in _GLYPH_ROWS)  # by digit
_Y, _X = np.mgrid[0:CELL, 0:CELL].astype(np.float32)
_NOISE_OFFSETS = 4096
_PIXEL_NOISE = (
    np.random.default_rng(9).standard_normal(NATIVE_SIZE * NATIVE_SIZE + _NOISE_OFFSETS) * 6
).astype(np.int16)
_FLICKERS = 251  # patterns
_FLICKER_NOISE = (  # [pattern, 28, 28, 3] in blocks of 4 x 4 pixels
    np.random.default_rng(11)
    .integers(10, 230, (_FLICKERS, 7, 7, 3))
    .astype(np.int16)
    .repeat(4, 1)
    .repeat(4, 2)
)


@dataclass(frozen=True, slots=True)
class Cells:
    """Which cells (row-major, 3 x 3) are used at a moment; those of the things in their order."""

    things: tuple[int, ...]
    symbol: int | None
    flicker: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Motion:
    """How a thing moves: one row a second."""

    path: NDArray[np.int64]  # [seconds] cell
    radius: float
    jitter: NDArray[np.float64]  # [seconds, 2] pixels
    velocity: NDArray[np.float64]  # [seconds, 2] pixels a second


@dataclass(frozen=True, slots=True)
class Look:
    """How a segment is drawn."""

    background: NDArray[np.int16]  # [3]
    motions: tuple[_Motion, ...]  # of the things
    symbol_cell: int
    symbol_corner: tuple[int, int]  # x, y of the glyph in the picture
    flicker: tuple[int, ...]  # cells


def choose_look(segment: Segment, rng: np.random.Generator) -> Look:
    shade = rng.integers(20, 110) + rng.integers(-12, 13, 3)
    symbol_cell, *others = (int(cell) for cell in rng.permutation(CELLS * CELLS))
    count = len(segment.things)
    flickering = min(round(segment.flicker * CELLS * CELLS), len(others) - count)
    flicker = tuple(others[len(others) - flickering :])
    seconds = int(segment.end_s - segment.start_s) + 1
    paths = _walk(others[:count], {symbol_cell, *flicker}, seconds, rng)
    row, column = divmod(symbol_cell, CELLS)
    left = column * CELL + 6 + int(rng.integers(-3, 4))
    top = row * CELL + 3 + int(rng.integers(-2, 3))
    return Look(
        background=shade.clip(0, 255).astype(np.int16),
        motions=tuple(
            _Motion(
                path=np.array(path),
                radius=float(rng.uniform(10, 12.5)),
                jitter=rng.uniform(-2.5, 2.5, (seconds + 1, 2)),
                velocity=rng.uniform(-1.5, 1.5, (seconds + 1, 2)),
            )
            for path in paths
        ),
        symbol_cell=symbol_cell,
        symbol_corner=(left, top),
        flicker=flicker,
    )


def _walk(
    cells: list[int], taken: set[int], seconds: int, rng: np.random.Generator
) -> list[list[int]]:
    """The cells of each thing, second by second, from ``cells`` on; never two in one."""
    paths = [[cell] for cell in cells]
    for _ in range(seconds):
        for path in paths:
            others = {other[-1] for other in paths if other is not path}
            cell = path[-1]
            path.append(_neighbour(cell, taken | others, rng) if rng.random() < 0.5 else cell)
    return paths


def _neighbour(cell: int, taken: Collection[int], rng: np.random.Generator) -> int:
    """A cell beside ``cell``; ``cell`` itself where that would leave the picture or be taken."""
    row, column = divmod(cell, CELLS)
    step_row, step_column = ((1, 0), (-1, 0), (0, 1), (0, -1))[rng.integers(4)]
    row, column = row + step_row, column + step_column
    moved = row * CELLS + column
    return moved if 0 <= row < CELLS and 0 <= column < CELLS and moved not in taken else cell


def cells(segment: Segment, look: Look, time_s: float) -> Cells:
    """The cells in use at ``time_s``."""
    step = int(_moment(segment, time_s) - segment.start_s)
    return Cells(
        things=tuple(int(motion.path[step]) for motion in look.motions),
        symbol=look.symbol_cell if _shows(segment.symbol, time_s) else None,
        flicker=look.flicker,
    )


def draw(segment: Segment, look: Look, time_s: float, seed: int) -> NDArray[np.uint8]:
    """The picture at ``time_s``: RGB u8 [84, 84, 3]; ``seed`` varies the noise."""
    image = np.empty((NATIVE_SIZE, NATIVE_SIZE, 3), np.int16)
    image[:] = look.background
    moment_s = _moment(segment, time_s)
    for thing, motion in zip(segment.things, look.motions, strict=True):
        _draw_thing(image, thing, motion, moment_s - segment.start_s)
    if segment.symbol is not None and _shows(segment.symbol, time_s):
        _draw_symbol(image, segment.symbol, look)
    offset = (int(moment_s * 1000) * 2_654_435_761 + seed) % _NOISE_OFFSETS
    noise = _PIXEL_NOISE[offset : offset + NATIVE_SIZE * NATIVE_SIZE]
    image += noise.reshape(NATIVE_SIZE, NATIVE_SIZE, 1)
    for cell in look.flicker:
        pattern = (int(time_s * FLICKER_HZ) * 61 + cell * 7 + seed) % _FLICKERS
        _cell(image, cell)[:] = _FLICKER_NOISE[pattern]
    return image.clip(0, 255).astype(np.uint8)


def _moment(segment: Segment, time_s: float) -> float:
    """A still picture stays what it was at its start."""
    return segment.start_s if segment.still else time_s


def _shows(symbol: Symbol | None, time_s: float) -> bool:
    return symbol is not None and symbol.start_s <= time_s < symbol.end_s


def _cell(image: NDArray[np.int16], cell: int) -> NDArray[np.int16]:
    row, column = divmod(cell, CELLS)
    return image[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]


def _draw_thing(image: NDArray[np.int16], thing: Thing, motion: _Motion, since_s: float) -> None:
    step = int(since_s)
    x, y = 13.5 + motion.jitter[step] + motion.velocity[step] * (since_s - step)
    mask = _shape_mask(thing.shape, x, y, motion.radius)
    _cell(image, int(motion.path[step]))[mask] = COLOURS[thing.colour]


def _draw_symbol(image: NDArray[np.int16], symbol: Symbol, look: Look) -> None:
    left, top = look.symbol_corner
    glyph = _GLYPHS[int(symbol.digit)]
    image[top : top + 21, left : left + 15][glyph] = (
        look.background + FAINT if symbol.faint else 250
    )


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
