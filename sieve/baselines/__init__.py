"""The methods CS2 is compared with, one a file; ``sieve.selectors`` knows them by name."""

from sieve.baselines.dtd import DTD
from sieve.baselines.fast_av import FastAV
from sieve.baselines.fastv import FastV
from sieve.baselines.in_llm import InLLM
from sieve.baselines.intra_modal import IntraModal
from sieve.baselines.keep_all import KeepAll
from sieve.baselines.omnisift import AudioScorer, OmniSIFT
from sieve.baselines.omnizip import OmniZip
from sieve.baselines.per_modality import PerModality
from sieve.baselines.pyramid_drop import PyramidDrop
from sieve.baselines.random_tokens import RandomTokens
from sieve.baselines.recent import Recent
from sieve.baselines.seats import SEATS
from sieve.baselines.similarity import Similarity
from sieve.baselines.states import RawStates, RefinedStates
from sieve.baselines.uniform import Uniform

__all__ = [
    "DTD",
    "SEATS",
    "AudioScorer",
    "FastAV",
    "FastV",
    "InLLM",
    "IntraModal",
    "KeepAll",
    "OmniSIFT",
    "OmniZip",
    "PerModality",
    "PyramidDrop",
    "RandomTokens",
    "RawStates",
    "Recent",
    "RefinedStates",
    "Similarity",
    "Uniform",
]
