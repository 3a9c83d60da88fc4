"""What the service is started with."""

from __future__ import annotations

import pytest

from session.config import ServiceConfig, Settings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"retention": 0.0}, "retention"),
        ({"retention": 1.1}, "retention"),
        ({"port": -1}, "port"),
        ({"fps": 0.5}, "fps"),
        ({"fps": 31.0}, "fps"),
        ({"rows": 0}, "rows"),
        ({"slots": 0}, "slots"),
        ({"max_branches": 0}, "max_branches"),
    ],
)
def test_a_setting_out_of_its_range_is_named(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ServiceConfig(**setting)  # type: ignore[arg-type]


def test_the_built_in_model_takes_one_thread_and_one_earlier_turn() -> None:
    assert (ServiceConfig().model_threads, ServiceConfig().turns_read) == (1, 1)
    assert ServiceConfig(threads=3).model_threads == 3
    assert ServiceConfig(history_turns=2).turns_read == 2


def test_another_model_takes_the_threads_of_the_machine_and_the_conversation() -> None:
    config = ServiceConfig(model="Qwen/Qwen2.5-Omni-3B")
    assert (config.model_threads, config.turns_read) == (None, 4)


def test_a_change_of_settings_leaves_what_it_does_not_name() -> None:
    before = Settings(2.0, 0.2, "cs2", 4, "watch", 300)
    assert before.changed(None, None, None, None) == before
    assert before.changed(0.1, "random", "", 200) == Settings(2.0, 0.1, "random", 4, None, 200)
