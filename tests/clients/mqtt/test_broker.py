"""Connections to a broker, and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from clients.monitor.bench.mosquitto import Mosquitto
from clients.mqtt.bridge import Bridge
from clients.mqtt.broker import Broker, BrokerUnreachable, Received
from clients.mqtt.dial import Dial, TakenOver
from clients.mqtt.places import Places
from clients.mqtt.settings import BrokerSettings
from clients.mqtt.topics import Message
from tests.clients.mqtt.bridging import QUICK
from tests.clients.mqtt.mosquitto import mosquitto, payload, receiving
from tests.clients.sdk.conftest import Line
from tests.session.fakes import eventually


async def test_a_broker_that_is_not_there_or_refuses_is_told_at_once(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    secret = tmp_path / "secret"
    secret.write_text("hush-hush\n")
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as broker:
        await broker.listening()
        wrong = BrokerSettings(
            host="127.0.0.1", port=broker.port, username="me", password_file=secret
        )
        with pytest.raises(BrokerUnreachable, match=r"refuses us .*username") as raised:
            await entered(wrong)
        assert "hush" not in str(raised.value)
    with pytest.raises(BrokerUnreachable, match="does a broker listen there"):
        await entered(BrokerSettings(host="127.0.0.1", port=broker.port))


async def entered(settings: BrokerSettings) -> None:
    places = Places(":memory:")
    try:
        async with Bridge(settings, places):
            pass
    finally:
        places.close()


async def test_a_broker_that_goes_away_is_not_taken_for_one_that_was_never_there(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    places = Places(":memory:")
    async with Bridge(settings, places, backoff=QUICK):
        broker.kill()
        await eventually(lambda: "back in" in caplog.text)
        broker.start()
        await eventually(lambda: f"127.0.0.1:{broker.port}: we are back" in caplog.text)
    places.close()
    (said, *_) = [one.getMessage() for one in caplog.records if "back in" in one.getMessage()]
    assert said.startswith(f"the MQTT broker at 127.0.0.1:{broker.port}: the connection is lost (")


async def test_a_message_that_the_broker_refuses_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rules").write_text("topic read #\n")
    lines = ("allow_anonymous true", f"acl_file {tmp_path}/rules")
    with mosquitto(tmp_path, *lines) as broker:
        await broker.listening()
        await entered(BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es"))
    (said,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert "its access list must let echosieve-es write" in said


@pytest.mark.parametrize("client_id", [None, "another"])
async def test_of_two_with_one_prefix_the_first_ends_and_says_what_to_change(
    broker: Mosquitto, client_id: str | None
) -> None:
    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    others = settings.model_copy(update={"client_id": client_id})
    places = Places(":memory:")
    async with (
        asyncio.timeout(30.0),
        receiving(broker.port) as receiver,
        Bridge(settings, places, backoff=QUICK) as first,
        Bridge(others, places, backoff=QUICK) as second,
    ):
        with pytest.raises(TakenOver, match=r"another .*stop one of the two.* mqtt\.prefix"):
            await first.ended()
        await eventually(lambda: second._broker.connected)
        assert second._broker.connections == 1  # the first looked before it came back
        await receiver.until(lambda: payload(receiver.on("es/available")[-1]) == b"online")
    places.close()


async def test_a_broker_that_was_killed_is_come_back_to_though_nobody_tells_it_who_is_there(
    tmp_path: Path,
) -> None:
    with mosquitto(tmp_path) as broker:
        await broker.listening()
        settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
        async with (
            asyncio.timeout(30.0),
            Broker(settings, subscriptions=(), take=never, backoff=QUICK) as one,
        ):
            await eventually(lambda: one._marked)
            broker.kill()
            lose_what_is_kept(tmp_path)
            broker.start()
            await eventually(lambda: one.connections == 2)


def lose_what_is_kept(folder: Path) -> None:
    for path in folder.glob("*.db*"):
        path.unlink()


async def test_a_connection_that_is_lost_while_something_is_to_be_written_leaves_no_traceback(
    broker: Mosquitto,
) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: failures.append(said))
    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    async with Dial.of(settings).client("one") as client:
        broker.kill()
        await asyncio.sleep(0)  # the loop finds the socket closed, and comes to it after us
        with pytest.raises(aiomqtt.MqttError):
            await client.publish("es/hello", b"hello", qos=1, timeout=0.2)
    assert failures == []


async def test_who_stops_while_greeting_is_not_left_online(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    greeting = asyncio.Event()

    def greet() -> Iterator[Message]:
        while True:
            yield Message("es/hello", b"hello")
            greeting.set()

    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    one = Broker(settings, subscriptions=(), take=never, greeting=greet)
    entering = asyncio.create_task(one.__aenter__())
    await greeting.wait()
    entering.cancel()
    await asyncio.wait({entering})
    async with receiving(broker.port) as receiver:
        await receiver.until(lambda: receiver.on("es/available"))
        assert payload(receiver.on("es/available")[-1]) == b"offline"


async def never(_: Received) -> None:
    raise AssertionError("nothing comes")
