"""Logistic regression for the trust table: no weight is negative, and none is kept large for little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from captioner.speech.trust import TABLE

PENALTY = 2.0
"""Of squared weights, each times the spread of its feature."""

Array = NDArray[np.float64]


class Row(Protocol):
    @property
    def wrong(self) -> bool: ...

    @property
    def features(self) -> Mapping[str, float | None]: ...


def matrix(rows: Sequence[Row]) -> Array:
    """A row a line, a column a feature, as the model takes them."""
    values = [[f.scale(f.neutral if (value := row.features[f.name]) is None else value) for f in TABLE] for row in rows]
    return np.array(values, np.float64)


def fit(rows: Sequence[Row]) -> tuple[Array, float]:
    """Weights, none of them negative, and bias: logistic regression with a penalty."""
    from scipy.optimize import minimize

    x, y = matrix(rows), np.array([not row.wrong for row in rows], np.float64)
    middle, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
    z = (x - middle) / spread

    def loss(parameters: Array) -> tuple[float, Array]:
        weights, bias = parameters[:-1], parameters[-1]
        total = z @ weights + bias
        value = np.logaddexp(0, total).sum() - y @ total + PENALTY * np.square(weights).sum() / 2
        slope = 1 / (1 + np.exp(-total)) - y
        return float(value), np.append(z.T @ slope + PENALTY * weights, slope.sum())

    bounds = [(0.0, None)] * z.shape[1] + [(None, None)]
    found = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = found[:-1] / spread
    return weights, float(found[-1] - weights @ middle)


def shift(rows: Sequence[Row], weights: Array, bias: float) -> float:
    """What to add to the bias, so that the trust in these lines is as likely as can be."""
    from scipy.optimize import minimize_scalar

    total, y = matrix(rows) @ weights + bias, np.array([not row.wrong for row in rows], np.float64)

    def loss(more: float) -> float:
        return float(np.logaddexp(0, total + more).sum() - y @ (total + more))

    return float(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)


def table(weights: Array, bias: float) -> str:
    """The table as `captioner.speech.trust` has it."""
    lines = [f"  {f.name:16} {weight:8.3f}" for f, weight in zip(TABLE, weights, strict=True)]
    return "\n".join([*lines, f"  {'BIAS':16} {bias:8.3f}"])
