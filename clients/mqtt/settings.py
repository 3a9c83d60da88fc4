"""Which broker, and how. The password stands in a file or in the environment, never here."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from clients.mqtt.topics import PREFIX, Topics
from clients.sdk.errors import EchoSieveError

PORT, TLS_PORT = 1883, 8883


def placed(path: Path, info: ValidationInfo) -> Path:
    """As seen from where the configuration lies, if it is said where."""
    return info.context["base"] / path if info.context else path


def secret_in(path: Path) -> str:
    """The first line of a file. Raises ValueError."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from None
    if not lines or not lines[0].strip():
        raise ValueError(f"{path} is empty; its first line is the secret")
    return lines[0].strip()


def secret_of_variable(name: str) -> str:
    """Raises ValueError."""
    if not (value := os.environ.get(name)):
        raise ValueError(f"the variable {name} is not set in the environment")
    return value


def _holds_a_secret(path: Path, info: ValidationInfo) -> Path:
    """Where a configuration is read from a file, with everything else that is wrong with it."""
    if info.context:
        secret_in(path)
    return path


def _is_set(name: str, info: ValidationInfo) -> str:
    if info.context:
        secret_of_variable(name)
    return name


Place = Annotated[Path, AfterValidator(placed)]
SecretFile = Annotated[Place, AfterValidator(_holds_a_secret)]
SecretVariable = Annotated[str, AfterValidator(_is_set)]


class BrokerSettings(BaseModel):
    """The table `[mqtt]` of a configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1)
    port: int | None = Field(default=None, ge=1, le=65_535)  # 1883, or 8883 over TLS
    prefix: str = Field(default="echosieve", pattern=PREFIX)
    discovery: str = Field(default="homeassistant", pattern=PREFIX)  # of Home Assistant
    client_id: str | None = Field(default=None, min_length=1, max_length=64)
    username: str | None = None
    password_file: SecretFile | None = None
    password_env: SecretVariable | None = None
    tls: bool = False
    ca_file: Place | None = None
    cert_file: Place | None = None
    key_file: Place | None = None
    keepalive_s: int = Field(default=30, ge=5, le=3_600)
    session_s: int = Field(default=3_600, ge=0, le=604_800)

    @model_validator(mode="after")
    def _consistent(self) -> BrokerSettings:
        for said in contradictions(self.model_dump()):
            raise ValueError(said)
        return self

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port or (TLS_PORT if self.tls else PORT)

    @property
    def topics(self) -> Topics:
        return Topics(self.prefix, self.discovery)

    @property
    def identifier(self) -> str:
        """The broker keeps what came for it while it was away; so one bridge a prefix."""
        return self.client_id or f"echosieve-{self.prefix.replace('/', '-')}"


def contradictions(table: Mapping[str, object]) -> Iterator[str]:
    """What does not go together in it, whatever its values are otherwise."""
    given = {key for key, value in table.items() if value}
    if given >= {"password_file", "password_env"}:
        yield "give password_file or password_env, not both"
    if given & {"password_file", "password_env"} and table.get("username") is None:
        yield "a password needs a username"
    if given & {"ca_file", "cert_file", "key_file"} and "tls" not in given:
        yield "ca_file, cert_file and key_file need tls = true"
    if "key_file" in given and "cert_file" not in given:
        yield "key_file needs cert_file"


def password_of(settings: BrokerSettings) -> str | None:
    """Raises EchoSieveError where it is not where the settings say."""
    if settings.password_env is not None:
        return from_environment(settings.password_env, "mqtt.password_env")
    if settings.password_file is not None:
        return from_file(settings.password_file, "mqtt.password_file")
    return None


def from_environment(name: str, key: str) -> str:
    """A secret of the environment. Raises EchoSieveError."""
    try:
        return secret_of_variable(name)
    except ValueError as error:
        raise EchoSieveError(f"{key}: {error}") from None


def from_file(path: Path, key: str) -> str:
    """A secret that is the first line of a file. Raises EchoSieveError."""
    try:
        return secret_in(path)
    except ValueError as error:
        raise EchoSieveError(f"{key}: {error}") from None


def tls_context(settings: BrokerSettings) -> ssl.SSLContext | None:
    """Raises EchoSieveError where a certificate cannot be used."""
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise EchoSieveError(
            f"mqtt.ca_file: {settings.ca_file} cannot be used ({error}): give a file of "
            "certificates in PEM"
        ) from error
    if settings.cert_file:
        try:  # with an empty password: a key that has one is an error, and nobody is asked for it
            context.load_cert_chain(settings.cert_file, settings.key_file, password="")
        except OSError as error:
            names = f"{settings.cert_file}, {settings.key_file or settings.cert_file}"
            raise EchoSieveError(
                f"mqtt.cert_file, mqtt.key_file: {names} cannot be used ({error}): give a "
                "certificate and its key in PEM, without a password"
            ) from error
    return context
