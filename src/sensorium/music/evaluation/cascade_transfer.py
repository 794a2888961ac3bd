"""Whether the drums of one song come out with the harmony of another where a cascade combines them in latents.

Task, metrics, floors and ceilings are those of `music_transfer`. Two ceilings are the latents' own: `latents of the
truth` is what comes back of the right answer that was encoded, and `best shares` takes of A, of B and of neither what
comes nearest to it. The mask, which works on spectra and not on latents, stands in `rows` and is no floor.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import Bench
from sensorium.music.cascade import Cascade
from sensorium.music.config import CascadeTransferConfig
from sensorium.music.evaluation.answers import PIECE, Answer, Task, by_network
from sensorium.music.evaluation.judging import MODEL, ORACLES, OUTPUTS, TRUTH, compared_with, judge_answers
from sensorium.music.evaluation.popular_numbers import of_masks
from sensorium.music.latents import CosineLatents
from sensorium.music.mask_network import MaskNetwork

REVISION = 1
INPUTS = (Input("songs", "music/songs"), Input("cascade", "music/cascade"), Input("mask", "music/mask"))
EVALUATION = Evaluation(__name__, CascadeTransferConfig, inputs=INPUTS, control="the cascade", outputs=OUTPUTS)
main = EVALUATION.main

MASK = "mask"
OWN_CEILINGS = ("latents of the truth", "best shares")


def judge(bench: Bench, config: CascadeTransferConfig) -> Result:
    """Combine pairs of test songs of each source by the cascade, and by everything that it is compared with."""
    return judge_answers(bench, config, cascade_answers, (*ORACLES, *OWN_CEILINGS, TRUTH), (MASK,))


def cascade_answers(bench: Bench, task: Task, seed: int) -> dict[str, Answer]:
    """Every row of the table, by name."""

    def network(untrained: int | None) -> Answer:
        return by_cascade(task.songs, bench.parts.load(Cascade, untrained), bench.device)

    return {
        MODEL: network(bench.untrained_seed),
        **bench.untrained(network),
        MASK: by_network(task.songs, bench.parts.load(MaskNetwork), bench.device),
        **compared_with(task, seed),
        **of_latents(task),
    }


def by_cascade(songs: np.ndarray, cascade: Cascade, device: torch.device) -> Answer:
    """The answer of a cascade, which is given the mixtures [n, 2, S] and nothing else."""
    codec, samples = CosineLatents().to(device), songs.shape[-1]
    sounds, numbers = [], []
    for start in range(0, len(songs), PIECE):
        with torch.no_grad():
            heard = torch.from_numpy(songs[start : start + PIECE]).to(device)
            last = cascade(codec.encode(heard.flatten(0, 1)).unflatten(0, heard.shape[:2]))[-1]
            sounds.append(codec.decode(last.latents, samples).cpu().numpy())
            numbers += [of_masks(one[None]) for one in last.shares[:, :2].cpu().numpy()]
    return Answer(np.concatenate(sounds), {name: float(np.mean([n[name] for n in numbers])) for name in numbers[0]})


def of_latents(task: Task) -> dict[str, Answer]:
    """What comes back of the truth, and of the nearest to it that shares of both songs can give."""
    codec, samples = CosineLatents(), task.stems.shape[-1]
    songs, wanted = (torch.from_numpy(each) for each in (task.songs, task.wanted))
    truth, a, b = (codec.encode(each) for each in (wanted, songs[:, 0], songs[:, 1]))
    return {
        name: Answer(codec.decode(latents, samples).numpy())
        for name, latents in zip(OWN_CEILINGS, (truth, best_shares(truth, a, b)), strict=True)
    }


def best_shares(wanted: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """What is nearest to the wanted latents among p a + q b with p, q >= 0 and p + q <= 1: between 0, a and b."""
    none = torch.zeros_like(wanted)
    return wanted.clamp(torch.minimum(torch.minimum(a, b), none), torch.maximum(torch.maximum(a, b), none))
