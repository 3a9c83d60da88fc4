"""The methods CS2 is compared with, one a file; ``sieve.selectors`` knows them by name."""

from sieve.baselines.keep_all import KeepAll
from sieve.baselines.per_modality import PerModality
from sieve.baselines.random_tokens import RandomTokens
from sieve.baselines.recent import Recent
from sieve.baselines.similarity import Similarity
from sieve.baselines.states import RawStates, RefinedStates
from sieve.baselines.uniform import Uniform

__all__ = [
    "KeepAll",
    "PerModality",
    "RandomTokens",
    "RawStates",
    "Recent",
    "RefinedStates",
    "Similarity",
    "Uniform",
]
