"""What the service is started with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from session import wire

MAX_ROWS = 256
MAX_SLOTS = 1_000_000
MAX_THREADS = 256
MAX_FPS = 30
MAX_KEEP_MIB = 1_048_576
MOST = {"rows": MAX_ROWS, "slots": MAX_SLOTS, "threads": MAX_THREADS, "max_branches": 256}


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the service that is not the engine's own."""

    json_bytes: int = 256 * 1024
    sdp_bytes: int = 128 * 1024
    question_chars: int = 4_000
    questions_in_flight: int = 4  # a session
    event_ring: int = 512  # events a session keeps for those who come back
    subscribers: int = 16  # a session
    subscriber_queue: int = 256  # events a subscriber may lag behind
    channel_message_bytes: int = 64 * 1024
    ended_s: float = 60.0  # how long an ended session can still be looked up
    ended_sessions: int = 64
    waiting_sessions: int = 256  # that have been made and wait for their sender
    waiting_s: float = 86_400.0  # how long they do
    streams: int = 256  # of events that all sessions together are followed by
    questions_a_minute: int = 120  # a session, and a token
    sessions_a_minute: int = 300  # that a token makes or sends to
    changes_a_minute: int = 240  # of settings, watches and notes: a session, and a token
    reads_a_minute: int = 600  # of what is on file: a session, and a token
    journal_jobs: int = 8_192  # that may wait for the disk
    open_s: float = 10.0  # how long the engine may take to open a row
    settle_s: float = 5.0  # and for what a sender that leaves had still sent
    load: float = 0.8  # share of the engine's time that admission hands out to ingest


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of the past stays in the journal."""

    days: float = 30.0
    mib: int = 1_024
    every_s: float = 600.0  # between looks at what is too old

    def __post_init__(self) -> None:
        if not (self.days > 0 and self.mib >= 1):
            raise ValueError("a journal keeps more than 0 days and at least 1 MiB")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session has set for itself."""

    fps: float
    retention: float
    selector: str  # a name of `sieve.selectors`
    history_turns: int = 4  # earlier questions and answers that are read with a new one
    instruction: str | None = None
    slots: int | None = None
    reads_notes: bool = True  # whether the model understands notes that it is given

    @property
    def patch(self) -> wire.SessionPatch:
        """What a session that is opened again finds set."""
        return wire.SessionPatch(
            instruction=self.instruction,
            retention=self.retention,
            selector=self.selector,
            slots=self.slots,
        )

    def patched(self, patch: wire.SessionPatch) -> Settings:
        """With those of the patch that are not null."""
        return self.changed(patch.retention, patch.selector, patch.instruction, patch.slots)

    def changed(
        self,
        retention: float | None,
        selector: str | None,
        instruction: str | None,
        slots: int | None,
    ) -> Settings:
        """None leaves a setting as it is; an empty instruction takes it away."""
        return replace(
            self,
            retention=self.retention if retention is None else retention,
            selector=self.selector if selector is None else selector,
            instruction=self.instruction if instruction is None else instruction or None,
            slots=self.slots if slots is None else slots,
        )


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """Model, engine and address. `retention` and `selector` None take the model's own."""

    model: str = "demo"
    sieve: str | None = None
    retention: float | None = None
    selector: str | None = None
    device: str = "cpu"
    threads: int | None = None  # of the model on a processor; None: see `model_threads`
    rows: int = 8
    slots: int = 512
    max_branches: int = 16
    fps: float = 2.0
    history_turns: int | None = None  # None: see `turns_read`
    host: str = "127.0.0.1"
    port: int = 8080
    origins: tuple[str, ...] = ()  # other web sites whose pages may use this service
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")  # names it answers to
    journal: str | None = None  # a file; None: nothing outlives the process
    keep: Keep = field(default_factory=Keep)
    key: bytes | None = field(default=None, repr=False)  # signs tokens; None: everyone may all
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.retention is not None and not 0.0 < self.retention <= 1.0:
            raise ValueError(f"retention must lie in (0, 1], not {self.retention}")
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port must lie in 0..65535, not {self.port}")
        if not (1 <= self.fps <= MAX_FPS and float(self.fps).is_integer()):
            raise ValueError(f"fps must be a whole number from 1 to {MAX_FPS}, not {self.fps}")
        for name, most in MOST.items():
            value = getattr(self, name)
            if value is not None and not 1 <= value <= most:
                raise ValueError(f"{name} must lie in 1..{most}, not {value}")

    @property
    def model_threads(self) -> int | None:
        """One for the built-in model: its matrices are too small to be worth sharing, and threads
        that wait for each other take the processor from those that decode. None: torch's own."""
        return self.threads or (1 if self.model == "demo" else None)

    @property
    def turns_read(self) -> int:
        """One for the built-in model: it has learned short conversations, and more turns confuse it
        (97.0 % right with one, 96.6 % with two, 85.2 % with four; docs/LOG.md)."""
        if self.history_turns is not None:
            return self.history_turns
        return 1 if self.model == "demo" else 4
