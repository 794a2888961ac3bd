"""All baselines that continue films, for one line in an evaluation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sensorium.evaluation.baselines.pictures import Fade, Films, half_and_half, held, replayed, to_and_fro
from sensorium.evaluation.baselines.ridge_of_films import continued


def forecasts(
    training: Films, validation: Films, test: Films, given: int, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """What each baseline predicts after the contexts of `test`: its name, and float32 [n, H, S].

    Args:
        training: to fit on; windows of given + H frames.
        validation: likewise, to choose penalties on.
        test: windows to predict; of their frames only the context is read.
        given: frames of a context.
        rng: draws the training windows that are replayed.
    """
    context, horizon = test.pictures(0, given), training.frames.shape[1] - given
    fade = Fade(training, given)
    yield "last frame", held(context, horizon)
    yield "mean picture", np.broadcast_to(fade.mean, (len(test), horizon, *fade.mean.shape))
    yield "half last frame, half mean picture", half_and_half(context, fade.mean, horizon)
    yield "fade", fade(context)
    yield "ridge", continued(fade, training, validation, (test,), given)[0]
    yield "context to and fro", to_and_fro(context, horizon)
    yield "training recording replayed", replayed(training, len(test), given, rng)
