"""Identifiers of what the service makes."""

from __future__ import annotations

import secrets


def new_id(prefix: str) -> str:
    """An identifier nobody can guess, 128 bits."""
    return f"{prefix}_{secrets.token_urlsafe(16)}"
