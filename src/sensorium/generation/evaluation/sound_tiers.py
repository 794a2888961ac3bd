"""What `sound_reconstruction` judges where the tokens are levels of fixed bands: both tiers, and the tokens alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sensorium.evaluation.harness import ROWS, Bench
from sensorium.generation.band_codec import StoredSound, restore, store
from sensorium.generation.band_tokenizer import BandTokenizer
from sensorium.generation.evaluation.code_length import CodeLength
from sensorium.models.out_of_memory import in_pieces


@dataclass(frozen=True)
class Tiers:
    """Test sounds after both tiers.

    Attributes:
        both: [n, S].
        tokens: after the tokens alone, [n, S].
        bits: a frame, of "tokens" and "voices".
        onset_f1: F1 of frames with an onset, of "tokens" and "both".
    """

    both: np.ndarray
    tokens: np.ndarray
    bits: dict[str, float]
    onset_f1: dict[str, float]


def judge_tiers(bench: Bench, tokenizer: BandTokenizer, truth: np.ndarray, heard: np.ndarray) -> Tiers:
    """Sounds [n, S] through both tiers; the tables of the codes come from training sounds."""
    stored, examples = (_store(bench, tokenizer, waves) for waves in (truth, heard))
    found = {
        "tokens": bench.map(lambda rows: tokenizer.decode(tokenizer.encode(rows)).clamp(-1, 1), truth),
        "both": _restore(bench, tokenizer, stored),
    }
    onsets = {name: _onsets(bench, tokenizer, waves) for name, waves in ({"truth": truth} | found).items()}
    return Tiers(
        **found,
        bits=CodeLength(examples)(stored),
        onset_f1={name: f1(onsets["truth"], onsets[name]) for name in found},
    )


def f1(truth: np.ndarray, found: np.ndarray) -> float:
    """F1 score of what was found, bool arrays of one shape; 1 where nothing is to be found and nothing was."""
    every = truth.sum() + found.sum()
    return float(2 * (truth & found).sum() / every) if every else 1.0


@torch.no_grad()
def _store(bench: Bench, tokenizer: BandTokenizer, waves: np.ndarray) -> StoredSound:
    def part(start: int, stop: int) -> StoredSound:
        return store(tokenizer, torch.from_numpy(waves[start:stop]).to(bench.device))

    pieces = in_pieces(part, len(waves), bench.execution.micro_batch or ROWS, "windows")
    return StoredSound(*(torch.cat([getattr(x, name) for x in pieces]) for name in ("levels", "onset", "voices")))


def _restore(bench: Bench, tokenizer: BandTokenizer, stored: StoredSound) -> np.ndarray:
    arrays = (value.cpu().numpy() for value in (stored.levels, stored.onset, stored.voices))
    return bench.map(lambda *parts: restore(tokenizer, StoredSound(*parts)).clamp(-1, 1), *arrays)


def _onsets(bench: Bench, tokenizer: BandTokenizer, waves: np.ndarray) -> np.ndarray:
    return bench.map(lambda rows: tokenizer.measure(rows).onset, waves) > 0.5
