"""Rates and what is kept: bits are counted, delays taken out, controls fail, a good codec passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_music import tiny_codec, write_codec, write_songs

from sensorium.artifacts import ArtifactError
from sensorium.config import canonical_json
from sensorium.models.load import load
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_config import SoundCodingConfig
from sensorium.music.coded_sound import HEADER
from sensorium.music.config import RATE
from sensorium.music.evaluation import peer_codecs, plain_coders, sound_coding
from sensorium.music.evaluation.opinion import MISSING, opinion_missing, opinions
from sensorium.music.evaluation.peer_codecs import PEERS, Coded, Peer, by_peer
from sensorium.music.evaluation.plain_coders import by_plain_coder, frames_of_sounds, klt_coder, mdct_coder
from sensorium.music.evaluation.sound_coding import Mixtures, by_codec, nearest
from sensorium.music.evaluation.transfer_scores import si_sdr
from sensorium.music.song_set import SongSet

FEW = {"Opus": Peer("libopus", "ogg", (6, 24)), "MP3": Peer("libmp3lame", "mp3", (16,))}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Songs and a codec with fresh weights."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("music")
    songs = write_songs(folder / "songs")
    return {"songs": songs, "codec": write_codec(folder / "codec", songs=songs)}


@pytest.fixture(scope="module")
def sounds(made: dict[str, Path]) -> np.ndarray:
    return Mixtures.of(SongSet.open(made["songs"]), "test", 3, 1.4).sounds


# Other codecs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEERS)
def test_bytes_of_other_codecs_are_counted_and_their_delay_is_taken_out(name: str, sounds: np.ndarray) -> None:
    few, many = (by_peer(sounds, PEERS[name], rate) for rate in (PEERS[name].rates[1], 48))
    assert few.sounds.shape == sounds.shape
    assert few.kbps < many.kbps < 100
    assert si_sdr(few.sounds, sounds).mean() < si_sdr(many.sounds, sounds).mean()
    assert si_sdr(many.sounds, sounds).mean() > 8  # a sample later it is less


@pytest.mark.parametrize("lag", [-300, 0, 1105])
def test_a_delay_is_found(lag: int) -> None:
    sound = np.random.default_rng(0).normal(size=9000)
    late = np.pad(sound, (lag, 0)) if lag >= 0 else sound[-lag:]
    found = peer_codecs._aligned(late, sound)
    inside = slice(max(0, -lag), None)
    np.testing.assert_allclose(found[inside], sound[inside], rtol=1e-5)
    assert (found[: max(0, -lag)] == 0).all()


def test_the_nearest_has_no_fewer_bits() -> None:
    nothing = np.zeros((1, 1))
    peers = {name: Coded(nothing, kbps) for name, kbps in (("Opus 6", 5.9), ("Opus 12", 11.8), ("Opus 8", 7.7))}
    assert nearest(peers, 6.0) == ["Opus 8"]
    assert nearest(peers, 5.9) == ["Opus 6"]
    assert nearest(peers | {"AAC 8": Coded(nothing, 12.2)}, 12.0) == ["AAC 8"]


# Coders without learning ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mdct", "klt"])
def test_plain_coders_reach_their_limit(kind: str, sounds: np.ndarray) -> None:
    training = frames_of_sounds(sounds[::-1] * 0.8).reshape(-1, plain_coders.HOP)
    coder = klt_coder(training) if kind == "klt" else mdct_coder()
    few, many = (by_plain_coder(sounds, training, coder, kbps) for kbps in (6.0, 60.0))
    assert 6.0 <= few.kbps < 6.1
    assert 60 <= many.kbps < 61
    assert si_sdr(many.sounds, sounds).mean() > 15 > si_sdr(few.sounds, sounds).mean() > 0


def test_bits_by_hand() -> None:
    """A number that has half of the counts of its place costs one bit, one that has a quarter two."""
    known = np.zeros((4000, plain_coders.HOP))
    known[:2000, 0], known[2000:3000, 0] = 1, 2
    numbers = np.zeros((3, plain_coders.HOP))
    numbers[:, 0] = (1, 2, 0)
    assert plain_coders._bits(known, numbers, 1.0) == pytest.approx(1 + 2 + 2, abs=1.5)
    assert plain_coders._bits(known, numbers, 10.0) == pytest.approx(0, abs=1.5)
    numbers[:, 0] = (7, 7, 7)  # what training never had costs much, and has a code
    assert 30 < plain_coders._bits(known, numbers, 1.0) < 100


# The evaluation ------------------------------------------------------------------------------------------------------


def judge(made: dict[str, Path], folder: Path, *more: str) -> dict[str, Any]:
    """Evaluate by the command; the result."""
    section = canonical_json(SoundCodingConfig(songs=4, seconds=1.4))
    inputs = ["--songs", str(made["songs"]), "--codec", str(made["codec"])]
    outputs = ["--output", str(folder / "r.json"), "--figure", str(folder / "f.png")]
    sound_coding.main(["--config", section, "--device", "cpu", "--threads", "1", *inputs, *outputs, *more])
    assert (folder / "f.png").stat().st_size > 1000
    return dict(json.loads((folder / "r.json").read_text()))


def test_an_untrained_codec_fails(made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []

    def noted(sounds: np.ndarray, codec: MusicCodec, device: torch.device) -> Coded:
        seen.append(next(codec.parameters()).detach().clone())
        return by_codec(sounds, codec, device)

    monkeypatch.setattr(sound_coding, "PEERS", FEW)
    monkeypatch.setattr(sound_coding, "by_codec", noted)
    result = judge(made, tmp_path, "--untrained-seed", "7")
    trained = next(load(MusicCodec, made["codec"]).parameters())
    assert len(seen) == 4
    assert not any(torch.equal(weights, trained) for weights in seen)  # none of the four is the trained one
    assert set(result["metrics"]) == {"si_sdr", "mel_db", "spectral_distance"}
    assert not any(metric["passed"] for metric in result["metrics"].values())
    assert {"another song", "rounded MDCT", "rounded KLT", "untrained 2", "Opus 6", "MP3 16"} == set(
        result["compared_with"]
    ) - {"untrained 0", "untrained 1"}
    bits = 75 * 1.4 * tiny_codec().quantiser.bits
    assert result["rows"]["codec"]["kbps"] == pytest.approx((bits + 8 * HEADER.size + 16) / 1400, rel=0.03)
    assert (result["visqol_missing"] is None) == (opinion_missing() is None)


def test_a_good_codec_passes(made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sounds with an error 25 dB below them, at the bits of the tiny codec."""
    seen: list[MusicCodec] = []

    def good(sounds: np.ndarray, codec: MusicCodec, device: torch.device) -> Coded:
        seen.append(codec)
        if len(seen) > 1:  # the untrained ones, as they are
            return by_codec(sounds, codec, device)
        noise = np.random.default_rng(0).normal(size=sounds.shape) * np.abs(sounds)
        return Coded((sounds + 0.05 * noise).astype(np.float32), 1.6)

    monkeypatch.setattr(sound_coding, "PEERS", FEW)
    monkeypatch.setattr(sound_coding, "by_codec", good)
    result = judge(made, tmp_path)
    assert all(metric["passed"] for metric in result["metrics"].values())
    assert len(seen) == 4


def test_songs_that_are_too_short_are_refused(made: dict[str, Path]) -> None:
    with pytest.raises(ArtifactError, match="two of 5 are needed"):
        Mixtures.of(SongSet.open(made["songs"]), "test", 3, 5)


# ViSQOL --------------------------------------------------------------------------------------------------------------

FAKE = """
import soundfile


class VisqolApi:
    def create(self, mode):
        self.mode = mode

    def measure(self, truth, decoded):
        sounds = [soundfile.read(path) for path in (truth, decoded)]
        assert self.mode == "audio" and all(rate == 48_000 for _, rate in sounds)
        self.moslqo = 5 - abs(sounds[0][0] - sounds[1][0]).mean()
        return self
"""


def test_an_opinion_is_asked_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.music.evaluation.opinion.find_spec", lambda name: None)
    assert opinion_missing() == MISSING
    monkeypatch.undo()
    (tmp_path / "visqol.py").write_text(FAKE)
    monkeypatch.syspath_prepend(tmp_path)
    sounds = (0.1 * np.random.default_rng(0).normal(size=(2, RATE))).astype(np.float32)
    found = opinions(np.stack((sounds[0], sounds[0])), sounds)
    assert found[0] == pytest.approx(5, abs=1e-3)
    assert found[1] < 4.95
