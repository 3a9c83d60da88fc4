"""What is trained is what the engine runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sieve import Engine, EngineConfig, RowConfig
from sieve.backbone import Backbone
from sieve.eval.accuracy import closed_window, open_window
from sieve.model import Model, StreamLayout
from sieve.pool import PixelLimits
from sieve.select import CS2Selector
from sieve.train.bank import Bank, encode_stream
from sieve.train.batch import BatchShape, Sampler
from sieve.train.objective import Sieving, forward
from sieve.train.packing import Packer
from sieve.train.render import render_stream
from sieve.train.tiny import ATTENTION, TinyModel, build_tokenizer, thinker_config

SEED, WINDOWS = 5, 10


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return build_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: object) -> TinyModel:
    torch.manual_seed(3)
    built = TinyModel(thinker_config(tokenizer)).eval()  # type: ignore[arg-type]
    with torch.no_grad():  # a refiner that does something
        for parameter in built.cs2.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return built


@pytest.fixture(scope="module")
def bank(model: TinyModel) -> Bank:
    row = encode_stream(model, SEED, WINDOWS, 0.0)
    return Bank(**{name: value[None] for name, value in row.items()})


def _sampler(bank: Bank, tokenizer: object) -> Sampler:
    return Sampler(bank, Packer(tokenizer))  # type: ignore[arg-type]


def _engine_logits(model: TinyModel, tokenizer: object, text: str, now_s: float) -> torch.Tensor:
    """Logits of an answer's first token, after the whole stream went through the engine."""
    backbone = Backbone(model.thinker, tokenizer, model.lm.rotary_emb)
    layout = StreamLayout(300, 50, "raw", PixelLimits(28 * 28, 84 * 84))
    served = Model("test", backbone, CS2Selector(model.cs2), model.cs2, layout, 0.2)
    engine = Engine(served, EngineConfig(rows=1))
    stream = render_stream(SEED, WINDOWS, 0.0)
    row = engine.open(RowConfig())
    for window in range(int(now_s // 2)):
        engine.ingest(row, closed_window(stream, window))
    heard: list[torch.Tensor] = []
    whole = backbone.logits
    backbone.logits = lambda hidden: heard.append(whole(hidden)) or heard[-1]  # type: ignore
    engine.ask(row, text, open_window=open_window(stream, now_s) if now_s % 2 else None)
    return heard[-1][0]


@pytest.mark.parametrize("windows", [2, 4, 7])
def test_a_question_sees_in_training_what_it_sees_in_the_engine(
    model: TinyModel, bank: Bank, tokenizer: object, windows: int
) -> None:
    shape = BatchShape(crops=1, windows=windows, open_share=1.0)
    sampler = _sampler(dataclasses.replace(bank, **_first_windows(bank, windows)), tokenizer)
    with torch.no_grad():
        batch = sampler.exam(shape, np.random.default_rng(0), ["exists"])
        outcome = forward(model, batch, Sieving(0.2, aware=True), torch.Generator())
    now_s = 2 * (windows - 1) + float(bank.elapsed_s[0, windows - 1])
    text = tokenizer.decode(batch.packed.ids[0]).split("<|im_end|>")[0]  # type: ignore[attr-defined]
    served = _engine_logits(model, tokenizer, text, now_s)
    model.lm.config._attn_implementation = ATTENTION
    assert torch.allclose(outcome.answers[0], served, atol=2e-2, rtol=2e-2)
    assert (outcome.answers[0] - outcome.answers[0].mean()).abs().max() > 0.1


def _first_windows(bank: Bank, windows: int) -> dict[str, torch.Tensor]:
    names = [f.name for f in dataclasses.fields(bank)]
    cut = {n: getattr(bank, n) for n in names if getattr(bank, n).dim() > 1}
    return {n: v[:, :windows] for n, v in cut.items() if v.shape[1] == WINDOWS}
