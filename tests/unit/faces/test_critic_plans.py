"""Critics in settings and in plans: only a stage that has one has its keys, and no average is planned for it."""

from __future__ import annotations

from toy_adversarial import DuelConfig, DuelLearner

from sensorium.config import AdversarialTraining, Training
from sensorium.config_export import walk
from sensorium.planning.footprint import learner_tensors
from sensorium.settings import Config
from sensorium.training.optimiser import Optimiser


def test_other_stages_have_no_keys_of_a_critic() -> None:
    trainings = [value for _, _, value in walk(Config()) if isinstance(value, Training)]
    assert len(trainings) > 10
    plain = [section for section in trainings if not isinstance(section, AdversarialTraining)]
    assert all("critic" not in section.model_dump() for section in plain)


def test_planned_averages_are_those_of_the_optimiser() -> None:
    learner, training = DuelLearner(DuelConfig()), DuelConfig().training
    planned = {name for name in learner_tensors(learner, training) if name.startswith("average/")}
    assert planned == {name for name in Optimiser(learner, training).tensors() if name.startswith("average/")}
    assert planned
    assert not [name for name in planned if name.startswith("average/critic")]
