from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from edgeneuro.errors import DataError
from edgeneuro.v1.rank_regression import ReducedRankRegression

Floats = np.ndarray


@parametrize_with_checks([ReducedRankRegression()])  # type: ignore[untyped-decorator]
def test_it_is_a_regressor_as_scikit_learn_defines_one(estimator: ReducedRankRegression, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_no_matrix_of_the_rank_is_better_than_the_closed_form() -> None:
    """Found by optimising the factors directly, from the best of several starts."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 5)), rng.standard_normal((12, 4))
    x, y = x - x.mean(0), y - y.mean(0)

    def cost(factors: Floats) -> float:
        left, right = factors[:10].reshape(5, 2), factors[10:].reshape(2, 4)
        return float(((y - x @ left @ right) ** 2).sum() + 0.7 * ((left @ right) ** 2).sum())

    model = ReducedRankRegression(rank=2, alpha=0.7).fit(x, y)
    closed = cost(np.concatenate([model.x_weights_.ravel(), model.y_weights_.T.ravel()]))
    found = min(minimize(cost, rng.standard_normal(18)).fun for _ in range(4))
    assert closed == pytest.approx(found, rel=1e-6)
    assert np.linalg.matrix_rank(model.coef_) == 2


@pytest.mark.parametrize("features", [6, 40])
def test_with_full_rank_it_is_ridge_regression(features: int) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((20, features)), rng.standard_normal((20, 3)) + 5.0
    model, ridge = ReducedRankRegression(rank=3, alpha=0.5).fit(x, y), Ridge(alpha=0.5).fit(x, y)
    np.testing.assert_allclose(model.predict(x), ridge.predict(x), atol=1e-9)
    np.testing.assert_allclose(model.coef_, ridge.coef_, atol=1e-9)


def test_more_outputs_than_samples_give_what_the_other_side_would() -> None:
    """The same first ten outputs, weighted against hundreds that are zero."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((15, 8)), rng.standard_normal((15, 10))
    few = ReducedRankRegression(rank=4, alpha=0.1).fit(x, y).coef_
    many = ReducedRankRegression(rank=4, alpha=0.1).fit(x, np.hstack([y, np.zeros((15, 300))])).coef_
    np.testing.assert_allclose(many[:10], few, atol=1e-8)


def test_single_precision_stays_single() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((9, 4)).astype(np.float32), rng.standard_normal((9, 2)).astype(np.float32)
    assert ReducedRankRegression(rank=1).fit(x, y).predict(x).dtype == np.float32


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0.0}])
def test_a_rank_or_penalty_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="expected at least 1 and above 0"):
        ReducedRankRegression(**wrong).fit(np.eye(3), np.eye(3))
