"""What the codec keeps of mixtures of test songs, at the bits that it wrote, beside other codecs and plain coders.

`si_sdr` in dB, `mel_db` and `spectral_distance` as in music_transfer. No single one proves a codec: rounded MDCT
coefficients win the first at few bits and lose the others by far. Baselines, each at the smallest setting whose written
bits are not fewer than the codec's: Opus, MP3, AAC; rounded MDCT coefficients and principal components at the length of
an ideal static code; three untrained codecs; another song. Ceiling: the sound itself. `rows` in the result lists every
rate, and ViSQOL where the package visqol-python is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torchaudio.functional import resample

from sensorium.artifacts import ArtifactError
from sensorium.data.sample_formats import FULL_SCALE
from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.statistics import measure
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_config import SoundCodingConfig
from sensorium.music.coded_sound import CodedSound, Header, write_codes
from sensorium.music.config import RATE
from sensorium.music.evaluation import transfer_scores as scores
from sensorium.music.evaluation.opinion import opinion_missing, opinions
from sensorium.music.evaluation.peer_codecs import PEERS, Coded, by_peer
from sensorium.music.evaluation.plain_coders import HOP, by_plain_coder, frames_of_sounds, klt_coder, mdct_coder
from sensorium.music.evaluation.rate_figure import draw_rates
from sensorium.music.song_set import STEMS, SongSet
from sensorium.progress import track

REVISION = 1
INPUTS = (Input("songs", "music/songs"), Input("codec", "music/codec"))
EVALUATION = Evaluation(__name__, SoundCodingConfig, inputs=INPUTS, control="the codec")
main = EVALUATION.main

MODEL = "codec"
FITTED = 60  # training songs from which plain coders take their statistics
SCORES = {"si_sdr": scores.si_sdr, "mel_db": scores.mel_distance, "spectral_distance": scores.resolution_distance}
HIGHER = ("si_sdr",)
CEILINGS = {"si_sdr": scores.HIGHEST, "mel_db": 0.0, "spectral_distance": 0.0}


@dataclass(frozen=True)
class Mixtures:
    """Beginnings of songs: names, and float32 [n, S]."""

    names: list[str]
    sounds: np.ndarray

    @classmethod
    def of(cls, songs: SongSet, split: Any, most: int, seconds: float) -> Mixtures:
        """Up to so many songs of a split, spread over it.

        Raises:
            ArtifactError: if there are not two, or they are shorter.
        """
        every, samples = songs.names(split), round(seconds * RATE)
        shortest = min((len(songs.field(name, STEMS[0])) for name in every), default=0)
        if len(every) < 2 or shortest < samples:
            raise ArtifactError(
                f"{songs.manifest}: {len(every)} {split} songs of at least {shortest / RATE:.2f} seconds; two of "
                f"{seconds} are needed; lower evaluations.sound_coding.seconds, or make other songs"
            )
        picked = np.unique(np.linspace(0, len(every) - 1, min(most, len(every))).round().astype(int))
        names = [every[place] for place in picked]
        rows = [sum(songs.field(name, stem)[:samples].astype(np.float32) for stem in STEMS) for name in names]
        return cls(names, np.stack(rows) / FULL_SCALE)


def judge(bench: Bench, config: SoundCodingConfig) -> Result:
    """Send mixtures of test songs through the codec and through everything that it is compared with."""
    songs = SongSet.open(bench.parts.path("music/songs"))
    test = Mixtures.of(songs, "test", config.songs, config.seconds)
    training = Mixtures.of(songs, "training", FITTED, config.seconds)

    def coded(untrained: int | None) -> Coded:
        return by_codec(test.sounds, bench.parts.load(MusicCodec, untrained), bench.device)

    answers = {MODEL: coded(bench.untrained_seed), **bench.untrained(coded)}
    limit = answers[MODEL].kbps
    answers["another song"] = Coded(np.roll(answers[MODEL].sounds, 1, 0), limit)
    frames = frames_of_sounds(training.sounds).reshape(-1, HOP)
    answers["rounded MDCT"] = by_plain_coder(test.sounds, frames, mdct_coder(), limit)
    answers["rounded KLT"] = by_plain_coder(test.sounds, frames, klt_coder(frames), limit)
    peers = peer_answers(test.sounds)
    floors = [*(name for name in answers if name != MODEL), *nearest(peers, limit)]
    answers |= peers
    samples = {
        name: {score: function(answer.sounds, test.sounds) for score, function in SCORES.items()}
        for name, answer in track(answers.items(), "answers", len(answers))
    }
    metrics = {
        score: measure(
            score,
            samples[MODEL][score],
            test.names,
            fitted_on=songs.names("training") + songs.names("validation"),
            baselines={name: samples[name][score] for name in floors},
            ceilings={"the sound itself": CEILINGS[score]},
            higher_is_better=score in HIGHER,
            seed=config.seed,
        )
        for score in SCORES
    }
    missing = opinion_missing() if config.visqol else "it is off"
    rows = {
        name: {
            "kbps": answers[name].kbps,
            **{score: float(each.mean()) for score, each in found.items()},
            "visqol": None if missing else float(opinions(answers[name].sounds, test.sounds).mean()),
        }
        for name, found in samples.items()
    }
    notes = {"rows": rows, "compared_with": floors, "visqol_missing": missing}
    return Result(metrics, lambda path: draw_rates(path, rows, MODEL), notes)


def by_codec(sounds: np.ndarray, codec: MusicCodec, device: torch.device) -> Coded:
    """Sounds [n, S] at RATE through files of codes, each of which is written, counted and read."""
    codec, found, size = codec.to(device), [], 0
    quantiser = codec.quantiser
    with TemporaryDirectory() as folder, torch.no_grad():
        for sound in sounds:
            heard = resample(torch.from_numpy(sound)[None].to(device), RATE, codec.rate)
            samples, path = heard.shape[1], Path(folder) / "codes"
            header = Header(
                quantiser.kind, 1, codec.rate, codec.hop, quantiser.codes, quantiser.base, samples, 1.0, bytes(8)
            )
            size += write_codes(path, header, codec.codes(heard).cpu().numpy())
            with path.open("rb") as file:
                codes = torch.from_numpy(CodedSound(path, file).codes(0, header.latents)).to(device)
            decoded = codec.decode(codec.latents_from(codes), samples)
            found.append(resample(decoded, codec.rate, RATE)[0, : len(sound)].cpu().numpy())
    return Coded(np.stack(found), 8 * size / (sounds.size / RATE) / 1000)


def peer_answers(sounds: np.ndarray) -> dict[str, Coded]:
    """What other codecs make of sounds, at every rate that may be asked for: by name and measured kbit/s."""
    asked = [(name, peer, rate) for name, peer in PEERS.items() for rate in peer.rates]
    found = {(name, rate): by_peer(sounds, peer, rate) for name, peer, rate in track(asked, "rates of other codecs")}
    return {f"{name} {rate}": answer for (name, rate), answer in found.items()}


def nearest(peers: Mapping[str, Coded], limit: float) -> list[str]:
    """Of each other codec, the answer with the fewest bits that are not fewer than the limit."""
    chosen = []
    for peer in PEERS:
        enough = [name for name in peers if name.split()[0] == peer and peers[name].kbps >= limit]
        chosen += [min(enough, key=lambda name: peers[name].kbps)] if enough else []
    return chosen
