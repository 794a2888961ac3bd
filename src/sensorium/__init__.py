"""Sensorium: a world model, trained from recordings, that sees, hears, feels its body and imagines the next frames.

In a notebook, after `snakemake --profile local -j1`:

    >>> import sensorium
    >>> model = sensorium.load("results")
    >>> seen = model.perceive(video, audio, body, actions)   # uint8 [T,H,W,3], int16 [S], float [T,P], float [T,A]
    >>> seen.world.shape                                      # the state of the world at each frame, [T, D]
    (40, 128)
    >>> dream = model.imagine(actions_to_come)                # float [F,A]: what would follow from these actions?
    >>> dream.video.shape                                     # uint8 [F,H,W,3]
    (16, 32, 32, 3)
    >>> import matplotlib.pyplot as plt
    >>> plt.imshow(dream.video[-1])

Leave out a sense that you do not have: `model.perceive(video)`. `sensorium.load("results/finetuned")` perceives with
the encoders and the fusion that were trained together. `examples/perceive_and_imagine.py` is a complete script.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensorium.world_model import WorldModel

__all__ = ["load"]


def load(folder: str | PathLike[str] = "results", device: str | None = None) -> WorldModel:
    """The model that a workflow has trained.

    Each part is read when it is first needed. A folder with encoders and fusion is enough to perceive. One with
    tokenizers and dynamics is enough to imagine, with
    `after=sensorium.world_model.Perception(video=..., actions=...)`.

    Args:
        folder: the workflow's results; or "results/finetuned", to perceive with the encoders and the fusion that were
            trained together, and to imagine with the parts next to that folder.
        device: "cpu", "cuda", "cuda:1", ...; None: the GPU if there is one.

    Raises:
        ArtifactError: if there is no such folder.
    """
    from sensorium.world_model import WorldModel  # not at the top: it imports torch, which the workflow does not need

    return WorldModel(folder, device)
