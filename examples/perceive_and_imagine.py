"""What the trained model sees, hears and expects in a recording that it was not trained on.

snakemake --profile local -j1
python examples/perceive_and_imagine.py            # of results/; another folder may be named
"""

import sys
from pathlib import Path

import numpy as np

import sensorium
from sensorium.data.recording import RecordingSet

results = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
finetuned = results / "finetuned"  # encoders and fusion that were trained together, where they are
model = sensorium.load(finetuned if finetuned.exists() else results)
recordings = RecordingSet.open(next(path for path in results.glob("data/*/manifest.json") if path.parent.name not in
                                    ("vision", "audio")))  # fmt: skip
AHEAD = 8  # frames to imagine


def perceive(name, frames=None):
    """The model's perception of the first frames of a recording, and the recording's fields, cut alike."""
    known = {"video", "audio", "body", "action"}
    whole = {field: np.array(recordings.field(name, field)) for field in known if recordings.has(field)}
    count = frames or recordings.frames(name)
    cut = {field: values[: count * len(values) // recordings.frames(name)] for field, values in whole.items()}
    return model.perceive(cut["video"], cut.get("audio"), cut.get("body"), cut.get("action")), whole


def recognise(sense, name):
    """Name the class of each labelled frame by the nearest mean of its class in forty training recordings."""
    label = recordings.details["labels"][sense]
    known = [(getattr(perceive(each)[0], sense), recordings.field(each, f"truth.{sense}_label"))
             for each in recordings.names("training")[:40]]  # fmt: skip
    said, labels = (np.concatenate(parts) for parts in zip(*known, strict=True))
    classes = np.unique(labels[labels >= 0])
    means = np.stack([said[labels == number].mean(0) for number in classes])
    truth = recordings.field(name, f"truth.{sense}_label")
    new = getattr(perceive(name)[0], sense)[truth >= 0]
    found = classes[((new[:, None] - means) ** 2).sum(-1).argmin(1)]
    for number, right in zip(found[:3], truth[truth >= 0][:3], strict=True):
        print(f"  {label['name']}: {label['classes'][number]} (truth: {label['classes'][right]})")


def psnr(pictures, truth):
    """Peak signal-to-noise ratio in decibels."""
    return -10 * np.log10(max(1e-10, float(np.mean((pictures / 255.0 - truth / 255.0) ** 2))))


name = recordings.names("test")[0]
print(f"{name} of {recordings.details['source']}, which the model was not trained on")
for verb, sense in (("sees", "vision"), ("hears", "audio")):
    if sense in (recordings.details.get("labels") or {}):
        print(f"it {verb}")
        recognise(sense, name)

half = recordings.frames(name) // 2
seen, whole = perceive(name, half)
print(f"it perceives a world state of {seen.world.shape[1]} numbers at each of {len(seen.world)} frames")
dream = model.imagine(whole["action"][half : half + AHEAD])
truth, still = whole["video"][half : half + AHEAD], np.repeat(whole["video"][half - 1 : half], AHEAD, axis=0)
print(f"it expects the next {AHEAD} frames with {psnr(dream.video, truth):.1f} dB, holding the last frame still has "
      f"{psnr(still, truth):.1f} dB")  # fmt: skip
