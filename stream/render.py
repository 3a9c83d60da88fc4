"""Renders a source into media files: one to play and to publish, or a pair for fake devices."""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from stream.window import SAMPLE_RATE, Frame, Item, Sound

_BIT_RATE = 1_500_000
_WAV_RATE = 48_000


def render_file(items: Iterable[Item], path: str | Path, *, fps: float = 10.0) -> None:
    """Writes VP8 and Opus into ``path``; its suffix (.webm or .mkv) names the container.

    ``items`` are frames of one size at ``fps`` and sounds without holes, for example
    ``SceneSource(scene, 10.0).items()``. Raises ValueError for another suffix or without a frame.
    """
    if Path(path).suffix not in (".webm", ".mkv"):
        raise ValueError(f"{path}: render into .webm or .mkv")
    first, items = _with_first_frame(items)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx", rate=Fraction(fps).limit_denominator(1000))
        video.height, video.width = first.rgb.shape[:2]
        video.bit_rate = _BIT_RATE
        # One thread: several wait for each other by spinning, ten times slower on a busy machine.
        video.options = {"deadline": "realtime", "cpu-used": "8", "threads": "1"}
        audio = container.add_stream("libopus", rate=48_000, layout="mono")
        for item in items:
            if isinstance(item, Frame):
                container.mux(video.encode(_picture(item)))
            else:
                container.mux(audio.encode(_sound(item)))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def render_devices(
    items: Iterable[Item], y4m: str | Path, wav: str | Path, *, fps: int = 10
) -> None:
    """Writes raw pictures (YUV4MPEG2) and sound (16 bit, 48 kHz) for a browser's fake devices.

    Chromium reads them by ``--use-file-for-fake-video-capture`` and ``...-audio-capture`` and
    starts again at their end. ``items`` as for :func:`render_file`.
    """
    first, items = _with_first_frame(items)
    height, width = first.rgb.shape[:2]
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_WAV_RATE)
    with Path(y4m).open("wb") as pictures, wave.open(str(wav), "wb") as sounds:
        sounds.setparams((1, 2, _WAV_RATE, 0, "NONE", ""))
        pictures.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for item in items:
            if isinstance(item, Frame):
                pictures.write(b"FRAME\n" + _picture(item).to_ndarray().tobytes())
            else:
                _write_pcm(sounds, resampler.resample(_sound(item)))
        _write_pcm(sounds, resampler.resample(None))


def _with_first_frame(items: Iterable[Item]) -> tuple[Frame, Iterator[Item]]:
    """The first frame, and all items from the first on."""
    stream = iter(items)
    begin: list[Item] = []
    for item in stream:
        begin.append(item)
        if isinstance(item, Frame):
            return item, chain(begin, stream)
    raise ValueError("there is no frame to render")


def _picture(item: Frame) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(item.rgb, format="rgb24").reformat(format="yuv420p")
    picture.pts, picture.time_base = round(item.time_s * 1000), Fraction(1, 1000)
    return picture


def _sound(item: Sound) -> av.AudioFrame:
    pcm = (np.clip(item.samples, -1, 1) * 32767).astype(np.int16)
    sound = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
    sound.sample_rate = SAMPLE_RATE
    sound.pts, sound.time_base = round(item.start_s * SAMPLE_RATE), Fraction(1, SAMPLE_RATE)
    return sound


def _write_pcm(sounds: wave.Wave_write, frames: Iterable[av.AudioFrame]) -> None:
    for frame in frames:
        sounds.writeframes(frame.to_ndarray().tobytes())
