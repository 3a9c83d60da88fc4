"""Labels say of every token what the world says of it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from sieve.train.demo.bank import Bank, Filming, encode_stream
from sieve.train.demo.crop import Crop
from sieve.train.demo.labels import Labels
from sieve.train.demo.replay import WINDOW_IDS
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config
from sieve.train.world.truth import UNSURE, VIDEO_TOKENS
from stream.world.plot import Varied
from stream.world.scene import OBJECTS, SOUNDS, Scene

WINDOWS = 12
PLOT = Varied("train")
ALL = slice(0, 68)


@pytest.fixture(scope="module")
def bank() -> Bank:
    model = TinyModel(thinker_config(build_tokenizer()))
    return Bank.of([encode_stream(model, 3, Filming(PLOT, WINDOWS, 0.0))])


@pytest.fixture(scope="module")
def scene(bank: Bank) -> Scene:
    return bank.scenes(PLOT)[0]


@pytest.fixture(scope="module")
def told(bank: Bank, scene: Scene) -> Labels:
    return Labels(bank, [scene])


def test_labels_name_the_segment_before_where_it_is_in_the_crop(
    bank: Bank, scene: Scene, told: Labels
) -> None:
    labels = told.of([_calm_crop(0, WINDOWS)], ALL)
    segments = scene.segments(0.0, 30.0)
    named = 0
    for window in range(WINDOWS):
        segment = segments[int(bank.segment[0, window, 40])]
        previous = int(labels.previous[0, window, 40])
        before = segments[max(segment.index - 1, 0)].thing
        if segment.index and before is not None and previous < len(OBJECTS):
            assert OBJECTS[previous] == before.name
            named += 1
    assert named
    assert int(labels.previous[0, 0, 0]) == len(OBJECTS)


def _calm_crop(first: int, windows: int) -> Crop:
    return Crop(0, first, False, np.arange(windows) * WINDOW_IDS)


def test_labels_name_the_sound_before_and_how_long_before_it_began(
    bank: Bank, scene: Scene, told: Labels
) -> None:
    offset_s = float(bank.offsets_s[0])
    first, end_s = 1, offset_s + WINDOWS * 2.0
    begin_s = offset_s + first * 2.0
    labels = told.of([_calm_crop(first, WINDOWS - first)], ALL)
    sounds = [sound for segment in scene.segments(0.0, end_s) for sound in segment.sounds]
    found = 0
    for before, sound in pairwise(sounds):
        place = int(((sound.start_s + sound.end_s) / 2 - begin_s) / 0.04)
        if before.start_s > begin_s and sound.end_s < end_s:
            window, token = place // 50, VIDEO_TOKENS + place % 50
            assert SOUNDS[int(labels.heard_before[0, window, token])] == before.name
            apart, gap_s = int(labels.apart[0, window, token]), sound.start_s - before.start_s
            assert apart == UNSURE or abs(apart - gap_s) <= 0.31
            found += 1
    assert found
    assert (labels.heard_before[..., :VIDEO_TOKENS] == UNSURE).all()
    assert (labels.apart > 0).any()


def test_labels_count_the_sounds_and_the_things_of_a_colour_since_the_crop_began(
    bank: Bank, scene: Scene, told: Labels
) -> None:
    labels = told.of([_calm_crop(0, WINDOWS)], ALL)
    for heard in (labels.heard_so_far, labels.alike_so_far):
        assert (heard[..., :VIDEO_TOKENS] == UNSURE).all()
        assert set(heard[heard != UNSURE].tolist()) >= {1}
    known = labels.heard_so_far[0, :, VIDEO_TOKENS:].flatten()
    known = known[known != UNSURE]
    assert (known.diff() >= 0).all()
    begin_s = float(bank.offsets_s[0])
    for window in range(WINDOWS):
        segment = scene.segment_at(begin_s + window * 2.0 + 0.9)
        thing = int(bank.object[0, window, 40])
        if int(bank.segment[0, window, 40]) != segment.index or thing < 0:
            continue
        past = scene.segments(begin_s, segment.end_s - 1e-6)
        alike = {t.name for s in past for t in s.things if t.number // 4 == thing // 4}
        assert int(labels.shown_so_far[0, window, 40]) in (len(alike), UNSURE)
    assert (labels.shown_so_far > 0).any()


def test_no_time_between_sounds_is_told_over_a_jump_of_the_clock(told: Labels) -> None:
    jumped = np.arange(WINDOWS) * (WINDOW_IDS + 2_000)
    labels = told.of([Crop(0, 0, False, jumped)], ALL)
    calm = told.of([_calm_crop(0, WINDOWS)], ALL)
    assert torch.equal(labels.heard_before, calm.heard_before)
    known = labels.apart != UNSURE
    assert torch.equal(labels.apart[known], calm.apart[known])
    assert int(known.sum()) < int((calm.apart != UNSURE).sum())
