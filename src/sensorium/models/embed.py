"""What frozen encoders say of a whole recording: the input of fusion, in training and in evaluations alike."""

from __future__ import annotations

import numpy as np
import torch

from sensorium.data.recording import RecordingSet
from sensorium.models.encoders import AudioEncoder, VisionEncoder

FULL_SCALE = 32768.0
IMAGES_A_PASS = 512


@torch.no_grad()
def embed_recording(
    recordings: RecordingSet, name: str, vision: VisionEncoder, audio: AudioEncoder, device: torch.device
) -> dict[str, np.ndarray]:
    """ "vision" (the encoder's grid), "audio" and, if there is one, "body" of each frame: float32 [T, width].

    The recording is heard as a whole: a frame's sound comes with all that came before. The encoders are on `device`.
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
    grids, embeddings = [], []
    for images in torch.from_numpy(video).split(IMAGES_A_PASS):
        grid = vision.grid(images.to(device).permute(0, 3, 1, 2).float() / 255)
        grids.append(grid.float().cpu())
        embeddings.append(vision.head(grid).float().cpu())
    return torch.cat(grids).numpy(), torch.cat(embeddings).numpy()


@torch.no_grad()
def hear(audio: AudioEncoder, sound: np.ndarray, device: torch.device) -> np.ndarray:
    """Sound int16 [T * samples_per_frame] -> the encoder's embedding of each frame, float32 [T, dim]."""
    return audio(torch.from_numpy(sound).to(device)[None].float() / FULL_SCALE)[0].float().cpu().numpy()
