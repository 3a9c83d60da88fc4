"""Windows tile the time line: no sample is lost, none is there twice, whatever comes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.window import (
    LOOKAHEAD_SAMPLES,
    SAMPLE_RATE,
    WINDOW_S,
    WINDOW_SAMPLES,
    Frame,
    Sound,
    Window,
)
from stream.windower import MAX_OPEN, MAX_READY, Windower

ORIGINS = st.sampled_from([0, 7, 3 * WINDOW_SAMPLES + 123, 24 * 3600 * SAMPLE_RATE])
SIZES = st.lists(st.integers(1, 30_000), min_size=1, max_size=40)


def track(first: int, count: int) -> np.ndarray:
    """Samples that tell their own place: never zero, exact in float32."""
    return ((np.arange(first, first + count) % 1_000_003) + 1).astype(np.float32)


def sound(first: int, samples: np.ndarray) -> Sound:
    return Sound(first / SAMPLE_RATE, samples)


def drain(windower: Windower) -> list[Window]:
    windows = []
    while (window := windower.pop()) is not None:
        windows.append(window)
    return windows


def pixel(tag: int) -> np.ndarray:
    return np.full((2, 2, 3), tag % 256, np.uint8)


def missing(windows: list[Window], kind: str) -> set[int]:
    """The samples that the gaps of ``windows`` name."""
    named: set[int] = set()
    for window in windows:
        for gap in window.gaps:
            if gap.kind == kind:
                a, b = (round(t * SAMPLE_RATE) for t in (gap.start_s, gap.end_s))
                assert a < b
                assert not named & set(range(a, b)), "a gap is told twice"
                named |= set(range(a, b))
    return named


@given(origin=ORIGINS, sizes=SIZES)
def test_packets_of_any_size_come_out_as_they_went_in(origin: int, sizes: list[int]) -> None:
    windower = Windower(has_video=False, start_s=origin / SAMPLE_RATE)
    given_samples = track(origin, sum(sizes))
    windows, done = [], 0
    for size in sizes:
        windower.push(sound(origin + done, given_samples[done : done + size]))
        done += size
        windows += drain(windower)
    windower.finish()
    windows += drain(windower)

    first = windows[0].index * WINDOW_SAMPLES
    whole = np.concatenate([w.samples for w in windows])
    expected = np.zeros_like(whole)
    expected[origin - first : origin - first + done] = given_samples
    assert np.array_equal(whole, expected)
    assert [w.index for w in windows] == list(range(windows[0].index, windows[-1].index + 1))
    for window, follower in pairwise(windows):
        assert window.end_s == follower.start_s
        assert np.array_equal(window.lookahead, follower.samples[:LOOKAHEAD_SAMPLES])
    assert not windows[-1].lookahead.any()


@st.composite
def disturbed(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[int]]:
    """Packets of 20 to 60 ms, some lost or doubled, and an order that is off by a few places."""
    sizes = draw(st.lists(st.sampled_from([320, 321, 640, 960]), min_size=20, max_size=160))
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    kept = draw(
        st.lists(st.sampled_from([0, 1, 1, 1, 1, 2]), min_size=len(sizes), max_size=len(sizes))
    )
    packets = [
        (a, n) for a, n, times in zip(starts, sizes, kept, strict=True) for _ in range(times)
    ]
    delays = draw(st.lists(st.integers(0, 4), min_size=len(packets), max_size=len(packets)))
    order = sorted(range(len(packets)), key=lambda i: (i + delays[i], i))
    return [packets[i] for i in order], starts


@given(disturbed())
def test_what_comes_within_the_lateness_is_there_once_and_the_rest_is_a_gap(
    case: tuple[list[tuple[int, int]], list[int]],
) -> None:
    packets, _ = case
    windower = Windower(has_video=False)
    came: set[int] = set()
    windows, now_s = [], 0.0
    for first, count in packets:
        windower.push(sound(first, track(first, count)))
        came |= set(range(first, first + count))
        now_s = max(now_s, (first + count) / SAMPLE_RATE)
        windower.advance(now_s)
        windows += drain(windower)
    windower.finish()
    windows += drain(windower)

    assert windower.losses.late_samples == 0
    for window in windows:
        places = window.index * WINDOW_SAMPLES + np.arange(WINDOW_SAMPLES)
        there = np.isin(places, list(came))
        assert np.array_equal(window.samples[there], track(0, places[-1] + 1)[places[there]])
        assert not window.samples[~there].any()
    everything = set(range(len(windows) * WINDOW_SAMPLES))
    assert missing(windows, "audio") == everything - came


@given(
    times=st.lists(st.integers(0, 400), min_size=1, max_size=80, unique=True),
    fps=st.sampled_from([1, 2, 3, 5]),
    paces=st.lists(st.floats(0, 0.2), min_size=1),
)
def test_every_tick_is_represented_by_its_first_frame(
    times: list[int], fps: int, paces: list[float]
) -> None:
    windower = Windower(fps=fps, has_audio=False)
    windows = []
    for i, t in enumerate(sorted(times)):
        windower.push(Frame(t / 20, pixel(t)))
        windower.advance(t / 20 + paces[i % len(paces)])
        windows += drain(windower)
    windower.finish()
    windows += drain(windower)

    firsts: dict[int, int] = {}
    for t in sorted(times):
        firsts.setdefault(t * fps // 20, t)
    shown = {}
    for window in windows:
        assert window.samples is None
        assert window.lookahead is None
        for grid in window.grids:
            tick = round(grid.time_s * fps)
            pair = [firsts.get(tick), firsts.get(tick + 1)]
            shown |= {k: t for k, t in zip((tick, tick + 1), pair, strict=True) if t is not None}
            expected = [t for t in pair if t is not None]
            assert grid.pixels[0, 0, 0, 0] == expected[0] % 256
            assert grid.pixels[1, 0, 0, 0] == expected[-1] % 256
    assert shown == firsts, "a tick was lost or told twice"


@given(late=st.lists(st.floats(-5, 5.9), min_size=1, max_size=10))
def test_what_is_late_never_changes_a_closed_window(late: list[float]) -> None:
    windower = Windower()
    windower.push(sound(0, track(0, 3 * WINDOW_SAMPLES)))
    windower.push(Frame(0.0, pixel(1)))
    windower.advance(6.4)
    windows = drain(windower)
    before = [(w.samples.copy(), [g.pixels.copy() for g in w.grids]) for w in windows]
    for time_s in late:
        windower.push(Frame(time_s, pixel(9)))
        windower.push(Sound(time_s, np.full(100, 9, np.float32)))
    assert drain(windower) == []
    assert windower.losses.late_frames == len(late)
    assert windower.losses.late_samples >= 99 * len(late) - 100
    for window, (samples, grids) in zip(windows, before, strict=True):
        assert np.array_equal(window.samples, samples)
        assert all(np.array_equal(g.pixels, p) for g, p in zip(window.grids, grids, strict=True))


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["frame", "sound", "advance"]),
        st.floats(0, 100_000) | st.floats(0, 20),
    ),
    max_size=60,
)


@given(events=EVENTS, lateness_s=st.sampled_from([0.0, 0.3, 5.0]))
def test_clocks_that_jump_hours_leave_memory_and_windows_bounded(
    events: list[tuple[str, float]], lateness_s: float
) -> None:
    windower = Windower(lateness_s=lateness_s)
    windows: list[Window] = []
    for what, time_s in events:
        if what == "frame":
            windower.push(Frame(time_s, pixel(1)))
        elif what == "sound":
            windower.push(Sound(time_s, np.ones(320, np.float32)))
        else:
            windower.advance(time_s)
        assert len(windower._open) <= MAX_OPEN
        assert len(windower._ready) <= MAX_READY
        windows += drain(windower)
    windower.finish()
    windows += drain(windower)
    assert len(windows) <= 3 * (len(events) + 1)
    indices = [w.index for w in windows]
    assert indices == sorted(set(indices))
    told_s = 0.0  # windows and their gaps tell of all time, without a hole and without overlap
    for window in windows:
        if window.start_s > told_s:
            assert {g.kind for g in window.gaps if g.start_s == told_s} == {"video", "audio"}
        assert all(g.start_s >= told_s and g.end_s <= window.end_s for g in window.gaps)
        told_s = window.end_s
        assert window.end_s - window.start_s == WINDOW_S


@given(disturbed(), st.integers(0, 3 * WINDOW_SAMPLES))
def test_a_stream_is_told_to_its_end_and_no_further(
    case: tuple[list[tuple[int, int]], list[int]], silent: int
) -> None:
    packets, _ = case
    came = {place for first, count in packets for place in range(first, first + count)}
    end = max(came, default=0) + 1 + silent
    windower = Windower(has_video=False)
    for first, count in packets:
        windower.push(sound(first, track(first, count)))
    windower.finish(end / SAMPLE_RATE)
    windows = drain(windower)
    told_s = windows[-1].end_s if windows else 0.0
    told = round(told_s * SAMPLE_RATE)
    assert told <= end
    assert not [place for place in came if place >= told]
    assert missing(windows, "audio") == set(range(told)) - came
    assert windower.open_window(end / SAMPLE_RATE) is None
