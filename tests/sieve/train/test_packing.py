"""Conversations become the tokens the engine would read, and only answers are taught."""

from __future__ import annotations

import numpy as np
import torch

from sieve.prompt import Modalities, question_text
from sieve.train.packing import (
    AUDIO_KINDS,
    KIND_WEIGHTS,
    NO_BLOCK,
    NO_TARGET,
    VIDEO_KINDS,
    Packer,
    Progress,
    Turn,
    in_other_words,
)
from sieve.train.tiny import build_tokenizer
from stream.questions import FIRST_KINDS
from stream.scene import Question

TOKENIZER = build_tokenizer()
PACKER = Packer(TOKENIZER)
NOTHING = Modalities(video=False, audio=False)
WHAT = Question("now", "what do you see now?", "red square", 0.5, (0.0, 1.0))
ANY = Question("any", "was there any sound?", "no", 0.5, (0.0, 1.0))


def test_a_question_is_written_as_the_engine_writes_it() -> None:
    packed = PACKER.pack([[[Turn(WHAT)]]])
    expected = question_text(WHAT.text, [], NOTHING) + WHAT.answer
    assert TOKENIZER.decode(packed.ids[0]) == expected


def test_an_earlier_turn_is_written_as_the_engine_writes_history() -> None:
    packed = PACKER.pack([[[Turn(ANY, taught=False), Turn(WHAT)]]])
    expected = question_text(WHAT.text, [(ANY.text, ANY.answer)], NOTHING) + WHAT.answer
    assert TOKENIZER.decode(packed.ids[0]) == expected
    assert packed.kinds == (("now",),)


def test_each_place_is_taught_the_next_token_of_its_answer_and_its_end() -> None:
    packed = PACKER.pack([[[Turn(WHAT), Turn(ANY)]]])
    taught = packed.target[0][packed.target[0] != NO_TARGET]
    assert TOKENIZER.decode(taught) == "red square<|im_end|>no<|im_end|>"
    places = (packed.target[0] != NO_TARGET).nonzero()[:, 0]
    known = places[places + 1 < packed.ids.shape[1]]
    assert torch.equal(packed.target[0][known], packed.ids[0][known + 1])
    assert packed.turn[0][places].tolist() == [0, 0, 0, 1, 1]


def test_conversations_are_blocks_that_start_anew() -> None:
    packed = PACKER.pack([[[Turn(WHAT)], [Turn(ANY)]], [[Turn(ANY)]]])
    first = packed.block[0] == 1
    second = packed.block[0] == 2
    assert packed.offset[0][second].tolist() == list(range(int(second.sum())))
    assert packed.offset[0][first].tolist() == list(range(int(first.sum())))
    assert (packed.block[1][int((packed.block[1] == 1).sum()) :] == NO_BLOCK).all()


def test_every_kind_of_question_has_a_weight_and_the_modalities_it_needs() -> None:
    assert set(KIND_WEIGHTS) == set(FIRST_KINDS)
    assert VIDEO_KINDS.isdisjoint(AUDIO_KINDS)
    assert VIDEO_KINDS | AUDIO_KINDS | {"during", "sound_of"} == set(FIRST_KINDS)


def test_what_is_not_yet_known_is_asked_more_often() -> None:
    progress = Progress()
    for _ in range(2000):
        progress.note("now", True)
        progress.note("first", False)
    now, first = progress.weights(["now", "first"])
    assert first > 5 * now


def test_other_words_keep_the_answer() -> None:
    rng = np.random.default_rng(0)
    texts = {in_other_words(WHAT, rng).text for _ in range(100)}
    assert {t.lower().rstrip("?") for t in texts} == {"what do you see now"}
    assert len(texts) >= 3
