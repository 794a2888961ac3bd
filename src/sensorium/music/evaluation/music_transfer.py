"""Whether the drums of one song come out with the harmony of another, from their mixtures alone.

Pairs of test songs of one tempo, bars aligned: A = drums_A + harmony_A, B = drums_B + harmony_B; wanted is
drums_A + harmony_B. Songs, drum kits and patches of the test are in no training.

`si_sdr` is the scale-invariant ratio of signal and distortion in dB. `transfer` is the smaller of `rhythm` and
`harmony`: by how much more the output's onsets follow the drums of A than those of B, and its chroma the harmony of B
than that of A, each relative to the right answer's own margin. It is 1 for the right answer and about 0 for a
cross-fade; copies of A or B have one of the two, and the other is negative.

Where the set has songs on a soundfont, composed here (`soundfont`) or written by people (`people`), the same metrics
stand beside these under their names: no training hears them.

Baselines: cross-fade, the best constant gains (an oracle's), copies of A and B, another song, silence, noise, median
filters (HPSS), three untrained networks. Ceilings: ideal masks, from the stems. Every row with all its numbers, and
those that are popular and prove nothing, stands in `rows`.
"""

from __future__ import annotations

from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import Bench
from sensorium.music.config import MusicTransferConfig
from sensorium.music.evaluation.answers import Answer, Task, by_network
from sensorium.music.evaluation.judging import MODEL, ORACLES, OUTPUTS, TRUTH, compared_with, judge_answers
from sensorium.music.mask_network import MaskNetwork

REVISION = 2
INPUTS = (Input("songs", "music/songs"), Input("mask", "music/mask"))
EVALUATION = Evaluation(__name__, MusicTransferConfig, inputs=INPUTS, control="the network", outputs=OUTPUTS)
main = EVALUATION.main


def judge(bench: Bench, config: MusicTransferConfig) -> Result:
    """Combine pairs of test songs of each source by the network, and by everything that it is compared with."""
    return judge_answers(bench, config, all_answers, (*ORACLES, TRUTH))


def all_answers(bench: Bench, task: Task, seed: int) -> dict[str, Answer]:
    """Every row of the table, by name."""

    def network(untrained: int | None) -> Answer:
        model = bench.parts.load(MaskNetwork, untrained)
        return by_network(task.songs, model, bench.device)

    return {MODEL: network(bench.untrained_seed), **bench.untrained(network), **compared_with(task, seed)}
