"""A real broker that asks for TLS, certificates and passwords."""

from __future__ import annotations

import gc
import hashlib
import logging
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clients.monitor.bench.mosquitto import Mosquitto
from clients.mqtt.bridge import Bridge
from clients.mqtt.broker import BrokerUnreachable
from clients.mqtt.places import Places
from clients.mqtt.settings import BrokerSettings
from clients.sdk.errors import EchoSieveError
from tests.clients.mqtt.certificates import Certified, authority, issued, locked
from tests.clients.mqtt.mosquitto import mosquitto

# Where a handshake fails, paho-mqtt leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@pytest.fixture(autouse=True)
def _no_socket_is_left_to_other_tests() -> Iterator[None]:
    yield
    gc.collect()


@dataclass(frozen=True)
class Guarded:
    """A broker behind TLS, and who vouches for it."""

    broker: Mosquitto
    ca: Certified

    def settings(self, **more: object) -> BrokerSettings:
        given = {"host": "127.0.0.1", "port": self.broker.port, "tls": True}
        return BrokerSettings.model_validate({**given, "ca_file": self.ca.cert_file, **more})


@pytest.fixture
def guarded(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Guarded]:
    """Its parameter: more lines of the broker's configuration."""
    ca = authority(tmp_path, "ca")
    broker = issued(tmp_path, "broker", ca)
    lines = [f"cafile {ca.cert_file}", f"certfile {broker.cert_file}"]
    lines += [f"keyfile {broker.key_file}", *getattr(request, "param", ["allow_anonymous true"])]
    with mosquitto(tmp_path, *lines) as running:
        yield Guarded(running, ca)


async def connected(settings: BrokerSettings) -> int:
    """How often the bridge has come to the broker."""
    places = Places(":memory:")
    try:
        async with Bridge(settings, places) as bridge:
            return bridge._broker.connections
    finally:
        places.close()


async def test_a_broker_whose_authority_is_known_is_trusted(guarded: Guarded) -> None:
    await guarded.broker.listening()
    assert await connected(guarded.settings()) == 1


async def test_a_broker_whose_authority_is_another_is_not_trusted(
    guarded: Guarded, tmp_path: Path
) -> None:
    await guarded.broker.listening()
    other = authority(tmp_path, "other")
    with pytest.raises(BrokerUnreachable, match=r"not trusted .* mqtt\.ca_file"):
        await connected(guarded.settings(ca_file=other.cert_file))
    with pytest.raises(BrokerUnreachable, match=r"not trusted .* mqtt\.ca_file"):
        await connected(guarded.settings(ca_file=None))


async def test_a_broker_whose_certificate_is_of_another_host_is_not_trusted(tmp_path: Path) -> None:
    ca = authority(tmp_path, "ca")
    broker = issued(tmp_path, "broker", ca, address="192.0.2.1")
    lines = [f"certfile {broker.cert_file}", f"keyfile {broker.key_file}", "allow_anonymous true"]
    with mosquitto(tmp_path, *lines) as running:
        await running.listening()
        with pytest.raises(BrokerUnreachable, match=r"of another host .* mqtt\.host"):
            await connected(Guarded(running, ca).settings())


async def test_a_broker_that_wants_tls_is_told_of(guarded: Guarded) -> None:
    await guarded.broker.listening()
    with pytest.raises(BrokerUnreachable, match=r"is mqtt\.tls right"):
        await connected(guarded.settings(tls=False, ca_file=None))


MUTUAL = ["require_certificate true", "use_identity_as_username true", "allow_anonymous false"]


@pytest.mark.parametrize("guarded", [MUTUAL], indirect=True)
async def test_a_broker_that_wants_our_certificate_gets_it(
    guarded: Guarded, tmp_path: Path
) -> None:
    await guarded.broker.listening()
    ours = issued(tmp_path, "ours", guarded.ca)
    with_it = guarded.settings(cert_file=ours.cert_file, key_file=ours.key_file)
    assert await connected(with_it) == 1
    with pytest.raises(BrokerUnreachable, match=r"mqtt\.cert_file"):
        await connected(guarded.settings())


def test_a_key_that_takes_a_password_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    ca = authority(tmp_path, "ca")
    key_file = locked(ca, tmp_path / "locked.key")
    settings = BrokerSettings(host="h", tls=True, cert_file=ca.cert_file, key_file=key_file)
    with pytest.raises(EchoSieveError, match=r"mqtt\.key_file.* without a password"):
        Bridge(settings, Places(":memory:"))


def hashed(password: str) -> str:
    """As mosquitto keeps it: PBKDF2 with SHA-512."""
    salt = b"salt, pepper"
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"$7$101${b64encode(salt).decode()}${b64encode(digest).decode()}"


async def test_a_password_is_taken_and_never_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "passwords").write_text(f"me:{hashed('hush-hush')}\n")
    (tmp_path / "right").write_text("hush-hush\n")
    (tmp_path / "wrong").write_text("hush-husH\n")
    lines = ("allow_anonymous false", f"password_file {tmp_path}/passwords")
    with mosquitto(tmp_path, *lines) as broker:
        await broker.listening()
        given = {"host": "127.0.0.1", "port": broker.port, "username": "me"}
        right = BrokerSettings.model_validate({**given, "password_file": tmp_path / "right"})
        assert await connected(right) == 1
        wrong = BrokerSettings.model_validate({**given, "password_file": tmp_path / "wrong"})
        with pytest.raises(BrokerUnreachable, match=r"refuses us .* the password right"):
            await connected(wrong)
    assert "hush" not in caplog.text.lower()
