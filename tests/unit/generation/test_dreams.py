"""Evaluations of dreams pass what was trained, fail what was not, and call every poisoned model worse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
from toy_generation import DYNAMICS, TOKENIZER, fine_dynamics
from toy_world import DETAILS, RECORDINGS, SIZE, ToyWorld, recording, write_model, write_recordings

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError, FolderConfig, LatentsConfig, PlayroomConfig, Section, canonical_json
from sensorium.data.recording import RecordingSet
from sensorium.data.sources import playroom
from sensorium.evaluation.harness import FLOOR_SEEDS
from sensorium.evaluation.sample import of_other_recordings
from sensorium.evaluation.scores import correlation, cosine, crps, explained, products, rank_moments
from sensorium.evaluation.statistics import baseline_values
from sensorium.generation.body_sense import to_tokens
from sensorium.generation.config import RefinerConfig
from sensorium.generation.dream import dream
from sensorium.generation.dream_config import CounterfactualConfig, DriftConfig, RolloutConfig, UncertaintyConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.evaluation import counterfactual, drift, rollout, uncertainty
from sensorium.generation.evaluation.dreams import without_blocks
from sensorium.generation.evaluation.poison import POISONS, with_shuffled_block
from sensorium.models.load import load

MODULES = {"rollout": rollout, "uncertainty": uncertainty, "counterfactual": counterfactual, "drift": drift}
SECTIONS: dict[str, Section] = {
    "rollout": RolloutConfig(windows=80, context=4, horizon=3, denoising_steps=2),
    "uncertainty": UncertaintyConfig(windows=80, fine_windows=20, context=4, horizon=2, dreams=6, denoising_steps=2),
    "counterfactual": CounterfactualConfig(windows=20, context=4, horizon=4, dreams=2),
    "drift": DriftConfig(windows=20, context=4, frames=36, piece=8),  # no whole number of pieces
}
FEW_STEPS = {
    "few_steps_energy",
    "few_steps_sharpness",
    "few_steps_spread",
}  # the toy's network learns the finest step alone
# Regressions that continue so simple films as well as a small network does; its dreams must beat all other baselines.
CONTINUED = {"ridge", "fade", "ridge, dressed", "fade, dressed", "training recording replayed"}
WHOLE = tuple(poison for poison in POISONS if poison != "finest")  # poisons that every other metric must notice
METRICS = {
    "rollout": {"psnr_mean", "psnr_1", "psnr_last", "ssim_mean", "action_effect"},
    "uncertainty": {"crps", "energy", "few_steps_energy", "few_steps_sharpness", "few_steps_spread"},
    "counterfactual": {"change"},
    "drift": {"distance"},
}


def evaluate(world: Any, name: str, folder: Path, *more: str) -> dict[str, Any]:
    """Run one evaluation by its command line; its result."""
    words = ["--config", canonical_json(SECTIONS[name]), "--device", "cpu", "--threads", "1"]
    for key in ("data", "latents", "tokenizer", "dynamics"):
        words += [f"--{key}", str(getattr(world, key))]
    if name == "rollout":
        words += ["--video", str(folder / "film.mp4")]
    MODULES[name].main([*words, "--output", str(folder / "r.json"), "--figure", str(folder / "f.png"), *more])
    return json.loads((folder / "r.json").read_text())


Evaluated = Callable[..., tuple[dict[str, Any], Path]]


@pytest.fixture(scope="module")
def evaluated(world: ToyWorld, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """The result of an evaluation of the toy world, and its folder; each is made once."""

    @cache
    def result(name: str, *more: str) -> tuple[dict[str, Any], Path]:
        folder = tmp_path_factory.mktemp(name)
        return evaluate(world, name, folder, *more), folder

    return result


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy world in place of the playroom."""

    def simulate(config: PlayroomConfig, number: int, intervention: playroom.Intervention) -> dict[str, np.ndarray]:
        return recording(number, intervention.actions)

    monkeypatch.setattr(playroom, "simulate", simulate)


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("name", ["rollout", "uncertainty", "counterfactual"])
def test_trained_passes_untrained_fails_and_poisoned_is_worse(evaluated: Evaluated, name: str) -> None:
    """The same command, with trained weights, with fresh ones, and with each kind of poison."""
    result, folder = evaluated(name)
    trained = result["metrics"]
    assert set(trained) == METRICS[name]
    for metric, record in trained.items():
        if metric not in FEW_STEPS:
            margins = {baseline["name"]: baseline["margin"]["low"] for baseline in record["baselines"]}
            simple = [margin for rival, margin in margins.items() if rival not in CONTINUED]
            assert min(simple) > 0, (metric, record)
        assert record["low"] <= record["value"] <= record["high"]
    assert (folder / "f.png").read_bytes().startswith(b"\x89PNG")
    untrained = evaluated(name, "--untrained-seed", "101")[0]["metrics"]
    assert [metric for metric, record in untrained.items() if record["passed"]] == []
    for poison in WHOLE:
        poisoned = evaluated(name, "--poison", poison)[0]["metrics"]
        for metric, record in trained.items():
            if metric in FEW_STEPS:
                continue
            sign = 1 if record["higher_is_better"] else -1
            assert sign * poisoned[metric]["value"] < sign * record["value"], (poison, metric, poisoned[metric], record)


def test_the_untrained_floor_is_what_the_whole_untrained_network_dreams(world: ToyWorld, tmp_path: Path) -> None:
    """Its blocks, left out of the floor, change nothing as long as the last layer starts at zero."""
    result = evaluate(world, "rollout", tmp_path, "--untrained-seed", str(FLOOR_SEEDS[0]))["metrics"]["psnr_mean"]
    assert baseline_values(result)["untrained"] == result["value"]


def test_the_untrained_floor_of_a_fine_path_needs_no_blocks_either() -> None:
    torch.manual_seed(0)
    learner, batch = fine_dynamics(0.0, body=5, refiner=RefinerConfig(every=2, width=8, blocks=2))
    model = learner.dynamics.eval()
    context = torch.cat([batch["latent"], batch["sound"], to_tokens(batch["body"], 12)], 2)[:, :4].float()
    how: dict[str, Any] = {"horizon": 4, "denoising_steps": 2, "sharpness": 4.0}
    expected = dream(model, context, batch["action"], **how)
    assert torch.equal(dream(without_blocks(model), context, batch["action"], **how), expected)


def test_calibration_is_told_and_a_dream_without_spread_has_none(evaluated: Evaluated) -> None:
    """Ranks, coverage and spread of the trained are better than those of frames that stand still."""
    trained = evaluated("uncertainty")[0]["calibration"]
    for poison in ("frozen", "mean"):
        poisoned = evaluated("uncertainty", "--poison", poison)[0]["calibration"]
        assert trained["spread_error"]["value"] > poisoned["spread_error"]["value"] == 0
        for name in ("rank_error", "coverage_error"):
            assert trained[name]["value"] < 0.3 < poisoned[name]["value"]


def test_results_repeat(world: ToyWorld, evaluated: Evaluated, tmp_path: Path) -> None:
    """The same inputs and settings give the same numbers."""
    assert evaluate(world, "rollout", tmp_path)["metrics"] == evaluated("rollout")[0]["metrics"]


def test_film_has_every_frame_and_the_sound(evaluated: Evaluated) -> None:
    """Truth beside dream, four times as large, and as long as what is heard."""
    film_of = evaluated("rollout")[1] / "film.mp4"
    with av.open(str(film_of)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == rollout.SHOWN * 7
    assert frames[0].shape == (64, 136, 3)
    with av.open(str(film_of)) as film:
        heard = sum(frame.samples for frame in film.decode(audio=0))
    assert heard == pytest.approx(rollout.SHOWN * 7 * 1000, abs=2048)


def test_silent_recordings_without_actions_are_dreamt_all_the_same(world: ToyWorld, tmp_path: Path) -> None:
    """No sound in the film, no effect of actions to measure, and nothing to ask a simulator."""
    recordings, latents = RecordingSet.open(world.data), RecordingSet.open(world.latents)
    names = [entry["name"] for entry in recordings.details["recordings"]]
    films = {name: {"video": np.array(recordings.field(name, "video"))} for name in names}
    tokens = {name: {"latent": np.array(latents.field(name, "latent"))} for name in names}
    silent = SimpleNamespace(tokenizer=world.tokenizer)
    silent.data = write_recordings(tmp_path / "data", films, PlayroomConfig(recordings=RECORDINGS, size=SIZE))
    inputs = {"data": silent.data, "tokenizer": silent.tokenizer}
    silent.latents = write_recordings(tmp_path / "latents", tokens, LatentsConfig(), **inputs)
    dynamics = load(Dynamics, world.dynamics)
    shapes = {"video": 4, "grid": True, "audio": 0, "channels": TOKENIZER.channels, "action": DETAILS["action"]}
    folder = tmp_path / "dynamics"
    made_from = {"latents": silent.latents, "tokenizer": silent.tokenizer}
    silent.dynamics = write_model(folder, dynamics, "dynamics", DYNAMICS, shapes, **made_from)
    assert set(evaluate(silent, "rollout", tmp_path)["metrics"]) == METRICS["rollout"] - {"action_effect"}
    assert set(evaluate(silent, "drift", tmp_path)["metrics"]) == METRICS["drift"]
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert not film.streams.audio
        assert film.streams.video
    with pytest.raises(ArtifactError, match="no 'action'"):
        evaluate(silent, "counterfactual", tmp_path)


def test_long_dreams_like_recordings_pass_and_poisoned_ones_are_further_off(
    world: ToyWorld, evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The toy's dynamics do not stay true for long either; what they lose is less than what a poison takes."""
    trained = evaluated("drift")[0]["metrics"]["distance"]
    for poison in WHOLE:
        poisoned = evaluate(world, "drift", tmp_path, "--poison", poison)["metrics"]["distance"]
        assert not poisoned["passed"]
        assert poisoned["value"] > trained["value"] > trained["ceiling"], (poison, poisoned, trained)
    assert not evaluate(world, "drift", tmp_path, "--untrained-seed", "101")["metrics"]["distance"]["passed"]

    dream = drift.long_dream

    def replayed(studio: Any, takes: Any, actions: Any, untrained: bool = False) -> Iterator[np.ndarray]:
        if untrained:
            yield from dream(studio, takes, actions, untrained=True)
            return
        rng = np.random.default_rng(0)
        for _ in range(studio.config.frames // studio.config.piece):
            yield studio.pictures(studio.sample(studio.past + studio.config.piece, 20, rng)["tokens"], studio.past)

    monkeypatch.setattr(drift, "long_dream", replayed)
    baselines = evaluate(world, "drift", tmp_path)["metrics"]["distance"]["baselines"]
    better = {baseline["name"] for baseline in baselines if baseline["margin"]["low"] > 0}
    assert better == {baseline["name"] for baseline in baselines} - {"training recording replayed"}  # it is the same


def test_long_dreams_are_judged_by_the_vision_encoder_where_there_is_one(
    world: ToyWorld, evaluated: Evaluated, tmp_path: Path
) -> None:
    """And the result says by which."""
    result = evaluate(world, "drift", tmp_path, "--encoder", str(world.vision))
    assert result["encoder"] == "encoder_vision"
    assert {len(line) for line in result["distance_of_each_piece"].values()} == {4}
    told = evaluated("drift")[0]
    assert told["encoder"] == "tokenizer_video"
    assert told["metrics"]["distance"]["value"] != result["metrics"]["distance"]["value"]


def test_what_the_simulator_does_not_repeat_is_refused(world: ToyWorld, tmp_path: Path) -> None:
    """The toy world's recordings are not the playroom's; nor could files of a folder be run again."""
    with pytest.raises(ArtifactError, match="does not repeat recording toy-"):
        evaluate(world, "counterfactual", tmp_path)
    content = json.loads(world.data.read_text())
    content["config"] = json.loads(canonical_json(FolderConfig(path="/films")))
    other = tmp_path / "manifest.json"
    other.write_text(json.dumps(content))
    studio = SimpleNamespace(recordings=SimpleNamespace(manifest=other))
    with pytest.raises(ConfigurationError, match="'folder' cannot be run again"):
        counterfactual.rerun(studio, SimpleNamespace(), np.zeros(0), 1)


def test_shuffled_actions_come_from_other_recordings() -> None:
    """Never from the same recording."""
    groups = np.repeat(["a", "b", "c"], 4)
    assert (groups[of_other_recordings(groups, np.random.default_rng(0))] != groups).all()


def test_one_shuffled_block_keeps_its_numbers(world: ToyWorld) -> None:
    """The same entries in another order, in one block alone."""
    dynamics = load(Dynamics, world.dynamics)
    poisoned = with_shuffled_block(dynamics)
    changed = set()
    for (name, before), after in zip(dynamics.named_parameters(), poisoned.parameters(), strict=True):
        assert before.flatten().sort().values.equal(after.flatten().sort().values)
        if not before.equal(after):
            changed.add(name.rsplit(".")[1] if name.startswith("blocks") else name)
    assert len(changed) == 1


def test_scores_of_known_ensembles() -> None:
    """CRPS of a normal distribution in closed form; flat ranks for the calibrated, ends for the overconfident."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=20000)
    dreams = rng.normal(size=(8, 20000))
    ones = np.ones(20000)
    assert crps(dreams, truth).mean() == pytest.approx(1 / np.sqrt(np.pi), abs=0.02)
    assert crps(np.stack([truth, truth]), truth) == pytest.approx(0)
    counted = np.ones((20000, 1), bool)
    for spread, wrong in ((1.0, 0.0), (0.1, 0.7)):
        ranks = uncertainty.histograms(spread * dreams[..., None], truth[:, None], counted, rng)
        assert ranks.sum() == 20000
        assert uncertainty.unevenness(ranks, ones) == pytest.approx(wrong, abs=0.04)
        assert uncertainty.miscoverage(ranks, ones) == pytest.approx(wrong, abs=0.04)
    x = rng.normal(size=(50, 4))
    assert correlation(rank_moments(x, np.exp(x)), np.ones(50)) == pytest.approx(1)
    assert correlation(rank_moments(x, 0 * x), np.ones(50)) == 0


def test_changes_that_are_half_right() -> None:
    """Twice the true change points the same way, and explains nothing."""
    true = np.random.default_rng(0).normal(size=(5, 3, 3, 4, 4))
    doubled = products(2 * true, true)
    assert cosine(doubled, np.ones(5)) == pytest.approx(1)
    assert explained(doubled.sum((0, 1))) == pytest.approx(0)
    assert cosine(products(0 * true, true), np.ones(5)) == 0


def test_frechet_distance_of_known_distributions() -> None:
    """Between N(m, s^2) and N(0, 1) it is m^2 + (s - 1)^2 in each direction; slopes are those of the distances."""
    rng = np.random.default_rng(0)
    samples = 0.5 * rng.normal(size=(40000, 3)) + np.array([2.0, 0.0, 0.0])
    assert drift.frechet(samples, np.ones(40000)) == pytest.approx(4 + 3 * 0.25, rel=0.02)
    real = (rng.normal(size=(500, 12)) @ rng.normal(size=(12, 12)) + 5).reshape(500, 2, 6)
    inside = drift.Space(real)(real)
    assert inside.mean(0) == pytest.approx(np.zeros(2 * drift.COMPONENTS), abs=1e-9)
    assert np.cov(inside, rowvar=False) == pytest.approx(np.eye(2 * drift.COMPONENTS), abs=1e-9)
    leaving = np.arange(5.0)[None, :, None] + rng.normal(size=(20000, 5, 1))
    assert drift.slope(leaving, np.ones(20000)) == pytest.approx(4, abs=0.1)
    assert drift.distance(leaving, np.ones(20000)) == pytest.approx(6, abs=0.1)
