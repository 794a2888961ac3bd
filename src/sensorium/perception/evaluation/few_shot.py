"""Few-shot classification: from one or five examples of each of five classes, which class is a new window of?

Episodes (Vinyals et al. 2016, "Matching networks"): classes are drawn, then support and query windows of each, no two
of a class from the same recording; every query goes to the class with the nearest mean of supports, after each
dimension was scaled to unit standard deviation over all windows, without labels. All windows are of test recordings,
and no network was trained with any label, so every class is new to it.

The tasks: for vision the classes of its labelled set (in the playroom: the number of bodies); for sound those of its
labelled set, in the playroom the kind of the body that sounds, a material and a shape, 16 in all; for fusion both
labels of the world together, which neither sense shows alone. If fewer than five classes have enough recordings, the
task of sound and of fusion is the label of one sense if that has more classes; if there are fewer still, there are as
many ways as classes. `tasks` names the tasks.

Baselines: chance; three untrained networks (for fusion: untrained encoders and fusion, and an untrained fusion on the
same encoders); principal components of the raw pictures and spectrograms, whitened and as they are; and features that
nobody had to learn: of pictures histograms of oriented gradients, of colours, ten plain numbers and one of them; of
sounds cepstra and statistics of the bands of the spectrogram. Ceiling: 1. Reference: the same episodes with the
supports' labels shuffled, which must score chance.

The supports of an episode, the only labels that anything is fitted on, are of other recordings than the queries of
their class; `judged_apart` refuses others.

The results of fusion are in `reported`, in the same form, and are no metrics: the encoders provide what the classes
need, and an untrained fusion on top of them does nearly as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from sensorium.artifacts import ArtifactError
from sensorium.config.splits import FEW_SHOT
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.data.sources.playroom.materials import SHAPES
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.features import Features, scaled
from sensorium.evaluation.baselines.sound_features import principal_components, sound_features
from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, WindowPool
from sensorium.evaluation.readout import nearest
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import mean
from sensorium.evaluation.statistics import NOTHING, LeakError, measure
from sensorium.perception.config import AudioEncoderConfig, FewShotConfig, FusionConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.impacts import has_impacts, kinds
from sensorium.perception.evaluation.labelled import BEFORE, pooled_embedding
from sensorium.perception.evaluation.plain import picture_features, sound_spectra
from sensorium.perception.evaluation.world_readout import FUSED, cut, embed_split
from sensorium.perception.fusion import SENSES, Fusion
from sensorium.progress import track
from sensorium.randomness import stable_seed

REVISION = 3
SEEN, HEARD = "data/vision", "data/audio"  # labelled sets of the encoders' own
EVALUATION = Evaluation(
    __name__,
    FewShotConfig,
    inputs=(
        *FUSED,
        Input("seen", SEEN, required=False, help="labelled set of vision, if it is not --data"),
        Input("heard", HEARD, required=False, help="labelled set of audio, if it is not --data"),
    ),
    control="every network",
)
main = EVALUATION.main

WAYS, SHOTS = 5, (1, 5)
QUERIES = FEW_SHOT - max(SHOTS)  # of each class in an episode
AFTER = 2  # frames of a fused window after the labelled one: an impact rings on


@dataclass(frozen=True)
class Labelling:
    """A labelling of all windows of a pool: class of each, -1 for none."""

    what: str
    labels: np.ndarray
    classes: list[str]


# The drawn windows are a `Sample` with the fields "window", row in the pool, and "label", class: int64 [n]. In an
# episode, windows of one group are never support and query of the same class. Each picture of a still set is a group.
Views = dict[str, np.ndarray]  # "judged" and what it is compared with: one row for each drawn window


def judge(bench: Bench, config: FewShotConfig) -> Result:
    """Classify the windows of episodes, by the embeddings of each sense and by the world state."""
    world = bench.parts.recordings()
    seen, heard = (bench.parts.recordings(place) if place in bench.parts else world for place in (SEEN, HEARD))
    embedder = Embedder(bench)
    found = {
        "vision": embedder.sight(seen, config) if has_labels(seen, "vision") else None,
        "audio": embedder.hearing(heard, config) if has_labels(heard, "audio") else None,
        "fusion": embedder.state(world, config) if has_labels(world, "vision", "audio") else None,
    }
    metrics: dict[str, dict[str, Any]] = {}
    reported: dict[str, dict[str, Any]] = {}
    tasks: dict[str, dict[str, Any]] = {}
    for sense, embedded in found.items():
        if embedded is not None:
            records, tasks[sense] = sense_metrics(sense, *embedded, config)
            (reported if sense == "fusion" else metrics).update(records)
    if not metrics:
        raise ArtifactError(
            f"{world.manifest}: no labels of any sense; few-shot needs a source that has them (playroom)"
        )
    title = "Few-shot classification of test windows"
    notes = {"episodes": config.episodes, "reported": reported, "tasks": tasks}
    return Result(metrics, lambda path: figures.bars(path, metrics | reported, title, "accuracy"), notes)


def has_labels(recordings: RecordingSet, *senses: str) -> bool:
    """Whether a set has labels for all of these senses."""
    return set(senses) <= set(recordings.details.get("labels") or {})


class Embedder:
    """Embeddings of labelled windows by the judged networks and by untrained ones."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._parts = bench, bench.parts
        self._seeds = {"judged": bench.untrained_seed}
        self._seeds |= {f"untrained {n}": seed for n, seed in enumerate(FLOOR_SEEDS)}
        self._spectrogram = bench.parts.load(AudioEncoder).spectrogram

    def sight(self, recordings: RecordingSet, config: FewShotConfig) -> tuple[Sample, Labelling, Views]:
        """Single pictures."""
        pool = WindowPool(recordings, "test", ("video",), 1)
        sample, labelling = draw_task(pool, [sense_labels(pool, "vision", 0)], config)
        views = self._views(pool, sample["window"], "vision", VisionEncoder)
        views |= raw("picture", self._bench.run(pool, sample["window"], lambda batch: pixels(batch, 0)))
        plain = picture_features(self._bench, pool, sample["window"])
        return sample, labelling, views | {name: alike(rows) for name, rows in plain.items()}

    def hearing(self, recordings: RecordingSet, config: FewShotConfig) -> tuple[Sample, Labelling, Views]:
        """Windows of sound as long as the encoder was trained on."""
        frames = self._parts.section("encoders/audio", AudioEncoderConfig).frames
        pool = WindowPool(recordings, "test", ("audio",), frames)
        options = [sense_labels(pool, "audio", BEFORE)]
        if has_impacts(recordings):
            options.insert(0, sounding_kinds(pool, options[0].classes))
        sample, labelling = draw_task(pool, options, config)
        spectra = sound_spectra(self._bench, pool, sample["window"], self._spectrogram)
        plain = sound_features(spectra, spectra)
        views = self._views(pool, sample["window"], "audio", AudioEncoder)
        return sample, labelling, views | {name: features.scaled()[1] for name, features in plain.items()}

    def _views(
        self, pool: WindowPool, windows: np.ndarray, sense: str, kind: type[VisionEncoder] | type[AudioEncoder]
    ) -> Views:
        """Embeddings of the windows by an encoder, judged and untrained."""
        return {
            name: alike(self._bench.run(pool, windows, pooled_embedding(sense, self._parts.load(kind, seed))))
            for name, seed in self._seeds.items()
        }

    def state(self, recordings: RecordingSet, config: FewShotConfig) -> tuple[Sample, Labelling, Views]:
        """World states at the end of windows as long as fusion was trained on."""
        frames = self._parts.section("fusion", FusionConfig).frames
        pool = WindowPool(recordings, "test", ("video", "audio"), frames)
        moment = frames - 1 - AFTER
        seen, heard = (sense_labels(pool, sense, moment) for sense in SENSES[:2])
        sample, labelling = draw_task(pool, [together(seen, heard), heard, seen], config)

        def states(seed: int | None, fusions: Mapping[str, int | None]) -> Views:
            embedded = embed_split(
                self._bench,
                recordings,
                "test",
                self._parts.load(VisionEncoder, seed),
                self._parts.load(AudioEncoder, seed),
            )
            given = [cut(embedded, sense, pool.places(sample["window"]), pool.frames) for sense in SENSES]
            return {name: alike(self._read(self._parts.load(Fusion, other), given)) for name, other in fusions.items()}

        views = states(self._seeds["judged"], {"judged": self._seeds["judged"], "untrained fusion": FLOOR_SEEDS[0]})
        for number, seed in enumerate(FLOOR_SEEDS):
            views |= states(seed, {f"untrained {number}": seed})
        last = (AFTER + 1 + BEFORE) * int(recordings.details["samples_per_frame"])
        seen_and_heard = [
            raw("of both", self._bench.run(pool, sample["window"], network))
            for network in (
                lambda batch: pixels(batch, moment),
                lambda batch: self._spectrogram(to_sounds(batch["audio"][:, -last:])).flatten(1),
            )
        ]
        together_raw = {name: np.concatenate([each[name] for each in seen_and_heard], 1) for name in seen_and_heard[0]}
        return sample, labelling, views | together_raw

    def _read(self, fusion: Fusion, given: list[np.ndarray | None]) -> np.ndarray:
        return self._bench.map(lambda *senses: fusion(*senses)[:, -1], *given)


def pixels(batch: Mapping[str, Tensor], frame: int) -> Tensor:
    """The pictures of one frame of each window, [B, 3 * H * W]."""
    return to_images(batch["video"][:, frame]).flatten(1)


def alike(rows: np.ndarray) -> np.ndarray:
    """Each number with a standard deviation of one over all rows, without labels."""
    return scaled(rows, rows)[1]


def raw(what: str, rows: np.ndarray) -> Views:
    """Leading principal components of rows, whitened and as they are, by name."""
    found = principal_components(rows, rows)
    return {f"{what}, whitened": Features(*found).scaled()[1], what: Features(*found, each=False).scaled()[1]}


def sense_labels(pool: WindowPool, sense: str, frame: int) -> Labelling:
    """The classes that the source records for a sense, at one frame of each window."""
    labelled = pool.recordings.details["labels"][sense]
    return Labelling(labelled["name"], pool.values(f"truth.{sense}_label", frame), list(labelled["classes"]))


def sounding_kinds(pool: WindowPool, materials: list[str]) -> Labelling:
    """Material and shape of the body that sounds, at frame BEFORE of each window."""
    of_recording = {name: kinds(pool.recordings, name) for name in np.unique(pool.recording).tolist()}
    places = zip(pool.recording.tolist(), pool.start.tolist(), strict=True)
    labels = np.array([of_recording[name][start + BEFORE] for name, start in places])
    return Labelling(
        "material and shape of the body", labels, [f"{material} {shape}" for material in materials for shape in SHAPES]
    )


def together(first: Labelling, second: Labelling) -> Labelling:
    """Both labels as one class."""
    both = np.where((first.labels >= 0) & (second.labels >= 0), first.labels * len(second.classes) + second.labels, -1)
    return Labelling(
        f"{first.what} and {second.what}", both, [f"{a}, {b}" for a in first.classes for b in second.classes]
    )


def draw_task(pool: WindowPool, options: list[Labelling], config: FewShotConfig) -> tuple[Sample, Labelling]:
    """Windows of the first labelling with WAYS classes that have enough recordings, else of that with the most classes.

    Raises:
        ArtifactError: if fewer than two classes have enough recordings.
    """
    rng = np.random.default_rng(stable_seed(config.seed, "few shot"))
    alone = pool.recordings.details.get("still")  # unrelated pictures, several in a recording
    names = [f"{a}/{b}" for a, b in zip(pool.recording, pool.start, strict=True)] if alone else pool.recording
    groups = np.asarray(names)
    labelling = max(options, key=lambda option: min(WAYS, len(frequent(option.labels, groups))))
    classes = frequent(labelling.labels, groups)
    picked = pool.draw(np.isin(labelling.labels, classes), config.samples, rng)
    if len(frequent(labelling.labels[picked], groups[picked])) < 2:
        raise ArtifactError(
            f"{pool.recordings.manifest}: {len(classes)} classes of {labelling.what} in {FEW_SHOT} or more "
            "test recordings each, few-shot needs 2 among its samples; raise data.recordings or few_shot.samples"
        )
    fields = {"window": picked, "label": labelling.labels[picked]}
    return Sample(groups[picked], pool.start[picked], fields), labelling


def frequent(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Classes that occur in enough groups for the supports and queries of an episode."""
    known = np.unique(labels[labels >= 0])
    return np.array([label for label in known if len(np.unique(groups[labels == label])) >= FEW_SHOT])


def sense_metrics(
    sense: str, sample: Sample, labelling: Labelling, views: Views, config: FewShotConfig
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """One metric for each number of shots, and notes on the task, with intervals over episodes as in papers."""
    metrics, over_episodes = {}, {}
    for shots in SHOTS:
        rng = np.random.default_rng(stable_seed(config.seed, "episodes", sense, shots))
        support, query = episodes(sample["label"], sample.groups, shots, config.episodes, rng)
        ways = support.shape[1]
        judged_apart(f"{sense}_{shots}shot", sample.groups, support, query)
        right = {name: answers(rows, support, query) for name, rows in views.items()}
        mixed = rng.permuted(support.reshape(len(support), -1), axis=1).reshape(support.shape)
        shuffled = answers(views["judged"], mixed, query)
        floors = {name: values for name, values in right.items() if name != "judged"}
        metrics[f"{sense}_{shots}shot"] = measure(
            f"{sense}_{shots}shot",
            right["judged"].ravel(),
            sample.groups[query].ravel().tolist(),
            statistic=mean,
            fitted_on=NOTHING,  # but the supports, which `judged_apart` has seen
            baselines={"chance": 1 / ways} | {name: values.ravel() for name, values in floors.items()},
            ceilings={"every query right": 1.0},
            references={"shuffled labels": shuffled.ravel()},
            seed=config.seed,
        )
        each = right["judged"].mean((1, 2))
        over_episodes[str(shots)] = [float(each.mean()), float(1.96 * each.std(ddof=1) / np.sqrt(len(each)))]
    classes = [labelling.classes[label] for label in frequent(sample["label"], sample.groups)]
    what = {
        "what": labelling.what,
        "classes": classes,
        "ways": ways,
        "mean_and_interval_over_episodes": over_episodes,
    }
    return metrics, what


def episodes(
    labels: np.ndarray, groups: np.ndarray, shots: int, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of supports [count, ways, shots] and queries [count, ways, QUERIES]: no group occurs twice in a class."""
    classes = frequent(labels, groups)
    members = {
        label: [np.flatnonzero((labels == label) & (groups == name)) for name in np.unique(groups[labels == label])]
        for label in classes
    }
    drawn = []
    for _ in track(range(count), "episodes drawn"):
        ways = []
        for label in rng.permutation(classes)[:WAYS]:
            chosen = rng.permutation(len(members[label]))[: shots + QUERIES]
            ways.append([members[label][n][rng.integers(len(members[label][n]))] for n in chosen])
        drawn.append(ways)
    rows = np.array(drawn)
    return rows[:, :, :shots], rows[:, :, shots:]


def judged_apart(name: str, groups: np.ndarray, support: np.ndarray, query: np.ndarray) -> None:
    """Refuse episodes in which a support and a query of one class share a group.

    Raises:
        LeakError: naming the first group that does.
    """
    shared = groups[support][..., :, None] == groups[query][..., None, :]
    if shared.any():
        raise LeakError(f"{name}: {groups[support][shared.any(-1)][0]} is support and query of one class")


def answers(rows: np.ndarray, support: np.ndarray, query: np.ndarray) -> np.ndarray:
    """1 where a query [E, ways, Q] lies nearest to the mean of its class's supports [E, ways, shots], else 0."""
    right = np.empty(query.shape)
    for number, (shown, tested) in enumerate(zip(support, query, strict=True)):
        means = rows[shown].mean(1)
        right[number] = nearest(rows[tested], means) == np.arange(len(means))[:, None]
    return right
