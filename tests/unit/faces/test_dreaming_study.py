"""The study of what each part of the dynamics brings: what it concludes, and that its stages fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.config import PlayroomConfig, Training
from sensorium.generation.config import FINE_DYNAMICS, DynamicsConfig, FineConfig, RefinerConfig
from sensorium.generation.dream_config import ControlConfig, RolloutConfig
from sensorium.studies import dreaming
from sensorium.studies.dreaming import BODIES, CEILING, METRICS, SCORES, SECONDS, UNTRAINED, Life, judge
from sensorium.studies.dreaming_config import WHOLE, DreamingConfig
from sensorium.studies.recorded import record
from sensorium.training.health import Verdict

TINY = DreamingConfig(
    data=PlayroomConfig(recordings=40, frames=24, shards=1, size=16, test_fraction=0.4),
    dynamics=DynamicsConfig(
        dim=16,
        layers=2,
        heads=2,
        path="fine",
        frames=8,
        long_frames=8,
        window=4,
        dreamed=0.5,
        fine=FineConfig(
            width=8, blocks=2, pool=2, crop=4, body=True, refiner=RefinerConfig(every=2, width=8, blocks=1)
        ),
        training=Training(steps=3, batch=2, warmup=1, muon=3.0),
    ),
    whole_steps=2,
    rollout=RolloutConfig(windows=8, horizon=4),
    control=ControlConfig(windows=8, frames=4),
)


def life(whole: float, lacking: float) -> dict[str, Life]:
    """What trainings score."""
    ends = {CEILING + score: 1.0 for score in METRICS} | {UNTRAINED + score: 0.1 for score in METRICS}
    each = {name: dict.fromkeys((*SCORES, SECONDS), lacking) for name in TINY.trained()}
    return each | {WHOLE: dict.fromkeys((*SCORES, SECONDS), whole) | ends}


def test_what_is_worse_without_any_part_passes() -> None:
    found = judge([life(0.8, 0.5), life(0.82, 0.51), life(0.79, 0.5)])
    assert all(metric["passed"] for metric in found.metrics.values())
    assert not any(control["passed"] for control in found.controls.values())
    assert [row["without"] for row in found.tables[1].rows] == list(TINY.trained())[1:]
    assert found.tables[1].rows[0][BODIES]["value"] == pytest.approx(0.3)


def test_what_one_training_has_without_a_part_does_not_pass() -> None:
    lives = [life(0.8, 0.5), life(0.82, 0.51), life(0.79, 0.5)]
    for each in lives:
        each["no body sense"]["hand_held"] = 0.85
    found = judge(lives)
    assert not found.metrics["hand_held"]["passed"]
    assert found.metrics["hand_held"]["floor_name"] == "no body sense"
    assert found.metrics["psnr_mean"]["passed"]


def test_what_a_training_cannot_feel_is_left_empty() -> None:
    lives = [life(0.8, 0.5), life(0.82, 0.51)]
    for each in lives:
        del each["no body sense"]["felt_held"]
    rows = {row["without"]: row["felt_held"] for row in judge(lives).tables[1].rows}
    assert rows.pop("no body sense") == ""
    assert "" not in rows.values()


def test_each_training_lacks_one_part() -> None:
    whole, *others = (dynamics.model_dump() for _, dynamics in DreamingConfig().trained().values())
    silent = FINE_DYNAMICS.fine.model_copy(update={"onsets": False}).model_dump()
    assert whole == FINE_DYNAMICS.model_dump() | {"fine": silent, "training": whole["training"]}
    tokens = [video.side for video, _ in DreamingConfig().trained().values()]
    assert tokens == [2, 4, *[2] * 6]
    assert all(other != whole for other in others)
    assert len({str(other) for other in others}) == len(others)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"dynamics": FINE_DYNAMICS.model_copy(update={"path": "filtered"})}, "dynamics.path fine"),
        (
            {"dynamics": FINE_DYNAMICS.model_copy(update={"dreamed": 0.0})},
            "dynamics.dreamed is 0.0: there is nothing to leave",
        ),
        ({"dynamics": FINE_DYNAMICS.model_copy(update={"fine": FineConfig(body=True)})}, "refiner.every is 0"),
        ({"data": PlayroomConfig(frames=16)}, r"rollout.horizon is 22: it must not exceed data.frames \(16\)"),
    ],
)
def test_nothing_to_compare_is_refused(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        DreamingConfig(**wrong)


def test_the_stages_fit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From recordings to scores with hardly any training, so nothing is asked of the gates."""
    monkeypatch.setattr(Verdict, "check", lambda self: None)
    record(TINY.data, 3, tmp_path / "3/data")
    lives = {
        name: dreaming.score(TINY, tmp_path, 3, name) for name in ("no body sense", WHOLE, "tokens of twice the side")
    }
    assert set(lives[WHOLE]) >= {*SCORES, SECONDS, *(UNTRAINED + score for score in METRICS)}
    assert set(SCORES) - set(lives["no body sense"]) == {"felt_held"}
    assert len({life["psnr_mean"] for life in lives.values()}) == 3
