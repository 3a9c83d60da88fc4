"""Figures with their uncertainty. Pure: numbers in, numbers out.

The unit of resampling is the *case* (a clip or a stream): the questions of one case share its
pictures and its sound, so they are not independent. Arms are compared on the same cases, paired.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers by case and kind of question: ``right`` and ``asked``, both [cases, kinds]."""

    right: Floats
    asked: Floats

    def __post_init__(self) -> None:
        if self.right.shape != self.asked.shape or self.right.ndim != 2:
            raise ValueError(
                f"right and asked are both [cases, kinds], got {self.right.shape} and "
                f"{self.asked.shape}"
            )


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where it lies with a confidence of 95 %; NaN where one case cannot tell."""

    value: float
    low: float
    high: float


def accuracy(tally: Tally) -> float:
    """The mean over kinds of the share of right answers: every kind that was asked counts alike."""
    return float(_accuracies(tally, np.ones((1, len(tally.right))))[0])


def accuracy_interval(tally: Tally, seed: int = 0) -> Interval:
    """Accuracy with a bootstrap interval over cases."""
    resampled = _accuracies(tally, _weights(len(tally.right), seed))
    found = _interval(accuracy(tally), resampled, len(tally.right))
    return Interval(found.value, *np.clip([found.low, found.high], 0.0, 1.0).tolist())


def paired_difference(of: Tally, against: Tally, seed: int = 0) -> Interval:
    """Accuracy of one arm minus another's on the same cases, with a paired bootstrap interval.

    Raises ValueError where the two do not have the same cases and questions.
    """
    if not np.array_equal(of.asked, against.asked):
        raise ValueError("a paired comparison needs the same questions on both sides")
    weights = _weights(len(of.right), seed)
    resampled = _accuracies(of, weights) - _accuracies(against, weights)
    return _interval(accuracy(of) - accuracy(against), resampled, len(of.right))


def paired_share(of: Tally, against: Tally, seed: int = 0) -> Interval:
    """Accuracy of one arm as a share of another's on the same cases, with a paired bootstrap
    interval; NaN where the other has none right. Raises ValueError as ``paired_difference``."""
    if not np.array_equal(of.asked, against.asked):
        raise ValueError("a paired comparison needs the same questions on both sides")
    weights = np.vstack([np.ones(len(of.right)), _weights(len(of.right), seed)])
    ours, theirs = _accuracies(of, weights), _accuracies(against, weights)
    share = np.divide(ours, theirs, out=np.full_like(ours, np.nan), where=theirs > 0)
    if math.isnan(share[0]):
        return Interval(math.nan, math.nan, math.nan)
    return _interval(float(share[0]), share[1:], len(of.right))


def _weights(cases: int, seed: int) -> Floats:
    """[RESAMPLES, cases]: how often each case is drawn in each resample."""
    rng = np.random.default_rng([seed, 23])
    return rng.multinomial(cases, np.full(cases, 1 / cases), RESAMPLES).astype(np.float64)


def _accuracies(tally: Tally, weights: Floats) -> Floats:
    """[resamples]: the mean over the kinds that a resample contains."""
    right, asked = weights @ tally.right, weights @ tally.asked  # [resamples, kinds]
    there = asked > 0
    share = np.divide(right, asked, out=np.zeros_like(right), where=there)
    kinds = there.sum(axis=1)
    missing = np.full(len(weights), np.nan)
    return np.divide(share.sum(axis=1), kinds, out=missing, where=kinds > 0)


STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom."""
FEW_CASES = 10


def _interval(value: float, resampled: Floats, cases: int) -> Interval:
    """The quantiles of the resamples; of few cases, whose resamples are hardly any, Student's t
    with their spread."""
    if cases < 2:
        return Interval(value, math.nan, math.nan)
    if cases < FEW_CASES:
        half = STUDENT[cases - 2] * float(np.nanstd(resampled)) * math.sqrt(cases / (cases - 1))
        return Interval(value, value - half, value + half)
    edges = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.nanquantile(resampled, edges)
    return Interval(value, float(low), float(high))


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of a few values, training seeds for example, with Student's t interval; more values
    than ten take the quantile of ten."""
    if not values:
        raise ValueError("a mean needs at least one value")
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, math.nan, math.nan)
    quantile = STUDENT[min(len(values), len(STUDENT) + 1) - 2]
    half = quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Rank correlation, ties at their mean rank; NaN where one side does not vary."""
    if len(x) != len(y):
        raise ValueError(f"a correlation is of pairs, got {len(x)} and {len(y)} values")
    ranks_x, ranks_y = _ranks(x), _ranks(y)
    if len(x) < 2 or ranks_x.std() == 0 or ranks_y.std() == 0:
        return float("nan")
    return float(np.corrcoef(ranks_x, ranks_y)[0, 1])


def _ranks(values: Sequence[float]) -> Floats:
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_rank: Floats = last - (counts - 1) / 2.0
    return mean_rank[inverse]


def calibration_error(confidence: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: the mean gap between confidence and share of right answers over
    equally wide bins of confidence, weighted by their fill (Guo et al., arXiv 1706.04599)."""
    if len(confidence) != len(right) or not len(right):
        raise ValueError("a calibration error needs as many confidences as answers, at least one")
    sure, hits = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    if sure.min() < 0 or sure.max() > 1:
        raise ValueError("a confidence is a probability, between 0 and 1")
    bucket = np.minimum((sure * bins).astype(int), bins - 1)
    gap = np.bincount(bucket, hits - sure, minlength=bins)
    return float(np.abs(gap).sum() / len(sure))
