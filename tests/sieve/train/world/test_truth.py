"""Labels say what the pictures and the sound hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sieve.train.world.render import Stream, render_stream
from sieve.train.world.truth import (
    AUDIO_TOKENS,
    NO_SOUND,
    UNSURE,
    VIDEO_TOKENS,
    TokenTruth,
    cell_labels,
    frame_labels,
    salient_sound,
    sound_labels,
    sounds_before,
    sounds_so_far,
    things_so_far,
    token_truth,
)
from stream.world.plot import Varied
from stream.world.scene import COLOURS, OBJECTS, SOUNDS, Scene, Segment, Sound, Symbol, Thing


@pytest.fixture(scope="module", params=[1, 2, 3])
def stream(request: pytest.FixtureRequest) -> Stream:
    return render_stream(request.param, 12, 0.0)


def test_a_frame_is_labelled_with_what_its_scene_shows(stream: Stream) -> None:
    for i, time_s in enumerate(stream.frame_times_s):
        segment, cells = stream.scene.segment_at(float(time_s)), stream.scene.cells(float(time_s))
        colour, shape, symbol = stream.truth[i].T
        assert np.flatnonzero(colour).tolist() == list(cells.things)
        assert OBJECTS[(colour.max() - 1) * 4 + shape.max() - 1] == segment.picture
        assert (symbol > 0).any() == (segment.symbol is not None)


def _frames(objects: list[int], cells: list[int]) -> NDArray[np.int64]:
    labels = np.zeros((2, 9, 3), int)
    for frame, obj, cell in zip(labels, objects, cells, strict=True):
        frame[cell, :2] = 1 + obj // 4, 1 + obj % 4
    return labels


def test_a_pair_names_both_of_its_frames_cells() -> None:
    labels = cell_labels(_frames([0, 5], [2, 7]))
    assert labels[0, 2].tolist() == [1, 1, 0]
    assert labels[0, 7].tolist() == [2, 2, 0]
    assert (labels[0, [0, 1, 3, 4, 5, 6, 8]] == 0).all()


def test_two_objects_in_one_cell_are_not_taught() -> None:
    assert cell_labels(_frames([0, 5], [4, 4]))[0, 4].tolist() == [UNSURE, UNSURE, 0]
    assert cell_labels(_frames([5, 5], [4, 4]))[0, 4].tolist() == [2, 2, 0]


def test_sound_labels_lie_where_the_world_sounds(stream: Stream) -> None:
    labels = sound_labels(stream.scene, stream.offset_s, 12 * AUDIO_TOKENS)
    for segment in stream.scene.segments(stream.offset_s, stream.offset_s + 24.0):
        for sound in segment.sounds:
            middle = (sound.start_s + sound.end_s) / 2 - stream.offset_s
            if 0 <= middle < 24:
                assert SOUNDS[labels[int(middle * 25)] - 1] == sound.name


def test_of_a_sound_at_most_three_tokens_are_salient() -> None:
    labels = np.zeros(60, int)
    labels[10:22], labels[40:42], labels[55:60] = 3, 1, 2
    assert np.flatnonzero(salient_sound(labels)).tolist() == [11, 15, 20, 40, 41, 56, 57, 58]
    assert not salient_sound(np.zeros(60, int)).any()


def test_tokens_are_labelled_by_their_own_time(stream: Stream) -> None:
    truth = token_truth(stream.scene, stream.offset_s, stream.truth, stream.frame_times_s)
    assert truth.segment.shape == (12, VIDEO_TOKENS + AUDIO_TOKENS)
    for window in range(12):
        for j in range(AUDIO_TOKENS):
            time_s = stream.offset_s + window * 2 + (j + 0.5) * 0.04
            segment = stream.scene.segment_at(time_s)
            assert truth.segment[window, VIDEO_TOKENS + j] == segment.index
            sound = truth.sound[window, VIDEO_TOKENS + j]
            assert sound == NO_SOUND or SOUNDS[sound] in {s.name for s in segment.sounds}
            assert OBJECTS[truth.object[window, VIDEO_TOKENS + j]] == segment.picture


def test_every_picture_and_every_sound_has_something_worth_keeping(stream: Stream) -> None:
    truth = token_truth(stream.scene, stream.offset_s, stream.truth, stream.frame_times_s)
    assert truth.salient[:, :9].any(1).all()
    assert truth.salient[:, 9:VIDEO_TOKENS].any(1).all()
    assert truth.salient.sum(1).max() < 20


# -- the varied world -------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """One segment, for ever."""

    segment: Segment
    kinds: tuple[str, ...] = ()

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        return replace(self.segment, index=len(past)) if not past else Segment(1, 8.0, 999.0)


def _told(**parts: Any) -> tuple[Scene, TokenTruth, NDArray[np.int64]]:
    """Four windows of a segment of 8 s with the parts, their truth and the labels of the frames."""
    scene = Scene(4, Told(Segment(0, 0.0, 8.0, **parts)))
    times_s = np.arange(16) / 2 + 0.01
    frames = frame_labels(scene, times_s)
    return scene, token_truth(scene, 0.0, frames, times_s), frames


def test_every_thing_of_a_crowd_is_labelled_in_its_own_cell() -> None:
    names = ("red cross", "blue circle", "cyan cross")
    things = tuple(Thing.named(name) for name in names)
    scene, truth, frames = _told(things=things)
    for i in range(16):
        for cell, thing in zip(scene.cells(i / 2 + 0.01).things, things, strict=True):
            colour, shape, _ = frames[i, cell]
            assert OBJECTS[(colour - 1) * 4 + shape - 1] == thing.name
        assert (frames[i, :, 0] > 0).sum() == 3
    in_cells = truth.object[:, :VIDEO_TOKENS][truth.salient[:, :VIDEO_TOKENS]]
    assert set(in_cells[in_cells != UNSURE]) == {OBJECTS.index(name) for name in names}
    assert (truth.object[:, VIDEO_TOKENS:] == UNSURE).all()


def test_a_flickering_cell_is_not_worth_keeping() -> None:
    scene, truth, _ = _told(things=(Thing.named("red cross"),), flicker=0.5)
    flicker = list(scene.cells(1.0).flicker)
    assert len(flicker) == 4
    cells = truth.salient[:, :VIDEO_TOKENS].reshape(-1, 9)
    assert not cells[:, flicker].any()
    assert cells.any(1).all()


def test_an_empty_and_silent_stretch_has_nothing_worth_keeping() -> None:
    _, truth, _ = _told(flicker=0.3)
    assert not truth.salient.any()
    assert (truth.object == UNSURE).all()


def test_a_symbol_is_labelled_while_it_is_there() -> None:
    scene, truth, frames = _told(symbol=Symbol("6", 2.21, 3.31, faint=True))
    assert np.flatnonzero((frames[..., 2] == 7).any(-1)).tolist() == [5, 6]  # at 2.5 s and 3.0 s
    near = truth.symbol[:, VIDEO_TOKENS:].reshape(-1) == 6
    times_s = (np.arange(200) + 0.5) * 0.04
    assert np.array_equal(near, (times_s > 1.71) & (times_s < 3.81))
    assert truth.salient[1, :VIDEO_TOKENS].sum() == 2
    assert scene.cells(1.0).symbol is None


def test_each_of_several_sounds_labels_the_tokens_nearest_to_it() -> None:
    sounds = (Sound("buzz", 1.0, 1.4), Sound("hiss", 1.8, 2.4), Sound("buzz", 6.0, 6.5))
    scene, truth, _ = _told(sounds=sounds)
    near = truth.sound[:, VIDEO_TOKENS:].reshape(-1)
    at = {t: near[int(t * 25)] for t in (0.3, 0.7, 1.5, 1.7, 2.7, 3.1, 5.7, 6.7)}
    buzz, hiss = SOUNDS.index("buzz"), SOUNDS.index("hiss")
    assert list(at.values()) == [NO_SOUND, buzz, buzz, hiss, hiss, NO_SOUND, buzz, buzz]
    labels = sound_labels(scene, 0.0, 200)
    assert set(labels[26:34]) == {1 + buzz}
    assert set(labels[46:59]) == {1 + hiss}
    assert 7 <= truth.salient.sum() <= 10  # three a sound, one more where a window cuts it


def test_within_a_sound_the_one_before_it_is_known_and_how_long_before() -> None:
    sounds = (Sound("buzz", 1.0, 1.4), Sound("hiss", 1.8, 2.4), Sound("buzz", 2.2, 3.0))
    scene, _, _ = _told(sounds=sounds)
    before = sounds_before(scene, 0.0, 100)
    alone = [*range(25, 35), *range(45, 55), *range(60, 75)]
    assert np.flatnonzero(before.inside).tolist() == alone
    assert set(before.sound[25:35]) == {NO_SOUND}
    assert np.isneginf(before.began_s[25:35]).all()
    assert set(before.sound[45:55]) == {SOUNDS.index("buzz")}
    assert np.allclose(before.apart_s[45:55], 0.8)
    assert set(before.sound[60:75]) == {SOUNDS.index("hiss")}
    assert np.allclose(before.began_s[60:75], 1.8)


def test_in_silence_no_token_is_within_a_sound() -> None:
    scene, _, _ = _told()
    before = sounds_before(scene, 0.0, 100)
    assert not before.inside.any()
    assert np.isneginf(before.began_s).all()


def test_within_a_sound_it_is_known_the_how_manieth_it_is_and_of_its_name() -> None:
    sounds = (Sound("buzz", 0.5, 0.9), Sound("hiss", 1.2, 1.8), Sound("buzz", 2.2, 3.0))
    scene, _, _ = _told(sounds=sounds)
    every, alike = sounds_so_far(scene, 0.0, 100)
    assert [set(every[13:22]), set(every[31:44]), set(every[56:74])] == [{1}, {2}, {3}]
    assert [set(alike[13:22]), set(alike[31:44]), set(alike[56:74])] == [{1}, {1}, {2}]
    assert set(every[[0, 25, 50, 80]]) == set(alike[[0, 25, 50, 80]]) == {UNSURE}


def test_after_a_sound_that_the_beginning_cuts_only_sounds_of_other_names_are_counted() -> None:
    sounds = (Sound("buzz", 0.5, 0.9), Sound("hiss", 1.2, 1.8), Sound("buzz", 2.2, 3.0))
    scene, _, _ = _told(sounds=sounds)
    every, alike = sounds_so_far(scene, 0.8, 75)
    assert set(every) == {UNSURE}
    assert set(alike[12:24]) == {1}  # the hiss
    assert set(alike[36:54]) == {UNSURE}


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_what_is_counted_on_the_way_answers_the_questions_how_many(seed: int) -> None:
    scene, begin_s, asked = Scene(seed, Varied("train")), 7.0, set()
    rng = np.random.default_rng(seed)
    for windows in range(3, 28):
        end_s = begin_s + windows * 2.0
        every, _ = sounds_so_far(scene, begin_s, windows * AUDIO_TOKENS)
        things = things_so_far(scene, begin_s, end_s)[-1]
        kinds = ("count", "count_things")
        for question in scene.questions(end_s, begin_s, rng, kinds):
            asked.add(question.kind)
            if question.kind == "count":
                assert str(max(every.max(), 0)) == question.answer
            else:
                colour = next(i for i, c in enumerate(COLOURS) if c in question.text)
                assert str(things[colour]) == question.answer
    assert asked


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_truth_of_a_varied_stream_agrees_with_its_scene(seed: int) -> None:
    stream = render_stream(seed, 20, 0.0, Varied())
    truth = token_truth(stream.scene, stream.offset_s, stream.truth, stream.frame_times_s)
    for window in range(20):
        for j in range(AUDIO_TOKENS):
            segment = stream.scene.segment_at(stream.offset_s + window * 2 + (j + 0.5) * 0.04)
            token = VIDEO_TOKENS + j
            assert truth.segment[window, token] == segment.index
            expected = OBJECTS.index(segment.picture) if segment.thing else UNSURE
            assert truth.object[window, token] == expected
            sound = truth.sound[window, token]
            assert sound == NO_SOUND or SOUNDS[sound] in {s.name for s in segment.sounds}
