"""Tower outputs of many rendered streams, kept in memory: what the decoder and the sieve learn on.

The towers look at one second of pictures and two seconds of sound at a time, so what they make of a
stream can be computed once. Every window is there twice: closed, and still open at some moment.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sieve.train.demo.tiny import TinyModel, batch_tower_chunks, build_tokenizer, thinker_config
from sieve.train.demo.towers import hear, see
from sieve.train.saving import load_whole
from sieve.train.world.render import open_mel, open_pairs, render_stream, stream_mel
from sieve.train.world.truth import (
    AUDIO_TOKENS,
    CELLS,
    GRIDS,
    TICKS,
    VIDEO_TOKENS,
    WINDOW_S,
    cell_labels,
    segment_object,
    token_truth,
)
from sieve.workers import end_with_parent
from stream.world.plot import Plot
from stream.world.scene import Scene

_SEGMENTS = 64  # room for the segments of one stream
Row = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Bank:
    """S streams of W windows; tokens f16 [S, W, 68, 128], video first, then audio."""

    seeds: Tensor  # [S]
    offsets_s: Tensor  # f64 [S]: scene time - stream time
    closed: Tensor
    opened: Tensor
    elapsed_s: Tensor  # f32 [S, W]: how long the window had been open
    open_valid: Tensor  # bool [S, W, 68]: tokens that existed by then
    open_salient: Tensor  # bool [S, W, 68]
    segment: Tensor  # i32 [S, W, 68]
    object: Tensor  # i8 [S, W, 68]
    sound: Tensor  # i8 [S, W, 68]
    symbol: Tensor  # i8 [S, W, 68]
    salient: Tensor  # bool [S, W, 68]
    objects: Tensor  # i64 [S, 64]: object of each segment of the scene, -1: none or several
    ends_s: Tensor  # f64 [S, 64]: scene seconds

    @property
    def streams(self) -> int:
        return self.closed.shape[0]

    @property
    def windows(self) -> int:
        return self.closed.shape[1]

    def scenes(self, plot: Plot) -> list[Scene]:
        """The worlds of the streams, which ``plot`` told."""
        return [Scene(int(seed), plot) for seed in self.seeds]

    @staticmethod
    def of(rows: Sequence[Row]) -> Bank:
        return Bank(**{name: torch.stack([row[name] for row in rows]) for name in rows[0]})

    def tensors(self) -> Row:
        """To be saved as a part of a bank."""
        return {name: getattr(self, name) for name in self.__slots__}

    @staticmethod
    def load(parts: Sequence[Path]) -> Bank:
        """One bank of the streams of all ``parts``, in their order."""
        loaded = [load_whole(path, mmap=True) for path in parts]
        return Bank(**{name: torch.cat([part[name] for part in loaded]) for name in loaded[0]})


@dataclass(frozen=True, slots=True)
class Filming:
    """How streams are made: of ``windows`` windows of the world of ``plot``, a ``codec_share`` of
    them through VP8 and Opus."""

    plot: Plot
    windows: int
    codec_share: float


@torch.no_grad()
def encode_stream(model: TinyModel, seed: int, filming: Filming) -> Row:
    """One row of a bank."""
    windows = filming.windows
    stream = render_stream(seed, windows, filming.codec_share, filming.plot)
    truth = token_truth(stream.scene, stream.offset_s, stream.truth, stream.frame_times_s)
    rng = np.random.default_rng([seed, 31])
    elapsed_s = rng.uniform(0.1, WINDOW_S, windows)
    closed_mels, loudest = stream_mel(stream.samples)
    before = np.concatenate([[0.0], loudest[:-1]])
    open_mels = [open_mel(stream, w, float(t), before[w]) for w, t in enumerate(elapsed_s)]
    pictures = stream.frames.reshape(-1, 2, *stream.frames.shape[1:])
    seen = see(model, pictures).view(windows, VIDEO_TOKENS, -1)
    heard = hear(model, closed_mels)
    open_seen, grids = _see_open(model, stream.frames, elapsed_s, seen)
    salient, open_salient = _salient_video(stream.truth, elapsed_s)
    salient_sound = torch.from_numpy(truth.salient[:, VIDEO_TOKENS:])
    objects, ends_s = _segments(stream.scene, stream.offset_s + windows * WINDOW_S)
    tokens = (elapsed_s * 16_000).astype(np.int64) * 25 // 16_000
    return {
        "seeds": torch.tensor(seed),
        "offsets_s": torch.tensor(stream.offset_s, dtype=torch.float64),
        "closed": torch.cat([seen, heard], 1).half(),
        "opened": torch.cat([open_seen, hear(model, torch.stack(open_mels))], 1).half(),
        "elapsed_s": torch.from_numpy(elapsed_s).float(),
        "open_valid": _open_valid(grids, tokens),
        "open_salient": torch.cat([open_salient, salient_sound], 1),
        "segment": torch.from_numpy(truth.segment),
        "object": torch.from_numpy(truth.object),
        "sound": torch.from_numpy(truth.sound),
        "symbol": torch.from_numpy(truth.symbol),
        "salient": torch.cat([salient, salient_sound], 1),
        "objects": objects,
        "ends_s": ends_s,
    }


def _see_open(
    model: TinyModel, frames: NDArray[np.uint8], elapsed_s: NDArray[np.float64], seen: Tensor
) -> tuple[Tensor, NDArray[np.int64]]:
    """Video tokens of the open windows [W, 18, d] and how many of their grids exist [W]."""
    windows = len(elapsed_s)
    pairs = [
        open_pairs(frames[w * TICKS : (w + 1) * TICKS], float(elapsed_s[w])) for w in range(windows)
    ]
    grids = np.array([len(p) for p in pairs])
    newest = see(model, np.stack([p[-1] for p in pairs]))
    out = seen.clone()
    for w, count in enumerate(grids):
        out[w, (count - 1) * CELLS : count * CELLS] = newest[w]
    return out, grids


def _salient_video(
    frames: NDArray[np.int64], elapsed_s: NDArray[np.float64]
) -> tuple[Tensor, Tensor]:
    """[W, 18] twice, from the labels of the frames [4 W, 9, 3]: cells with something in them; the
    same while the window was open."""
    closed = (cell_labels(frames) != 0).any(-1).reshape(-1, GRIDS, CELLS)
    opened = closed.copy()
    seen = (frames != 0).any(-1).reshape(-1, TICKS, CELLS)
    ticks = np.minimum(TICKS, (elapsed_s * 2).astype(int) + 1)
    for w in np.flatnonzero(ticks % 2):  # the second frame of its newest grid has not come
        opened[w, ticks[w] // 2] = seen[w, ticks[w] - 1]
    flat = (len(closed), VIDEO_TOKENS)
    return torch.from_numpy(closed.reshape(flat)), torch.from_numpy(opened.reshape(flat))


def _open_valid(grids: NDArray[np.int64], tokens: NDArray[np.int64]) -> Tensor:
    video = torch.arange(VIDEO_TOKENS) < torch.from_numpy(grids)[:, None] * CELLS
    audio = torch.arange(AUDIO_TOKENS) < torch.from_numpy(tokens)[:, None]
    return torch.cat([video, audio], 1)


def _segments(scene: Scene, end_s: float) -> tuple[Tensor, Tensor]:
    segments = scene.segments(0.0, end_s)
    objects = torch.zeros(_SEGMENTS, dtype=torch.long)
    ends_s = torch.full((_SEGMENTS,), torch.inf, dtype=torch.float64)
    objects[: len(segments)] = torch.tensor([segment_object(s) for s in segments])
    ends_s[: len(segments)] = torch.tensor([s.end_s for s in segments], dtype=torch.float64)
    return objects, ends_s


_worker_model: TinyModel | None = None


def _start_worker(towers: dict[str, Any]) -> None:
    global _worker_model
    end_with_parent()
    torch.set_num_threads(1)
    _worker_model = _model_with(towers)


def _model_with(towers: dict[str, Any]) -> TinyModel:
    model = TinyModel(thinker_config(build_tokenizer()))
    load_towers(model, towers)
    batch_tower_chunks(model.thinker)
    return model


def _encode_in_worker(job: tuple[int, Filming]) -> Row:
    assert _worker_model is not None
    return encode_stream(_worker_model, *job)


def tower_state(model: TinyModel) -> dict[str, Any]:
    thinker = model.thinker.model
    return {"visual": thinker.visual.state_dict(), "audio": thinker.audio_tower.state_dict()}


def load_towers(model: TinyModel, state: dict[str, Any]) -> None:
    model.thinker.model.visual.load_state_dict(state["visual"])
    model.thinker.model.audio_tower.load_state_dict(state["audio"])


def encode_streams(
    towers: dict[str, Any], seeds: Sequence[int], filming: Filming, workers: int
) -> Iterator[Row]:
    """Rows of a bank, one after another; the same for any number of ``workers`` (processes; 0 does
    it in this one)."""
    jobs = [(seed, filming) for seed in seeds]
    if not workers:
        model = _model_with(towers)
        yield from (encode_stream(model, *job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (towers,)) as pool:
        yield from pool.map(_encode_in_worker, jobs, chunksize=4)
