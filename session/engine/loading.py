"""The model and the engine that a service begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from session.config import ServiceConfig
from session.engine.protocol import EngineLike
from sieve import Engine, EngineConfig, Model, RowConfig, load_model
from sieve.errors import SettingInvalid
from sieve.model import StreamLayout
from sieve.selectors import available


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine ready to work, the retention and the selector that sessions begin with, and what
    should be said of it."""

    engine: EngineLike
    retention: float
    selector: str = "cs2"
    note: str | None = None
    selectors: Mapping[str, str] = field(default_factory=dict)  # what could be chosen: name, says
    horizon_s: float = StreamLayout().horizon_s  # how far back the model remembers


def load_engine(config: ServiceConfig) -> Loaded:
    """Load the model and build its engine. Raises CheckpointError, SettingInvalid, the latter also
    where no session could ever be opened."""
    model = model_of(config)
    sizes = EngineConfig(rows=config.rows, slots=config.slots, max_branches=config.max_branches)
    engine = engine_of(model, sizes)
    row = engine.open(RowConfig(selector=config.selector))  # raises where no session could begin
    selector = engine.selector(row)
    engine.close(row)
    note = f"there is no trained sieve; tokens are chosen by {selector}" if not model.cs2 else None
    horizon_s = model.layout.horizon_s
    return Loaded(engine, model.retention, selector, note, available(model), horizon_s)


def engine_of(model: Model, sizes: EngineConfig) -> Engine:
    """Raises SettingInvalid where the memory asked for is not there."""
    try:
        return Engine(model, sizes)
    except (RuntimeError, MemoryError) as error:  # torch's allocators raise RuntimeError
        raise SettingInvalid(
            f"{sizes.rows} sessions of {sizes.slots} slots do not fit into this machine's memory: "
            "take fewer of either"
        ) from error


def model_of(config: ServiceConfig) -> Model:
    """The model on its device, in bfloat16 on an accelerator. Raises as `load_engine`."""
    if threads := config.model_threads:
        torch.set_num_threads(threads)
    device = device_of(config.device)
    return load_model(
        config.model,
        sieve=config.sieve,
        retention=config.retention,
        device=device,
        dtype=torch.float32 if device.type == "cpu" else torch.bfloat16,
    )


def device_of(name: str) -> torch.device:
    """Raises SettingInvalid for a device that is not there."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingInvalid(f"the device {name!r} cannot be used: {reason}") from error
    return device
