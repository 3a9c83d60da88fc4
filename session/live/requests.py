"""What a session wants of the engine before it goes on: a job, and the engine's word on it."""

from __future__ import annotations

import asyncio
from collections import deque

from session.engine import reports
from session.engine.jobs import Configure, Open, Watch
from session.engine.worker import Worker
from session.errors import ServiceError, SettingInvalid
from sieve.tokens import MemoryState


class Requests:
    """Those of one session. The engine answers them in the order they were posted."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._replies: deque[asyncio.Future[MemoryState]] = deque()

    async def post(self, job: Open | Configure | Watch) -> MemoryState:
        """Raises SettingInvalid with the engine's reason, and what `refuse_all` is given."""
        reply: asyncio.Future[MemoryState] = asyncio.get_running_loop().create_future()
        self._replies.append(reply)
        self._worker.control(job)
        return await reply

    def on_report(self, report: reports.Opened | reports.Configured | reports.Refused) -> None:
        if isinstance(report, reports.Refused):
            self._reply(SettingInvalid(report.message))
        else:
            self._reply(report.memory)

    def refuse_all(self, error: ServiceError) -> None:
        """None of those that wait is answered any more."""
        while self._replies:
            self._reply(error)

    def _reply(self, result: MemoryState | ServiceError) -> None:
        reply = self._replies.popleft()
        if reply.done():  # whoever asked has gone
            return
        if isinstance(result, ServiceError):
            reply.set_exception(result)
        else:
            reply.set_result(result)
