"""Embeddings and world states of whole recordings by frozen networks, the same in training and in evaluations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.models.out_of_memory import in_pieces
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion

IMAGES_A_PASS = 512
WINDOWS_A_PASS = 64


class EmbeddedRecordings(RecordingSet):
    """Recordings whose fields are replaced by the outputs of frozen networks, kept in memory.

    Args:
        source: the recordings.
        embedded: name of a recording -> field -> array; recordings that are not named are left out.
    """

    def __init__(self, source: RecordingSet, embedded: dict[str, dict[str, np.ndarray]]) -> None:
        self.manifest, self.details = source.manifest, source.details
        self._entries = {entry["name"]: entry for entry in source.details["recordings"] if entry["name"] in embedded}
        self._recordings = embedded

    def __reduce__(self) -> tuple[object, ...]:
        return object.__new__, (EmbeddedRecordings,), self.__dict__


@torch.no_grad()
def embed_recording(
    recordings: RecordingSet, name: str, vision: VisionEncoder, audio: AudioEncoder, device: torch.device
) -> dict[str, np.ndarray]:
    """ "vision" (the encoder's grid), "audio" and, if there is one, "body" of each frame: float32 [T, width].

    The audio encoder gets the whole recording, so a frame's embedding depends on all earlier sound. The encoders are on
    `device`.
    """
    senses = {
        "vision": see(vision, np.array(recordings.field(name, "video")), device)[0],
        "audio": hear(audio, np.array(recordings.field(name, "audio")), device),
    }
    if recordings.details["body"]:
        senses["body"] = np.array(recordings.field(name, "body"))
    return senses


@torch.no_grad()
def see(vision: VisionEncoder, video: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 [T, H, W, 3] -> the encoder's grid and its embedding of each, float32 [T, width] and [T, dim]."""

    def part(start: int, stop: int) -> tuple[Tensor, Tensor]:
        grid = vision.grid(to_images(torch.from_numpy(video[start:stop]).to(device)))
        return grid.float().cpu(), vision.head(grid).float().cpu()

    grids, embeddings = zip(*in_pieces(part, len(video), IMAGES_A_PASS, "pictures"), strict=True)
    return torch.cat(grids).numpy(), torch.cat(embeddings).numpy()


@torch.no_grad()
def hear(audio: AudioEncoder, sound: np.ndarray, device: torch.device) -> np.ndarray:
    """Sound int16 [T * samples_per_frame] -> the encoder's embedding of each frame, float32 [T, dim]."""
    return audio(to_sounds(torch.from_numpy(sound).to(device))[None])[0].float().cpu().numpy()


@torch.no_grad()
def fuse(fusion: Fusion, senses: dict[str, np.ndarray], device: torch.device) -> np.ndarray:
    """World states of all frames, float32 [T, D], each from a window no longer than those of training.

    Args:
        fusion: on `device`.
        senses: of a recording, as `embed_recording` gives them.
        device: where it is computed.
    """
    given = {name: torch.from_numpy(values).to(device) for name, values in senses.items()}
    frames = min(fusion.frames, len(next(iter(senses.values()))))
    states = [fusion(**{name: values[None, :frames] for name, values in given.items()})[0]]
    later = {name: values.unfold(0, frames, 1).transpose(1, 2)[1:] for name, values in given.items()}

    def part(start: int, stop: int) -> Tensor:
        newest: Tensor = fusion(**{name: values[start:stop] for name, values in later.items()})[:, -1]
        return newest

    states += in_pieces(part, len(next(iter(later.values()))), WINDOWS_A_PASS, "windows")
    return torch.cat(states).float().cpu().numpy()
