"""Arguments that say which service a command speaks to."""

from __future__ import annotations

import argparse

from clients.sdk.client import EchoSieve


def add_service(parser: argparse.ArgumentParser, room: str) -> None:
    parser.add_argument(
        "--url", help="of the service (default: $ECHOSIEVE_URL, or http://127.0.0.1:8080)"
    )
    parser.add_argument("--token", help="that the service asks for (default: $ECHOSIEVE_TOKEN)")
    parser.add_argument(
        "--room", default=room, help="a name for what is sent (default %(default)s)"
    )


def client_of(args: argparse.Namespace) -> EchoSieve:
    """Raises Unusable for a URL or a token that is none."""
    return EchoSieve(args.url, args.token)
