"""What a run is made with: printed beside every score and kept in every file of results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from sieve import Model, load_model
from sieve.errors import SettingInvalid
from sieve.eval.benchmarks.media import Tracks
from sieve.eval.benchmarks.prompt import Style
from sieve.pool import PixelLimits
from sieve.prune import shares
from sieve.selectors import PRUNERS, default_name, method_of

Mode = Literal["streamed", "offline"]


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a score depends on. Decoding is greedy, always.

    ``max_frames`` bounds the pictures of a whole clip (offline), ``slots`` the memory of a stream;
    the other mode knows no such bound and has None. ``min_pixels`` and ``max_pixels`` are the area
    of a picture as the tower sees it. ``max_tokens``: the longest answer.
    """

    benchmark: str
    model: str
    sieve: str | None
    mode: Mode
    selector: str
    retention: float
    fps: int
    min_pixels: int
    max_pixels: int
    max_frames: int | None
    slots: int | None
    tracks: Tracks
    prompt: Style
    max_tokens: int
    device: str
    greedy: bool = True


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for; None is the model's own, or the usual of the mode."""

    benchmark: str
    model: str
    sieve: str | None = None
    mode: Mode = "streamed"
    selector: str | None = None
    retention: float | None = None
    fps: int = 2
    max_pixels: int | None = None
    max_frames: int = 768
    slots: int = 4096
    tracks: Tracks = "both"
    prompt: Style | None = None
    max_tokens: int = 16
    device: str = "cpu"


def prepare(wishes: Wishes) -> tuple[Model, Settings]:
    """The model, set as wished, and the settings that result. Raises SieveError."""
    _check_device(wishes.device)
    loaded = load_model(
        wishes.model,
        sieve=wishes.sieve,
        retention=wishes.retention,
        device=wishes.device,
        dtype=torch.bfloat16 if wishes.device.startswith("cuda") else torch.float32,
    )
    selector = wishes.selector or default_name(loaded)
    pixels = _pixels(loaded.layout.pixels, wishes.max_pixels)
    _check_selector(loaded, selector, wishes.mode)
    model = replace(loaded, layout=replace(loaded.layout, pixels=pixels))
    streamed = wishes.mode == "streamed"
    return model, Settings(
        benchmark=wishes.benchmark,
        model=wishes.model,
        sieve=wishes.sieve,
        mode=wishes.mode,
        selector=selector,
        retention=model.retention,
        fps=wishes.fps,
        min_pixels=pixels.min_pixels,
        max_pixels=pixels.max_pixels,
        max_frames=None if streamed else wishes.max_frames,
        slots=wishes.slots if streamed else None,
        tracks=wishes.tracks,
        prompt=wishes.prompt or ("bare" if wishes.model == "demo" else "documented"),
        max_tokens=wishes.max_tokens,
        device=wishes.device,
    )


def _check_selector(model: Model, name: str, mode: Mode) -> None:
    """Raises SettingInvalid for a name that is not there, BudgetUnreachable for a share that a
    method inside the LLM cannot go down to on whole clips."""
    method_of(model, name)
    if mode == "offline" and name in PRUNERS:
        shares(PRUNERS[name], model.backbone.depth, model.retention)


def _check_device(name: str) -> None:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingInvalid(f"the device {name!r} cannot be used: {reason}") from error


def _pixels(own: PixelLimits, most: int | None) -> PixelLimits:
    return own if most is None else PixelLimits(min(own.min_pixels, most), most)
