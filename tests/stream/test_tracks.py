"""Tracks of aiortc as a source."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from stream.source import MediaError
from stream.tracks import TrackSource
from stream.window import SAMPLE_RATE, Frame, Sound

START = 7_777  # time stamps of a track begin anywhere


class Pictures(MediaStreamTrack):
    """Ten frames, ten a second, each brighter."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0

    async def recv(self) -> av.VideoFrame:
        if self._sent == 10:
            raise MediaStreamError
        pixels = np.full((48, 64, 3), 20 * self._sent, np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = START + 9_000 * self._sent, Fraction(1, 90_000)
        self._sent += 1
        return frame


class Tone(MediaStreamTrack):
    """A second of 48 kHz, 20 ms at a time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0

    async def recv(self) -> av.AudioFrame:
        if self._sent == 50:
            raise MediaStreamError
        samples = np.full((1, 960), 1_000, np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 48_000
        frame.pts, frame.time_base = START + 960 * self._sent, Fraction(1, 48_000)
        self._sent += 1
        return frame


async def test_tracks_become_frames_and_sounds_at_the_distances_of_their_time_stamps() -> None:
    source = TrackSource([Pictures(), Tone()])
    assert source.has_video
    assert source.has_audio
    items = [item async for item in source]
    times = [item.time_s for item in items if isinstance(item, Frame)]
    assert np.diff(times) == pytest.approx([0.1] * 9)
    assert times[0] < 1.0
    sounds = [item for item in items if isinstance(item, Sound)]
    assert sum(len(sound.samples) for sound in sounds) == pytest.approx(SAMPLE_RATE, abs=50)


async def test_one_track_is_enough() -> None:
    source = TrackSource([Tone()])
    assert (source.has_video, source.has_audio) == (False, True)
    assert not [item async for item in source if isinstance(item, Frame)]


@pytest.mark.parametrize("tracks", [[], [Tone, Tone], [Pictures, Tone, Pictures]])
def test_none_or_two_of_a_kind_are_refused(tracks: list[type[MediaStreamTrack]]) -> None:
    with pytest.raises(MediaError, match="one video track, one audio track, or both"):
        TrackSource([track() for track in tracks])


@pytest.mark.parametrize("tracks", [["clip.webm", "clip.webm"], (1, 2), [Tone(), "clip.webm"]])
def test_what_is_no_track_is_refused(tracks: list[MediaStreamTrack]) -> None:
    with pytest.raises(MediaError, match=r"a list is of tracks: .* not: \w+, \w+$"):
        TrackSource(tracks)
