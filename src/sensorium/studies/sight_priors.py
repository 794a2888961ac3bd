"""Value of visual priors: contrastive training in the playroom, then a linear probe with few labels.

Arms differ in what their first layer sees. Maps are repeated until every arm has as many channels as the one with all
priors, so all have the same number of parameters; "none" sees only red, green and blue. Arms of one seed share
recordings, augmentation and labelled images. The probe predicts the number of bodies in test recordings.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from sensorium.config import PlayroomConfig
from sensorium.data.sample_formats import to_images
from sensorium.data.sources.playroom import simulate
from sensorium.perception.config import VisionEncoderConfig, VisionPriors
from sensorium.perception.contrastive_learner import VisionContrast
from sensorium.perception.priors import SightPriors
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.studies.config import SightPriorsConfig
from sensorium.studies.findings import Findings, Table, estimate, over_seeds
from sensorium.studies.fit import fit

REVISION = 2
ARMS = {
    "none": VisionPriors(),
    "colour": VisionPriors(colour=True),
    "edges": VisionPriors(edges=True),
    "depth": VisionPriors(depth=True),
    "all": VisionPriors(colour=True, edges=True, depth=True),
}
NEIGHBOURS = 12  # frames between the views of a moment, as by default
PASS = 256  # images a pass


class Repeated(nn.Module):
    """The maps of some priors, repeated until there are `channels` of them."""

    def __init__(self, priors: SightPriors, channels: int) -> None:
        super().__init__()
        self.priors, self.channels = priors, channels

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, channels, H, W]."""
        maps = self.priors(images)
        return maps.repeat(1, -(-self.channels // maps.shape[1]), 1, 1)[:, : self.channels]


def run(config: SightPriorsConfig) -> Findings:
    """Every arm on the recordings of every seed."""
    trained: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
    untrained: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
    shuffled: list[list[float]] = []
    for seed in track(config.all_seeds(), "seeds"):
        rooms = Rooms(config, seed)
        for arm, priors in ARMS.items():
            learner = build_learner(config, priors, rooms.size, seed)
            untrained[arm].append(rooms.probe(learner.encoder))
            fit(learner, config.training.model_copy(update={"seed": seed}), {"video": rooms.windows()})
            trained[arm].append(rooms.probe(learner.encoder))
            if arm == "all":
                shuffled.append(rooms.probe(learner.encoder, shuffle=True))
    values = {arm: np.array(found) for arm, found in trained.items()}
    gains = {arm: found - values["none"] for arm, found in values.items() if arm != "none"}
    columns = [f"{count} labels" for count in config.labels]
    rows = [
        {"priors": arm, "trained": state} | {name: estimate(np.array(found)[:, i]) for i, name in enumerate(columns)}
        for state, group in (("yes", trained), ("no", untrained))
        for arm, found in group.items()
    ]
    worth = [
        {"priors": arm} | {name: estimate(gain[:, i]) for i, name in enumerate(columns)} for arm, gain in gains.items()
    ]
    return Findings(
        metrics={
            f"{arm}_{count}_labels": over_seeds(arm, values[arm][:, i], float(values["none"][:, i].mean()), 1.0)
            for arm in gains
            for i, count in enumerate(config.labels)
        },
        controls={
            f"shuffled_{count}_labels": over_seeds(
                "shuffled", np.array(shuffled)[:, i], float(values["none"][:, i].mean()), 1.0
            )
            for i, count in enumerate(config.labels)
        },
        tables=[Table("Accuracy of a linear probe", rows), Table("Gain over none, paired by seed, trained", worth)],
    )


def build_learner(config: SightPriorsConfig, priors: VisionPriors, size: int, seed: int) -> VisionContrast:
    """An untrained learner whose encoder has some priors, with as many parameters as that of any other arm."""
    most = SightPriors(ARMS["all"]).channels
    section = VisionEncoderConfig(width=config.width, neighbours=NEIGHBOURS, priors=ARMS["all"])
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(stable_seed("sight_priors", seed))
        learner = VisionContrast(section, {"size": size})
    learner.encoder.priors = Repeated(SightPriors(priors), most)
    return learner


class Rooms:
    """Recordings of one seed: three quarters for training, the rest for testing."""

    def __init__(self, config: SightPriorsConfig, seed: int) -> None:
        playroom = PlayroomConfig(recordings=config.recordings, seed=seed)
        found = [simulate(playroom, number) for number in range(config.recordings)]
        self.size, self._config, self._seed = playroom.size, config, seed
        self._video = np.stack([each["video"] for each in found])
        self._label = np.stack([each["truth.vision_label"] for each in found])
        self._split = config.recordings - config.recordings // 4

    def windows(self) -> Tensor:
        """Windows of NEIGHBOURS + 1 frames that share no frame: uint8 [n, NEIGHBOURS + 1, H, W, 3]."""
        length = NEIGHBOURS + 1
        video = self._video[: self._split]
        whole = video[:, : video.shape[1] // length * length]
        return torch.from_numpy(whole.reshape(-1, length, *video.shape[2:]))

    def probe(self, encoder: nn.Module, shuffle: bool = False) -> list[float]:
        """Accuracy on the test recordings for each number of labels: the mean over draws of labelled images."""
        rng = np.random.default_rng(stable_seed("sight_priors", self._seed, "probe"))
        most = max(self._config.labels)
        training = self._pick(rng, slice(0, self._split), 4 * most)
        test = self._pick(rng, slice(self._split, None), self._config.test)
        features = embed_images(encoder, training[0])
        scaler = StandardScaler().fit(features)
        features, unseen = scaler.transform(features), scaler.transform(embed_images(encoder, test[0]))
        labels = rng.permutation(training[1]) if shuffle else training[1]
        scores = []
        for count in self._config.labels:
            found = []
            for _ in range(self._config.draws):
                rows = rng.permutation(len(features))[:count]
                classifier = LogisticRegression(C=0.1, max_iter=200).fit(features[rows], labels[rows])
                found.append(classifier.score(unseen, test[1]))
            scores.append(float(np.mean(found)))
        return scores

    def _pick(self, rng: np.random.Generator, rooms: slice, count: int) -> tuple[np.ndarray, np.ndarray]:
        label = self._label[rooms].reshape(-1)
        rows = rng.permutation(len(label))[:count]
        return self._video[rooms].reshape(-1, *self._video.shape[2:])[rows], label[rows]


@torch.no_grad()
def embed_images(encoder: nn.Module, images: np.ndarray) -> np.ndarray:
    """Embeddings float32 [n, dim] of images uint8 [n, H, W, 3]."""
    return torch.cat([encoder(to_images(part)) for part in torch.from_numpy(images).split(PASS)]).numpy()
