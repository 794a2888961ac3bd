"""The downstream tests that compare encoders and their fusion before and after fine-tuning.

They are probes of vision and audio if the recordings have labels, retrieval both ways, and the readout of the world's
truth if the source records it. Windows, candidates and draws of labels are the same for every model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation.harness import Bench, WindowPool
from sensorium.evaluation.readout import paired
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import balanced_accuracy, determination, mean, sums_of_squares
from sensorium.evaluation.statistics import Statistic
from sensorium.perception.config import FinetuningConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.labelled import (
    LabelledWindows,
    few_shot_right,
    labelled_windows,
    linear_right,
    pooled_embedding,
)
from sensorium.perception.evaluation.matching import audible, draw_candidates, hit, ranks
from sensorium.perception.evaluation.world_readout import (
    POSITION,
    VELOCITY,
    Embedded,
    cut,
    draw,
    embed_split,
    worth_reading,
)
from sensorium.perception.fusion import SENSES, Fusion
from sensorium.randomness import stable_seed

DEPTHS = (1, 5)  # of the retrieval's recall


@dataclass(frozen=True)
class BatteryScore:
    """The score of one test: samples [n, ...] for a statistic that is 1 at best, and the recording of each.

    `fitted_on` names the recordings that its readout was fitted on.
    """

    samples: np.ndarray
    statistic: Statistic
    groups: list[str]
    fitted_on: Sequence[str] = ()


class Battery:
    """The tests, with their windows drawn.

    Args:
        recordings: the world's; models are judged on its test recordings.
        frames: of a window of the fusion.
        sound_frames: of a window of the audio encoder.
        config: sizes and seeds of the tests.
        bench: where networks run.
    """

    def __init__(
        self, recordings: RecordingSet, frames: int, sound_frames: int, config: FinetuningConfig, bench: Bench
    ) -> None:
        self._recordings, self._config, self._bench = recordings, config, bench
        labels = recordings.details.get("labels") or {}
        lengths = {"vision": 1, "audio": sound_frames}
        self._tasks: dict[str, LabelledWindows] = {
            sense: labelled_windows(recordings, sense, length, config.probe)
            for sense, length in lengths.items()
            if sense in labels
        }
        rng = np.random.default_rng(stable_seed(config.retrieval.seed, "retrieval"))
        self._pool = WindowPool(recordings, "test", (), frames)
        self._queries = self._pool.places(self._pool.draw(audible(self._pool), config.retrieval.queries, rng))
        self._candidates = draw_candidates(self._queries.groups, config.retrieval.candidates, rng)
        self._drawn = draw(recordings, frames, config.world_state) if recordings.has("truth.state") else None

    def probes(self, vision: VisionEncoder, audio: AudioEncoder) -> dict[str, BatteryScore]:
        """The scores of the tests of encoders, by name."""
        encoders: dict[str, VisionEncoder | AudioEncoder] = {"vision": vision, "audio": audio}
        scores: dict[str, BatteryScore] = {}
        for sense, task in self._tasks.items():
            scores |= self._probe(sense, task, encoders[sense])
        return scores

    def embed(self, vision: VisionEncoder, audio: AudioEncoder) -> list[Embedded]:
        """The encoders' embeddings of training and of test recordings."""
        splits: tuple[Split, ...] = ("training", "test")
        return [embed_split(self._bench, self._recordings, split, vision, audio) for split in splits]

    def fused(self, embedded: list[Embedded], fusion: Fusion) -> dict[str, BatteryScore]:
        """The scores of the tests of a fusion, by name, on embeddings of training and of test recordings."""
        scores = self._retrieve(embedded[1], fusion)
        if self._drawn:
            scores |= self._world(self._drawn, embedded, fusion)
        return scores

    def _probe(
        self, sense: str, task: LabelledWindows, encoder: VisionEncoder | AudioEncoder
    ) -> dict[str, BatteryScore]:
        pooled = pooled_embedding(sense, encoder)
        train, test = (
            self._bench.run(pool, picked, pooled) for pool, picked in zip(task.pools, task.picked, strict=True)
        )
        known, wanted = task.picked_labels
        fitted_on, groups = (
            pool.recording[picked].tolist() for pool, picked in zip(task.pools, task.picked, strict=True)
        )
        readers = {"linear_probe": linear_right, "few_shot": few_shot_right}
        return {
            f"{sense}_{name}": BatteryScore(
                np.stack([reader(train, test, known, wanted, self._config.probe), wanted], 1).astype(float),
                balanced_accuracy,
                groups,
                fitted_on,
            )
            for name, reader in readers.items()
        }

    def _retrieve(self, embedded: Embedded, fusion: Fusion) -> dict[str, BatteryScore]:
        seen, heard = (cut(embedded, sense, self._queries, self._pool.frames) for sense in ("vision", "audio"))
        images = self._bench.map(fusion.image_embedding, seen)
        similarity = images @ self._bench.map(fusion.sound_embedding, heard).T
        groups = self._queries.names
        return {
            f"{direction}_r{depth}": BatteryScore(hit(ranks(matrix, self._candidates), depth), mean, groups)
            for direction, matrix in (("image_to_sound", similarity), ("sound_to_image", similarity.T))
            for depth in DEPTHS
            if depth < self._candidates.shape[1]
        }

    def _world(self, drawn: tuple[Sample, Sample], embedded: list[Embedded], fusion: Fusion) -> dict[str, BatteryScore]:
        senses = [
            [cut(values, sense, part, self._pool.frames) for sense in SENSES]
            for values, part in zip(embedded, drawn, strict=True)
        ]
        states = [self._bench.map(lambda *given: fusion(*given)[:, -1], *given) for given in senses]
        truth = [part["truth.state"][:, -1] for part in drawn]
        read = paired(states[0], truth[0], states[1], truth[1])
        kept = worth_reading(self._recordings, drawn, senses)
        names = self._recordings.details["state_names"]
        moving = np.array([bool(VELOCITY.search(name)) for name in names])
        placed = np.array([bool(POSITION.search(name)) for name in names])
        chosen = {"state": kept, "position": kept & placed & ~moving, "velocity": kept & moving}
        groups, fitted_on = drawn[1].names, drawn[0].names
        return {
            f"world_{name}": BatteryScore(sums_of_squares(read[:, columns]), determination, groups, fitted_on)
            for name, columns in chosen.items()
            if columns.any()
        }
