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
    video = torch.from_numpy(np.array(recordings.field(name, "video")))
    seen = [
        vision.grid(images.to(device).permute(0, 3, 1, 2).float() / 255).float().cpu()
        for images in video.split(IMAGES_A_PASS)
    ]
    sound = torch.from_numpy(np.array(recordings.field(name, "audio"))).to(device)
    senses = {
        "vision": torch.cat(seen).numpy(),
        "audio": audio(sound[None].float() / FULL_SCALE)[0].float().cpu().numpy(),
    }
    if recordings.details["body"]:
        senses["body"] = np.array(recordings.field(name, "body"))
    return senses
