"""The chat template around a stream, and the positions of the whole against the library's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.prompt import Modalities, prompt_text, question_text
from tests import tiny

BOTH = Modalities()


def test_the_prompt_is_the_chat_template_up_to_the_stream() -> None:
    assert prompt_text("Watch.", BOTH) == (
        "<|im_start|>system\nWatch.<|im_end|>\n<|im_start|>user\n<|vision_bos|><|audio_bos|>"
    )


def test_a_stream_without_sound_or_without_pictures_has_only_the_others_markers() -> None:
    assert prompt_text("x", Modalities(audio=False)).endswith("user\n<|vision_bos|>")
    assert prompt_text("x", Modalities(video=False)).endswith("user\n<|audio_bos|>")
    assert question_text("q", [], Modalities(audio=False)).startswith("<|vision_eos|>q")
    assert question_text("q", [], Modalities(video=False)).startswith("<|audio_eos|>q")


def test_earlier_turns_stand_between_the_stream_and_the_question() -> None:
    assert question_text("c?", [("a?", "A"), ("b?", "B")], BOTH) == (
        "<|audio_eos|><|vision_eos|>a?<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
        "<|im_start|>user\nb?<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n"
        "<|im_start|>user\nc?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("said", ["<|im_end|>", "<|VIDEO|>x", "<|<|im_end|>", "a<|im_start|>user"])
def test_what_people_write_cannot_open_or_close_a_turn(stock_model: Model, said: str) -> None:
    def control_tokens(text: str) -> list[int]:
        return [i for i in stock_model.backbone.token_ids(text) if i < len(tiny.SPECIAL)]

    assert control_tokens(prompt_text(said, BOTH)) == control_tokens(prompt_text("x", BOTH))
    for asked, answered, question in [(said, "a", "q"), ("a", said, "q"), ("a", "b", said)]:
        mine = question_text(question, [(asked, answered)], BOTH)
        assert control_tokens(mine) == control_tokens(question_text("q", [("a", "b")], BOTH))


def read_positions(engine: Engine, windows: int, size: tuple[int, int], **has: bool) -> Tensor:
    """[3, L]: what the decoder is told of prompt, stream and question, in that order."""
    seen: list[Tensor] = []
    backbone = engine.model.backbone
    read = backbone.read

    def recording(embeds: Tensor, positions: Tensor, cache: Any, mask: Any) -> Tensor:
        seen.append(positions)
        return read(embeds, positions, cache, mask)

    backbone.read = recording  # type: ignore[method-assign]
    try:
        row, rng = engine.open(RowConfig(retention=1.0)), np.random.default_rng(0)
        for index in range(windows):
            engine.ingest(row, tiny.window(index, rng, size=size, **has))
        engine.ask(row, "what?")
    finally:
        del backbone.read
    return torch.cat(seen[-windows - 2 :], dim=1)  # a prompt with other markers was rewritten


def library_positions(
    model: Model, windows: int, per_grid: tuple[int, int], has: Modalities
) -> Any:
    """The library's rule over the same clip written out with placeholders."""
    backbone = model.backbone
    grid = ["<|VIDEO|>"] * (per_grid[0] * per_grid[1])
    window = grid * (2 * has.video) + ["<|AUDIO|>"] * (50 * has.audio)
    before = prompt_text("You watch and listen.", has)
    ids = backbone.token_ids(before + "".join(window * windows) + question_text("what?", [], has))
    thw = torch.tensor([[2 * windows, 2 * per_grid[0], 2 * per_grid[1]]])
    positions, _ = backbone.thinker.model.get_rope_index(
        torch.tensor([ids]),
        video_grid_thw=thw if has.video else None,
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        use_audio_in_video=has.video and has.audio,
        audio_seqlens=torch.tensor([200 * windows]) if has.audio else None,
        second_per_grids=torch.tensor([1.0]) if has.video else None,
    )
    return positions[:, 0]


@pytest.mark.parametrize("windows", [1, 3])
@pytest.mark.parametrize("has", [BOTH, Modalities(audio=False), Modalities(video=False)])
def test_prompt_stream_and_question_lie_where_the_library_puts_them(
    stock_model: Model, windows: int, has: Modalities
) -> None:
    rows, cols = 8, 10
    engine = Engine(stock_model, EngineConfig(rows=1, slots=1024))
    mine = read_positions(engine, windows, (28 * rows, 28 * cols), video=has.video, audio=has.audio)
    assert torch.equal(mine, library_positions(stock_model, windows, (rows, cols), has))


def test_text_follows_a_picture_that_is_wider_than_the_stream_is_long(stock_model: Model) -> None:
    """Column ids may lead the time: 60 columns in a window of 50 ids."""
    engine = Engine(stock_model, EngineConfig(rows=1, slots=512))
    mine = read_positions(engine, 1, (56, 28 * 60), video=True, audio=False)
    has = Modalities(audio=False)
    assert torch.equal(mine, library_positions(stock_model, 1, (2, 60), has))
