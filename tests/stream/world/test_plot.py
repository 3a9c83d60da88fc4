"""What happens: the first world stays what it was, the varied one changes its character."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.world.plot import CHARACTERS, DISTINCT_S, ECHO_S, PAUSE_S, FirstWorld, Varied, chapter
from stream.world.questions import FIRST_KINDS
from stream.world.scene import OBJECTS, SOUNDS, SYMBOLS, Scene, Segment, Thing
from stream.world.split import SPLITS, Split, held_out

seeds = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)

# Of segments, pixels, samples and questions, as they were when the built-in model's first edition
# was trained.
FIRST_WORLDS = (
    (0, "6b6ac21404347012", "bc2e0690f3e038fe", "098c3c9186f1843b", "e071e6b14daf0926"),
    (1, "de4eb58b201dea13", "f55ee0e3dc79bc5f", "8e400b2bb5439d91", "89ec597f9ce8ba2d"),
    (7, "98bd94d7d7d31165", "4507a1b445f77c16", "582692cf8a5a48e4", "1360a3eaa5fbcfb7"),
    (52248577, "91e65ed8d84b541d", "8508390c1486fa51", "a0762f22c8d945ec", "62ca5c28cdc2d742"),
)


@pytest.mark.parametrize("world", FIRST_WORLDS, ids=[f"seed {world[0]}" for world in FIRST_WORLDS])
def test_the_first_world_is_bit_by_bit_what_the_model_learned_on(
    world: tuple[int, str, str, str, str],
) -> None:
    seed, segments, pixels, samples, questions = world
    scene = Scene(seed)
    told = "\n".join(_told(segment) for segment in scene.segments(0.0, 120.0))
    assert _digest(told.encode()) == segments
    assert _digest(b"".join(scene.frame(i * 0.83).tobytes() for i in range(60))) == pixels
    recorded = np.round(scene.sound(0.0, 60 * 16_000) * 32_767).astype(np.int16)
    assert _digest(recorded.tobytes()) == samples
    assert _digest("\n".join(_asked(scene, seed)).encode()) == questions


def _told(segment: Segment) -> str:
    symbol = segment.symbol.digit if segment.symbol else None
    sound = segment.sound
    heard = f"{sound.name} {sound.start_s} {sound.end_s}" if sound else None
    return f"{segment.index} {segment.start_s} {segment.end_s} {segment.picture} {symbol} {heard}"


def _asked(scene: Scene, seed: int) -> list[str]:
    rng, lines = np.random.default_rng(seed), []
    for k in range(30):
        now_s = 3.1 + 3.7 * k
        since_s = max(0.0, now_s - (4, 8, 12, 14, 30)[k % 5])
        lines += [
            f"{q.kind}|{q.text}|{q.answer}|{q.chance:.6f}"
            for q in scene.questions(now_s, since_s, rng)
        ]
    return lines


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def test_the_first_world_is_asked_the_first_kinds_only() -> None:
    rng = np.random.default_rng(0)
    asked = {q.kind for now_s in range(20, 90) for q in Scene(1).questions(now_s, now_s - 12, rng)}
    assert asked == set(FIRST_KINDS)


@given(seeds)
@few
def test_segments_tile_the_time_and_last_two_to_five_seconds(seed: int) -> None:
    segments = Scene(seed).segments(0.0, 120.0)
    assert segments[0].start_s == 0.0
    for before, after in pairwise(segments):
        assert before.end_s == after.start_s
        assert 2.0 - 2e-3 <= before.end_s - before.start_s <= 5.0 + 2e-3


@given(seeds)
@few
def test_things_sounds_and_symbols_do_not_come_again_soon(seed: int) -> None:
    segments = Scene(seed).segments(0.0, 150.0)
    for i, late in enumerate(segments):
        for early in segments[:i]:
            if late.start_s - early.end_s < DISTINCT_S:
                assert early.thing != late.thing
                assert not {s.name for s in early.sounds} & {s.name for s in late.sounds}
                assert early.symbol is None or late.symbol is None


@given(seeds)
@few
def test_a_sound_lies_well_inside_its_segment(seed: int) -> None:
    for segment in Scene(seed, FirstWorld(sounds=1.0)).segments(0.0, 100.0):
        for sound in segment.sounds:
            assert segment.start_s + 0.2 < sound.start_s < sound.end_s < segment.end_s - 0.2


def test_a_long_stretch_shows_and_sounds_everything_there_is() -> None:
    segments = [s for seed in range(8) for s in Scene(seed).segments(0.0, 200.0)]
    assert {s.picture for s in segments} == set(OBJECTS)
    assert {sound.name for s in segments for sound in s.sounds} == set(SOUNDS)
    assert {s.symbol.digit for s in segments if s.symbol} == set(SYMBOLS)


@pytest.mark.parametrize("shares", [{"symbols": 1.5}, {"sounds": -0.1}])
def test_a_share_is_refused_outside_0_and_1(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="share between 0 and 1"):
        FirstWorld(**shares)


# -- the varied world -------------------------------------------------------------------------


def _varied(seed: int, split: Split = "any", seconds: float = 240.0) -> tuple[Segment, ...]:
    return Scene(seed, Varied(split)).segments(0.0, seconds)


def _pairs(segments: Iterable[Segment]) -> set[tuple[Thing, str]]:
    """The things and sounds that overlap in time."""
    segments = list(segments)
    return {
        (thing, sound.name)
        for sounding in segments
        for sound in sounding.sounds
        for showing in segments
        if showing.start_s < sound.end_s and sound.start_s < showing.end_s
        for thing in showing.things
    }


@given(seeds)
@few
def test_held_out_pairs_are_never_together_in_training(seed: int) -> None:
    assert not any(held_out(*pair) for pair in _pairs(_varied(seed, "train")))


@given(seeds)
@few
def test_in_the_held_out_world_nothing_else_is_together(seed: int) -> None:
    assert all(held_out(*pair) for pair in _pairs(_varied(seed, "held-out")))


@pytest.mark.parametrize("split", SPLITS)
def test_everything_occurs_in_every_split(split: Split) -> None:
    worlds = [_varied(seed, split) for seed in range(20)]
    segments = [segment for world in worlds for segment in world]
    assert {thing.name for s in segments for thing in s.things} == set(OBJECTS)
    assert {sound.name for s in segments for sound in s.sounds} == set(SOUNDS)
    assert {s.symbol.digit for s in segments if s.symbol} == set(SYMBOLS)
    bound = {pair for world in worlds for pair in _pairs(world)}
    assert {thing.name for thing, _ in bound} == set(OBJECTS)
    assert {sound for _, sound in bound} == set(SOUNDS)


@given(seeds)
@few
def test_a_varied_world_tiles_the_time_and_repeats_nothing_soon(seed: int) -> None:
    segments = _varied(seed, seconds=150.0)
    assert segments[0].start_s == 0.0
    for before, after in pairwise(segments):
        assert before.end_s == after.start_s
    for i, late in enumerate(segments):
        for early in segments[:i]:
            if late.start_s - early.end_s < DISTINCT_S:
                assert not set(early.things) & set(late.things)
    sounds = [sound for segment in segments for sound in segment.sounds]
    for i, later in enumerate(sounds):
        assert all(earlier.end_s <= later.start_s - PAUSE_S + 1e-3 for earlier in sounds[:i])
        assert all(
            earlier.name != later.name or later.start_s - earlier.end_s > ECHO_S
            for earlier in sounds[:i]
        )


@given(seeds, st.floats(0, 2000))
@few
def test_a_chapter_lasts_6_to_30_seconds(seed: int, time_s: float) -> None:
    name, end_s = chapter(seed, time_s)
    assert time_s < end_s <= time_s + 30.0
    following, next_end_s = chapter(seed, end_s)
    assert 6.0 <= next_end_s - end_s <= 30.0
    assert name in CHARACTERS
    assert following in CHARACTERS


def test_chapters_are_what_they_are_called() -> None:
    found: dict[str, list[Segment]] = {name: [] for name in CHARACTERS}
    for seed in range(12):
        for segment in _varied(seed):
            found[chapter(seed, segment.start_s)[0]].append(segment)
    busy, loud, empty = (found[name] for name in ("busy and silent", "still and loud", "empty"))
    assert all(s.end_s - s.start_s < 2.51 and not s.sounds and s.thing for s in busy)
    assert all(s.still for s in loud)
    assert np.mean([len(s.sounds) for s in loud]) > 2
    assert all(s.picture == "nothing" and not s.sounds for s in empty)
    assert {len(s.things) for s in found["crowded"]} == {2, 3}
    assert {s.flicker for s in found["flickering"]} == {0.3}
    assert any(s.symbol and s.symbol.faint for s in found["flickering"])
    assert any(s.sounds for s in found["flickering"])
    assert any(s.sounds for s in found["crowded"])


def test_another_split_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'test'"):
        Varied("test")  # type: ignore[arg-type]
