"""The task and its metrics: right answers pass, every control fails, and the network hears mixtures only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from toy_music import MASK, SONGS, judge, write_mask, write_songs

from sensorium.evaluation.statistics import LeakError, measure
from sensorium.music.config import RATE
from sensorium.music.evaluation import judging, music_transfer, popular_numbers
from sensorium.music.evaluation import transfer_scores as scores
from sensorium.music.evaluation.answers import Answer, Task, by_medians, by_network, by_oracle, trivial
from sensorium.music.evaluation.judging import margin_samples, refuse_leaks, row
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.rendering import Instruments, render
from sensorium.music.separation import ratio_shares
from sensorium.music.song import compose
from sensorium.music.song_set import SongSet

PAIRS, CPU = 4, torch.device("cpu")
CONTROLS = ("cross-fade", "best linear gains", "copy A", "copy B", "another song", "silence", "noise", "untrained")


@pytest.fixture(scope="module")
def task() -> Task:
    """Pairs of two bars at one tempo."""
    torch.set_num_threads(1)
    stems = []
    for number in range(2 * PAIRS):
        instruments = Instruments(0, number, {"bass": number, "chords": number + 1, "lead": number + 2})
        sound = render(compose(7, number), instruments, 120, 4, 2, number)
        stems += [sound.drums, sound.harmony]
    names = [(f"song-{2 * pair:06d}", f"song-{2 * pair + 1:06d}") for pair in range(PAIRS)]
    return Task(names, np.array(stems, np.float32).reshape(PAIRS, 4, -1) / 32768)


@pytest.fixture(scope="module")
def answers(task: Task) -> dict[str, Answer]:
    """Every row but a trained network."""
    torch.manual_seed(0)
    return {
        **trivial(task, 0),
        "untrained": by_network(task.songs, MaskNetwork(MASK, {"rate": RATE}).eval(), CPU),
        "median filters": by_medians(task.songs),
        "ideal": by_oracle(task, ratio_shares),
        "truth": Answer(task.wanted),
    }


@pytest.fixture(scope="module")
def rows(task: Task, answers: dict[str, Answer]) -> dict[str, dict[str, Any]]:
    """All numbers of each."""
    return {
        name: row(answer, task, scores.si_sdr(answer.sounds, task.wanted), margin_samples(answer.sounds, task))
        for name, answer in answers.items()
    }


# The metrics ---------------------------------------------------------------------------------------------------------


def test_si_sdr_by_hand() -> None:
    rng = np.random.default_rng(0)
    wanted = rng.standard_normal((3, 4000))
    noise = rng.standard_normal((3, 4000))
    noise -= (noise * wanted).sum(1, keepdims=True) / (wanted**2).sum(1, keepdims=True) * wanted
    noise *= np.linalg.norm(wanted, axis=1, keepdims=True) / np.linalg.norm(noise, axis=1, keepdims=True)
    for level in (0.1, 1.0, 3.0):
        found = scores.si_sdr(0.3 * (wanted + level * noise), wanted)
        np.testing.assert_allclose(found, -20 * np.log10(level), atol=1e-6)
    assert (scores.si_sdr(wanted, wanted) == scores.HIGHEST).all()
    assert (scores.si_sdr(0 * wanted, wanted) == scores.LOWEST).all()


def test_stem_gains_are_found_again(task: Task) -> None:
    gains = np.array([0.9, 0.1, -0.2, 1.1])
    found = scores.stem_gains(np.einsum("s,nsk->nk", gains, task.stems), task.stems)
    np.testing.assert_allclose(found, np.tile(gains, (PAIRS, 1)), atol=1e-5)


def test_a_copy_is_noticed_at_any_lag(task: Task, rows: dict[str, dict[str, Any]]) -> None:
    late = np.pad(task.songs[:, 0], ((0, 0), (5000, 0)))[:, : task.songs.shape[-1]]
    assert scores.copy(late, task.songs).min() > 0.8
    assert rows["copy A"]["copy"] == pytest.approx(1, abs=1e-4)
    assert rows["truth"]["copy"] < 0.85
    assert rows["noise"]["copy"] < 0.1


def test_distances_are_zero_for_the_truth_alone(rows: dict[str, dict[str, Any]]) -> None:
    for name, found in rows.items():
        for distance in ("spectral_distance", "mel_db"):
            assert found[distance] == 0 if name == "truth" else found[distance] > 0.1


# The controls --------------------------------------------------------------------------------------------------------


def test_the_truth_and_ideal_masks_are_right(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["truth"]["transfer"] == pytest.approx(1)
    assert rows["truth"]["stem_gains"] == pytest.approx([1, 0, 0, 1], abs=1e-4)
    assert rows["ideal"]["transfer"] > 0.8
    assert rows["ideal"]["si_sdr"] > 8
    wanted, unwanted = np.array(rows["ideal"]["stem_gains"])[[0, 3]], np.array(rows["ideal"]["stem_gains"])[[1, 2]]
    assert wanted.min() > 0.8
    assert unwanted.max() < 0.25


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_fail(name: str, task: Task, rows: dict[str, dict[str, Any]], answers: dict[str, Answer]) -> None:
    """Neither metric is met by a control, and judged as a model it does not pass."""
    assert rows[name]["transfer"] < 0.35
    assert rows[name]["si_sdr"] < 3
    samples = {key: margin_samples(answers[key].sounds, task) for key in {name, "cross-fade", "median filters"}}
    record = measure(
        "transfer",
        samples[name],
        [first for first, _ in task.names],
        fitted_on=(),
        baselines={key: each for key, each in samples.items() if key != name},
        ceilings={"truth": 1.0},
        statistic=scores.transfer,
    )
    assert not record["passed"]


def test_copies_have_one_half_and_the_other_is_negative(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["copy A"]["rhythm"] > 0.5
    assert rows["copy A"]["harmony"] < -0.5
    assert rows["copy B"]["harmony"] > 0.5
    assert rows["copy B"]["rhythm"] < -0.5


def test_the_network_hears_mixtures_only(task: Task) -> None:
    """Other stems with the same mixtures, bit by bit, change nothing; an oracle's answer changes."""
    torch.manual_seed(0)
    network = MaskNetwork(MASK, {"rate": RATE}).eval()
    exchanged = Task(task.names, task.stems[:, [1, 0, 3, 2]])
    assert np.array_equal(exchanged.songs, task.songs)
    assert not np.array_equal(exchanged.wanted, task.wanted)
    found = [by_network(each.songs, network, CPU).sounds for each in (task, exchanged)]
    assert np.array_equal(*found)
    oracles = [by_oracle(each, ratio_shares).sounds for each in (task, exchanged)]
    assert np.abs(oracles[0] - oracles[1]).max() > 0.01


def test_popular_numbers_prefer_wrong_answers(rows: dict[str, dict[str, Any]]) -> None:
    """They judge nothing: noise and silence beat the truth, and a cross-fade has 75 % complementarity."""
    popular = {name: found["popular"] for name, found in rows.items()}
    for cost in ("anti_modulation_quadratic", "anti_modulation_log"):
        assert popular["silence"][cost] <= popular["noise"][cost] < popular["truth"][cost] / 3
    assert popular["cross-fade"]["complementarity"] == pytest.approx(0.75)
    assert popular["cross-fade"]["balance"] == pytest.approx(0)
    assert popular["copy A"]["complementarity"] == popular["silence"]["complementarity"] == 1
    assert popular["untrained"]["complementarity"] == pytest.approx(0.75, abs=0.02)
    assert popular["untrained"]["temporal_diversity"] == pytest.approx(2 * popular_numbers.DIVERSE, abs=0.005)


# The evaluation ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A set of songs and an artifact of fresh weights."""
    folder = tmp_path_factory.mktemp("made")
    songs = write_songs(folder / "songs")
    return {"songs": songs, "mask": write_mask(folder / "mask", songs)}


def test_an_untrained_network_fails(made: dict[str, Path], tmp_path: Path) -> None:
    result = judge(made, tmp_path, "--untrained-seed", "101")
    assert set(result["metrics"]) == {"si_sdr", "transfer", "rhythm", "harmony"}
    assert not any(result["metrics"][name]["passed"] for name in ("si_sdr", "transfer"))
    assert len(result["rows"]) == 1 + 3 + 1 + 7 + 2 + 1
    floors = {each["name"] for each in result["metrics"]["si_sdr"]["baselines"]}
    assert floors == set(result["rows"]) - {"network", "truth", "ideal ratio mask", "phase-sensitive mask"}
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    heard, rate = soundfile.read(tmp_path / "s.wav", dtype="float32")
    task, pause = Task.of(SongSet.open(made["songs"]), 2, 1.4), round(judging.PAUSE * RATE)
    samples = task.stems.shape[-1]
    assert (rate, len(heard)) == (RATE, 4 * (samples + pause))
    for place, wanted in enumerate((*task.songs[0], task.wanted[0])):  # and then the network's answer
        start = place * (samples + pause)
        np.testing.assert_allclose(heard[start : start + samples], wanted.clip(-1, 1), atol=1e-4)
    assert heard[3 * (samples + pause) :].std() > 0.01


def test_a_network_that_is_right_passes(made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the ideal mask in its place: on few pairs the interval of SI-SDR alone is narrow enough."""
    task = Task.of(SongSet.open(made["songs"]), 2, 1.4)
    ideal, network = by_oracle(task, ratio_shares), music_transfer.by_network
    answers = iter([ideal])
    monkeypatch.setattr(music_transfer, "by_network", lambda *args: next(answers, None) or network(*args))
    result = judge(made, tmp_path)
    assert result["metrics"]["si_sdr"]["passed"]
    assert result["rows"]["network"]["transfer"] > 0.7


def test_songs_that_were_trained_on_are_refused(
    made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = SongSet.open(made["songs"])
    task = Task.of(songs, 2, 1.0)
    with pytest.raises(LeakError, match=task.names[0][1]):
        refuse_leaks([task.names[0][1]], task)
    refuse_leaks(songs.names("training"), task)
    pairs = songs.pairs("training")
    monkeypatch.setattr(SongSet, "pairs", lambda *_: pairs)
    with pytest.raises(LeakError, match="is judged, and was trained on"):
        judge(made, tmp_path)
    assert SONGS.split_counts()["training"] == len(songs.names("training"))
