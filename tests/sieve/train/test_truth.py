"""Labels say what the pictures and the sound hold."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sieve.train.render import Stream, render_stream
from sieve.train.truth import (
    AUDIO_TOKENS,
    NO_SOUND,
    UNSURE,
    VIDEO_TOKENS,
    cell_labels,
    salient_sound,
    sound_labels,
    token_truth,
)
from stream.scene import OBJECTS, SOUNDS


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
