"""``echosieve bench prefill``: what reading a clip costs, full against sieved.

The full arm is the backbone over every token, without CS2, through the same decoder and the same
attention kernel as the sieved ones. Times are medians over interleaved runs, so that a change
of the machine's speed meets all arms alike; the encoders are timed apart, since below 20 % they are
the largest cost and no sieve after them can save it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from torch import Tensor

from sieve.checkpoint import load_model
from sieve.clip import ClipReader
from sieve.cs2 import kept_count
from sieve.errors import SettingInvalid
from sieve.eval.machine import PeakMemory, describe_machine
from sieve.eval.sizes import random_model
from sieve.model import Model
from sieve.vision import PATCH, fit_size

RETENTIONS = (0.2, 0.1, 0.05)
CAMERA = (480, 640)
MAX_SECONDS = 1_200  # a clip's positions end at 21.8 minutes
MAX_RUNS = 1_000


@dataclass(frozen=True, slots=True)
class Arm:
    """One row: times in ms, memory in bytes, ``tokens`` the LLM reads."""

    name: str
    tokens: int
    encoders_ms: float
    sieve_and_llm_ms: float
    total_ms: float
    speedup: float  # of the total, against the full arm
    speedup_without_encoders: float
    peak_bytes: int | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        choices=("demo", "3b", "7b"),
        default="demo",
        help="the built-in model, or random weights of the true size (default %(default)s)",
    )
    parser.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="cpu, cuda, cuda:1 ... (default here: %(default)s)",
    )
    parser.add_argument(
        "--seconds", type=int, default=30, help="length of the clip, even (default %(default)s)"
    )
    parser.add_argument(
        "--runs", type=int, default=7, help="of each arm, interleaved (default %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="write the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write. Raises SettingInvalid for a size this machine cannot hold."""
    if not 2 <= args.seconds <= MAX_SECONDS or args.seconds % 2:
        raise SettingInvalid(
            f"--seconds is an even number from 2 to {MAX_SECONDS}, got {args.seconds}"
        )
    if not 1 <= args.runs <= MAX_RUNS:
        raise SettingInvalid(f"--runs is a number from 1 to {MAX_RUNS}, got {args.runs}")
    model = _model(args.config, args.device)
    clip = make_clip(model, args.seconds)
    arms = measure(model, clip, args.runs, args.device)
    report = {
        "bench": "prefill",
        "config": args.config,
        "seconds": args.seconds,
        "runs": args.runs,
        "grid": clip["video_grid_thw"].tolist(),
        "machine": describe_machine(args.device),
        "arms": [asdict(arm) for arm in arms],
    }
    _print(report, arms)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _model(config: str, device: str) -> Model:
    if config == "demo":
        return load_model("demo", device=device)
    if not device.startswith("cuda"):
        raise SettingInvalid(
            f"--config {config} needs a GPU (--device cuda): billions of random weights in bf16"
        )
    return random_model(config, device, torch.bfloat16)


def make_clip(model: Model, seconds: int, picture: tuple[int, int] = CAMERA) -> dict[str, Tensor]:
    """Random media as transformers' processor lays it out: 1 grid and 25 audio tokens a second.
    ``picture``: rows and columns of pixels that a frame had before it was fitted."""
    config, limits = model.backbone.config, model.layout.pixels
    rows, cols = fit_size(*picture, limits.min_pixels, limits.max_pixels)
    gh, gw = rows // PATCH, cols // PATCH
    per_window = [config.video_token_id] * (2 * gh * gw // 4) + [config.audio_token_id] * 50
    begin = [config.vision_start_token_id, config.audio_start_token_id]
    end = [config.audio_end_token_id, config.vision_end_token_id]
    before, after = _plain_ids(config, 8), _plain_ids(config, 16)
    ids = [*before, *begin, *per_window * (seconds // 2), *end, *after]
    generator = torch.Generator().manual_seed(0)
    device = model.backbone.device
    clip = {
        "input_ids": torch.tensor([ids]),
        "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
        "pixel_values_videos": torch.randn(seconds * gh * gw, 1176, generator=generator),
        "video_grid_thw": torch.tensor([[seconds, gh, gw]]),
        "video_second_per_grid": torch.tensor([1.0]),
        "input_features": torch.randn(1, 128, 100 * seconds, generator=generator),
        "feature_attention_mask": torch.ones(1, 100 * seconds, dtype=torch.long),
    }
    return {name: value.to(device) for name, value in clip.items()}


def _plain_ids(config: Any, count: int) -> list[int]:
    """Token ids of ordinary text, by the vocabulary's end and none of the markers."""
    markers = {value for name, value in vars(config).items() if name.endswith("token_id")}
    vocabulary = range(config.text_config.vocab_size - 1, -1, -1)
    return [i for i in vocabulary if i not in markers][:count]


def measure(model: Model, clip: dict[str, Tensor], runs: int, device: str) -> list[Arm]:
    """All arms, interleaved; the first round is not counted."""
    with torch.inference_mode():
        steps = {"full": _full(model, clip)}
        steps |= {f"{share:.0%}": _sieved(model, clip, share) for share in RETENTIONS}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
        peaks: dict[str, list[int]] = {name: [] for name in steps}
        memory = PeakMemory(device)
        for _ in range(runs + 1):
            for name, (encode, read) in steps.items():
                memory.reset()
                encode_ms, embeds = _timed(encode, device)
                read_ms, _ = _timed(partial(read, embeds), device)
                times[name].append((encode_ms, read_ms))
                peaks[name].append(memory.read() or 0)
        return _summary(model, clip, times, peaks)


Encode = Callable[[], Tensor]
Read = Callable[[Tensor], Tensor]


def _full(model: Model, clip: dict[str, Tensor]) -> tuple[Encode, Read]:
    """Every token, as it comes from the towers."""
    positions = model.backbone.clip_positions(clip)[:, 0]
    backbone = model.backbone

    def read(embeds: Tensor) -> Tensor:
        return backbone.logits(backbone.read(embeds, positions, None, None)[-1:])

    return lambda: backbone.clip_embeds(clip), read


def _sieved(model: Model, clip: dict[str, Tensor], share: float) -> tuple[Encode, Read]:
    backbone = model.backbone
    reader = ClipReader(backbone, model.cs2, share, model.layout.text_states)
    positions = backbone.clip_positions(clip)
    ids = clip["input_ids"][0]
    is_pool = (ids == backbone.config.video_token_id) | (ids == backbone.config.audio_token_id)
    pool = is_pool.nonzero()[:, 0]

    def read(embeds: Tensor) -> Tensor:
        states, _, keep = reader.sieve(embeds, positions, pool)
        hidden = backbone.read(states[keep], positions[:, 0, keep], None, None)
        return backbone.logits(hidden[-1:])

    return lambda: backbone.clip_embeds(clip), read


def _timed(step: Callable[[], Tensor], device: str) -> tuple[float, Tensor]:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = step()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3, result


def _summary(
    model: Model,
    clip: Mapping[str, Tensor],
    times: Mapping[str, list[tuple[float, float]]],
    peaks: Mapping[str, list[int]],
) -> list[Arm]:
    counted = {name: pairs[1:] for name, pairs in times.items()}
    encode = {name: median(pair[0] for pair in pairs) for name, pairs in counted.items()}
    read = {name: median(pair[1] for pair in pairs) for name, pairs in counted.items()}
    total = {name: median(sum(pair) for pair in pairs) for name, pairs in counted.items()}
    return [
        Arm(
            name=name,
            tokens=_tokens(model, clip, name),
            encoders_ms=round(encode[name], 3),
            sieve_and_llm_ms=round(read[name], 3),
            total_ms=round(total[name], 3),
            speedup=round(total["full"] / total[name], 3),
            speedup_without_encoders=round(read["full"] / read[name], 3),
            peak_bytes=max(peaks[name][1:]) or None,
        )
        for name in times
    ]


def _tokens(model: Model, clip: Mapping[str, Tensor], name: str) -> int:
    ids, config = clip["input_ids"][0], model.backbone.config
    pool = int(((ids == config.video_token_id) | (ids == config.audio_token_id)).sum())
    share = 1.0 if name == "full" else float(name.rstrip("%")) / 100
    return len(ids) - pool + kept_count(share, pool)


def _print(report: Mapping[str, object], arms: list[Arm]) -> None:
    machine = report["machine"]
    assert isinstance(machine, dict)
    title = (
        f"prefill of {report['seconds']} s, {report['config']}, "
        f"{machine['device']} ({machine['processor']}, {machine['cores']} cores)"
    )
    caption = (
        "encode: towers; read: CS2 and LLM; x: against all tokens; peak: of the process or GPU"
    )
    table = Table(title=title, caption=caption, box=SIMPLE)
    heads = ("arm", "tokens", "encode ms", "read ms", "total ms", "x", "x read")
    for head in (*heads, "peak MiB"):
        table.add_column(head, justify="left" if head == "arm" else "right")
    for arm in arms:
        peak = "-" if arm.peak_bytes is None else f"{arm.peak_bytes / 2**20:.0f}"
        table.add_row(
            "all tokens" if arm.name == "full" else f"CS2 {arm.name}",
            str(arm.tokens),
            f"{arm.encoders_ms:.1f}",
            f"{arm.sieve_and_llm_ms:.1f}",
            f"{arm.total_ms:.1f}",
            f"{arm.speedup:.2f}",
            f"{arm.speedup_without_encoders:.2f}",
            peak,
        )
    Console().print(table)
