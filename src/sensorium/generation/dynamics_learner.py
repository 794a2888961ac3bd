"""The learner of the dynamics: shortcut forcing (`shortcut_forcing.py`) on clips of encoded recordings.

Layouts: B windows, T frames, N tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sensorium.generation.body_sense import to_tokens
from sensorium.generation.clips import Clips
from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.config import LAST_FRAMES, DynamicsConfig
from sensorium.generation.dream import dream
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.fine_objective import (
    crop_of,
    draw_crops,
    hearing_loss,
    mending_loss,
    refining_loss,
    video_loss,
)
from sensorium.generation.kalman import kalman_filter
from sensorium.generation.memory import Context
from sensorium.generation.passes import Prediction
from sensorium.generation.shortcut_forcing import (
    Levels,
    bootstrap_target,
    context_signal,
    corrupt,
    ramp_weight,
    signal_levels,
)
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.walk import Mended, walk
from sensorium.models.cache import row_numbers, rows_of
from sensorium.randomness import Draw, evenly
from sensorium.training.collapse import mean_difference
from sensorium.training.learner import Audio, Batch, Gate, Image, Learner, Metrics
from sensorium.training.normalise import RunningScale

_DREAMED = 0.5  # share of context frames that are dreamed, in windows that dream; of those of a fine path all are
_SHARPNESS = (1.0, 4.0)  # of dreams that a fine path is walked through, by turns
_FROM_NOISE = 0.85  # share of crops that are pure noise
_SHOWN = 4  # windows in a picture

Rows = Tensor | slice  # bool [B] on the CPU


class DynamicsLearner(Learner):
    """x-prediction losses of flow matching and of the bootstrap, weighted by the ramp, in fp32; one term a stream.

    Batches: latent [B, T, N, C]; scene [B, N, C], a frame of the same recording not after the window's first; with
    sound also sound [B, T, N_a, C]; with actions action [B, T, A] or [B, T]; with a body sense body [B, T, P]. T is
    `long_frames`.

    Every frame of a clip but the first is denoised after its own context, which is nearly clean. Every `long_every`-th
    step trains whole windows; the others cut them into clips of `frames` frames, so all batches have the same number
    of frames (Dreamer 4 alternates lengths too). A share `images` of the windows is cut into clips of one frame.

    Args:
        dynamics: the model, its token statistics set.
        config: its section.
        tokenizer: decodes tokens for pictures; it is neither trained nor exported.
        trained: whether the dynamics were trained before: a fine path then needs no crops.
    """

    def __init__(
        self, dynamics: Dynamics, config: DynamicsConfig, tokenizer: VideoTokenizer, trained: bool = False
    ) -> None:
        super().__init__()
        crops = config.fine.crops if dynamics.fine is not None and not trained else 0.0
        self._on_crops = crops * config.training.steps  # so many first steps
        self.dynamics, self.config = dynamics, config
        refined = ("refined",) if dynamics.fine is not None and dynamics.fine.refiner is not None else ()
        self.scale = RunningScale(dict.fromkeys((*dynamics.streams, *refined), 1.0))
        self.observed = self.scale.names
        self._decoder = [tokenizer.requires_grad_(False)]  # in a list, so that it is no part of the learner's state

    @property
    def model(self) -> Dynamics:
        """The dynamics."""
        return self.dynamics

    def compiled(self) -> list[nn.Module]:
        """The layers. All layers of a kind share one compiled form; the whole model would take a minute a pass kind."""
        return list(self.dynamics.blocks)

    def observe(self, metrics: Metrics) -> None:
        """Keep each stream's loss on one scale."""
        self.scale.observe(metrics)

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        clean, fine = self.dynamics.standardise(tokens_of(batch)), self.dynamics.fine
        losses, error = (self._from_crops if draw.step < self._on_crops else self._from_clips)(clean, batch, draw)
        if fine is not None and fine.refiner is not None:
            parts, scene = self.dynamics.split(clean), self.dynamics.encode_scene(batch["scene"])
            mended = refining_loss(fine, parts["video"], parts.get("body"), scene, draw).mean()
            losses["refined"] = mended + losses.pop("mended", torch.zeros_like(mended))
        metrics = {name: loss.detach() for name, loss in losses.items()} | {"error_from_noise": error}
        return self.scale(losses), metrics

    def _from_clips(self, clean: Tensor, batch: Batch, draw: Draw) -> tuple[dict[str, Tensor], Tensor]:
        """Losses of whole frames, and the squared error of those from pure noise."""
        rows, frames = clean.shape[:2]
        alone = evenly(draw, self.config.images)
        windows = self._windows(clean, batch, draw, alone)
        long = (draw.step + 1) % self.config.long_every == 0
        length = frames if long else self.config.frames
        parts = [windows.cut(which, frames) for which, frames in ((alone, 1), (~alone, length)) if which.any()]
        errors = [self._errors(part) for part in parts]
        sums = {name: torch.stack([part[name] for part in errors]).sum() for name in errors[0]}
        asked = {*self.dynamics.streams, "mended"}
        means = {name: total / (rows * frames) for name, total in sums.items() if name in asked}
        return means, sums["from_noise"] / sums["from_noise_frames"].clamp_min(1)

    def _from_crops(self, clean: Tensor, batch: Batch, draw: Draw) -> tuple[dict[str, Tensor], Tensor]:
        """The same of the fine path alone, on a part of each frame that has enough frames before it.

        Neither the transformer nor the filtered path is trained here: what moves where is learned at a fraction of
        their cost.
        """
        fine = self.dynamics.fine
        assert fine is not None
        parts, later = self.dynamics.split(clean), slice(LAST_FRAMES, None)
        video, felt = parts["video"], parts.get("body")
        kept = video if felt is None else torch.cat([video, felt], dim=2)
        recent = kept[:, :-1].unfold(1, LAST_FRAMES, 1).movedim(-1, 2)
        crop = crop_of(fine.config, draw_crops(fine.config, video, draw)[:, later])
        true = crop.cut_tokens(video[:, later].flatten(0, 1)).unflatten(0, recent.shape[:2])
        levels = signal_levels(draw, video.shape[1], torch.zeros(len(video), dtype=torch.bool), _FROM_NOISE)
        levels = levels.map(lambda part: part[:, later])
        noised = corrupt(true, draw.normal("noise", *true.shape[1:]), levels.tau)
        action = batch["action"][:, later] if "action" in batch else None
        labelled = draw.uniform("labelled") >= self.config.unlabelled
        given = Conditioning(levels.tau, levels.step_size, action, labelled, self.dynamics.encode_scene(batch["scene"]))
        if felt is not None:
            felt = felt[:, later]
            body = corrupt(felt, draw.normal("felt noise", *felt.shape[1:]), levels.tau)
        made = self.dynamics.denoise_crops(noised, recent, given, crop, *([] if felt is None else [body]))
        assert made.mixture is not None
        tokens, weight, losses = made.tokens[:, :, : true.shape[2]], _first_decides(levels.tau), {}
        losses["video"] = video_loss(fine, made.mixture, tokens, true, true, weight).mean()
        if felt is not None:
            losses["body"] = self._body_loss(made, made.tokens[:, :, true.shape[2] :], felt, felt, weight).mean()
        if self.dynamics.paths.onsets is not None:
            read = self.dynamics.blur(
                clean, draw.normal("blur", *clean.shape[1:]), context_signal(draw, clean.shape[1])
            )
            losses["audio"] = hearing_loss(self.dynamics.paths, clean, read).mean()
        from_noise = levels.tau == 0
        squared = ((tokens.detach() - true).square().mean((2, 3)) * from_noise).sum()
        return losses, squared / from_noise.sum().clamp_min(1)

    def _body_loss(self, made: Prediction, prediction: Tensor, target: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
        """Of the body sense of each frame, [B, T]."""
        assert self.dynamics.fine is not None
        assert self.dynamics.fine.body is not None
        assert made.expected is not None
        return self.dynamics.fine.body.loss(prediction, target, made.expected, clean, weight)

    def _windows(self, clean: Tensor, batch: Batch, draw: Draw, alone: Tensor) -> Clips:
        """Windows with all that is drawn for them; those in `alone`, bool [B], have no context to dream."""
        (rows, frames), masks = clean.shape[:2], draw.on_cpu()
        dreaming = (masks.uniform("dreaming") < self.config.dreamed)[:, None] & ~alone[:, None]
        bootstrap = evenly(draw, self.config.bootstrap)
        noise, blur, first = (draw.normal(name, *clean.shape[1:]) for name in ("noise", "blur", "first noise"))
        return Clips(
            clean=clean,
            noise=noise,
            levels=signal_levels(draw, frames, bootstrap),
            bootstrapped=bootstrap[:, None].expand(rows, frames),
            context_noise=blur,
            context_tau=context_signal(draw, frames),
            dream_noise=first,
            dreamed=dreaming & (masks.uniform("dreamed", frames) < (_DREAMED if self.dynamics.fine is None else 1)),
            sharpness=_SHARPNESS[draw.step % len(_SHARPNESS)],
            action=batch.get("action"),
            labelled=(draw.uniform("labelled") >= self.config.unlabelled)[:, None].expand(rows, frames),
            scene=batch["scene"],
        )

    def _errors(self, clips: Clips) -> dict[str, Tensor]:
        """Sums over frames: each stream's weighted squared error; squared error and number of frames from pure noise.

        The first frame of a clip is context only, unless the clip has one frame. A fine path is also asked how likely
        the true frames are.
        """
        denoised = slice(min(1, clips.clean.shape[1] - 1), None)
        levels = clips.levels.map(lambda part: part[:, denoised])
        frames, mended = self._context_frames(clips)
        context = self._read(clips, slice(None), frames)
        noised = corrupt(clips.clean, clips.noise, clips.levels.tau)[:, denoised]
        clean = clips.clean[:, denoised]
        target = self._targets(clips, noised, levels, clean, context)
        prediction = self._denoiser(clips, slice(None), context)(noised, levels.tau, levels.step_size)
        squared = (prediction.tokens - target).square()
        weight = ramp_weight(levels.tau)
        losses = {name: weight * error.mean((2, 3)) for name, error in self.dynamics.split(squared).items()}
        if self.dynamics.fine is not None and prediction.mixture is not None:
            made, wanted, true = (self.dynamics.split(part) for part in (prediction.tokens, target, clean))
            first, mixture = _first_decides(levels.tau), prediction.mixture
            losses["video"] = video_loss(
                self.dynamics.fine, mixture, made["video"], wanted["video"], true["video"], first
            )
            if "body" in made:
                losses["body"] = self._body_loss(prediction, made["body"], wanted["body"], true["body"], first)
        if (onsets := self.dynamics.paths.onsets) is not None and prediction.heard is not None:
            sound = self.dynamics.split(clips.clean)["audio"]
            before = torch.cat([sound[:, :1], sound[:, :-1]], dim=1)
            losses["audio"] = onsets.surprise(prediction.heard, sound[:, denoised], before[:, denoised])
        if self.dynamics.fine is not None and self.dynamics.fine.refiner is not None:
            losses["mended"] = self._mending(clips, mended) * self.dynamics.fine.refiner.config.every
        from_noise = (levels.tau == 0) & ~levels.bootstrapped
        return {name: loss.sum() for name, loss in losses.items()} | {
            "from_noise": (squared.detach().mean((2, 3)) * from_noise).sum(),
            "from_noise_frames": from_noise.sum(),
        }

    def _mending(self, clips: Clips, mended: list[Mended]) -> Tensor:
        """How surprising the truth is to the second pass after each frame that came to it, [n]."""
        rows, fine = clips.dreamed.any(1), self.dynamics.fine
        if not mended or fine is None:
            return clips.clean.new_zeros(1)
        clean, scene = rows_of(clips.clean, rows), self.dynamics.encode_scene(rows_of(clips.scene, rows))
        nats = []
        for each in mended:
            true = self.dynamics.split(clean[:, each.number])
            nats.append(mending_loss(fine, each.dreamed, each.own, true["video"], true.get("body"), scene))
        return torch.cat(nats)

    def _targets(self, clips: Clips, noised: Tensor, levels: Levels, clean: Tensor, context: Context | None) -> Tensor:
        """What denoised frames should become: the data, or in bootstrapped windows what the teacher makes of them."""
        windows = clips.bootstrapped.any(1)
        if not windows.any():
            return clean
        predict = self._denoiser(clips, windows, context and context.windows(windows))

        def teacher(frames: Tensor, tau: Tensor, step_size: Tensor) -> Tensor:
            return predict(frames, tau, step_size).tokens

        made = bootstrap_target(teacher, rows_of(noised, windows), levels.map(lambda part: rows_of(part, windows)))
        return clean.clone().index_copy_(0, row_numbers(windows, clean.device), made)

    def _context_frames(self, clips: Clips) -> tuple[Tensor, list[Mended]]:
        """Frames of each clip that are read as context, [B, T, N, C]: slightly corrupted, some of them dreamed.

        With a fine path clips are walked through (`walk`). Frames that came to a second pass there are returned, too.

        In a dream the context is the model's own output, and less sharp than any recording. A model that was trained on
        recorded context takes that blur for real and adds to it, until nothing is left. So here it reads frames as it
        predicts them itself, in one step from noise, and learns the true frames that follow (after Bengio et al. 2015,
        "Scheduled sampling", who sample one after the other; here one pass samples all, each after true context).
        """
        context, rows = self.dynamics.blur(clips.clean, clips.context_noise, clips.context_tau), clips.dreamed.any(1)
        if not rows.any():
            return context, []
        tau = torch.zeros_like(rows_of(clips.context_tau[:, 1:], rows))
        if self.dynamics.fine is not None:
            walked, mended = walk(self.dynamics, clips, rows, context)
            return context.index_copy(0, row_numbers(rows, context.device), walked), mended
        with torch.no_grad():
            denoise = self._denoiser(clips, rows, self._read(clips, rows, context))
            made = denoise(rows_of(clips.dream_noise[:, 1:], rows), tau, torch.full_like(tau, FINEST)).tokens
        dreamed = rows_of(clips.dreamed[:, 1:], rows)[..., None, None].to(made.device, non_blocking=True)
        known = clips.clean.clone()
        mixed = torch.where(dreamed, made, rows_of(known[:, 1:], rows))
        known[:, 1:].index_copy_(0, row_numbers(rows, known.device), mixed)
        return corrupt(known, clips.context_noise, clips.context_tau), []

    def _read(self, clips: Clips, rows: Rows, frames: Tensor) -> Context | None:
        """The context of some clips: all `frames` [B, T, N, C] of them but the last; None if there is only one."""
        if frames.shape[1] == 1:
            return None
        tau = rows_of(clips.context_tau[:, :-1], rows)
        action = None if clips.action is None else rows_of(clips.action[:, :-1], rows)
        labelled, scene = rows_of(clips.labelled[:, 0], rows), self.dynamics.encode_scene(rows_of(clips.scene, rows))
        given = Conditioning(tau, torch.full_like(tau, FINEST), action, labelled, scene)
        return self.dynamics.read(rows_of(frames[:, :-1], rows), given)

    def _denoiser(
        self, clips: Clips, rows: Rows, context: Context | None
    ) -> Callable[[Tensor, Tensor, Tensor], Prediction]:
        """The model on some clips: all frames but the first, each after its context, or frames without any."""
        first = 0 if context is None else 1
        action = None if clips.action is None else rows_of(clips.action[:, first:], rows)
        labelled, scene = rows_of(clips.labelled[:, 0], rows), self.dynamics.encode_scene(rows_of(clips.scene, rows))

        def denoise(noised: Tensor, tau: Tensor, step_size: Tensor) -> Prediction:
            given = Conditioning(tau, step_size, action, labelled, scene)
            return self.dynamics.denoise(noised, given, context)

        return denoise

    def gates(self, batch: Batch) -> list[Gate]:
        """The correction of an unseen last frame must differ between contexts, and be better than the filter alone."""
        clean = self.dynamics.standardise(tokens_of(batch))
        noise = torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(0)).to(clean)
        tau = torch.ones(clean.shape[:2], device=clean.device)
        tau[:, -1] = 0
        noised = corrupt(clean, noise.expand_as(clean), tau)
        scene = self.dynamics.encode_scene(batch["scene"])
        given = Conditioning(tau, torch.full_like(tau, FINEST), batch.get("action"), scene=scene)
        past = clean.shape[1] - 1
        prediction = self.dynamics.stream(noised, given, self.dynamics.remember(), past).tokens.detach()[:, -1]
        filtered = kalman_filter(noised, tau, self.dynamics.change).mean[:, -1]
        correction, target = prediction - filtered, clean[:, -1]
        gain = 1 - (prediction - target).square().mean() / (filtered - target).square().mean()
        advice = "a lower learning rate, or more steps"
        return [
            Gate("prediction_std", float(correction.std(0).mean()), 0.003, advice),
            Gate("output_difference", mean_difference(correction.flatten(1)), 0.01, advice),
            Gate("gain_over_persistence", float(gain), 0.005, advice),
        ]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Pairs of rows for each window: the truth through the tokenizer, and the dream after its first half."""
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


def _first_decides(tau: Tensor) -> Tensor:
    """Weight of levels for a fine path: the ramp, but 1 for pure noise, where it is decided what is copied."""
    return torch.where(tau == 0, 1.0, ramp_weight(tau))


def tokens_of(batch: Batch) -> Tensor:
    """All tokens of a batch of latents, float32 [B, T, N, C]: video, then sound and body sense if they are dreamed."""
    streams = [batch[name].float() for name in ("latent", "sound") if name in batch]
    if "body" in batch:
        streams.append(to_tokens(batch["body"].float(), streams[0].shape[-1]))
    return torch.cat(streams, dim=2)
