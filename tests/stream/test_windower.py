"""Windower: when windows close, what is in them, what is refused. The tiling is a law apart."""

from __future__ import annotations

import numpy as np
import pytest

from stream.window import SAMPLE_RATE, WINDOW_SAMPLES, Frame, Gap, Sound, Window
from stream.windower import MAX_EMPTY, MAX_READY, Windower


def picture(value: int, height: int = 4, width: int = 6) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def tone(seconds: float, value: float = 1.0) -> np.ndarray:
    return np.full(round(seconds * SAMPLE_RATE), value, np.float32)


def drain(windower: Windower) -> list[Window]:
    windows = []
    while (window := windower.pop()) is not None:
        windows.append(window)
    return windows


def test_a_window_closes_as_soon_as_nothing_more_can_belong_to_it() -> None:
    windower = Windower()
    for tick in range(4):
        windower.push(Frame(tick / 2, picture(tick)))
    windower.push(Sound(0.0, tone(2.0025)))
    assert windower.pop() is None
    windower.push(Frame(2.0, picture(9)))
    window = windower.pop()
    assert window is not None
    assert (window.index, window.start_s, window.end_s, window.grid_s) == (0, 0.0, 2.0, 1.0)
    assert [g.time_s for g in window.grids] == [0.0, 1.0]
    assert [g.pixels[:, 0, 0, 0].tolist() for g in window.grids] == [[0, 1], [2, 3]]
    assert window.newest_frame_s == 1.5
    assert window.samples.shape == (WINDOW_SAMPLES,)
    assert window.lookahead.tolist() == [1.0] * 40
    assert window.gaps == ()


def test_one_sample_short_of_the_lookahead_it_stays_open() -> None:
    windower = Windower(has_video=False)
    windower.push(Sound(0.0, np.ones(WINDOW_SAMPLES + 39, np.float32)))
    assert windower.pop() is None
    windower.push(Sound((WINDOW_SAMPLES + 39) / SAMPLE_RATE, np.ones(1, np.float32)))
    assert windower.pop() is not None


def test_a_hole_in_the_sound_is_waited_for_until_the_lateness_has_passed() -> None:
    windower = Windower(has_video=False)
    windower.push(Sound(0.0, tone(1.0)))
    windower.push(Sound(1.1, tone(2.0)))
    windower.advance(2.29)
    assert windower.pop() is None
    windower.push(Sound(1.0, tone(0.05, 2.0)))
    windower.advance(2.3)
    window = windower.pop()
    assert window is not None
    assert window.gaps == (Gap("audio", 1.05, 1.1),)
    assert window.samples[round(1.02 * SAMPLE_RATE)] == 2.0
    assert not window.samples[round(1.05 * SAMPLE_RATE) : round(1.1 * SAMPLE_RATE)].any()


def test_of_samples_that_come_twice_the_first_stay_and_the_others_are_counted() -> None:
    windower = Windower(has_video=False)
    windower.push(Sound(0.0, tone(1.0, 1.0)))
    windower.push(Sound(0.5, tone(1.0, 2.0)))
    windower.finish()
    window = windower.pop()
    assert window is not None
    assert set(window.samples[:SAMPLE_RATE]) == {1.0}
    assert set(window.samples[SAMPLE_RATE : SAMPLE_RATE * 3 // 2]) == {2.0}
    assert windower.losses.doubled_samples == SAMPLE_RATE // 2


def test_a_missing_frame_of_a_pair_is_replaced_by_the_other_one() -> None:
    windower = Windower(has_audio=False)
    windower.push(Frame(0.1, picture(1)))
    windower.push(Frame(1.7, picture(2)))
    windower.finish()
    window = windower.pop()
    assert window is not None
    assert [g.pixels[:, 0, 0, 0].tolist() for g in window.grids] == [[1, 1], [2, 2]]
    assert window.gaps == ()
    assert window.samples is None


def test_a_second_without_a_frame_has_no_grid_and_is_a_gap() -> None:
    windower = Windower(has_audio=False)
    windower.push(Frame(1.2, picture(1)))
    windower.finish()
    window = windower.pop()
    assert window is not None
    assert [g.time_s for g in window.grids] == [1.0]
    assert window.gaps == (Gap("video", 0.0, 1.0),)


def test_when_the_picture_size_changes_within_a_pair_the_newer_one_stands_for_both() -> None:
    windower = Windower(has_audio=False)
    windower.push(Frame(0.0, picture(1)))
    windower.push(Frame(0.5, picture(2, 8, 8)))
    windower.finish()
    window = windower.pop()
    assert window is not None
    assert window.grids[0].pixels.shape == (2, 8, 8, 3)
    assert window.grids[0].pixels[:, 0, 0, 0].tolist() == [2, 2]


def test_the_open_window_tells_what_has_come_so_far_and_changes_nothing() -> None:
    windower = Windower()
    assert windower.open_window(0.0) is None
    windower.push(Frame(2.0, picture(1)))
    windower.push(Sound(2.0, tone(0.25)))
    windower.push(Sound(2.5, tone(0.1)))
    first, again = windower.open_window(2.7), windower.open_window(2.7)
    assert first is not None
    assert again is not None
    assert first.start_s == 2.0
    assert len(first.samples) == round(0.6 * SAMPLE_RATE)
    assert first.gaps == (Gap("video", 0.0, 2.0), Gap("audio", 0.0, 2.0), Gap("audio", 2.25, 2.5))
    assert first.newest_frame_s == 2.0
    assert np.array_equal(first.samples, again.samples)
    windower.finish()
    (window,) = drain(windower)
    assert window.index == 1
    assert len(window.samples) == WINDOW_SAMPLES


def test_after_a_long_silence_a_few_empty_windows_come_and_then_one_that_tells_the_rest() -> None:
    windower = Windower()
    windower.push(Sound(0.0, tone(2.0)))
    windower.push(Frame(0.0, picture(1)))
    windower.advance(3600.0)
    assert [w.index for w in drain(windower)] == list(range(1 + MAX_EMPTY))
    windower.push(Sound(7200.0, tone(2.1)))
    windower.advance(7203.0)
    (window,) = drain(windower)
    told_s = 2.0 * (1 + MAX_EMPTY)
    assert window.index == 3600
    assert window.gaps == (Gap("video", told_s, 7202.0), Gap("audio", told_s, 7200.0))


def test_before_the_first_item_there_are_no_windows() -> None:
    windower = Windower(start_s=10.0)
    windower.advance(100.0)
    assert windower.pop() is None
    windower.push(Frame(101.0, picture(1)))
    windower.finish()
    (window,) = drain(windower)
    assert window.gaps[0] == Gap("video", 10.0, 101.0)


def test_windows_nobody_fetches_are_dropped_from_the_oldest_on() -> None:
    windower = Windower(has_video=False)
    for second in range(0, 2 * (MAX_READY + 5), 10):
        windower.push(Sound(float(second), tone(10.0)))
    windower.finish()
    windows = drain(windower)
    assert len(windows) == MAX_READY
    assert windower.losses.dropped_windows == windows[0].index > 0


def test_finishing_pads_the_rest_with_silence_and_ends_the_stream() -> None:
    windower = Windower(has_video=False)
    windower.push(Sound(0.0, tone(2.5)))
    windower.finish()
    windows = drain(windower)
    assert [w.index for w in windows] == [0, 1]
    assert windows[1].gaps == (Gap("audio", 2.5, 4.0),)
    with pytest.raises(ValueError, match="finished"):
        windower.push(Sound(4.0, tone(0.1)))


def test_at_the_end_of_the_stream_nothing_is_missing_after_it() -> None:
    windower = Windower()
    windower.push(Sound(0.0, tone(3.4)))
    for time_s in (0.0, 1.0, 3.1):
        windower.push(Frame(time_s, picture(1)))
    windower.finish(3.5)
    whole, last = drain(windower)
    assert (whole.end_s, whole.gaps) == (2.0, ())
    assert last.end_s == 3.5
    assert last.gaps == (Gap("video", 2.0, 3.0), Gap("audio", 3.4, 3.5))
    assert len(last.samples) == WINDOW_SAMPLES


def test_what_lies_beyond_the_end_of_the_stream_makes_no_window() -> None:
    windower = Windower(has_video=False)
    windower.push(Sound(0.0, tone(4.1)))
    windower.finish(4.0)
    assert [window.end_s for window in drain(windower)] == [2.0, 4.0]
    assert windower.open_window(4.0) is None


@pytest.mark.parametrize("fps", [0, 0.5, 2.5, 31, float("nan")])
def test_a_frame_rate_that_is_no_whole_number_is_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="whole number from 1 to 30"):
        Windower(fps=fps)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Frame(0.0, np.zeros((4, 4, 3), np.float32)), "uint8"),
        (Frame(0.0, np.zeros((4, 4), np.uint8)), "uint8"),
        (Frame(float("nan"), picture(0)), "finite"),
        (Sound(float("inf"), tone(0.1)), "finite"),
        (Sound(0.0, np.zeros(10)), "float32"),
        (Sound(0.0, np.zeros((2, 10), np.float32)), "float32"),
        (Sound(0.0, tone(21.0)), "cut it"),
    ],
)
def test_malformed_items_are_refused_with_a_clear_text(item: Frame | Sound, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Windower().push(item)


def test_items_of_a_track_that_was_not_declared_are_refused() -> None:
    with pytest.raises(ValueError, match="without audio"):
        Windower(has_audio=False).push(Sound(0.0, tone(0.1)))
    with pytest.raises(ValueError, match="without video"):
        Windower(has_video=False).push(Frame(0.0, picture(0)))
    with pytest.raises(ValueError, match="needs an audio or a video track"):
        Windower(has_audio=False, has_video=False)
