"""Priors, upper quantiles and grades."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clauses import PRIORS, _beta_cdf, grade_of, loss_probability, upper_probability
from core.contracts import Direction
from core.pairs import Clause

D = Decimal


def clause(q, yes_no="0", no_yes="0"):
    return Clause(name="c", q=D(q), yes_no=D(yes_no), no_yes=D(no_yes))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 99))
def test_the_beta_distribution_equals_its_binomial_sum(a, b, percent):
    x = percent / 100
    n = a + b - 1
    exact = sum(math.comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a, n + 1))
    assert math.isclose(_beta_cdf(a, b, x), exact, rel_tol=1e-9, abs_tol=1e-12)


def test_evidence_moves_the_quantile():
    prior = PRIORS["mlb"]["moved"]
    start = upper_probability(prior, 0, 0)
    assert start > prior
    assert upper_probability(prior, 1000, 0) < start
    assert upper_probability(prior, 100, 10) > start


@pytest.mark.parametrize(
    ("prior", "settled", "diverged"), [("0", 0, 0), ("1", 0, 0), ("0.1", 1, 2)]
)
def test_impossible_evidence_is_refused(prior, settled, diverged):
    with pytest.raises(ValueError, match="found"):
        upper_probability(D(prior), settled, diverged)


@pytest.mark.parametrize(
    ("clauses", "grade"),
    [
        ([], "A"),
        ([clause("0.003")], "A"),
        ([clause("0.0031")], "B"),
        ([clause("0.006"), clause("0.004", "1.3", "0.7")], "B"),
        ([clause("0.02")], "C"),
        ([clause("0.057")], "D"),
    ],
)
def test_grades_follow_the_worse_direction(clauses, grade):
    assert grade_of(clauses) == grade


def test_a_state_that_helps_is_no_loss():
    helps = clause("0.5", "1.3", "0.7")
    assert loss_probability([helps], Direction.YES_NO) == 0
    assert loss_probability([helps], Direction.NO_YES) == D("0.5")
