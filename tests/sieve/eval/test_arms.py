"""Arms are found by name and group, spend a budget as they say, and differ in one thing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sieve import Model
from sieve.errors import SettingInvalid
from sieve.eval.arms import (
    ARMS,
    EVERYTHING_AGAIN,
    Budget,
    arms_of,
    on_the_best,
    on_the_newest,
    trained_arms,
)
from sieve.eval.case import Case
from sieve.eval.tasks import TASKS
from sieve.eval.trial import outcomes
from sieve.policy import FixedShare, RecentFirst
from sieve.pool import WindowEncoder
from sieve.select import Text
from sieve.timeline import Timeline
from sieve.train.world.windows import closed_window

TIMELINE = Timeline(0, 0.0, 50)
NOTHING = Text(torch.zeros(0, 64), torch.zeros(3, 0, dtype=torch.long))


@given(st.floats(0.001, 1.0), st.integers(0, 4096))
def test_a_budget_can_be_told_from_its_name(share: float, slots: int) -> None:
    budget = Budget(share, slots)
    assert Budget.named(budget.name).retention == pytest.approx(share, rel=1e-5)
    assert Budget.named(budget.name).slots == slots
    assert Budget(0.05).name == "5 %"


def test_a_budget_is_spent_on_the_best_or_on_the_newest() -> None:
    assert on_the_best(Budget(0.1), 680) == (0.1, 680)
    assert on_the_newest(Budget(0.1), 680) == (1.0, 68)
    assert on_the_best(Budget(0.1, 96), 680) == (0.1, 96)
    assert on_the_newest(Budget(0.1, 96), 680) == (1.0, 96)


def test_full_arms_run_at_100_percent_and_others_below() -> None:
    assert ARMS["full"].applies(Budget(1.0), "offline")
    assert not ARMS["full"].applies(Budget(0.2), "offline")
    assert ARMS["oracle"].applies(Budget(0.2), "streamed")
    assert not ARMS["oracle"].applies(Budget(1.0), "streamed")
    assert not ARMS["recent-N"].applies(Budget(0.2), "offline")
    assert not ARMS["compacted positions"].applies(Budget(0.2), "streamed")


def test_arms_are_found_by_name_and_by_group_once() -> None:
    names = [arm.name for arm in arms_of(["oracle", "control"])]
    assert names[0] == "oracle"
    assert sorted(names) == sorted(set(names))
    assert {"full", "blind", "audio only", "video only", "recent-N"} <= set(names)
    with pytest.raises(SettingInvalid, match="'oracel'"):
        arms_of(["oracel"])


@pytest.fixture(scope="module")
def case() -> Case:
    return TASKS["first"].made(1, 0, 2)


@pytest.mark.parametrize("name", [name for name in ARMS if "omnisift" not in name])
def test_every_arm_can_be_built_for_a_model_with_a_sieve(
    stream_model: Model, case: Case, name: str
) -> None:
    method = ARMS[name].method(stream_model, case)
    assert hasattr(method.selector, "select")


@torch.inference_mode()
@pytest.mark.parametrize("name", ["random", "refined-random"])
def test_random_tokens_are_drawn_anew_in_every_case(
    stream_model: Model, case: Case, name: str
) -> None:
    pool = WindowEncoder(stream_model.backbone, stream_model.layout.pixels).close_window(
        closed_window(case.stream, 0), TIMELINE
    )
    kept = []
    for of in (case, case, TASKS["first"].made(1, 1, 2)):
        method = ARMS[name].method(stream_model, of)
        assert method.name == name
        kept.append(method.selector.select(pool, 14, NOTHING).keep.tolist())
    assert kept[0] == kept[1] != kept[2]


def test_a_policy_is_the_arms_own(stream_model: Model, case: Case) -> None:
    assert ARMS["fixed share"].method(stream_model, case).policy == FixedShare()
    assert ARMS["sieve"].method(stream_model, case).policy is None


def test_a_long_case_goes_through_a_memory_that_is_full(stream_model: Model) -> None:
    case = TASKS["first"].made(1, 0, 8)
    most = {}
    for room in (None, 100):
        answered = outcomes(
            stream_model, replace(case, room=room), ARMS["full"], Budget(1.0), "streamed"
        )
        most[room] = max(sum(o.kept) for o in answered)
    assert most[None] > 6 * 68
    assert most[100] <= 100 + 68  # and the window that is open


@torch.inference_mode()
@pytest.mark.parametrize("name", ["recent-N", "recent-4-frames", "newest windows whole"])
def test_the_newest_tokens_enter_in_the_states_that_all_tokens_enter_in(
    stream_model: Model, case: Case, name: str
) -> None:
    pool = WindowEncoder(stream_model.backbone, stream_model.layout.pixels).close_window(
        closed_window(case.stream, 0), TIMELINE
    )
    newest, full = (ARMS[arm].method(stream_model, case) for arm in (name, "full"))
    one, other = (of.selector.select(pool, len(pool), NOTHING) for of in (newest, full))
    assert torch.equal(one.keep, other.keep)
    assert torch.allclose(one.states, other.states, atol=1e-5)
    assert newest.policy == RecentFirst()


def test_a_horizon_is_the_only_thing_that_changes(stream_model: Model) -> None:
    changed = ARMS["no horizon"].changed(stream_model)
    assert changed.layout.horizon_ids > 10**9
    assert changed.backbone is stream_model.backbone
    assert ARMS["sieve"].changed(stream_model) is stream_model


def _kept(model: Model, case: Case, arm: str) -> list[int]:
    return [sum(o.kept) for o in outcomes(model, case, ARMS[arm], Budget(0.2), "streamed")]


def test_a_second_look_that_is_off_leaves_the_open_window_out(
    stream_model: Model, case: Case
) -> None:
    with_it = _kept(stream_model, case, "sieve")
    without = _kept(stream_model, case, "second look off")
    assert len(with_it) == len(without) == len(case.asked)
    assert all(less < more for less, more in zip(without, with_it, strict=True))


def test_looking_back_over_everything_keeps_as_many_tokens(stream_model: Model, case: Case) -> None:
    assert _kept(stream_model, case, EVERYTHING_AGAIN) == _kept(stream_model, case, "sieve")


def test_ablations_of_a_model_without_a_sieve_are_refused(stock_model: Model, case: Case) -> None:
    with pytest.raises(SettingInvalid, match="no CS2 weights"):
        ARMS["causal refiner"].method(stock_model, case)


def test_trained_arms_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "trained.json"
    lines = [{"name": "causal, trained", "model": "causal", "arm": "causal refiner"}]
    path.write_text(json.dumps(lines))
    (arm,) = trained_arms(path)
    assert (arm.name, arm.group) == ("causal, trained", "trained")
    assert arm.model == str(tmp_path / "causal")
    assert arm.build is ARMS["causal refiner"].build


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "it is not JSON: "),
        ("[1]", "0 must be an object, not 1"),
        ('[{"name": "x"}]', "0.model must be there"),
        ('{"name": "x", "model": "y"}', "it must be a list, not an object"),
    ],
)
def test_a_file_of_trained_arms_that_is_none_is_refused(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "trained.json"
    path.write_text(text)
    with pytest.raises(SettingInvalid) as refused:
        trained_arms(path)
    assert str(refused.value).startswith(f"{path} is no list of trained models: {says}")


def test_a_trained_arm_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trained.json"
    path.write_text('[{"name": "x", "model": "y", "arm": "cuasal"}]')
    with pytest.raises(SettingInvalid, match="'cuasal'"):
        trained_arms(path)
