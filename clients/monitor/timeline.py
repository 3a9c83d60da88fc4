"""The timeline of a report: when a source was watched, what of it was missing, what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.monitor.blanks import NO_PICTURE, NO_SOUND
from clients.monitor.record import Seen, events_of, notes_of
from clients.monitor.whole import replacing
from clients.sdk.errors import EchoSieveError

WATCHED, EVENT, NOTE, LOST = "watched", "event", "note", "lost"
COLOURS = {  # in the order of the legend
    WATCHED: "lightsteelblue",
    EVENT: "tab:blue",
    NOTE: "black",
    NO_PICTURE: "tab:orange",
    NO_SOUND: "khaki",
    LOST: "tab:red",
}
SHORTEST_S = 1.0  # of what is drawn of an event
MOST_LABEL = 60
HEIGHT = 0.6  # of a row's distance to the next
UPPER_HALF, LOWER_HALF, WHOLE = (-0.5, 0.5), (0.0, 0.5), (-0.5, 1.0)  # of the height: from, size
PARTS = {NO_PICTURE: UPPER_HALF, NO_SOUND: LOWER_HALF}  # may be at one time: none hides the other
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200)
DAY_S = 86_400
MOST_STEPS = 8  # of the axis


@dataclass(frozen=True, slots=True)
class Bar:
    """Of a row, in seconds of the session."""

    kind: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `marks` are moments, by their kind."""

    label: str
    bars: Sequence[Bar]
    marks: Sequence[tuple[str, float]] = ()


def rows_of(seen: Seen) -> list[Row]:
    """For each session a row of its presence, then one for each query of which there was an
    event."""
    rows = []
    for (_, session), name in seen.sessions.items():
        rows.append(Row(name, [*_presence(seen, session)], [*_moments(seen, session)]))
        rows += _queries(seen, session, name)
    return rows


def _presence(seen: Seen, session: str) -> Iterator[Bar]:
    """What is missing lies over what was watched."""
    for stretch in seen.stretches:
        if stretch.session == session:
            yield Bar(WATCHED, stretch.from_s, stretch.to_s)
    for blank in seen.blanks:
        if blank.session == session:
            kind = blank.what if blank.what in COLOURS else LOST
            yield Bar(kind, blank.from_s, blank.to_s)


def _moments(seen: Seen, session: str) -> Iterator[tuple[str, float]]:
    for note in notes_of([entry for entry in seen.entries if entry.session == session]):
        yield NOTE, note.end_s
    for gap in seen.gaps:
        if gap.session == session and gap.clock_s is not None:
            yield LOST, gap.clock_s


def _queries(seen: Seen, session: str, name: str) -> list[Row]:
    bars: dict[str, list[Bar]] = {}
    for entry, event in events_of(seen.entries):
        if entry.session == session:
            end_s = event.started_s if event.ended_s is None else event.ended_s
            bar = Bar(EVENT, event.started_s, max(end_s, event.started_s + SHORTEST_S))
            bars.setdefault(event.query, []).append(bar)
    return [Row(f"{name}: {query}"[:MOST_LABEL], found) for query, found in bars.items()]


def draw(seen: Seen, path: Path) -> bool:
    """Whether there was anything to draw. Raises EchoSieveError without matplotlib, OSError."""
    rows = rows_of(seen)
    if not rows:
        return False
    figure = drawn(rows)
    with replacing(path) as beside:
        figure.savefig(
            beside, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None}
        )
    return True


def drawn(rows: Sequence[Row]) -> Any:
    """A figure of matplotlib. Raises EchoSieveError without it."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise EchoSieveError("matplotlib is missing: pip install 'echosieve[monitor]'") from error
    figure = Figure(figsize=(10.0, 1.2 + 0.4 * len(rows)))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, row in enumerate(rows):
        _draw_row(axes, place, row)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the first at the top
    axes.set_xlim(left=0)
    end_s = axes.get_xlim()[1]
    ticks_s = [step * step_s(end_s) for step in range(1 + int(end_s / step_s(end_s)))]
    axes.set_xticks(ticks_s, [clock(at_s) for at_s in ticks_s])
    axes.set_xlabel("time of the session (h:mm:ss)")
    _legend(axes, rows)
    return figure


def step_s(length_s: float) -> int:
    """From one time on the axis to the next: as few as can be read."""
    days = 1 + int(length_s / (DAY_S * MOST_STEPS))
    return next((step for step in STEPS_S if length_s <= step * MOST_STEPS), days * DAY_S)


def clock(seconds: float) -> str:
    """Session time as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _draw_row(axes: Any, place: int, row: Row) -> None:
    for bar in row.bars:
        stretch = (bar.from_s, bar.to_s - bar.from_s)
        top, size = PARTS.get(bar.kind, WHOLE)
        height = (place + HEIGHT * top, HEIGHT * size)
        axes.broken_barh([stretch], height, color=COLOURS[bar.kind])
    for kind, at_s in row.marks:
        axes.vlines(at_s, place - 0.45, place + 0.45, colors=COLOURS[kind])


def _legend(axes: Any, rows: Sequence[Row]) -> None:
    """What the colours mean, as far as they occur."""
    from matplotlib.patches import Patch

    there = {bar.kind for row in rows for bar in row.bars}
    there |= {kind for row in rows for kind, _ in row.marks}
    patches = [Patch(color=colour, label=kind) for kind, colour in COLOURS.items() if kind in there]
    axes.legend(handles=patches, loc="lower left", bbox_to_anchor=(0, 1), ncols=6, frameon=False)
