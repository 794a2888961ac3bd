"""Three frames in a row as grids of sight, with the action that led to the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation.harness import WindowPool
from sensorium.puzzle.sight_map import SightMap
from sensorium.randomness import stable_seed

FRAMES = 3
PASS = 64


@dataclass(frozen=True)
class GridClips:
    """Clips, one row each.

    Attributes:
        grids: uint8 [n, FRAMES, SIDE, SIDE].
        action: of the last frame, [n, ...]; None: the recordings have none.
        groups: recording of each, [n].
        still: cells of which no pixel changed to the last frame, bool [n, SIDE, SIDE].
    """

    grids: np.ndarray
    action: np.ndarray | None
    groups: np.ndarray
    still: np.ndarray

    def __len__(self) -> int:
        return len(self.grids)

    def batch(self, indices: np.ndarray, seeds: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Clips by number: "grids" uint8 [B, FRAMES, SIDE, SIDE], and "action"."""
        batch = {"grids": torch.from_numpy(self.grids[indices])}
        return batch if self.action is None else batch | {"action": torch.from_numpy(self.action[indices])}


@torch.no_grad()
def draw_clips(
    recordings: RecordingSet, split: Split, model: SightMap, device: torch.device, count: int, seed: int
) -> GridClips:
    """Up to `count` clips of a split, drawn evenly from its recordings."""
    acted = recordings.has("action")
    pool = WindowPool(recordings, split, ("video", "action") if acted else ("video",), FRAMES)
    rows = pool.draw(np.ones(len(pool), bool), count, np.random.default_rng(stable_seed(seed, "clips", split)))
    grids, actions, still = [], [], []
    for part in np.split(rows, range(PASS, len(rows), PASS)):
        batch = pool.windows.batch(part)
        frames = [model.view({"video": batch["video"][:, [frame]].to(device)}) for frame in range(FRAMES)]
        grids.append(torch.stack([model.encode(seen).codes for seen in frames], 1).byte().cpu().numpy())
        still.append(model.still(frames[-2], frames[-1]).cpu().numpy())
        if acted:
            actions.append(batch["action"][:, -1].numpy())
    action = np.concatenate(actions) if acted else None
    return GridClips(np.concatenate(grids), action, pool.recording[rows], np.concatenate(still))
