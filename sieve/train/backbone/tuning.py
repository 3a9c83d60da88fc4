"""Everything a training of a sieve depends on: one frozen record, written beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from sieve.errors import TrainingError
from sieve.faults import sentence
from sieve.train.optimise import Schedule

MOST_STEPS = 10_000_000
MOST_LAYERS = 64
MOST_ACCUMULATED = 4096

Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1000)]
_CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class DataPlan:
    """``fps``: pictures a second. ``cut_s``: unlabelled recordings are cut into clips of between so
    many seconds. ``longest_s``: longer labelled clips are left out. ``held_out``: the share of the
    clips that is never trained on but examined, ``examined`` of them at most."""

    __pydantic_config__ = _CHECKED
    fps: Annotated[int, Field(ge=1, le=30)] = 2
    cut_s: tuple[Annotated[float, Field(ge=2, le=600)], Annotated[float, Field(ge=2, le=600)]] = (
        6.0,
        30.0,
    )
    longest_s: Annotated[float, Field(ge=2, le=1200)] = 120.0
    held_out: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    examined: Annotated[int, Field(ge=1, le=10_000)] = 64
    cache_mib: Annotated[int, Field(ge=1, le=1_000_000)] = 1024


@dataclass(frozen=True, slots=True)
class SievePlan:
    """``layers`` and ``start`` of a new sieve: its refiner layers are the decoder's first ones,
    either as they are (``copy``, as in the authors' checkpoints: the decoder must learn to read
    them) or silenced at first, so that they pass everything on unchanged (``identity``).
    ``sync_rope``: rotary pairs on (T, H, W, T), for a backbone that learns too; None: as they are.

    A share ``whole`` of the steps keeps every token, so that the sieve does not learn to be read
    well in part only. The others draw one of ``retentions`` and let what is kept compete for a
    share of its own number between ``memory[0]`` and ``memory[1]``. The question is withheld from
    the sieve with probability ``withheld``. ``retention`` is what the finished sieve is used with.
    """

    __pydantic_config__ = _CHECKED
    layers: Annotated[int, Field(ge=1, le=MOST_LAYERS)] = 4
    start: Literal["identity", "copy"] = "identity"
    sync_rope: tuple[int, int, int, int] | None = None
    estimator: Literal["identity", "softmax", "sigmoid", "gumbel"] = "softmax"
    retention: Share = 0.2
    whole: Annotated[float, Field(ge=0, le=1)] = 0.1
    retentions: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.4, 0.2, 0.2, 0.1, 0.1, 0.05)
    withheld: Annotated[float, Field(ge=0, le=1)] = 0.6
    memory: tuple[Share, Share] = (0.5, 1.0)

    def budget(self, rng: np.random.Generator) -> tuple[float, float]:
        """Drawn for a step: the retention, and the share of what is kept that is remembered."""
        if rng.random() < self.whole:
            return 1.0, 1.0
        return float(rng.choice(self.retentions)), float(rng.uniform(*self.memory))

    @property
    def trained(self) -> list[float]:
        """The retentions that are trained, from the largest on."""
        return sorted({*self.retentions, *([1.0] if self.whole else [])}, reverse=True)


@dataclass(frozen=True, slots=True)
class TeacherPlan:
    """The teacher is the model itself with all tokens. Of each clip it answers ``questions`` of the
    list and as many of its own as ``generated`` says, in at most ``answer_tokens``; ``likeliest``
    tokens of every place are kept. ``saliency`` weighs the pull of the scores towards the tokens
    that the answers rest on, measured by ``saliency_by``; it falls to ``saliency_floor`` of it
    within the stage."""

    __pydantic_config__ = _CHECKED
    questions: Annotated[int, Field(ge=0, le=100)] = 6
    generated: Annotated[int, Field(ge=0, le=100)] = 2
    answer_tokens: Annotated[int, Field(ge=1, le=512)] = 48
    likeliest: Annotated[int, Field(ge=1, le=1000)] = 64
    saliency: Weight = 1.0
    saliency_by: Literal["sensitivity", "attention"] = "sensitivity"
    saliency_floor: Annotated[float, Field(ge=0, le=1)] = 0.1


@dataclass(frozen=True, slots=True)
class StagePlan:
    """``steps`` (0: the stage is left out), each over ``accumulate`` clips with up to ``questions``
    questions. ``backbone`` and ``towers``: whether the decoder and the encoders learn too."""

    __pydantic_config__ = _CHECKED
    steps: Annotated[int, Field(ge=0, le=MOST_STEPS)] = 0
    learning_rate: Rate = 2e-5
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.05
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.05
    accumulate: Annotated[int, Field(ge=1, le=MOST_ACCUMULATED)] = 8
    questions: Annotated[int, Field(ge=1, le=100)] = 4
    backbone: bool = False
    towers: bool = False

    @property
    def schedule(self) -> Schedule:
        return Schedule(
            self.steps,
            self.learning_rate,
            warmup=max(1, round(self.warmup * self.steps)),
            weight_decay=self.weight_decay,
        )


@dataclass(frozen=True, slots=True)
class ExchangePlan:
    """Of a clip ``exchanges`` swaps of up to ``size`` tokens are tried, among the ``margin`` lowest
    retained and the ``margin`` highest dropped of a window. ``beta`` weighs the divergence from the
    scorer as it was at the stage's start."""

    __pydantic_config__ = _CHECKED
    exchanges: Annotated[int, Field(ge=2, le=64)] = 6
    margin: Annotated[int, Field(ge=1, le=256)] = 8
    size: Annotated[int, Field(ge=1, le=64)] = 2
    beta: Weight = 1.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """A whole training. ``bf16`` None: where the device is no processor."""

    __pydantic_config__ = _CHECKED
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    bf16: bool | None = None
    data: DataPlan = field(default_factory=DataPlan)
    sieve: SievePlan = field(default_factory=SievePlan)
    teacher: TeacherPlan = field(default_factory=TeacherPlan)
    full: StagePlan = field(default_factory=lambda: StagePlan(backbone=True))
    cs2: StagePlan = field(default_factory=lambda: StagePlan(steps=2000, learning_rate=1e-4))
    exchange: StagePlan = field(default_factory=lambda: StagePlan(learning_rate=1e-5))
    exchanging: ExchangePlan = field(default_factory=ExchangePlan)
    save_every: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 100
    examine_every: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 500

    @property
    def stages(self) -> dict[str, StagePlan]:
        """Those that are not left out, in order."""
        every = {"full": self.full, "cs2": self.cs2, "exchange": self.exchange}
        return {name: plan for name, plan in every.items() if plan.steps}

    @property
    def changes_backbone(self) -> bool:
        return any(plan.backbone or plan.towers for plan in self.stages.values())


def tuning_of(settings: Mapping[str, Any]) -> Tuning:
    """Settings as JSON has them, checked. Raises TrainingError that names the first bad one."""
    try:
        return _check(_ADAPTER.validate_json(json.dumps(settings), strict=True))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise TrainingError(f"setting {place or 'file'}: {sentence(first)}") from None


def _check(tuning: Tuning) -> Tuning:
    if not tuning.stages:
        raise TrainingError("no stage has steps: give full, cs2 or exchange some")
    for name, (low, high) in (
        ("data.cut_s", tuning.data.cut_s),
        ("sieve.memory", tuning.sieve.memory),
    ):
        if low > high:
            raise TrainingError(f"setting {name}: from {low:g} to {high:g} goes backwards")
    if tuning.full.steps and not tuning.full.backbone:
        raise TrainingError("setting full.backbone: in the stage full the backbone learns")
    return tuning


_ADAPTER = TypeAdapter(Tuning)


def read_tuning(path: Path) -> dict[str, Any]:
    """Settings from a JSON file, not yet checked. Raises TrainingError."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise TrainingError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise TrainingError(f"{path}: settings are a JSON object")
    return found


def as_json(tuning: Tuning) -> str:
    return json.dumps(asdict(tuning), indent=2) + "\n"
