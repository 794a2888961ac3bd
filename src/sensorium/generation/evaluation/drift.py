"""Long dreams, in constant memory: do their pieces go on looking and moving like pieces of recordings?

Each dream begins with a test recording and goes on under the actions of other recordings, one after the other. It is
cut into pieces; `distance` is the Fréchet distance of normal distributions, |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)),
of the dreams' pieces and of real pieces, the mean over the places of a piece in its dream. The features of a frozen
self-supervised encoder describe the looks of a piece (their mean over the frames) and its motion (the mean of their
absolute changes over 1 and over 4 frames: what flickers changes no more in four frames than in one). The leading
principal components of each are whitened, so the unit is the variety of real pieces. The encoder is the vision encoder
of this workflow, or the video tokenizer where there is no other: the distance is not the FVD of the literature, and
compares with nothing but itself. Real pieces are those of training recordings as the tokenizer shows them.
Floors: the last true frame held still, the mean training picture, the context to and fro, random training recordings
replayed, and the dreams of an untrained network, sampled alike. Ceiling: the recordings that the dreams begin with, in
as many pieces, because the distance of fewer pieces is larger. Reported without being metrics: the distance of each
piece, and its growth from piece to piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch

from sensorium.evaluation.baselines.pictures import to_and_fro
from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.statistics import measure
from sensorium.generation.dream import dream_frames
from sensorium.generation.dream_config import DriftConfig
from sensorium.generation.evaluation import dream_figures
from sensorium.generation.evaluation.dreams import INPUTS, Studio, add_poison
from sensorium.models.out_of_memory import in_pieces
from sensorium.progress import track
from sensorium.randomness import stable_seed

REVISION = 3
ENCODER = "encoders/vision"
EVALUATION = Evaluation(
    __name__,
    DriftConfig,
    inputs=(*INPUTS, Input("encoder", ENCODER, required=False, help="vision encoder; else the tokenizer")),
    control="the dynamics",
    options=add_poison,
)
main = EVALUATION.main

COMPONENTS = 4  # principal components of looks, and as many of the motion at each lag
LAGS = (1, 4)  # frames
REAL = 256  # real pieces to compare with
SHOWN, STILLS = 4, 8  # dreams in the picture, and frames of each

Encoder = Callable[[np.ndarray], np.ndarray]  # pictures [n, T, 3, H, W] -> features [n, T, E]


def judge(bench: Bench, config: DriftConfig) -> Result:
    """Measure the distance of the pieces of long dreams from real ones."""
    studio = Studio(bench, config)
    rng = np.random.default_rng(stable_seed(config.seed, "drift"))
    encode = encoder(studio)
    real = studio.sample(studio.past + config.piece, REAL, rng, "training")
    space = Space(describe(studio.pictures(real["tokens"], studio.past), encode))
    sample = studio.sample(config.context + config.piece, config.windows, rng)
    actions = long_actions(studio, sample, config.frames, rng)
    dreamed, pictures, times = described_dreams(studio, sample, actions, lambda shown: space(describe(shown, encode)))
    count = dreamed.shape[1]
    floors = {
        name: np.repeat(space(describe(still, encode))[:, None], count, 1)
        for name, still in still_pieces(studio, sample, config.piece).items()
    }
    floors["context to and fro"] = described(repeated_context(studio, sample, config.piece, count), space, encode)
    names = studio.recordings.names("training")
    replayed = random_order(names, len(sample), rng)
    floors["training recording replayed"] = described(recorded(studio, replayed, config.piece, count), space, encode)
    untrained = long_dream(studio, sample, actions, untrained=True)
    floors["untrained"] = np.stack([space(describe(shown, encode)) for shown in untrained], 1)
    begun = [[name] for name in sample.names]
    others = described(recorded(studio, begun, config.piece, count), space, encode)
    ceiling = distance(others, np.ones(len(others)))
    fitted_on = {*real.names, *(name for row in replayed for name in row)}
    shared: dict[str, Any] = {"higher_is_better": False, "centred": True, "seed": config.seed}
    metric = measure(
        "distance",
        dreamed,
        sample.names,
        statistic=distance,
        fitted_on=fitted_on,
        baselines=floors,
        ceilings={"other real pieces": ceiling},
        **shared,
    )
    none = {"none": 0.0}
    growth = measure(
        "growth", dreamed, sample.names, statistic=slope, fitted_on=fitted_on, baselines=none, ceilings=none, **shared
    )
    lines = {name: each_piece(values, np.ones(len(values))) for name, values in {"dream": dreamed, **floors}.items()}
    notes = {
        "encoder": "encoder_vision" if ENCODER in bench.parts else "tokenizer_video",
        "distance_of_each_piece": {name: line.tolist() for name, line in lines.items()},
        "growth_a_piece": {key: growth[key] for key in ("value", "low", "high", "n")},
    }
    draw = partial(dream_figures.drift, lines=lines, real=metric["ceiling"], strips=pictures, shown=times)
    return Result({"distance": metric}, draw, notes)


def described_dreams(
    studio: Studio, sample: Sample, actions: np.ndarray | None, features: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Dream on, and keep features of the pieces alone; where memory runs out, some of the dreams after the others.

    Returns:
        features of the pieces, [n, P, D]; a few frames of the first dreams, [shown, stills, 3, H, W]; and the numbers
        of these frames, counted from 1.
    """
    config: Any = studio.config
    stills = np.linspace(0, config.frames // config.piece * config.piece - 1, STILLS).astype(int)  # whole pieces only

    def part(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        moves = None if actions is None else actions[start:stop]
        pieces, pictures = [], []
        for number, shown in enumerate(long_dream(studio, sample.rows(slice(start, stop)), moves)):
            pieces.append(features(shown))
            here = [still for still in stills if still // config.piece == number]
            pictures += [shown[:SHOWN, still - number * config.piece] for still in here]
        return np.stack(pieces, 1), np.stack(pictures, 1)

    count = len(sample)
    described, shown = zip(*in_pieces(part, count, studio.bench.execution.micro_batch or count), strict=True)
    return np.concatenate(described), np.concatenate(shown)[:SHOWN], (1 + stills).tolist()


def still_pieces(studio: Studio, sample: Sample, frames: int) -> dict[str, np.ndarray]:
    """Pieces that stand still, [n, frames, 3, H, W]: the last true frame, and the mean training picture."""
    given = studio.config.context
    last = studio.pictures(sample["tokens"][:, :given], given - 1)
    stills = {"frozen frame": last, "mean picture": studio.mean_picture[None, None]}
    shape = (len(last), frames, *last.shape[2:])
    return {name: np.broadcast_to(frame, shape) for name, frame in stills.items()}


def encoder(studio: Studio) -> Encoder:
    """The vision encoder, or the tokenizer where there is none: pictures [n, T, 3, H, W] -> features [n, T, E]."""
    if ENCODER not in studio.bench.parts:
        return lambda pictures: studio.encode(pictures).reshape(*pictures.shape[:2], -1)
    vision = studio.bench.parts.load_any(ENCODER)

    def embed(pictures: np.ndarray) -> np.ndarray:
        return studio.bench.map(vision, pictures.reshape(-1, *pictures.shape[2:])).reshape(*pictures.shape[:2], -1)

    return embed


def describe(pictures: np.ndarray, encode: Encoder) -> np.ndarray:
    """Looks and motion of each piece [n, T, 3, H, W], float64 [n, 1 + lags, E]."""
    features = encode(np.ascontiguousarray(pictures)).astype(np.float64)
    motion = [np.abs(features[:, lag:] - features[:, :-lag]).mean(1) for lag in LAGS]
    return np.stack([features.mean(1), *motion], 1)


def long_actions(studio: Studio, sample: Sample, frames: int, rng: np.random.Generator) -> np.ndarray | None:
    """Each window's actions up to its context's end, then those of random recordings: [n, context + frames, ...]."""
    if "action" not in sample:
        return None
    names, given = studio.recordings.names("test"), studio.config.context
    rows = []
    for own in sample["action"]:
        parts, missing = [own[:given]], frames
        while missing > 0:
            part = studio.recordings.field(names[rng.integers(len(names))], "action")[:missing]
            parts.append(part)
            missing -= len(part)
        rows.append(np.concatenate(parts))
    return np.stack(rows)


def long_dream(
    studio: Studio, sample: Sample, actions: np.ndarray | None, untrained: bool = False
) -> Iterator[np.ndarray]:
    """Dream on without keeping earlier pieces: one piece after the other, float32 [n, piece, 3, H, W]."""
    config: Any = studio.config
    before, device = sample["tokens"][:, : config.context], studio.bench.device
    moves = None if actions is None else torch.from_numpy(actions).to(device)
    context = torch.from_numpy(before).to(device)
    dreamed_on = dream_frames(studio.dreamer(untrained=untrained), context, moves, config.frames)
    frames = track(dreamed_on, "frames dreamed", config.frames)
    for _ in range(config.frames // config.piece):
        dreamed = torch.cat([frame.cpu() for frame in islice(frames, config.piece)], 1)
        tokens = np.concatenate([before, dreamed.float().numpy()], 1)
        yield studio.pictures(tokens, before.shape[1])
        before = tokens[:, tokens.shape[1] - studio.past :]


def repeated_context(studio: Studio, sample: Sample, piece: int, count: int) -> Iterator[np.ndarray]:
    """The context of each window, played to and fro: `count` pieces, one after the other, [n, piece, 3, H, W]."""
    context = studio.pictures(sample["tokens"][:, : studio.config.context])
    for number in range(count):
        yield to_and_fro(context, (number + 1) * piece)[:, number * piece :]


def random_order(names: Sequence[str], rows: int, rng: np.random.Generator) -> list[list[str]]:
    """All names in random order, `rows` times: what is replayed, one after the other."""
    return [[names[number] for number in rng.permutation(len(names))] for _ in range(rows)]


def recorded(studio: Studio, films: Sequence[Sequence[str]], piece: int, count: int) -> Iterator[np.ndarray]:
    """Recordings as the tokenizer shows them, in pieces: up to `count` times float32 [n, piece, 3, H, W].

    Args:
        studio: where they are shown.
        films: for each row the names of recordings, one after the other; only whole pieces of them count.
        piece: frames in a piece.
        count: pieces, fewer if the recordings end before.
    """
    cut = [
        [(name, first) for name in row for first in range(0, studio.recordings.frames(name) - piece + 1, piece)][:count]
        for row in films
    ]
    for places in zip(*cut, strict=False):
        shown = []
        for name, first in places:
            before = min(first, studio.past)
            tokens = np.asarray(studio.latent(name)[first - before : first + piece], np.float32)
            shown.append(studio.pictures(tokens[None], before)[0])
        yield np.stack(shown)


def described(pieces: Iterator[np.ndarray], space: Space, encode: Encoder) -> np.ndarray:
    """Features of pieces that follow each other, [n, P, D]."""
    return np.stack([space(describe(piece, encode)) for piece in pieces], 1)


class Space:
    """Leading principal components of looks and of motion of real pieces, whitened together.

    Args:
        real: their features, [n, parts, E].
    """

    def __init__(self, real: np.ndarray) -> None:
        self._centre = real.mean(0)
        centred = real - self._centre
        parts = [np.linalg.svd(part, full_matrices=False)[2][:COMPONENTS] for part in centred.swapaxes(0, 1)]
        self._axes = np.stack(parts)  # [parts, components, E]
        values, vectors = np.linalg.eigh(np.cov(self._project(centred), rowvar=False))
        self._whiten = vectors / np.sqrt(np.maximum(values, 1e-12))

    def _project(self, centred: np.ndarray) -> np.ndarray:
        return np.einsum("npe,pce->npc", centred, self._axes).reshape(len(centred), -1)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features [n, parts, E] -> [n, D], of mean 0 and covariance 1 over the real pieces."""
        return self._project(features - self._centre) @ self._whiten


def frechet(samples: np.ndarray, weights: np.ndarray) -> float:
    """Fréchet distance of whitened pieces [n, D] to the real ones, whose mean is 0 and whose covariance is 1.

    With S' = 1 it is |m|^2 + sum over the eigenvalues e of S of (sqrt(e) - 1)^2.
    """
    return float(each_piece(samples[:, None], weights)[0])


def each_piece(samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`frechet` of each piece of the dreams [n, P, D], float64 [P]."""
    weights = weights / weights.sum()
    centre = np.tensordot(weights, samples, axes=(0, 0))  # [P, D]
    apart = (samples - centre).transpose(1, 2, 0)  # [P, D, n]
    values = np.linalg.eigvalsh((apart * weights) @ apart.transpose(0, 2, 1))
    distances: np.ndarray = (centre**2).sum(-1) + ((np.sqrt(np.maximum(values, 0)) - 1) ** 2).sum(-1)
    return distances


def distance(samples: np.ndarray, weights: np.ndarray) -> float:
    """Mean of the distances of the pieces of the dreams [n, P, D]."""
    return float(each_piece(samples, weights).mean())


def slope(samples: np.ndarray, weights: np.ndarray) -> float:
    """Growth of the distance from one piece to the next: least squares over the pieces of samples [n, P, D]."""
    distances = each_piece(samples, weights)
    when = np.arange(len(distances)) - (len(distances) - 1) / 2
    return float(when @ distances / (when @ when))
