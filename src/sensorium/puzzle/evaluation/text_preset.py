"""What the language preset of earlier work gives back of unseen texts, which is never all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.evaluation.harness import FLOOR_SEEDS, Bench
from sensorium.models.quantisers.usage import Usage
from sensorium.puzzle.collect_texts import StoredText
from sensorium.puzzle.config import CODES
from sensorium.puzzle.legacy import CHARACTERS, LegacyText
from sensorium.puzzle.text_windows import TextWindows

WINDOWS = 1000  # at most


def preset(bench: Bench, texts: list[StoredText], seed: int) -> dict[str, Any]:
    """Of windows of 128 characters of texts that judge: what the preset keeps, trained and with fresh weights.

    Returns:
        parameters; most frequent character's share; and, trained and of three fresh seeds: nats a character, share of
        characters and of whole windows that come back, perplexity and number of the codes in use.
    """
    pool = TextWindows([text for text in texts if text.split == "judged"])
    rows = np.sort(np.random.default_rng(seed).permutation(len(pool))[:WINDOWS])
    seen = pool.batch(rows)["text"].long().numpy()
    model = bench.parts.load(LegacyText)
    fresh = [_kept(bench, bench.parts.load(LegacyText, number), seen) for number in FLOOR_SEEDS]
    return {
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "most_frequent": float(np.bincount(seen.ravel()).max() / seen.size),
        "trained": _kept(bench, model, seen),
        "untrained": fresh,
    }


def _kept(bench: Bench, model: LegacyText, seen: np.ndarray) -> dict[str, float]:
    codes = bench.map(lambda rows: model.encode(rows).codes, seen).astype(np.int64)

    def scores(grids: Tensor, truth: Tensor) -> Tensor:
        logits = model.decode(grids)
        nats = -logits.log_softmax(2).gather(2, truth[..., None])[..., 0]
        return torch.stack([nats, (logits.argmax(2) == truth).float()], 1)

    nats, right = np.moveaxis(bench.map(scores, codes, seen), 1, 0)
    usage = Usage.of(codes, CODES)
    return {
        "nats_a_character": float(nats.mean()),
        "characters": float(right.mean()),
        f"windows_of_{CHARACTERS}": float(right.all(1).mean()),
        "perplexity": usage.perplexity,
        "codes_used": int((usage.counts > 0).sum()),
    }
