"""The cascade: latents come back, shares add up, a piece gives the numbers of the whole, collapse is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_music import CASCADE, SCALE, SONGS, music_cascade, write_cascade, write_mask, write_songs

from sensorium.config import canonical_json
from sensorium.music.cascade import Cascade
from sensorium.music.cascade_learner import EARLY, STEM, CascadeLearner, alarms
from sensorium.music.config import CascadeTransferConfig
from sensorium.music.evaluation import cascade_transfer
from sensorium.music.evaluation.answers import Task
from sensorium.music.evaluation.cascade_transfer import best_shares, by_cascade, of_latents
from sensorium.music.evaluation.transfer_scores import si_sdr
from sensorium.music.latents import HOP, CosineLatents
from sensorium.music.mdct import Mdct
from sensorium.music.sizes import LATENTS
from sensorium.music.song_set import SongSet
from sensorium.music.train_cascade import main
from sensorium.randomness import Draw
from sensorium.training.health import UnhealthyError, Verdict
from sensorium.training.interrupt import Interrupt, StoppedEarly
from sensorium.training.learner import Batch

CPU = torch.device("cpu")


@pytest.fixture
def made() -> tuple[CascadeLearner, Batch]:
    """A tiny cascade with fresh weights, and a batch."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    learner, batch = music_cascade()
    assert isinstance(learner, CascadeLearner)
    return learner.eval(), batch


# Latents -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 320, 5000])
def test_the_transform_comes_back_and_keeps_powers(samples: int) -> None:
    torch.manual_seed(0)
    sounds = torch.randn(2, -(-samples // HOP) * HOP)
    transform = Mdct(HOP)
    found = transform(sounds)
    torch.testing.assert_close(transform.inverse(found), sounds, rtol=0, atol=1e-5)
    inside = torch.nn.functional.pad(torch.randn(1, 4 * HOP), (HOP, HOP))
    assert float(transform(inside).square().sum()) == pytest.approx(float(inside.square().sum()), rel=1e-4)


def test_latents_keep_what_lies_below_their_highest_channel() -> None:
    latents, time = CosineLatents(), torch.arange(5000) / 24_000
    for frequency, kept in ((200, True), (4000, True), (6000, False), (11_000, False)):
        tone = torch.sin(2 * torch.pi * frequency * time)[None]
        found = latents.encode(tone)
        assert found.shape == (1, LATENTS, latents.moments(5000))
        back = latents.decode(found, 5000)
        assert back.shape == tone.shape
        left = float((back - tone)[:, 1000:4000].square().mean() / tone[:, 1000:4000].square().mean())
        assert left < 0.01 if kept else left > 0.95


# The model -----------------------------------------------------------------------------------------------------------


def test_shares_add_up_and_fresh_weights_correct_nothing(made: tuple[CascadeLearner, Batch]) -> None:
    songs = made[0].encoded(made[1]["stems"].float() / 32768)[0]
    for stage in made[0].cascade(songs):
        torch.testing.assert_close(stage.shares.sum(1), torch.ones_like(songs[:, 0]))
        assert (stage.shares >= 0).all()
        torch.testing.assert_close(stage.latents, (stage.shares[:, :2] * songs).sum(1))
        torch.testing.assert_close(stage.parts, stage.shares[:, :2] * songs)


def test_both_corrections_are_used() -> None:
    torch.manual_seed(0)
    cascade = Cascade(CASCADE, SCALE).eval()
    songs = torch.randn(1, 2, LATENTS, 9)
    with torch.no_grad():
        for stage in cascade.stages:
            stage.correct.bias.copy_(torch.tensor([0.5, -0.25, 2.0]).repeat_interleave(LATENTS))
        last = cascade(songs)[-1]
    expected = (last.shares[:, 0] + 0.5) * songs[:, 0] + (last.shares[:, 1] - 0.25) * songs[:, 1] + 2.0 * 0.1
    torch.testing.assert_close(last.latents, expected)


def test_a_moment_sees_its_context_and_nothing_beyond() -> None:
    torch.manual_seed(0)
    cascade = Cascade(CASCADE, SCALE).eval()
    assert cascade.context == 2 * (6 + 1)
    songs, at = 0.1 * torch.randn(1, 2, LATENTS, 60), 30
    with torch.no_grad():
        whole = cascade(songs)[-1].latents
        for left, right in ((0, 40), (20, 60), (10, 50)):
            part = cascade(songs[..., left:right])[-1].latents
            inside = slice(left + cascade.context if left else 0, right - cascade.context if right < 60 else 60)
            here = part[..., inside.start - left : inside.stop - left]
            torch.testing.assert_close(here, whole[..., inside], rtol=1e-4, atol=1e-5)
        changed = songs.clone()
        changed[..., at] += 1
        moved = ((cascade(changed)[-1].latents - whole).abs() > 1e-9).any(1)[0].nonzero().flatten()
    assert int(moved.min()) == at - cascade.context
    assert int(moved.max()) == at + cascade.context


def test_latents_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="128 channels"):
        Cascade(CASCADE, {"scale": [1.0]})


# The objective -------------------------------------------------------------------------------------------------------


def test_the_loss_by_hand(made: tuple[CascadeLearner, Batch]) -> None:
    learner, batch = made
    stems = batch["stems"].float() / 32768
    each = [learner.latents.encode(stems[:, stem]) for stem in range(4)]
    found = learner.cascade(torch.stack((each[0] + each[1], each[2] + each[3]), 1))

    def ratio(output: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return ((output - wanted).square().sum((1, 2)) / wanted.square().sum((1, 2))).log10()

    expected = torch.zeros(6)
    for weight, stage in zip((EARLY, 1.0), found, strict=True):
        own = ratio(stage.parts[:, 0], each[0]) + ratio(stage.parts[:, 1], each[3])
        expected = expected + weight * (ratio(stage.latents, each[0] + each[3]) + STEM * own)
    loss, metrics = learner(batch, Draw(0, 3, 0, 6, 6, CPU))
    assert loss.item() == pytest.approx(expected.mean().item(), abs=2e-3)
    ratios = ratio(found[-1].latents, each[0] + each[3])
    assert float(metrics["error_db"]) == pytest.approx(10 * float(ratios.mean()), abs=0.02)


def test_constant_shares_have_no_spread_and_moving_ones_have() -> None:
    constant = torch.full((2, 2, LATENTS, 40), 0.5)
    assert all(float(value) == 0 for value in alarms(constant).values())
    by_channel = constant * torch.linspace(0, 2, LATENTS)[:, None]
    assert float(alarms(by_channel)["spread_over_time"]) < 1e-6
    assert float(alarms(by_channel)["spread_over_channels"]) > 0.2
    by_moment = constant * (torch.arange(40) % 2 * 2)
    assert float(alarms(by_moment)["spread_over_time"]) > 0.4
    assert float(alarms(by_moment)["spread_over_channels"]) < 1e-6


def test_collapsed_shares_are_refused(made: tuple[CascadeLearner, Batch]) -> None:
    """Weights of zero take a third of everything: a cross-fade that stands still."""
    learner, batch = made
    with torch.no_grad():
        for stage in learner.cascade.stages:
            stage.share.weight.zero_()
            stage.share.bias.zero_()
        gates = {gate.name: gate for gate in learner.gates(batch)}
    assert set(gates) == {"gain_db", "spread_over_time", "spread_over_channels"}
    assert not any(gate.passed for gate in gates.values())
    with pytest.raises(UnhealthyError, match="spread_over_channels"):
        Verdict({}, list(gates.values())).check()


def test_what_is_shown(made: tuple[CascadeLearner, Batch]) -> None:
    shown = made[0].show(made[1])
    assert shown["taken"].pixels.shape[:2] == (3, LATENTS)  # type: ignore[union-attr]
    assert shown["transfer"].samples.shape == (12_000,)  # type: ignore[union-attr]


# The stage -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A set of songs, and artifacts of fresh weights."""
    folder = tmp_path_factory.mktemp("made")
    songs = write_songs(folder / "songs")
    return {
        "songs": songs,
        "cascade": write_cascade(folder / "cascade", songs),
        "mask": write_mask(folder / "mask", songs),
    }


def train(songs: Path, output: Path) -> Path:
    """Train by the command; the weights."""
    section = CASCADE.model_dump(mode="json") | {"training": {"steps": 6, "batch": 4, "warmup": 0}}
    argv = ["--config", json.dumps(section), "--songs", str(songs), "--output", str(output)]
    main([*argv, "--device", "cpu", "--threads", "1", "--workers", "0"])
    return output / "model.safetensors"


def test_a_cascade_that_was_stopped_has_the_same_bits(
    parts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Verdict, "check", lambda verdict: None)
    straight = train(parts["songs"], tmp_path / "straight")
    calls = iter([None, None, "a signal", "a signal"])
    with monkeypatch.context() as patch:
        patch.setattr(Interrupt, "reason", lambda *_: next(calls))
        with pytest.raises(StoppedEarly, match="after step 3 of 6"):
            train(parts["songs"], tmp_path / "stopped")
    weights = [load_file(path) for path in (straight, train(parts["songs"], tmp_path / "stopped"))]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    scale = json.loads((straight.parent / "manifest.json").read_text())["details"]["shapes"]["scale"]
    assert len(scale) == LATENTS
    assert min(scale) > 0


# How it is judged ----------------------------------------------------------------------------------------------------


def test_the_cascade_hears_mixtures_only(parts: dict[str, Path]) -> None:
    """Other stems with the same mixtures, bit by bit, change nothing; the truth changes."""
    torch.manual_seed(0)
    task = Task.of(SongSet.open(parts["songs"]), 2, 1.0)
    exchanged = Task(task.names, task.stems[:, [1, 0, 3, 2]])
    cascade = Cascade(CASCADE, SCALE).eval()
    found = [by_cascade(each.songs, cascade, CPU).sounds for each in (task, exchanged)]
    assert np.array_equal(*found)
    assert np.abs(of_latents(task)["best shares"].sounds - of_latents(exchanged)["best shares"].sounds).max() > 0.01


def test_the_ceilings_of_latents(parts: dict[str, Path]) -> None:
    task = Task.of(SongSet.open(parts["songs"]), 2, 1.0)
    found = {name: si_sdr(answer.sounds, task.wanted).mean() for name, answer in of_latents(task).items()}
    assert found["latents of the truth"] > found["best shares"] > 5
    wanted, a, b = (torch.tensor(each) for each in ([1.0, 3.0, -1.0, 0.3], [2.0, 2.0, 2.0, 1.0], [1.0, 1.0, 1.0, -1.0]))
    assert best_shares(wanted, a, b).tolist() == pytest.approx([1.0, 2.0, 0.0, 0.3])


def test_fresh_weights_fail_beside_all_rows(parts: dict[str, Path], tmp_path: Path) -> None:
    config = canonical_json(CascadeTransferConfig(pairs=2, seconds=1.4))
    argv = ["--config", config, "--device", "cpu", "--threads", "1", "--untrained-seed", "101"]
    argv += [word for name, path in parts.items() for word in (f"--{name}", str(path))]
    cascade_transfer.main(
        [
            *argv,
            "--output",
            str(tmp_path / "r.json"),
            "--figure",
            str(tmp_path / "f.png"),
            "--sound",
            str(tmp_path / "s.wav"),
        ]
    )
    result = json.loads((tmp_path / "r.json").read_text())
    assert not any(result["metrics"][name]["passed"] for name in ("si_sdr", "transfer"))
    ceilings = {"truth", "ideal ratio mask", "phase-sensitive mask", "latents of the truth", "best shares"}
    assert ceilings | {"mask", "network"} < set(result["rows"])
    floors = {each["name"] for each in result["metrics"]["si_sdr"]["baselines"]}
    assert floors == set(result["rows"]) - ceilings - {"mask", "network"}
    assert SONGS.split_counts()["test"] == 4
