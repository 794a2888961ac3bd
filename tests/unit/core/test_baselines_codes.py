"""Codes that are not learned: principal components in digits and in bits, pooled levels; against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium.evaluation.baselines.component_codes import Components, Tables, deal, in_bits, in_digits
from sensorium.evaluation.baselines.pooled_levels import (
    even_levels,
    lloyd_max,
    pooled,
    ridge_decoder,
    rounded,
    spread_out,
)


@pytest.fixture(scope="module")
def gaussian() -> tuple[np.ndarray, np.ndarray]:
    """Examples and samples with standard deviations 8, 4, 2, 1 and 0.5 along rotated axes."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    both = rng.normal(size=(6000, 5)) * [8, 4, 2, 1, 0.5] @ turn + 3
    return both[:4000], both[4000:]


def test_components_are_those_of_the_covariance(gaussian: tuple[np.ndarray, np.ndarray]) -> None:
    examples, samples = gaussian
    found = Components(examples)
    np.testing.assert_allclose(found.spread, [8, 4, 2, 1, 0.5], rtol=0.05)
    np.testing.assert_allclose(found.back(found.scores(samples), (5,)), samples, atol=1e-4)
    few = Components(examples[:4])  # fewer examples than numbers
    assert few.axes.shape == (3, 5)
    np.testing.assert_allclose(few.axes @ few.axes.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(few.back(few.scores(examples[:4]), (5,)), examples[:4], atol=1e-4)


def test_the_next_digit_goes_where_most_is_left() -> None:
    assert deal(np.array([100.0, 20.0, 9.0, 0.5]), 5).tolist() == [2, 2, 1, 0]
    assert deal(np.array([1.0, 1.0]), 2).tolist() == [1, 1]


def test_a_digit_has_the_error_of_ten_even_levels() -> None:
    examples = np.random.default_rng(0).uniform(-1, 1, (4000, 1))
    samples = np.linspace(-0.99, 0.99, 999)[:, None]
    found = in_digits(Components(examples), examples, samples, 1)
    step = np.diff(np.unique(found.round(5)))
    assert len(step) == 9
    np.testing.assert_allclose(step, step[0], rtol=1e-3)
    assert np.abs(found - samples).max() <= step[0] / 2 + 0.02
    exact = in_digits(Components(examples), examples, samples, 6)
    np.testing.assert_allclose(exact, samples, atol=1e-4)


def test_bits_follow_the_rate_of_a_gaussian(gaussian: tuple[np.ndarray, np.ndarray]) -> None:
    """At a small step the entropy is h(X) - log2(step), and the error is step ** 2 / 12 for each number."""
    examples, samples = gaussian
    components = Components(examples)
    decoded, bits = in_bits(components, examples, samples, 12.0)
    assert bits.mean() == pytest.approx(12.0, abs=0.05)
    assert bits.mean() <= 12.0
    entropy = 0.5 * np.log2(2 * np.pi * np.e) + np.log2([8, 4, 2, 1, 0.5]).mean()
    step = 2 ** (entropy - 12.0 / 5)
    assert np.square(decoded - samples).mean() == pytest.approx(step**2 / 12, rel=0.15)
    coarse = np.square(in_bits(components, examples, samples, 6.0)[0] - samples).mean()
    assert coarse > 3 * np.square(decoded - samples).mean()


def test_what_no_example_showed_costs_more() -> None:
    tables = Tables(np.random.default_rng(0).normal(size=(500, 1)), 0.5)
    near, far, farther = tables(np.array([[0.0], [8.0], [80.0]]))
    assert near < 3
    assert far > 8
    assert farther > far + 5


def test_triangles_keep_a_constant_and_lines_keep_a_ramp() -> None:
    assert np.allclose(pooled(np.full((2, 128, 32), 0.3), (30, 30)), 0.3)
    ramp = np.linspace(0, 1, 32, dtype=np.float32)[None, None].repeat(32, 1)
    back = spread_out(pooled(ramp, (30, 30)), (32, 32))
    np.testing.assert_allclose(back[0, :, 3:-3], ramp[0, :, 3:-3], atol=1e-2)


def test_even_levels_span_the_examples_and_each_value_gets_the_nearest() -> None:
    levels = even_levels(np.array([-2.0, 7.0, 1.0]), 10)
    np.testing.assert_allclose(levels, np.arange(-2, 8))
    assert rounded(np.array([-9.0, -1.4, 6.6, 0.0]), levels).tolist() == [0, 1, 9, 2]


def test_lloyd_max_finds_the_levels_of_a_gaussian() -> None:
    """Max 1960, table I: four levels of a unit Gaussian lie at 0.4528 and 1.510, and leave 0.1175."""
    values = np.random.default_rng(0).normal(size=200_000)
    levels = lloyd_max(values, 4)
    np.testing.assert_allclose(levels, [-1.510, -0.4528, 0.4528, 1.510], atol=0.02)
    assert np.square(levels[rounded(values, levels)] - values).mean() == pytest.approx(0.1175, rel=0.02)


def test_a_ridge_decoder_finds_a_linear_map() -> None:
    rng = np.random.default_rng(0)
    cells, weights = rng.normal(size=(300, 3, 4)), rng.normal(size=(12, 6))
    targets = (cells.reshape(300, 12) @ weights + 2).reshape(300, 2, 3)
    found = ridge_decoder(cells[:250], targets[:250], cells[250:])
    assert np.square(found - targets[250:]).mean() < 0.01 * targets.var()
