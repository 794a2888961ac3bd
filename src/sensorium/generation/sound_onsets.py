"""Sound in a dream: whether and how strongly something begins to sound, from what is seen and felt; then its levels.

When an impact comes, sight and body know; a mean over what may be heard is a hiss. So the rise of the level within a
frame falls into one of J classes, "none" among them, and each class has its own flag and levels:

    p(x) = P(j) p(flag | j) prod_i t(x_i; d_i + m_ij, s_ij)

with j the class of x (`OnsetHead.classes`), t Student's distribution with few degrees of freedom, for the changes of a
level are heavy-tailed, and d a linear prediction from the last levels. P comes from a network that reads the last
pictures and the newest one and what is felt, but not the last sound: what was drawn there would mislead it. Flag, m
and s depend on the sound of the last frames, too. All of this is a likelihood of the tokens, since the class follows
from them. A dream takes the mean, or draws the class and the flag and takes the levels there.

It serves sound tokens of fixed bands: channels up to the part's level are levels, one more is the flag, the rest are
zero (`band_tokenizer.py`). The noise that a frame starts from in those last channels stays what it was along all
steps, z = (1 - tau) e, and is what the draws are made of: equal seeds give equal sounds.

Layouts: R frames, N tokens of sound, C channels, L = N (flag channel) levels, J classes, c channels and H x W pixels
of a picture. Tokens are standardised. tau is the signal level: 0 noise, 1 clean.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.config import LAST_FRAMES

EDGES = (0.25, 0.5, 0.9, 1.4)  # rises of a part's level that divide the classes, in its standard deviations
REACH = 3  # parts over which a level rises
_FEATURES, _HIDDEN, _SIDE = 32, 96, 4  # channels of the convolutions, width, and side of what they are pooled to
_FAINT = 1e-3  # mean change of a cell that is hardly seen, of full scale
_BOUND = 2.0  # standard deviations that a level of a dream may be off the mean: rises upon rises would run away
_CONTRAST, _CHANGE = 2.0, 4.0  # by which a picture, about medium grey, and its changes are scaled for the network
_FREEDOM = 4.0  # degrees, of Student's distribution
_DECAY = 0.8  # of each level from frame to frame, at the start
_SCALE = -0.7  # logarithm of the levels' scale, at the start
_LARGEST = 4.0  # logarithm of a scale, of either sign


class Onset(NamedTuple):
    """What may be heard in frames.

    Attributes:
        classes: logits, [..., J].
        flag: logit for each class, [..., J].
        levels: where they are for each class, [..., J, L].
        scale: logarithm, [..., J, L].
    """

    classes: Tensor
    flag: Tensor
    levels: Tensor
    scale: Tensor


class OnsetHead(nn.Module):
    """Predicts the sound tokens of a frame once its picture is known.

    Args:
        tokens: N.
        channels: C.
        flag: channel of the onset flag; the one before it is the part's level.
        colours: c.
        body: numbers of the body sense; 0: there is none.

    Raises:
        ValueError: if no channel is left behind the flag.
    """

    flags: Tensor

    def __init__(self, tokens: int, channels: int, flag: int, colours: int, body: int) -> None:
        super().__init__()
        if flag + 1 >= channels:
            raise ValueError(
                f"sound tokens have {channels} channels, and {flag + 1} are used: draws need one more, so raise "
                "tokenizers.audio.channels, or set dynamics.fine.onsets to false"
            )
        self.tokens, self.channels, self.flag = tokens, channels, flag
        self.count, classes = tokens * flag, len(EDGES) + 1
        seen = (LAST_FRAMES + 2) * colours
        self.look = nn.Sequential(
            nn.Conv2d(seen, _FEATURES, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(_FEATURES, _FEATURES, 3, 2, 1), nn.SiLU(),
            nn.Conv2d(_FEATURES, _FEATURES, 3, 2, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(_SIDE), nn.Flatten(),
            nn.Linear(_FEATURES * _SIDE**2, _HIDDEN), nn.SiLU(),
        )  # fmt: skip
        sight = _HIDDEN + LAST_FRAMES * _SIDE**2 + 2 * body
        self.sense, self.when = nn.Linear(sight, _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN)
        self.enter, self.what = nn.Linear(sight + LAST_FRAMES * (self.count + 1), _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN)
        self.choose = nn.Linear(_HIDDEN, classes)
        self.leave = nn.Linear(_HIDDEN, classes * (1 + 2 * self.count))
        self.decay = nn.Linear(2 * self.count, self.count)
        for layer in (self.choose, self.leave, self.decay):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("flags", torch.tensor([0.0, 1.0]))
        with torch.no_grad():  # training starts at levels that decay
            self.decay.weight[:, self.count :] = _DECAY * torch.eye(self.count)

    def forward(self, pictures: Tensor, recent: Tensor, felt: Tensor | None) -> Onset:
        """What may be heard in frames [R].

        Args:
            pictures: of the last frames and of this one, newest last, [R, LAST_FRAMES + 1, c, H, W].
            recent: sound of the last frames, newest last, [R, LAST_FRAMES, N, C].
            felt: the body sense in the frame before and in this one, [R, 2, numbers]; None if there is none.
        """
        changes = _CHANGE * pictures.diff(dim=1)
        parts = [_CONTRAST * (pictures[:, -1] - 0.5), changes.flatten(1, 2), changes[:, -1].abs()]
        cells = F.adaptive_avg_pool2d(pictures.diff(dim=1).abs().mean(2), _SIDE).flatten(1)
        sight = [self.look(torch.cat(parts, dim=1)), (cells + _FAINT).log() / 2 + 2]
        sight += [] if felt is None else [felt.flatten(1)]
        levels, flags = self.unpacked(recent)
        h = F.silu(self.sense(torch.cat(sight, dim=1)))
        chances = self.choose(h + F.silu(self.when(h))).float()
        h = F.silu(self.enter(torch.cat([*sight, levels.flatten(1), flags], dim=1)))
        made = self.leave(h + F.silu(self.what(h))).float().unflatten(1, (len(EDGES) + 1, -1))
        flag, shift, scale = made.split([1, self.count, self.count], dim=2)
        base = self.decay(levels[:, -2:].flatten(1))[:, None]
        return Onset(chances, flag[..., 0], base + shift, _SCALE + scale.clamp(-_LARGEST, _LARGEST))

    def unpacked(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Levels [..., L] and flag [...] of tokens [..., N, C]."""
        return tokens[..., : self.flag].flatten(-2), tokens[..., self.flag].mean(-1)

    def classes(self, tokens: Tensor, before: Tensor) -> Tensor:
        """The class of each frame, int64 [...]: how far a part is louder than one of the `REACH` before it, at most.

        Args:
            tokens, before: of the frame and the one before, [..., N, C].
        """
        parts = torch.cat([before[..., self.flag - 1], tokens[..., self.flag - 1]], dim=-1)
        reach = min(REACH, self.tokens)
        last = parts[..., self.tokens - reach :]
        rises = last[..., reach:] - last[..., :-reach]
        return torch.bucketize(rises.amax(-1).contiguous(), torch.tensor(EDGES, device=rises.device))

    def surprise(self, heard: Onset, tokens: Tensor, before: Tensor) -> Tensor:
        """Negative log-likelihood of true tokens [..., N, C] after those before, of class, flag and a level: [...].

        Args:
            heard: of `forward`, for the same frames.
            tokens, before: as for `classes`.
        """
        which = self.classes(tokens, before)[..., None]
        levels, flag = self.unpacked(tokens)
        expected, scale = (
            part.gather(-2, which[..., None].expand(*which.shape, self.count))[..., 0, :]
            for part in (heard.levels, heard.scale)
        )
        off = (levels - expected) * torch.exp(-scale)
        nats = (_FREEDOM + 1) / 2 * torch.log1p(off.square() / _FREEDOM) + scale
        chance = heard.flag.gather(-1, which)[..., 0]
        struck = F.binary_cross_entropy_with_logits(chance, (flag > 0).float(), reduction="none")
        return nats.mean(-1) + struck - heard.classes.log_softmax(-1).gather(-1, which)[..., 0]

    def describe(self, mean: Tensor, std: Tensor) -> None:
        """Set the statistics of a training token: mean and std [C], from which it is known what a flag becomes."""
        self.flags.copy_((torch.tensor([0.0, 1.0], device=mean.device) - mean[self.flag]) / std[self.flag])

    def mean(self, heard: Onset) -> Tensor:
        """Tokens that are expected, [R, N, C]."""
        chances = heard.classes.softmax(1)
        struck = (chances * torch.sigmoid(heard.flag)).sum(1)
        return self._packed((chances[..., None] * heard.levels).sum(1), struck)

    def draw(self, heard: Onset, noised: Tensor, tau: Tensor) -> Tensor:
        """Tokens that are drawn, [R, N, C]: the class, the flag, and where the levels of that class are.

        One uniform number draws both: what is left of it within the class is uniform again.

        Args:
            heard: of `forward`.
            noised: z, [R, N, C], whose last channel holds the noise that the frame began with.
            tau: below 1, [R].
        """
        noise = noised[:, 0, -1].float() / (1 - tau)
        uniform = (0.5 * (1 + torch.erf(noise / math.sqrt(2))))[:, None]
        chances = heard.classes.softmax(1)
        above = chances.cumsum(1)
        which = (above[:, :-1] < uniform).sum(1, keepdim=True)
        chance, top = chances.gather(1, which), above.gather(1, which)
        left = (top - uniform) / chance.clamp_min(1e-6)
        struck = (left < torch.sigmoid(heard.flag.gather(1, which)))[:, 0].to(noise)
        levels = heard.levels.gather(1, which[..., None].expand(-1, 1, self.count))[:, 0]
        return self._packed(levels, struck)

    def _packed(self, levels: Tensor, struck: Tensor) -> Tensor:
        """Tokens [R, N, C] of levels [R, L] and the chance that something begins to sound [R]; zeros behind them."""
        silent, sounds = self.flags
        flags = torch.lerp(silent, sounds, struck)[:, None, None].expand(-1, self.tokens, 1)
        levels = levels.clamp(-_BOUND, _BOUND).unflatten(1, (self.tokens, self.flag))
        numbers = torch.cat([levels, flags], dim=2)
        return F.pad(numbers, (0, self.channels - numbers.shape[2]))
