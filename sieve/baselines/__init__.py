"""Training-free selectors: for a model without CS2 weights, and to be compared with."""

from sieve.baselines.keep_all import KeepAll
from sieve.baselines.uniform import Uniform

__all__ = ["KeepAll", "Uniform"]
