"""Comparisons of samples with closed forms, each with a stated chance of a false alarm.

A comparison at five standard errors fails by chance once in 1.7 million.
"""

import math
from typing import Any

import numpy as np


def check_normal(sample: Any, mean: float, sigma: float) -> None:
    """Check mean and standard deviation of independent normal numbers at five standard errors."""
    sample = np.asarray(sample).ravel()
    error = sigma / math.sqrt(sample.size)
    assert abs(sample.mean() - mean) < 5 * error, (sample.mean(), mean, error)
    assert abs(sample.std() / sigma - 1) < 5 / math.sqrt(2 * sample.size), (sample.std(), sigma)


def check_uncorrelated(first: Any, second: Any) -> None:
    """Check that two samples have no correlation, at five standard errors."""
    a, b = np.asarray(first).ravel(), np.asarray(second).ravel()
    found = float(np.corrcoef(a, b)[0, 1])
    assert abs(found) < 5 / math.sqrt(a.size), found


def check_share(hits: Any, share: float) -> None:
    """Check how often something happened at five standard errors."""
    hits = np.asarray(hits).ravel()
    assert abs(hits.mean() - share) < 5 * math.sqrt(share * (1 - share) / hits.size), (hits.mean(), share)
