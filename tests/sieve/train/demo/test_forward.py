"""What is trained is what the engine runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sieve import Engine, EngineConfig, RowConfig
from sieve.backbone import Backbone
from sieve.cs2 import kept_count
from sieve.model import Model, StreamLayout
from sieve.pool import PixelLimits
from sieve.select import CS2Selector
from sieve.train.demo.bank import Bank, Filming, encode_stream
from sieve.train.demo.batch import Batch, BatchShape, Sampler
from sieve.train.demo.forward import _fair, _leaving, _remembered, _stream_sees, forward
from sieve.train.demo.packing import Packer, Progress
from sieve.train.demo.replay import HORIZON_IDS
from sieve.train.demo.sieving import Sieving, sieve
from sieve.train.demo.tiny import ATTENTION, TinyModel, build_tokenizer, thinker_config
from sieve.train.world.render import render_stream
from sieve.train.world.windows import closed_window, open_window
from stream.world.plot import FIRST_WORLD

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
    return Bank.of([encode_stream(model, SEED, Filming(FIRST_WORLD, WINDOWS, 0.0))])


def _sampler(bank: Bank, tokenizer: object) -> Sampler:
    return Sampler(bank, FIRST_WORLD, Packer(tokenizer))  # type: ignore[arg-type]


def _batch(bank: Bank, tokenizer: object, **settings: object) -> Batch:
    shape = dataclasses.replace(BatchShape(crops=3, windows=4), **settings)  # type: ignore[arg-type]
    return _sampler(bank, tokenizer).draw(shape, np.random.default_rng(1), Progress())


def _first_windows(bank: Bank, windows: int) -> Bank:
    names = [f.name for f in dataclasses.fields(bank)]
    cut = {n: getattr(bank, n) for n in names if getattr(bank, n).dim() > 1}
    cut = {n: v[:, :windows] for n, v in cut.items() if v.shape[1] == WINDOWS}
    return dataclasses.replace(bank, **cut)


def _engine_logits(
    model: TinyModel, tokenizer: object, text: str, now_s: float, slots: int
) -> torch.Tensor:
    """Logits of an answer's first token, after the whole stream went through the engine."""
    backbone = Backbone(model.thinker, tokenizer, model.lm.rotary_emb)
    layout = StreamLayout(HORIZON_IDS, 50, "raw", PixelLimits(28 * 28, 84 * 84))
    served = Model("test", backbone, CS2Selector(model.cs2), model.cs2, layout, 0.2)
    engine = Engine(served, EngineConfig(rows=1))
    stream = render_stream(SEED, WINDOWS, 0.0)
    row = engine.open(RowConfig())
    engine.configure(row, slots=engine.memory(row).prompt + slots)
    for window in range(int(now_s // 2)):
        engine.ingest(row, closed_window(stream, window))
    heard: list[torch.Tensor] = []
    whole = backbone.logits
    backbone.logits = lambda hidden: heard.append(whole(hidden)) or heard[-1]  # type: ignore
    engine.ask(row, text, open_window=open_window(stream, now_s) if now_s % 2 else None)
    return heard[-1][0]


@pytest.mark.parametrize(("windows", "slots"), [(2, 400), (7, 400), (7, 40)])
def test_a_question_sees_in_training_what_it_sees_in_the_engine(
    model: TinyModel,
    bank: Bank,
    tokenizer: object,
    windows: int,
    slots: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sieve.train.demo.batch._kinds", lambda *_: ["exists"])
    shape = BatchShape(crops=1, windows=windows, open_share=1.0)
    sampler = _sampler(_first_windows(bank, windows), tokenizer)
    with torch.no_grad():
        batch = sampler.exam(shape, np.random.default_rng(4))
        first = batch.packed.ids[0, 0][batch.packed.real[0, 0]]
        how = Sieving(0.2, aware=True, slots=slots)
        outcome = forward(model, batch, how, torch.Generator())
    now_s = 2 * (windows - 1) + float(bank.elapsed_s[0, windows - 1])
    text = tokenizer.decode(first).split("<|vision_eos|>")[1].split("<|im_end|>")[0]  # type: ignore[attr-defined]
    served = _engine_logits(model, tokenizer, text, now_s, slots)
    model.lm.config._attn_implementation = ATTENTION
    assert torch.allclose(outcome.answers[0], served, atol=2e-2, rtol=2e-2)
    assert (outcome.answers[0] - outcome.answers[0].mean()).abs().max() > 0.1


def test_conversations_of_one_crop_do_not_see_each_other(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer)
    ids = batch.packed.ids.clone()
    ids[:, 1:] = 7
    other = dataclasses.replace(batch, packed=dataclasses.replace(batch.packed, ids=ids))
    with torch.no_grad():
        one, two = (forward(model, b, Sieving(0.2), torch.Generator()) for b in (batch, other))
    first = one.turns == 0
    assert torch.allclose(one.answers[first], two.answers[first], atol=1e-5)
    assert not torch.allclose(one.answers[~first], two.answers[~first], atol=1e-3)


def _memory(model: TinyModel, batch: Batch, room: float) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        sieved = sieve(model, batch, Sieving(0.2), torch.Generator())
    leaving = _leaving(batch, sieved, Sieving(0.2, room=room))
    return sieved, leaving, _remembered(batch, sieved, leaving)  # type: ignore[return-value]


def test_with_room_for_everything_a_question_sees_all_that_has_come(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer, windows=8, moments=3)
    sieved, _, remembered = _memory(model, batch, 1.0)
    places = sieved.kept.shape[2]
    window = torch.arange(8).repeat_interleave(places)
    come = window <= batch.packed.moment[..., None]
    assert torch.equal(remembered, come & sieved.used.flatten(1)[:, None])


def test_a_memory_holds_no_more_than_its_slots(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer, windows=8, open_share=0.0)
    with torch.no_grad():
        sieved = sieve(model, batch, Sieving(1.0), torch.Generator())
    for slots, most in ((150, 150), (2_048, 8 * 68)):
        leaving = _leaving(batch, sieved, Sieving(1.0, slots=slots))
        held = _remembered(batch, sieved, leaving)[:, 0].sum(-1)
        assert (held == most).all()


def test_in_a_crowded_memory_old_windows_see_what_new_ones_do_not(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer, windows=8, open_share=0.0)
    sieved, leaving, remembered = _memory(model, batch, 0.3)
    assert (leaving < 8).any()
    sees = _stream_sees(2, batch, sieved, leaving)[:, 2:, 2:]
    window = torch.arange(8).repeat_interleave(sieved.kept.shape[2])
    for crop, key in (leaving < 8).nonzero()[:20].tolist():
        watching = sees[crop, key + 1 :, key]
        assert torch.equal(watching, window[key + 1 :] < leaving[crop, key])
    held = remembered[:, 0].sum(-1)
    assert (held < sieved.used.flatten(1).sum(-1)).all()


def test_what_the_memory_had_no_room_for_is_not_taught(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer, windows=4, open_share=0.0)
    sieved, _, remembered = _memory(model, batch, 1.0)
    assert _fair(batch, sieved, remembered).all()
    something = (batch.salient.gather(2, sieved.kept) & sieved.used).any(-1)  # [B, n]
    window, size = int(something.sum(0).argmax()), sieved.kept.shape[2]
    evidence = torch.full_like(batch.packed.evidence, window)
    there = dataclasses.replace(batch, packed=dataclasses.replace(batch.packed, evidence=evidence))
    gone = remembered.clone()
    gone[:, :, window * size : (window + 1) * size] = False
    assert something[:, window].any()
    assert torch.equal(_fair(there, sieved, gone)[:, 0], ~something[:, window])


def test_without_their_time_kept_tokens_are_numbered_one_after_another(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer, jumps=1.0, open_share=0.0)
    later = dataclasses.replace(batch, starts=batch.starts + torch.arange(4) * 500)
    moved = dataclasses.replace(later, text_start=batch.text_start + 1500)
    for positions, same in (("compacted", True), ("absolute", False)):
        how = Sieving(0.2, positions=positions)  # type: ignore[arg-type]
        with torch.no_grad():
            one, two = (forward(model, b, how, torch.Generator()).answers for b in (batch, moved))
        assert torch.allclose(one, two, atol=1e-4) == same


@pytest.mark.parametrize("retention", [0.05, 0.1, 0.2, 1.0])
def test_as_many_tokens_are_kept_as_the_engine_keeps(
    model: TinyModel, bank: Bank, tokenizer: object, retention: float
) -> None:
    batch = _batch(bank, tokenizer, open_share=0.5)
    with torch.no_grad():
        sieved = sieve(model, batch, Sieving(retention), torch.Generator())
    pools = batch.valid.sum(-1)
    counts = torch.tensor([[kept_count(retention, int(n)) for n in row] for row in pools])
    assert torch.equal(sieved.used.sum(-1), counts)
    assert batch.valid.gather(2, sieved.kept)[sieved.used].all()
