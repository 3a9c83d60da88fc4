"""A session as the service describes it, for tests that need one and have no service."""

from __future__ import annotations

from typing import Any

from session import wire
from session.roster.idle import waiting


def session(**differences: Any) -> wire.Session:
    """One that is live and has nothing in its memory."""
    nothing = waiting("kitchen", wire.SessionPatch(retention=0.2, selector="cs2"))
    live = {"id": "ses_1", "state": "live", "created_at": 0.0, "has_video": True, "has_audio": True}
    return nothing.model_copy(update={**live, **differences})
