"""What of a file is seen: from its start, up to a moment, with some of its tracks."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from sieve.eval.benchmarks.item import Unusable
from sieve.eval.benchmarks.media import Recording, Tracks, Watch, Windows
from sieve.tokens import RawWindow
from stream.source import MediaError
from stream.window import Frame, Sound
from tests.sieve.eval.benchmarks.films import SECONDS, Film


def windows(film: Film, start_s: float, *moments_s: float | None) -> list[list[RawWindow]]:
    recording = Recording(Watch(film.path, start_s, 2, "both"))
    made = Windows(recording, 2)
    found = []
    for moment_s in moments_s:
        closed = list(made.until(moment_s))
        opened = made.opened()
        found.append([*closed, *([opened] if opened else [])])
    recording.close()
    return found


def test_windows_close_as_moments_pass_and_nothing_later_is_seen(films: list[Film]) -> None:
    early, late, rest = windows(films[0], 0.0, 2.7, 5.0, None)
    assert [window.start_s for window in early] == [0.0, 2.0]
    assert early[1].grid_times_s == (2.0,)
    assert early[1].samples is not None
    assert len(early[1].samples) == pytest.approx(0.7 * 16_000, abs=1)
    assert [window.start_s for window in late] == [2.0, 4.0]
    assert [window.start_s for window in rest] == [4.0, 6.0]


def test_moments_on_the_way_change_nothing_of_what_is_seen(films: list[Film]) -> None:
    (whole,) = windows(films[0], 0.0, None)
    stopped = windows(films[0], 0.0, 1.1, 3.3, 3.9, 6.2, None)
    again = {window.start_s: window for part in stopped for window in part}  # the last look counts
    for window in whole[:-1]:
        other = again[window.start_s]
        assert window.samples is not None
        assert other.samples is not None
        np.testing.assert_array_equal(window.samples, other.samples)
        np.testing.assert_array_equal(np.stack(window.grids), np.stack(other.grids))


def test_a_later_start_is_second_zero(films: list[Film]) -> None:
    (whole,) = windows(films[0], 0.0, None)
    (late,) = windows(films[0], 4.0, None)
    assert [window.start_s for window in late[:2]] == [0.0, 2.0]
    assert whole[2].samples is not None
    assert late[0].samples is not None
    middle = late[0].samples[100:-100]
    shifted = [whole[2].samples[100 + lag :][: len(middle)] for lag in range(-16, 17)]
    assert any(np.array_equal(middle, samples) for samples in shifted)  # stamps are rounded to 1 ms
    np.testing.assert_array_equal(np.stack(whole[2].grids), np.stack(late[0].grids))


@pytest.mark.parametrize(("tracks", "kind"), [("video", Frame), ("audio", Sound)])
def test_one_track_may_be_left_away(films: list[Film], tracks: Tracks, kind: type) -> None:
    recording = Recording(Watch(films[0].path, 0.0, 2, tracks))
    assert {type(item) for item in recording.until(None)} == {kind}


@pytest.mark.parametrize("tracks", ["both", "video", "audio"])
def test_a_file_that_was_cut_is_refused_whichever_tracks_are_wanted(
    films: list[Film], tmp_path: Path, tracks: Tracks
) -> None:
    cut = tmp_path / "cut.mkv"
    with av.open(films[0].path) as whole, av.open(cut, "w") as half:
        out = {s.index: half.add_stream_from_template(s) for s in whole.streams}
        for packet in whole.demux():
            if packet.pts is not None and packet.pts * packet.time_base < SECONDS / 2:
                packet.stream = out[packet.stream.index]
                half.mux(packet)
    recording = Recording(Watch(cut, 0.0, 2, tracks))
    assert list(recording.until(SECONDS / 2 - 1.0))
    recording.length_s = float(SECONDS)  # as its header says
    with pytest.raises(Unusable, match="damaged or cut"):
        list(recording.until(None))


def test_of_no_track_nothing_comes(films: list[Film]) -> None:
    recording = Recording(Watch(films[0].path, 0.0, 2, "none"))
    assert not list(recording.until(None))


def test_a_start_after_the_end_is_refused(films: list[Film]) -> None:
    with pytest.raises(Unusable, match=rf"ends at {SECONDS:.1f} s"):
        Recording(Watch(films[0].path, 9.0, 2, "both"))


def test_a_missing_file_is_a_media_error(films: list[Film]) -> None:
    with pytest.raises(MediaError, match="no such file"):
        Recording(Watch(films[0].path.with_name("gone.mp4"), 0.0, 2, "both"))
