"""A source is tried until it comes to its end."""

from __future__ import annotations

import asyncio

import pytest

from clients.monitor.keeping import Keeper
from clients.monitor.torn import Broken
from clients.sdk import Backoff
from clients.sdk.errors import Forbidden, MediaFailed, ServiceTimeout, ServiceUnreachable
from session import wire

NOW = Backoff(first_s=1e-6, most_s=1e-6)


class Told:
    """What is told of sources."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def up(self, name: str) -> None:
        self.told.append((name, "up"))

    def down(self, name: str, reason: str) -> None:
        self.told.append((name, reason))


async def test_what_fails_is_tried_again_until_it_ends_and_it_is_told_why() -> None:
    told, left = Told(), ["unplugged", "still unplugged"]
    keeper = Keeper("yard", told, NOW)

    async def attempt() -> None:
        if left:
            raise MediaFailed(left.pop(0))
        keeper.up()

    await keeper.run(attempt)
    assert told.told == [("yard", "unplugged"), ("yard", "still unplugged"), ("yard", "up")]


async def test_a_file_that_is_broken_is_logged_once_while_it_is_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = [Broken("5 of 12 s"), Broken("5 of 12 s"), Broken("6 of 12 s"), MediaFailed("away")]

    async def attempt() -> None:
        if failures:
            raise failures.pop(0)

    await Keeper("film", Told(), NOW).run(attempt)
    said = [record.getMessage() for record in caplog.records]
    assert said[:2] == ["film: 5 of 12 s", "film: 6 of 12 s"]
    (last,) = said[2:]
    assert last.startswith("film: away; again in ")


async def test_what_to_do_about_it_is_told_in_the_log_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told, failures = Told(), [ServiceUnreachable("http://here", "nobody listens")]

    async def attempt() -> None:
        if failures:
            raise failures.pop()

    await Keeper("yard", told, NOW).run(attempt)
    assert told.told == [("yard", "nothing answers at http://here (nobody listens)")]
    assert "start the service with `echosieve serve`" in caplog.text


async def test_what_is_no_failure_of_a_source_is_not_tried_again() -> None:
    async def attempt() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Keeper("yard", Told(), NOW).run(attempt)


async def test_what_the_token_may_not_do_is_not_tried_again_but_what_a_proxy_refuses_is() -> None:
    told = Told()
    lacking = wire.ErrorDetail(type="forbidden", message="it takes ask", missing_role="ask")
    failures = [Forbidden(403, wire.ErrorDetail(type="error", message="a proxy's"))]
    failures.append(Forbidden(403, lacking))

    async def attempt() -> None:
        raise failures.pop(0)

    with pytest.raises(Forbidden, match="it takes ask"):
        await Keeper("door", told, NOW).run(attempt)
    assert told.told == [("door", "403 error: a proxy's")]


async def test_who_is_stopped_does_not_try_again_though_the_end_of_the_attempt_fails() -> None:
    told, begun = Told(), asyncio.Event()

    async def attempt() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:  # as where a service that hangs is to be told of the end
            raise ServiceTimeout("DELETE was not answered in time")

    keeping = asyncio.create_task(Keeper("yard", told, NOW).run(attempt))
    await begun.wait()
    keeping.cancel()
    _, going_on = await asyncio.wait({keeping}, timeout=1.0)
    assert not going_on
    assert keeping.cancelled()
    assert told.told == []


async def test_who_was_up_begins_with_short_waits_again() -> None:
    waits: list[int] = []

    class Counted(Backoff):
        def wait_s(self, failures: int, generator: object = None) -> float:
            waits.append(failures)
            return 0.0

    keeper = Keeper("yard", Told(), Counted())
    course = iter(["fail", "fail", "up", "fail", "end"])

    async def attempt() -> None:
        match next(course):
            case "up":
                keeper.up()
                raise MediaFailed("cut")
            case "fail":
                raise MediaFailed("away")

    await keeper.run(attempt)
    assert waits == [1, 2, 1, 2]
