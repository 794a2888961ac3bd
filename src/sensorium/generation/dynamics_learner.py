"""Shortcut forcing: diffusion forcing with x-prediction and a bootstrap to long steps; the learner of the dynamics.

Convention of Dreamer 4 (Hafner et al. 2025, arXiv:2509.24527): the signal level tau is 0 for noise and 1 for
clean, and each frame has its own (Chen et al. 2024, arXiv:2407.01392), as it has its own step size d (Frans et al.
2024, "One step diffusion via shortcut models"). Layouts: B windows, T frames, N tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dream import dream
from sensorium.generation.dynamics import STEPS, Dynamics, Past, linear_estimate
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.randomness import Draw
from sensorium.training.collapse import mean_difference
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics
from sensorium.training.normalise import RunningScale

_CONTEXT_SIGNAL = 0.8  # lowest signal level of a frame that is read
_START = 0.7  # share of frames that are denoised from pure noise
_DREAMED = 0.5  # share of the past that is dreamed, in windows that dream
_SHOWN = 4
_FINEST = 1 / STEPS

Index = Tensor | tuple[slice, slice]
Rows = Tensor | slice  # bool [B]
Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]  # noised [B, T, N, C], tau [B, T], d [B, T] -> clean


def corrupt(clean: Tensor, noise: Tensor, tau: Tensor) -> Tensor:
    """z~ = (1 - tau) z0 + tau z1 (Dreamer 4, flow matching), with noise z0 and data z1 [B, T, N, C], tau [B, T]."""
    tau = tau[..., None, None]
    return (1 - tau) * noise + tau * clean


def ramp(tau: Tensor) -> Tensor:
    """Loss weight w = 0.9 tau + 0.1 (Dreamer 4, ramp weight): levels with more signal have more to teach."""
    return 0.9 * tau + 0.1


@dataclass(frozen=True)
class Levels:
    """What each frame is trained on, [B, T] each.

    Attributes:
        tau: signal level, on the grid 0, d, ... 1 - d of its step size.
        size: step size d.
    """

    tau: Tensor
    size: Tensor

    @property
    def bootstrapped(self) -> Tensor:
        """Frames whose target is two steps of half the size, bool [B, T]; the others' target is the data."""
        return self.size > _FINEST

    def __getitem__(self, part: Index) -> Levels:
        """Those of some rows, or of some rows and frames."""
        return Levels(self.tau[part], self.size[part])


@dataclass(frozen=True)
class Clips:
    """Windows on their way through a training step, [B, T, ...] each but the scene.

    Attributes:
        clean: tokens, standardised.
        noise: of the same shape, of the frames that are denoised.
        levels: what each frame is trained on.
        blur: another noise of that shape, of the frames that are read.
        signal: signal level of each frame that is read.
        first: another noise of that shape, from which the past is dreamed.
        dreamed: which frames of the past are dreamed before they are read.
        action: what led to each frame; None where there are no actions.
        labelled: whether the frame's window is given its actions.
        scene: an earlier frame of each recording, tokens as the tokenizer makes them, [B, n, C].
    """

    clean: Tensor
    noise: Tensor
    levels: Levels
    blur: Tensor
    signal: Tensor
    first: Tensor
    dreamed: Tensor
    action: Tensor | None
    labelled: Tensor
    scene: Tensor

    def cut(self, rows: Tensor, length: int) -> Clips:
        """Some rows, bool [B], in clips of `length` frames that do not see each other."""

        def clips(x: Tensor) -> Tensor:
            return x[rows].reshape(-1, length, *x.shape[2:])

        levels = Levels(clips(self.levels.tau), clips(self.levels.size))
        action = None if self.action is None else clips(self.action)
        tokens = clips(self.clean), clips(self.noise), levels, clips(self.blur), clips(self.signal), clips(self.first)
        scene = self.scene[rows].repeat_interleave(self.clean.shape[1] // length, dim=0)
        return Clips(*tokens, clips(self.dreamed), action, clips(self.labelled), scene)


def context_signal(draw: Draw, frames: int) -> Tensor:
    """Signal levels of frames that are read, [B, T]: nearly clean, for dreamed ones are not perfect (Dreamer 4)."""
    return _CONTEXT_SIGNAL + (1 - _CONTEXT_SIGNAL) * draw.uniform("signal", frames)


def signal_levels(draw: Draw, frames: int, bootstrap: Tensor) -> Levels:
    """Signal levels and step sizes of frames that are denoised.

    Levels are independent for every frame (diffusion forcing), but not uniform: most frames are pure noise, as each
    dreamed frame begins, the rest uniform on the grid of their step size.

    Args:
        draw: of the windows.
        frames: T.
        bootstrap: bool [B], windows whose frames take long steps, of sizes 1/32, 1/16, ... 1 alike (Dreamer 4: uniform
            in log d); the others take the finest, 1/64, which is plain flow matching.
    """
    start, level = draw.uniform("start", frames), draw.uniform("tau", frames)
    long = torch.exp2(-draw.integers("size", STEPS.bit_length() - 1, frames).float())
    size = torch.where(bootstrap[:, None], long, _FINEST)
    return Levels(torch.where(start < _START, 0.0, (level / size).floor() * size), size)


@torch.no_grad()
def bootstrap_target(denoise: Denoiser, noised: Tensor, levels: Levels) -> Tensor:
    """What one step of size d should predict: where two steps of d / 2 lead (shortcut forcing, Dreamer 4).

    With velocities b' = (f(z~, tau, d/2) - z~) / (1 - tau) and, at z' = z~ + b' d/2,
    b'' = (f(z', tau + d/2, d/2) - z') / (1 - tau - d/2), the paper's loss (1 - tau)^2 |(x - z~) / (1 - tau) - (b' +
    b'') / 2|^2 equals |x - (z~ + (1 - tau) (b' + b'') / 2)|^2: the student is never divided by a small number, and
    the denominators of the teacher are at least d / 2.

    Returns:
        [B, T, N, C], standardised.
    """
    half = levels.size / 2
    rest, later = ((1 - level)[..., None, None] for level in (levels.tau, levels.tau + half))
    first = (denoise(noised, levels.tau, half) - noised) / rest
    between = noised + first * half[..., None, None]
    second = (denoise(between, levels.tau + half, half) - between) / later
    return noised + rest * (first + second) / 2


def evenly(draw: Draw, share: float) -> Tensor:
    """A share of all rows of all steps, spread evenly by their number, bool [rows]; small shares skip some steps."""
    row = draw.step * draw.total + torch.arange(draw.start, draw.stop, device=draw.device, dtype=torch.float64)
    return ((row + 1) * share + 1e-9).floor() > (row * share + 1e-9).floor()


class DynamicsLearner(Learner):
    """x-prediction losses of flow matching and of the bootstrap, weighted by the ramp, in fp32; one term a stream.

    Batches: latent [B, T, N, C], scene [B, N, C], a frame of the same recording up to the window's first, with sound
    also sound [B, T, N_a, C], with actions action [B, T, A] or [B, T]. T is `long_frames`. Every frame of a clip but
    the first is denoised after its own past, which is read nearly clean. Every `long_every`-th step trains whole
    windows, the others cut them into pieces of `frames`, so a batch holds the same frames however long its clips are
    (Dreamer 4 alternates lengths too). A share `images` of the rows are clips of one frame.

    Args:
        dynamics: the model, its token statistics set.
        config: its section.
        tokenizer: decodes tokens for pictures; it is neither trained nor exported.
    """

    def __init__(self, dynamics: Dynamics, config: DynamicsConfig, tokenizer: VideoTokenizer) -> None:
        super().__init__()
        self.dynamics, self.config = dynamics, config
        self.scale = RunningScale(dict.fromkeys(dynamics.streams, 1.0))
        self.observed = self.scale.names
        self._decoder = [tokenizer.requires_grad_(False)]  # in a list, so that it is no part of the learner's state

    @property
    def model(self) -> Dynamics:
        """The dynamics."""
        return self.dynamics

    def compiled(self) -> list[nn.Module]:
        """The layers: all of a kind share what is compiled of one; the whole would take a minute a kind of pass."""
        return list(self.dynamics.blocks)

    def observe(self, metrics: Metrics) -> None:
        """Keep each stream's loss on one scale."""
        self.scale.observe(metrics)

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        clean = self.dynamics.standardise(tokens_of(batch))
        rows, frames = clean.shape[:2]
        alone = evenly(draw, self.config.images)
        dreaming = (draw.uniform("dreaming") < self.config.dreamed)[:, None] & ~alone[:, None]
        noise, blur, first = (draw.normal(name, *clean.shape[1:]) for name in ("noise", "blur", "first noise"))
        windows = Clips(
            clean=clean,
            noise=noise,
            levels=signal_levels(draw, frames, evenly(draw, self.config.bootstrap)),
            blur=blur,
            signal=context_signal(draw, frames),
            first=first,
            dreamed=dreaming & (draw.uniform("dreamed", frames) < _DREAMED),
            action=batch.get("action"),
            labelled=(draw.uniform("labelled") >= self.config.unlabelled)[:, None].expand(rows, frames),
            scene=batch["scene"],
        )
        long = (draw.step + 1) % self.config.long_every == 0
        length = frames if long else self.config.frames
        parts = [windows.cut(which, frames) for which, frames in ((alone, 1), (~alone, length)) if which.any()]
        errors = [self._errors(part) for part in parts]
        sums = {name: torch.stack([part[name] for part in errors]).sum() for name in errors[0]}
        means = {name: total / (rows * frames) for name, total in sums.items() if name in self.dynamics.streams}
        metrics = {name: value.detach() for name, value in means.items()}
        metrics["error_from_noise"] = sums["from_noise"] / sums["begun"].clamp_min(1)
        return self.scale(means), metrics

    def _errors(self, clips: Clips) -> dict[str, Tensor]:
        """Sums over frames: of each stream's weighted squared error, and what a person watches.

        The first frame of a clip is only read, unless it is all there is.
        """
        told = slice(min(1, clips.clean.shape[1] - 1), None)
        levels, moving = clips.levels[:, told], clips.levels[:, told].bootstrapped
        past = self._read(clips, slice(None), self._past(clips))
        target, noised = clips.clean[:, told], corrupt(clips.clean, clips.noise, clips.levels.tau)[:, told]
        taught = moving.any(1)
        if taught.any():  # only windows that need the teacher pass through it
            after = past and past.rows(taught)
            lesson = bootstrap_target(self._denoiser(clips, taught, after), noised[taught], levels[taught])
            target = target.clone()
            target[taught] = lesson
        prediction = self._denoiser(clips, slice(None), past)(noised, levels.tau, levels.size)
        squared = (prediction - target).square()
        weight = ramp(levels.tau)
        streams = self.dynamics.split(squared)
        begun = (levels.tau == 0) & ~moving
        return {name: (weight * error.mean((2, 3))).sum() for name, error in streams.items()} | {
            "from_noise": (squared.detach().mean((2, 3)) * begun).sum(),
            "begun": begun.sum(),
        }

    def _past(self, clips: Clips) -> Tensor:
        """What is read of each clip, [B, T, N, C]: its frames a little corrupted, some of them dreamed.

        In a dream the past is the model's own, and less sharp than any recording; who has only read recordings takes
        the blur for what is there and adds to it, until nothing is left. So it reads frames as it makes them, in one
        step from noise, and is asked for the true ones that follow (after Bengio et al. 2015, "Scheduled sampling",
        whose samples were drawn one after the other; here all come from one pass, each after a true past).
        """
        past, rows = corrupt(clips.clean, clips.blur, clips.signal), clips.dreamed.any(1)
        if not rows.any():
            return past
        tau = torch.zeros_like(clips.signal[rows, 1:])
        with torch.no_grad():
            after = self._read(clips, rows, past)
            made = self._denoiser(clips, rows, after)(clips.first[rows, 1:], tau, torch.full_like(tau, _FINEST))
        known = clips.clean.clone()
        known[rows, 1:] = torch.where(clips.dreamed[rows, 1:, None, None], made, known[rows, 1:])
        return corrupt(known, clips.blur, clips.signal)

    def _read(self, clips: Clips, rows: Rows, frames: Tensor) -> Past | None:
        """A past of all but the last of `frames` [B, T, N, C], of some clips; None where there is but one."""
        if frames.shape[1] == 1:
            return None
        past, signal = self.dynamics.begin_past(), clips.signal[rows, :-1]
        action = None if clips.action is None else clips.action[rows, :-1]
        size, scene = torch.full_like(signal, _FINEST), self.dynamics.look(clips.scene[rows])
        self.dynamics(frames[rows, :-1], signal, size, action, clips.labelled[rows, 0], past=past, scene=scene)
        return past

    def _denoiser(self, clips: Clips, rows: Rows, past: Past | None) -> Denoiser:
        """Denoises frames of some clips, each after its own past; without one, single frames."""
        labelled, action = clips.labelled[rows, 0], None if clips.action is None else clips.action[rows]
        moves = action if action is None or past is None else action[:, 1:]
        scene = self.dynamics.look(clips.scene[rows])
        return lambda noised, tau, size: self.dynamics(noised, tau, size, moves, labelled, past=past, scene=scene)[0]

    def gates(self, batch: Batch) -> list[Gate]:
        """What the network adds to the linear estimate of an unseen last frame must differ by context and help."""
        clean = self.dynamics.standardise(tokens_of(batch))
        noise = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(0)).to(clean)
        tau = torch.ones(clean.shape[:2], device=clean.device)
        tau[:, -1] = 0
        noised = corrupt(clean, noise.expand_as(clean), tau)
        size = torch.full_like(tau, _FINEST)
        scene = self.dynamics.look(batch["scene"])
        prediction = self.dynamics(noised, tau, size, batch.get("action"), scene=scene)[0].detach()[:, -1]
        estimate = linear_estimate(noised, tau, self.dynamics.change)[0][:, -1]
        correction, target = prediction - estimate, clean[:, -1]
        gain = 1 - (prediction - target).square().mean() / (estimate - target).square().mean()
        advice = "a lower learning rate, or more steps"
        return [
            Gate("prediction_deviation", float(correction.std(0).mean()), 0.003, advice),
            Gate("output_difference", mean_difference(correction.flatten(1)), 0.01, advice),
            Gate("gain_over_persistence", float(gain), 0.005, advice),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Windows in pairs of rows: the truth through the tokenizer, and the dream from its first half."""
        latent = tokens_of(batch)[:_SHOWN]
        actions = batch["action"][:_SHOWN] if "action" in batch else None
        context = latent.shape[1] // 2
        dreamt = dream(self.dynamics, latent[:, :context], actions, latent.shape[1] - context)
        decoder = self._decoder[0].to(latent.device)
        rows = []
        for truth, imagined in zip(latent, dreamt, strict=True):
            for tokens in (truth, torch.cat([truth[:context], imagined])):
                video = self.dynamics.split(tokens)["video"]
                rows.append(torch.cat(list(decoder.decode(video).float().clamp(0, 1)), dim=-1))
        return {"dream": Image(torch.cat(rows, dim=-2))}


def tokens_of(batch: Batch) -> Tensor:
    """All tokens of a batch of latents, float32 [B, T, N, C]: video, then sound where there is any."""
    streams = [batch[name].float() for name in ("latent", "sound") if name in batch]
    return torch.cat(streams, dim=2)
