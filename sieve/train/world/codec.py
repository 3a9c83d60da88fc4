"""Pictures and sound as they look after a trip through WebRTC's codecs."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
_OPUS_RATE = 48_000


def vp8_round_trip(
    frames: NDArray[np.uint8], frame_rate: int, bits_per_s: int
) -> NDArray[np.uint8]:
    """RGB u8 [N, H, W, 3] encoded as live VP8 and decoded again, frame by frame."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.height, encoder.width = frames.shape[1:3]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, frame_rate)
    encoder.framerate = Fraction(frame_rate, 1)
    encoder.bit_rate = bits_per_s
    encoder.thread_count = 1
    # A negative speed is kept; a positive one would give way to the load of the machine.
    encoder.options = {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0", "g": "600"}
    decoder = av.CodecContext.create("vp8", "r")
    decoder.thread_count = 1
    out = [
        decoded.to_ndarray(format="rgb24")
        for packet in _encode_frames(encoder, frames)
        for decoded in decoder.decode(packet)
    ]
    out += [decoded.to_ndarray(format="rgb24") for decoded in decoder.decode(None)]
    if len(out) != len(frames):
        raise RuntimeError(f"VP8 returned {len(out)} of {len(frames)} frames")
    return np.stack(out)


def _encode_frames(
    encoder: av.VideoCodecContext, frames: NDArray[np.uint8]
) -> Iterator[av.Packet[Any]]:
    for i, rgb in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
        frame.pts = i
        yield from encoder.encode(frame)
    yield from encoder.encode(None)


def opus_round_trip(samples: NDArray[np.float32], bits_per_s: int = 32_000) -> NDArray[np.float32]:
    """16 kHz mono f32 [S] through Opus at 48 kHz and back; the same length."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate = _OPUS_RATE
    encoder.layout = "mono"
    encoder.format = "s16"
    encoder.bit_rate = bits_per_s
    decoder = av.CodecContext.create("opus", "r")
    decoder.sample_rate = _OPUS_RATE
    decoder.layout = "mono"
    up = av.AudioResampler("s16", "mono", _OPUS_RATE, frame_size=960)
    down = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    source = av.AudioFrame.from_ndarray(_to_int16(samples)[None], format="s16", layout="mono")
    source.sample_rate = SAMPLE_RATE
    packets = [
        p for frame in [*up.resample(source), *up.resample(None)] for p in encoder.encode(frame)
    ]
    decoded = [f for p in [*packets, *encoder.encode(None)] for f in decoder.decode(p)]
    pieces = [f.to_ndarray() for frame in [*decoded, None] for f in down.resample(frame)]
    heard = np.concatenate(pieces, axis=1)[0].astype(np.float32) / 32768
    out = np.zeros(samples.size, np.float32)
    out[: heard.size] = heard[: samples.size]
    return out


def _to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return (samples.clip(-1, 1) * 32767).astype(np.int16)
