"""Fusion of vision, sound and body into a world state for each frame.

Layouts: B batch, T frames, D width of the state. Senses come as embeddings of frozen encoders.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.models.layers import Block, RMSNorm
from sensorium.models.load import Loadable
from sensorium.models.precision import in_float32
from sensorium.models.recompute import through
from sensorium.perception.config import FusionConfig
from sensorium.perception.encoders import BodyEncoder

SENSES = ("vision", "audio", "body")
_HEAD_LAYERS = 2


class Fusion(Loadable):
    """Causal transformer over time; the input of each frame is the sum of the projections of its senses.

    It keeps an affine map for every sense, measured on the training recordings, so callers pass embeddings as the
    encoders give them: a wide sense is reduced to its principal components, a narrow one standardised. A sense that
    is hidden or missing is replaced by a learned token.
    """

    Config = FusionConfig
    kind = "fusion"

    def __init__(self, config: FusionConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.widths = {sense: int(shapes[sense]) for sense in SENSES if shapes.get(sense)}
        self.frames = config.frames
        self.components = {sense: min(width, config.components) for sense, width in self.widths.items()}
        self.project = nn.ModuleDict(
            {
                sense: BodyEncoder(n, config.dim) if sense == "body" else nn.Linear(n, config.dim)
                for sense, n in self.components.items()
            }
        )
        self.absent = nn.ParameterDict({sense: nn.Parameter(torch.zeros(config.dim)) for sense in self.widths})
        for sense, width in self.widths.items():
            self.register_buffer(f"{sense}_mean", torch.zeros(width))
            self.register_buffer(f"{sense}_basis", torch.eye(width, self.components[sense]))
        self.blocks = nn.ModuleList(Block(config.dim, config.heads, causal=True) for _ in range(config.layers))
        self.norm = RMSNorm(config.dim, eps=1e-6)
        self.image_head = WindowHead(self.components["vision"], config)
        self.sound_head = WindowHead(self.components["audio"], config)
        self.window_width = config.frames * self.image_head.width  # of the embedding of a training window

    def calibrate(self, sense: str, mean: Tensor, covariance: Tensor) -> None:
        """Set the map of a sense from its mean [width] and covariance [width, width] on the training recordings.

        A narrow sense is standardised dimension by dimension; a dimension that never changes is left unscaled. A wide
        sense is reduced to its leading principal components, scaled together to a mean square of one.
        """
        count = self.components[sense]
        if count < len(mean):
            variances, axes = torch.linalg.eigh(covariance.double())
            basis = axes[:, -count:] / variances[-count:].mean().clamp(min=1e-12).sqrt()
        else:
            std = covariance.diagonal().double().sqrt()
            basis = torch.diag(1 / torch.where(std > 1e-4, std, 1))
        getattr(self, f"{sense}_mean").copy_(mean)
        getattr(self, f"{sense}_basis").copy_(basis)

    @in_float32
    def calibrated(self, sense: str, values: Tensor) -> Tensor:
        """Values [..., width] of a sense -> float32 [..., components], of mean zero on the training recordings."""
        centred = values - getattr(self, f"{sense}_mean")
        flat = centred.reshape(-1, centred.shape[-1])  # one product, where torch may make one of each window
        return (flat @ getattr(self, f"{sense}_basis")).reshape(*centred.shape[:-1], -1)

    def forward(
        self,
        vision: Tensor | None = None,
        audio: Tensor | None = None,
        body: Tensor | None = None,
        present: Tensor | None = None,
    ) -> Tensor:
        """World state of every frame; state t depends on frames 0..t only.

        Args:
            vision, audio, body: [B, T, width] or None where a sense is missing; one at least is given.
            present: bool [B, 3], or [B, T, 3] frame by frame: which of vision, audio, body may be used; None: all
                that are given.

        Returns:
            [B, T, D].

        Raises:
            ValueError: if no sense is given.
        """
        given = {
            sense: values for sense, values in zip(SENSES, (vision, audio, body), strict=True) if values is not None
        }
        if not given:
            raise ValueError("no sense is given: pass at least one of vision, audio and body")
        if present is not None and present.dim() == 2:
            present = present[:, None]
        state: Tensor | float = 0.0
        for sense in self.widths:
            if sense not in given:
                state = state + self.absent[sense]
                continue
            token = self.project[sense](self.calibrated(sense, given[sense]))
            if present is not None:
                token = torch.where(present[..., SENSES.index(sense), None], token, self.absent[sense].to(token.dtype))
            state = state + token
        assert isinstance(state, Tensor)
        for block in self.blocks:
            state = through(block, state)
        return self.norm(state)

    def image_embedding(self, vision: Tensor) -> Tensor:
        """Windows of vision [B, T, width] -> unit vectors [B, T * head width], comparable at equal T."""
        return self.image_head(self.calibrated("vision", vision))

    def sound_embedding(self, audio: Tensor) -> Tensor:
        """Windows of audio [B, T, width] -> unit vectors [B, T * head width], comparable at equal T."""
        return self.sound_head(self.calibrated("audio", audio))


class WindowHead(nn.Module):
    """A whole window to one unit vector that describes, frame by frame, how the window departs from its own mean.

    Two vectors are similar if the same changes happen in both at the same time, because timing is what senses share.
    All frames share the same convolutions over time, so the head cannot memorise windows frame by frame. The mean of a
    window is removed, because it identifies the recording.
    """

    def __init__(self, width: int, config: FusionConfig) -> None:
        super().__init__()
        hidden, self.width = max(32, config.dim // 2), max(8, config.dim // 8)
        self.read = nn.Linear(width, hidden)
        self.norms = nn.ModuleList(RMSNorm(hidden, eps=1e-6) for _ in range(_HEAD_LAYERS))
        self.convolutions = nn.ModuleList(nn.Conv1d(hidden, hidden, 3, padding=1) for _ in range(_HEAD_LAYERS))
        self.tell = nn.Linear(hidden, self.width)

    def forward(self, values: Tensor) -> Tensor:
        """[B, T, width of the sense] -> [B, T * head width]."""
        x = self.read(values - values.mean(1, keepdim=True))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = x + F.silu(convolution(norm(x).transpose(1, 2)).transpose(1, 2))
        x = self.tell(x).float()
        return F.normalize((x - x.mean(1, keepdim=True)).flatten(1), dim=-1)
