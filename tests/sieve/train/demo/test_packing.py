"""Conversations become the tokens the engine would read, and only answers are taught."""

from __future__ import annotations

import numpy as np
import torch

from sieve.prompt import Modalities, question_text
from sieve.rope import suffix_positions
from sieve.train.demo.packing import (
    KIND_WEIGHTS,
    NO_TARGET,
    Conversation,
    Packed,
    Packer,
    Progress,
    Turn,
    in_other_words,
)
from sieve.train.demo.tiny import build_tokenizer
from stream.world.questions import KINDS
from stream.world.scene import Question

TOKENIZER = build_tokenizer()
PACKER = Packer(TOKENIZER)
BOTH = Modalities()
WHAT = Question("now", "what do you see now?", "red square", 0.5, (0.0, 1.0))
ANY = Question("any", "was there any sound?", "no", 0.5, (0.0, 1.0))


def _talk(*turns: Turn, moment: int = 0) -> Conversation:
    return Conversation(turns, moment)


def _text(packed: Packed, row: int, talk: int) -> str:
    return str(TOKENIZER.decode(packed.ids[row, talk][packed.real[row, talk]]))


def test_a_question_is_written_as_the_engine_writes_it() -> None:
    packed = PACKER.pack([[_talk(Turn(WHAT))]], BOTH)
    assert _text(packed, 0, 0) == question_text(WHAT.text, [], BOTH) + WHAT.answer


def test_an_earlier_turn_is_written_as_the_engine_writes_history() -> None:
    packed = PACKER.pack([[_talk(Turn(ANY, taught=False), Turn(WHAT))]], BOTH)
    expected = question_text(WHAT.text, [(ANY.text, ANY.answer)], BOTH) + WHAT.answer
    assert _text(packed, 0, 0) == expected
    assert packed.kinds == (("now",),)


def test_places_follow_the_stream_as_in_the_engine() -> None:
    for modalities in (BOTH, Modalities(audio=False)):
        packed = PACKER.pack([[_talk(Turn(WHAT)), _talk(Turn(ANY), Turn(WHAT))]], modalities)
        for talk in range(2):
            offset = packed.offset[0, talk][packed.real[0, talk]]
            expected = suffix_positions(0, len(offset), modalities.markers)[0]
            assert torch.equal(offset, expected)


def test_each_place_is_taught_the_next_token_of_its_answer_and_its_end() -> None:
    packed = PACKER.pack([[_talk(Turn(WHAT), Turn(ANY))]], BOTH)
    target, ids = packed.target[0, 0], packed.ids[0, 0]
    assert TOKENIZER.decode(target[target != NO_TARGET]) == "red square<|im_end|>no<|im_end|>"
    places = (target != NO_TARGET).nonzero()[:, 0]
    known = places[places + 1 < len(ids)]
    assert torch.equal(target[known], ids[known + 1])
    assert packed.turn[0, 0][places].tolist() == [0, 0, 0, 1, 1]


def test_texts_end_together_and_all_that_is_taught_lies_in_the_last_places() -> None:
    packed = PACKER.pack(
        [[_talk(Turn(WHAT)), _talk(Turn(ANY), moment=3)], [_talk(Turn(ANY))]], BOTH
    )
    assert packed.real[:, :, -1].tolist() == [[True, True], [True, False]]
    assert packed.moment.tolist() == [[0, 3], [0, 0]]
    assert packed.asked == 3
    assert (packed.target[..., : -packed.asked] == NO_TARGET).all()
    assert packed.kinds == (("now", "any"), ("any",))


def test_a_weight_is_that_of_a_kind_there_is() -> None:
    assert set(KIND_WEIGHTS) <= set(KINDS)


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
