"""Babbling: attempts are real and repeatable, the journal can be audited, and shuffled progress fails."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sensorium.data.sources.playroom.materials import MATERIALS
from sensorium.studies.babbling import UNTOUCHED, Life, attempts, judge
from sensorium.studies.config import BabblingConfig
from sensorium.studies.playground import ACTIONS, DROP, FUMBLE, KNOWN, OBJECTS, REGIONS, SCALES, TOSS, WAIT, attempt

CONFIG = BabblingConfig(seeds=6, visits=160, random=40)
FELT_Y = 5


@pytest.fixture(scope="module")
def lives() -> dict[str, list[Life]]:
    ways = {"progress": {}, "random": {"explore": 1.0}, "shuffled": {"shuffled": True}}
    return {name: [Life(CONFIG, seed, **how) for seed in CONFIG.all_seeds()] for name, how in ways.items()}


def test_an_attempt_is_a_function_and_tells_what_the_senses_tell() -> None:
    known, outcome = attempt(0, REGIONS.index((0, TOSS)), 3)
    again = attempt.__wrapped__(0, REGIONS.index((0, TOSS)), 3)
    assert np.array_equal(known, again[0])
    assert np.array_equal(outcome, again[1])
    assert known.shape == (KNOWN,)
    assert outcome.shape == (len(SCALES),)
    assert np.abs(known).max() <= 1
    heavy = {}
    for thing in range(len(OBJECTS)):
        felt = [attempt(0, REGIONS.index((thing, TOSS)), number)[1][FELT_Y] for number in range(20)]
        heavy[MATERIALS[thing]] = np.mean(felt)
    assert heavy["metal"] == max(heavy.values())  # the hand feels weight
    _, rests = attempts(0, REGIONS.index((0, WAIT)), 0, 8)
    assert rests.abs().max() < 0.05
    assert attempts(0, REGIONS.index((0, DROP)), 0, 8)[1][:, 1].min() > 0.1  # what is let go goes down


def test_progress_beats_random_choice_and_shuffled_progress_fails(lives: dict[str, list[Life]]) -> None:
    ours, control = (judge(lives[name], lives["random"]) for name in ("progress", "shuffled"))
    assert ours["property_error"]["passed"], ours
    assert ours["unlearnable_share"]["passed"], ours
    assert not control["unlearnable_share"]["passed"], control
    assert not control["property_error"]["passed"], control
    assert not judge(lives["random"], lives["random"])["property_error"]["passed"]


def test_it_learns_while_it_lives(lives: dict[str, list[Life]]) -> None:
    for life in lives["progress"]:
        first, last = life.first_and_last()
        assert last < 0.5 * first


def test_the_journal_can_be_audited(lives: dict[str, list[Life]]) -> None:
    """Errors are those of the predictions, outcomes are those of the playroom, and the journal names no property."""
    life = lives["progress"][0]
    assert [entry["visit"] for entry in life.journal] == list(range(CONFIG.visits))
    tried = {name: 0 for name in OBJECTS}
    counts = np.zeros(len(REGIONS), np.int64)
    for entry in life.journal:
        assert set(entry) == {
            "seed",
            "visit",
            "object",
            "action",
            "known",
            "predicted",
            "measured",
            "error",
            "competence",
        }
        region = REGIONS.index((OBJECTS.index(entry["object"]), ACTIONS.index(entry["action"])))
        error = np.square(np.array(entry["predicted"]) - np.array(entry["measured"])).mean()
        assert entry["error"] == pytest.approx(error, abs=0.01)
        first = int(counts[region]) * CONFIG.attempts
        np.testing.assert_allclose(entry["measured"][0], attempt(life.seed, region, first)[1], atol=1e-3)
        counts[region] += 1
        tried[entry["object"]] += 1
    assert min(tried.values()) > 0.5 * CONFIG.visits / len(OBJECTS)  # things take turns
    assert counts.max() * CONFIG.attempts < UNTOUCHED
    text = json.dumps(life.journal)
    assert not [word for word in (*MATERIALS, "material", "mass", "elasticity", "friction") if word in text]


def test_fumbling_cannot_be_predicted() -> None:
    """What is known before it says nothing of its outcome, and much of a drop's."""
    shares = {}
    for action in (DROP, FUMBLE):
        known, outcome = (part.numpy() for part in attempts(0, REGIONS.index((1, action)), 0, 150))
        inputs = np.concatenate([known, known**2, np.ones((150, 1))], axis=1)
        fresh = inputs[100:] @ np.linalg.lstsq(inputs[:100], outcome[:100], rcond=None)[0]
        test = outcome[100:]
        shares[action] = 1 - np.square(fresh - test).sum() / np.square(test - test.mean(0)).sum()
    assert shares[DROP] > 0.5
    assert shares[FUMBLE] < 0.3
