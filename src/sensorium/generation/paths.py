"""The ways of frames into and out of the transformer: what it sees of each stream, what its states predict.

Layouts: B windows, T frames, N tokens a frame (video first, then sound, then the body sense), C channels, D width, n
tokens of the transformer for all streams of a frame, M tokens of the body sense.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sensorium.generation.body_sense import Expected, Felt
from sensorium.generation.conditioning import Conditioning
from sensorium.generation.config import GLIMPSED, LAST_FRAMES, DynamicsConfig
from sensorium.generation.filtered_path import FilteredPath
from sensorium.generation.fine_path import FinePath, Looked, Mixture
from sensorium.generation.memory import Carry
from sensorium.generation.passes import Seen
from sensorium.generation.sound_onsets import Onset, OnsetHead


class Paths(nn.Module):
    """The fine path of video tokens and of the body sense, if the settings ask for it, and the filtered one of others.

    Args:
        config: the section of the dynamics.
        streams: tokens a frame of "video", of "audio" if there is sound, and of "body" if it is dreamed.
        grid: rows and columns of the video tokens; 0 if they form no grid.
        channels: C.
        pixels: rows and columns of pixels in a video token whose channels are its pixels, else 1.
        action: numbers of an action, or choices.
        flag: channel of the onset flag in sound tokens of fixed bands; 0: they have none.

    Attributes:
        count: n.
        onsets: predicts sound from the picture; None: the filtered path does.
    """

    def __init__(
        self,
        config: DynamicsConfig,
        streams: dict[str, int],
        grid: int,
        channels: int,
        pixels: int,
        action: int = 0,
        flag: int = 0,
    ) -> None:
        super().__init__()
        self.streams, self.channels, self.dim, self.action = streams, channels, config.dim, action
        fine = config.fine_path
        filtered = {name: count for name, count in streams.items() if name == "audio" or fine is None}
        side = (grid, grid) if grid else (1, streams["video"])
        self.filtered = FilteredPath(filtered, side, channels, config.dim) if filtered else None
        body = streams.get("body", 0)
        self.fine = FinePath(fine, grid, channels, pixels, config.dim, body, action) if fine else None
        self.onsets = None
        if fine and fine.onsets and flag and "audio" in streams:
            self.onsets = OnsetHead(streams["audio"], channels, flag, channels // pixels**2, body * channels)
        self.count = (self.fine.coarse if self.fine else 0) + sum(filtered.values())

    @property
    def reads_out(self) -> bool:
        """Whether the filtered path predicts a stream."""
        return self.filtered is not None and self.onsets is None

    def split(self, tokens: Tensor) -> dict[str, Tensor]:
        """Tokens [..., N, C] -> stream -> [..., tokens of the stream, C]."""
        return dict(zip(self.streams, tokens.split(list(self.streams.values()), dim=-2), strict=True))

    def encode_scene(self, video: Tensor) -> Tensor:
        """What `see` is shown of an earlier frame, of its standardised video tokens [B, n, C]."""
        if self.fine is not None:
            return video
        assert self.filtered is not None
        return self.filtered.encode_scene(video)

    def blur(self, frames: Tensor, noise: Tensor, tau: Tensor | float) -> Tensor:
        """Earlier frames [B, T, N, C] with a share of noise of level tau [B, T]; a fine path copies, so it has none."""
        level = tau if isinstance(tau, float) else tau[..., None, None]
        blurred = (1 - level) * noise + level * frames
        if self.fine is None:
            return blurred
        exact, noised = self.split(frames), self.split(blurred)
        return torch.cat([(noised if name == "audio" else exact)[name] for name in self.streams], dim=2)

    def led(self, moves: Tensor, given: Conditioning) -> Tensor:
        """The embedding of the actions [B, T, D], and the actions themselves behind it, [B, T, D + A]."""
        return torch.cat([moves, given.commands(self.action)], dim=-1)

    def feel(
        self,
        frames: Tensor,
        given: Conditioning,
        moves: Tensor,
        change: Tensor,
        carry: Carry | None,
        keep: int,
        single: bool,
        sharpness: float,
    ) -> Felt | None:
        """The body sense of frames, as they are where they are kept and as predicted elsewhere; arguments of `see`.

        Args:
            given: of these frames.
            moves: embedding of the actions, [B, T, D].
            sharpness: as for `predict`.
        """
        body = None if self.fine is None else self.fine.body
        if body is None:
            return None
        shape, tau, led = frames.shape[:2], given.tau, self.led(moves, given)
        if single:
            frames, tau, led = (part.flatten(0, 1)[:, None] for part in (frames, tau, led))
        whole = self._whole(frames, carry)
        felt = whole[:, :, -body.tokens :]
        tokens, before = felt[:, LAST_FRAMES:], felt[:, LAST_FRAMES - 1 : -1]
        predicted, expected = tokens[:, keep:], None
        if keep < frames.shape[1]:
            recent = whole[:, keep:-1].unfold(1, LAST_FRAMES, 1).movedim(-1, 2).flatten(0, 1)
            noised, moves, level = (part[:, keep:].flatten(0, 1) for part in (tokens, led, tau))
            made, expected = self.feel_after(recent, moves, change, noised, level, sharpness)
            predicted = made.unflatten(0, (len(frames), -1))
            expected = expected.map(lambda part: part.reshape(shape[0], -1, *part.shape[1:]))
            tokens = torch.cat([tokens[:, :keep], predicted.detach()], dim=1)
        tokens, before, predicted = (
            part.reshape(shape[0], -1, *part.shape[2:]) for part in (tokens, before, predicted)
        )
        return Felt(tokens, before, predicted, expected)

    def feel_after(
        self, recent: Tensor, led: Tensor, change: Tensor, noised: Tensor, tau: Tensor, sharpness: float = 1.0
    ) -> tuple[Tensor, Expected]:
        """The body sense of R frames after their last ones (`BodySense.predict`).

        Args:
            recent: video, then whatever else is kept, then body sense, newest last, [R, LAST_FRAMES, N, C].
            led: embedding of the actions, and the actions themselves, [R, D + A].
            change: as for `see`.
            noised: the body sense, [R, M, C].
            tau: [R].
            sharpness: as for `predict`.
        """
        assert self.fine is not None
        assert self.fine.body is not None
        count = self.fine.body.tokens
        pictures = self.fine.show_all(recent[:, -GLIMPSED:, : self.streams["video"]])
        return self.fine.body.predict(recent[:, :, -count:], pictures, led, change[-count:], noised, tau, sharpness)

    def see(
        self,
        frames: Tensor,
        tau: Tensor,
        condition: Tensor,
        scene: Tensor | None,
        change: Tensor,
        carry: Carry | None,
        keep: int = 0,
        single: bool = False,
        felt: Felt | None = None,
    ) -> Seen:
        """What the transformer sees of frames.

        Args:
            frames: [B, T, N, C], each noised to its own level.
            tau: the levels, [B, T].
            condition: embedding of level, step size and action, [B, T, D].
            scene: of `encode_scene`; None: there is none.
            change: mean squared change a frame of standardised tokens, [N, C].
            carry: of the frames before; None: there are none.
            keep: so many first frames are not denoised.
            single: the carry is one of each frame, [B T, ...]; no frame sees another one of the same pass.
            felt: of `feel`.
        """
        shape, earlier = frames.shape[:2], scene
        if single:
            frames, tau, condition = (part.flatten(0, 1)[:, None] for part in (frames, tau, condition))
            if scene is not None and self.fine is not None:
                earlier = scene.repeat_interleave(shape[1], dim=0)
        parts, looked, whole, filtered = [], None, None, None
        if self.fine is not None:
            whole = self._whole(frames, carry)
            bodies = None
            if felt is not None:
                bodies = felt.before[:, keep:].flatten(0, 1), felt.tokens[:, keep:].flatten(0, 1)
            tokens, looked = self._fine(whole[:, :, : self.streams["video"]], earlier, condition, keep, bodies)
            parts.append(tokens)
        if self.filtered is not None:
            first = 0 if self.fine is None else self.streams["video"]
            rest = frames if self.fine is None else self.split(frames)["audio"]
            before = carry.filtered if carry is not None else None
            posterior, inputs = self.filtered.filter(rest, tau, change[first : first + rest.shape[2]], before)
            parts.append(self.filtered.stem(inputs))
            filtered = posterior.map(lambda part: part.reshape(*shape, *part.shape[2:])), inputs
        tokens = torch.cat(parts, dim=2).reshape(*shape, self.count, self.dim)
        if self.fine is None and scene is not None:
            tokens = tokens + scene[:, None]
        return Seen(tokens, looked, filtered, whole, felt)

    def after(self, seen: Seen, kept: int) -> Carry:
        """The carry after the first `kept` frames, one at least."""
        filtered = self.filtered.after(kept, *seen.filtered) if self.filtered and seen.filtered else None
        return Carry(filtered, None if seen.whole is None else seen.whole[:, kept : kept + LAST_FRAMES])

    def after_each(self, seen: Seen) -> Carry:
        """The carry after each of the frames, [B T, ...]."""
        filtered = self.filtered.after_each(*seen.filtered) if self.filtered and seen.filtered else None
        recent = None
        if seen.whole is not None:
            recent = seen.whole[:, 1:].unfold(1, LAST_FRAMES, 1).movedim(-1, 2).flatten(0, 1)
        return Carry(filtered, recent)

    def predict(
        self,
        states: Tensor,
        read_out: nn.Linear | None,
        seen: Seen,
        tau: Tensor,
        keep: int,
        sharpness: float,
    ) -> tuple[Tensor, Mixture | None, Onset | None]:
        """Clean tokens [B, T - keep, N, C] of the frames that are denoised, the mixture of video, and what is heard.

        Args:
            states: of the tokens of the streams after the transformer, [B, T - keep, n, D].
            read_out: of the filtered tokens: states to corrections; None if it predicts nothing.
            seen: of `see`.
            tau: levels of all frames, [B, T].
            keep: as for `see`.
            sharpness: of what is copied (`FinePath.predict`); above 1 onsets are drawn, else sound is the mean.
        """
        parts, mixture, heard = [], None, None
        if self.fine is not None and seen.looked is not None:
            coarse = states[:, :, : self.fine.coarse].flatten(0, 1)
            tokens, mixture = self.fine.predict(seen.looked, coarse, tau[:, keep:].flatten(), sharpness)
            parts.append(tokens.unflatten(0, states.shape[:2]))
        if self.onsets is not None and parts:
            sound, heard = self._hear(seen, parts[0].detach(), tau[:, keep:].flatten(), keep, sharpness > 1)
            parts.append(sound)
        elif seen.filtered is not None:
            assert read_out is not None
            mean, variance = seen.filtered[0].map(lambda part: part[:, keep:])
            correction = read_out(states[:, :, self.count - mean.shape[2] :]).float()
            parts.append(mean + variance.sqrt() * correction)
        if seen.felt is not None:
            parts.append(seen.felt.predicted)
        return torch.cat(parts, dim=2), mixture, heard

    def hear(self, frames: Tensor, video: Tensor, felt: Tensor | None) -> Onset:
        """What may be heard in frames once their pictures are known.

        Args:
            frames: the last ones before each as the fine path keeps them, newest last, [R, LAST_FRAMES, N, C].
            video: of the frames themselves, [R, tokens of video, C].
            felt: the body sense there, [R, M, C]; None without one.
        """
        assert self.fine is not None
        assert self.onsets is not None
        first = self.streams["video"]
        pictures = self.fine.show_all(torch.cat([frames[:, :, :first], video[:, None]], dim=1))
        bodies = None
        if felt is not None:
            bodies = torch.stack([frames[:, -1, -felt.shape[1] :], felt], dim=1).flatten(2)
        sound = frames[:, :, first : first + self.streams["audio"]]
        return self.onsets(pictures.unflatten(1, (LAST_FRAMES + 1, -1)), sound, bodies)

    def _hear(self, seen: Seen, video: Tensor, tau: Tensor, keep: int, drawn: bool) -> tuple[Tensor, Onset]:
        """The sound of frames that are denoised, [B, T - keep, tokens of sound, C], after their video of that shape."""
        assert self.onsets is not None
        assert seen.whole is not None
        frames = seen.whole[:, keep:].unfold(1, LAST_FRAMES + 1, 1).movedim(-1, 2).flatten(0, 1)
        felt = None if seen.felt is None else seen.felt.tokens[:, keep:].flatten(0, 1)
        heard = self.hear(frames[:, :-1], video.flatten(0, 1), felt)
        first = self.streams["video"]
        noised = frames[:, -1, first : first + self.streams["audio"]]
        sound = self.onsets.draw(heard, noised, tau) if drawn else self.onsets.mean(heard)
        return (
            sound.unflatten(0, video.shape[:2]),
            Onset(*(part.unflatten(0, video.shape[:2]) for part in heard)),
        )

    def refines(self, number: int) -> bool:
        """Whether a dreamed frame of this number goes through a second pass."""
        refiner = None if self.fine is None else self.fine.refiner
        return refiner is not None and number % refiner.config.every == 0

    def refine(self, frames: Tensor, scene: Tensor, sharpness: float) -> Tensor:
        """Dreamed frames [B, N, C] after the second pass, which changes video alone; the scene of `encode_scene`."""
        assert self.fine is not None
        parts = self.split(frames)
        parts["video"] = self.fine.refine(parts["video"], scene, parts.get("body"), sharpness)
        return torch.cat(list(parts.values()), dim=1)

    def _whole(self, frames: Tensor, carry: Carry | None) -> Tensor:
        """What the fine path keeps of the last frames and of these, [B, LAST_FRAMES + T, N, C]; blank without any."""
        parts = self.split(frames)
        heard = self.onsets is not None
        own = torch.cat([part for name, part in parts.items() if heard or name != "audio"], dim=2)
        recent = carry.recent if carry is not None else None
        if recent is None:
            recent = own.new_zeros(len(own), LAST_FRAMES, *own.shape[2:])
        return torch.cat([recent, own], dim=1)

    def _fine(
        self,
        whole: Tensor,
        scene: Tensor | None,
        condition: Tensor,
        keep: int,
        felt: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Looked | None]:
        """Tokens for the transformer of the frames of `whole` but the first LAST_FRAMES, [B, T, n, D]."""
        assert self.fine is not None
        parts, looked, time = [], None, whole.shape[1] - LAST_FRAMES
        if keep:
            pairs = whole[:, LAST_FRAMES - 1 : LAST_FRAMES + keep].unfold(1, 2, 1).movedim(-1, 2)
            parts.append(self.fine.read(pairs.flatten(0, 1)).unflatten(0, (len(whole), keep)))
        if keep < time:
            new = whole[:, LAST_FRAMES + keep :].flatten(0, 1)
            recent = whole[:, keep:-1].unfold(1, LAST_FRAMES, 1).movedim(-1, 2).flatten(0, 1)
            if scene is not None:
                scene = scene.repeat_interleave(time - keep, dim=0)
            looked = self.fine.look(new, recent, scene, condition[:, keep:].flatten(0, 1), felt=felt)
            parts.append(self.fine.summarise(looked, recent).unflatten(0, (len(whole), time - keep)))
        return torch.cat(parts, dim=1), looked
