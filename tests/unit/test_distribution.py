"""Distributions count as Prometheus does: by upper bound, inclusive."""

from __future__ import annotations

from math import inf

import pytest

from runwire.telemetry.distribution import Distribution


def _of(*values: float) -> Distribution:
    made = Distribution((1.0, 2.0, 5.0))
    for value in values:
        made.observe(value)
    return made


def test_a_bound_counts_what_is_at_most_it() -> None:
    assert _of(0.5, 1.0, 1.5, 5.0, 99.0).cumulative() == [(1.0, 2), (2.0, 3), (5.0, 4), (inf, 5)]


def test_count_and_sum_are_of_all_values() -> None:
    made = _of(0.5, 99.0)
    assert (made.count, made.sum) == (2, 99.5)


@pytest.mark.parametrize(("share", "bound"), [(0.0, 1.0), (0.5, 1.0), (0.75, 2.0), (0.99, 5.0), (1.0, 5.0)])
def test_a_quantile_is_the_bound_above_it(share: float, bound: float) -> None:
    assert _of(0.1, 0.2, 1.5, 99.0).quantile(share) == bound


def test_nothing_has_no_quantile() -> None:
    assert _of().quantile(0.5) is None
