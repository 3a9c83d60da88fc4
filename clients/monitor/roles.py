"""What a monitor's token must permit, found out before anybody comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from clients.monitor.config import MonitorConfig
from clients.sdk import EchoSieve
from clients.sdk.client import CheckedRole, check_role
from clients.sdk.errors import Forbidden
from session import wire


async def check_roles(client: EchoSieve, config: MonitorConfig) -> None:
    """Raises Forbidden with all roles that the token lacks, and what a request may raise."""
    checks: list[Callable[[], Awaitable[object]]] = [client.sessions.list]
    checks += [partial(check_role, client, role) for role in roles_for(config)]
    lacking: list[Forbidden] = []
    for check in checks:
        try:
            await check()
        except Forbidden as error:
            if error.missing_role is None:
                raise
            lacking.append(error)
    if lacking:
        raise _as_one(lacking)


def roles_for(config: MonitorConfig) -> Iterator[CheckedRole]:
    """What a token must have beside the role watch."""
    if config.watch or config.notes:
        yield "ask"
    if any(source.kind != "room" or source.instruction is not None for source in config.source):
        yield "publish"


def _as_one(lacking: Sequence[Forbidden]) -> Forbidden:
    first, *others = lacking
    if not others:
        return first
    also = " and ".join(str(other.missing_role) for other in others)
    message = f"{first.message}; what is configured also takes {also}"
    role = first.missing_role
    return Forbidden(
        first.status, wire.ErrorDetail(type=first.code, message=message, missing_role=role)
    )
