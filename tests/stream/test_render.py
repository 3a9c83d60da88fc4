"""Rendering into files; what they show is tested with the sources that read them."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from stream.render import render_devices, render_file
from stream.window import SAMPLE_RATE, Frame, Item, Sound


def items(seconds: float = 1.0) -> list[Item]:
    found: list[Item] = []
    for i in range(round(seconds * 10)):
        found.append(Frame(i / 10, np.full((48, 64, 3), 20 * i, np.uint8)))
        found.append(Sound(i / 10, np.full(SAMPLE_RATE // 10, 0.5, np.float32)))
    return found


def test_fake_devices_get_raw_pictures_and_sound(tmp_path: Path) -> None:
    render_devices(items(), tmp_path / "a.y4m", tmp_path / "a.wav")
    raw = (tmp_path / "a.y4m").read_bytes()
    assert raw.startswith(b"YUV4MPEG2 W64 H48 F10:1 ")
    assert raw.count(b"FRAME\n") == 10
    assert len(raw) == raw.index(b"\n") + 1 + 10 * (6 + 48 * 64 * 3 // 2)
    with wave.open(str(tmp_path / "a.wav")) as sounds:
        assert sounds.getparams()[:4] == (1, 2, 48_000, 48_000)


def test_a_picture_may_come_after_the_first_sound(tmp_path: Path) -> None:
    render_file(reversed(items()[:2]), tmp_path / "a.webm")
    assert (tmp_path / "a.webm").stat().st_size > 0


def test_an_unknown_container_and_a_stream_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"render into \.webm or \.mkv"):
        render_file(items(), tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="no frame to render"):
        render_file(items()[1::2], tmp_path / "a.webm")
