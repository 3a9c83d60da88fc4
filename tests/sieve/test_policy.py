"""Which tokens leave: the laws every policy obeys, and what each one means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sieve.policy import (
    Entries,
    FixedShare,
    Policy,
    RecentFirst,
    ScoreWithAge,
    ShareByAge,
    expired,
)
from sieve.tokens import AUDIO, VIDEO

NOW_ID = 2000
POLICIES = [
    ScoreWithAge(),
    ScoreWithAge(0.0, 0),
    ScoreWithAge(2.0, 3),
    RecentFirst(),
    FixedShare(),
    ShareByAge(),
]


@st.composite
def entries(draw: st.DrawFn) -> Entries:
    """Tokens in slots of any order, with many equal scores and times."""
    count = draw(st.integers(0, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    windows = rng.integers(0, 6, count) * 50
    return Entries(
        slot=rng.permutation(100)[:count].astype(np.int64),
        kind=rng.choice([VIDEO, AUDIO], count).astype(np.uint8),
        score=rng.integers(-3, 4, count).astype(np.float32),
        time_id=(windows + rng.integers(0, 50, count)).astype(np.int64),
        window_id=windows.astype(np.int64),
    )


def made(*rows: tuple[int, int, float, int]) -> Entries:
    """(slot, kind, score, time id); windows of 50 ids."""
    slot, kind, score, time = (np.array(column) for column in zip(*rows, strict=True))
    return Entries(
        slot.astype(np.int64),
        kind.astype(np.uint8),
        score.astype(np.float32),
        time.astype(np.int64),
        (time // 50 * 50).astype(np.int64),
    )


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=40)
@given(held=entries(), count=st.integers(0, 40))
def test_victims_are_exactly_as_many_as_asked_for_distinct_and_held(
    policy: Policy, held: Entries, count: int
) -> None:
    leaving = policy.victims(held, count, NOW_ID)
    assert len(leaving) == len(set(leaving.tolist())) == min(count, len(held))
    assert set(leaving.tolist()) <= set(held.slot.tolist())


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=40)
@given(held=entries(), count=st.integers(0, 30))
def test_asking_for_one_more_adds_one_and_takes_none_back(
    policy: Policy, held: Entries, count: int
) -> None:
    few = policy.victims(held, count, NOW_ID).tolist()
    assert policy.victims(held, count + 1, NOW_ID).tolist()[: len(few)] == few


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=40)
@given(held=entries(), count=st.integers(0, 30), seed=st.integers(0, 99))
def test_the_order_of_slots_in_the_table_does_not_matter(
    policy: Policy, held: Entries, count: int, seed: int
) -> None:
    mix = np.random.default_rng(seed).permutation(len(held))
    mixed = Entries(*(getattr(held, name)[mix] for name in Entries.__slots__))
    assert np.array_equal(policy.victims(held, count, NOW_ID), policy.victims(mixed, count, NOW_ID))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("shift", [86_400 * 25, 7 * 86_400 * 25])
@settings(max_examples=40)
@given(held=entries(), count=st.integers(0, 30))
def test_the_choice_is_the_same_a_week_later(
    policy: Policy, held: Entries, count: int, shift: int
) -> None:
    later = Entries(held.slot, held.kind, held.score, held.time_id + shift, held.window_id + shift)
    assert np.array_equal(
        policy.victims(held, count, NOW_ID), policy.victims(later, count, NOW_ID + shift)
    )


@given(held=entries(), count=st.integers(0, 30), floor=st.integers(0, 3))
def test_every_window_keeps_its_best_of_each_modality_while_others_can_leave(
    held: Entries, count: int, floor: int
) -> None:
    policy = ScoreWithAge(floor=floor, trace_share=1.0)
    leaving = set(policy.victims(held, count, NOW_ID).tolist())
    traces = set()
    for window in set(held.window_id.tolist()):
        for kind in (VIDEO, AUDIO):
            here = (held.window_id == window) & (held.kind == kind)
            best = sorted(zip(-held.score[here], held.slot[here], strict=True))
            traces |= {int(slot) for _, slot in best[:floor]}
    others = set(held.slot.tolist()) - traces
    assert not leaving & traces or others <= leaving


@settings(max_examples=40)
@given(held=entries(), count=st.integers(0, 30))
def test_without_floor_and_fading_the_lowest_scores_leave(held: Entries, count: int) -> None:
    leaving = ScoreWithAge(fade_per_s=0.0, floor=0).victims(held, count, NOW_ID)
    gone = np.isin(held.slot, leaving)
    if gone.any() and not gone.all():
        assert held.score[gone].max() <= held.score[~gone].min()


def test_a_score_fades_with_age() -> None:
    old_and_good, new_and_poor = (1, VIDEO, 2.0, 0), (2, VIDEO, 1.0, 500)  # 20 s apart
    held = made(old_and_good, new_and_poor)
    assert ScoreWithAge(0.04, 0).victims(held, 1, 550).tolist() == [2]  # faded by 0.8
    assert ScoreWithAge(0.06, 0).victims(held, 1, 550).tolist() == [1]  # by 1.2


def test_when_only_traces_are_left_the_oldest_leaves_first() -> None:
    held = made((5, VIDEO, -9.0, 400), (6, VIDEO, 9.0, 100), (7, AUDIO, 9.0, 410))
    assert ScoreWithAge(trace_share=1.0).victims(held, 2, 500).tolist() == [6, 5]


@given(held=entries(), share=st.floats(0, 1), count=st.integers(0, 30))
def test_no_more_than_their_share_is_protected_and_the_newest_first(
    held: Entries, share: float, count: int
) -> None:
    """With nothing but equal scores and no fading, what leaves last is what was protected."""
    flat = Entries(held.slot, held.kind, held.score * 0, held.time_id, held.window_id)
    order = ScoreWithAge(0.0, 1, share).victims(flat, len(flat), NOW_ID).tolist()
    groups = len({*zip(held.window_id.tolist(), held.kind.tolist(), strict=True)})
    protected = min(groups, int(share * len(held)))
    times = dict(zip(held.slot.tolist(), held.time_id.tolist(), strict=True))
    unprotected, last = order[: len(order) - protected], order[len(order) - protected :]
    assert unprotected == sorted(unprotected)
    assert [times[slot] for slot in last] == sorted(times[slot] for slot in last)


def test_in_a_long_stream_the_last_half_minute_is_remembered_best_and_the_past_leaves_traces() -> (
    None
):
    """460 slots, 62 tokens a window, 20 minutes."""
    policy, rng, kept = ScoreWithAge(), np.random.default_rng(0), 62
    held = made((0, VIDEO, 0.0, 0))
    for window in range(600):
        lacking = max(0, len(held) + kept - 460)
        stay = ~np.isin(held.slot, policy.victims(held, lacking, 50 * window + 50))
        slots = np.setdiff1d(np.arange(460), held.slot[stay])[:kept]
        new = (
            slots,
            rng.choice([VIDEO, AUDIO], kept),
            rng.normal(0, 2, kept),
            [50 * window] * kept,
        )
        columns = zip(
            _columns(held, stay), _columns(made(*zip(*new, strict=True)), ...), strict=True
        )
        held = Entries(*(np.concatenate(pair) for pair in columns))
    age_s = (600 * 50 - held.time_id) / 25
    recent, minute, old = (
        int(((age_s > a) & (age_s <= b)).sum()) for a, b in [(2, 30), (30, 60), (60, 1200)]
    )
    assert recent > 150
    assert recent > minute > 40
    assert old > 40


def _columns(held: Entries, stay: Any) -> list[NDArray[Any]]:
    return [getattr(held, name)[stay] for name in Entries.__slots__]


def test_recent_first_looks_at_time_alone() -> None:
    held = made((1, VIDEO, -5.0, 300), (2, AUDIO, 5.0, 100), (3, VIDEO, 0.0, 200))
    assert RecentFirst().victims(held, 3, 500).tolist() == [2, 3, 1]


@given(held=entries(), oldest=st.integers(-10, 320))
def test_expired_are_all_tokens_of_windows_that_began_too_early(held: Entries, oldest: int) -> None:
    gone = set(expired(held, oldest).tolist())
    for slot, window in zip(held.slot.tolist(), held.window_id.tolist(), strict=True):
        assert (slot in gone) == (window < oldest)


def _left(held: Entries, leaving: NDArray[np.int64]) -> NDArray[np.bool_]:
    return ~np.isin(held.slot, leaving)


@settings(max_examples=60)
@given(held=entries(), count=st.integers(0, 30))
def test_with_fixed_shares_no_window_is_cut_below_another_that_could_give(
    held: Entries, count: int
) -> None:
    left = _left(held, FixedShare().victims(held, count, NOW_ID))
    windows = set(held.window_id.tolist())
    sizes = {w: int((left & (held.window_id == w)).sum()) for w in windows}
    cut = {w for w in windows if sizes[w] < int((held.window_id == w).sum())}
    assert all(max(sizes.values()) <= sizes[w] + 1 for w in cut)


@settings(max_examples=60)
@given(held=entries(), count=st.integers(0, 30))
@pytest.mark.parametrize("policy", [FixedShare(), ShareByAge(1000.0)])
def test_within_a_share_the_lowest_scores_leave(policy: Policy, held: Entries, count: int) -> None:
    left = _left(held, policy.victims(held, count, NOW_ID))
    for window in set(held.window_id.tolist()):
        here = held.window_id == window
        if (here & left).any() and (here & ~left).any():
            assert held.score[here & left].min() >= held.score[here & ~left].max()


def test_a_memory_by_age_holds_as_much_of_the_last_seconds_as_of_the_minute_before() -> None:
    seconds = np.arange(64)
    held = Entries(
        slot=seconds.astype(np.int64),
        kind=np.full(64, VIDEO, np.uint8),
        score=np.zeros(64, np.float32),
        time_id=(NOW_ID - 25 * seconds - 1).astype(np.int64),
        window_id=np.zeros(64, np.int64),
    )
    left = seconds[_left(held, ShareByAge(4.0).victims(held, 44, NOW_ID))]
    octaves = [(0, 4), (4, 8), (8, 16), (16, 32), (32, 64)]
    assert [sum(begin <= age < end for age in left) for begin, end in octaves] == [4] * 5
