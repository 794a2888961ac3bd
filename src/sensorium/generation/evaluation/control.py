"""Long dreams under known actions: does what is steered go where it would, and does the rest last?

Each dream begins with a test recording and goes on for 64 frames in one go. It is judged 1, 4, 8, 16, 32 and 64 frames
ahead. Where the source is the playroom, the hand is looked for in the dreamed pictures (`hand`), and its place is
known: the simulator runs the room again, bit for bit, under the actions of the dream.
`hand_near` is the share of these frames in which the hand is found within 2 pixels (of a picture of 32 x 32) of where
it would be, under the recorded actions, and after their end those of another recording; `hand_held` is the same share
under keys that are pressed at random, each for half a second. `hand_and_bodies` is the share of bodies with at least
half of their coloured pixels (`permanence`), counted as 0 where the hand is not near: a frozen picture keeps all bodies
and loses the hand, and a dream of a hand alone loses the bodies.
Where the body sense is dreamed, `felt_near` and `felt_held` are the shares of these frames in which the hand is felt
within 2 pixels of its place, under the two choices of actions; floors: the place held, and dead reckoning.
Floors: the last frame held still, without its hand and with one that is drawn where dead reckoning puts it (a ridge
regression from the body sense and the actions, and free motion between bounds), the mean picture, a training recording
replayed, the dream of an untrained network, and the dream under the other ones of the two choices of actions.
Ceiling: the true frames as the tokenizer shows them.
In worlds without a known hand `own_actions` takes their place (`own_actions`), with the fade and a ridge of films as
floors, too.
Reported without being metrics, for a dream and its floors by the frames ahead: how often there is a hand at all, and
where it is near, the bodies kept (elsewhere the distance of colour histograms), and the look, the mean distance of
8 x 8 patches to the nearest ones of training pictures over that of the true frames: above 1 are artefacts, below 1
pictures that are emptier than the truth.
"""

from __future__ import annotations

import numpy as np

from sensorium.evaluation.contract import Evaluation, Output, Result
from sensorium.evaluation.harness import Bench, require
from sensorium.generation.dream_config import ControlConfig
from sensorium.generation.evaluation.dreams import INPUTS, Studio, add_poison
from sensorium.generation.evaluation.own_actions import judge_films
from sensorium.generation.evaluation.steered_rooms import judge_rooms
from sensorium.randomness import stable_seed

REVISION = 2
EVALUATION = Evaluation(
    __name__,
    ControlConfig,
    inputs=INPUTS,
    control="the dynamics",
    outputs=(Output("video", "MP4", "where the film goes: truth | dream"),),
    options=add_poison,
)
main = EVALUATION.main


def judge(bench: Bench, config: ControlConfig) -> Result:
    """Judge long dreams by the hand where it is known, otherwise by what their own actions change."""
    studio = Studio(bench, config)
    require(studio.recordings, "action", "control needs recordings with actions")
    rng = np.random.default_rng(stable_seed(config.seed, "control"))
    known = studio.recordings.details.get("source") == "playroom"
    return (judge_rooms if known else judge_films)(studio, config, rng)
