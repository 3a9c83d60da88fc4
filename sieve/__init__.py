"""Everything on the accelerator: towers, CS2, memory, engine. No asyncio, no HTTP, no media."""

from sieve.checkpoint import load_model
from sieve.engine import Engine, EngineConfig, RowConfig
from sieve.errors import SieveError
from sieve.model import Model
from sieve.tokens import (
    Begun,
    Counts,
    GridMap,
    Ingested,
    KeptMap,
    MemoryState,
    Query,
    RawWindow,
    Span,
    Step,
)

__all__ = [
    "Begun",
    "Counts",
    "Engine",
    "EngineConfig",
    "GridMap",
    "Ingested",
    "KeptMap",
    "MemoryState",
    "Model",
    "Query",
    "RawWindow",
    "RowConfig",
    "SieveError",
    "Span",
    "Step",
    "load_model",
]
