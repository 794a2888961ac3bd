"""What the trained model sees, hears and expects in a recording that it was not trained on.

snakemake --profile local -j1
python examples/perceive_and_imagine.py            # of results/; another folder may be named
"""

import sys
from pathlib import Path

import numpy as np

import sensorium
from sensorium.data.recording import RecordingSet

AHEAD = 8  # frames to imagine
EXAMPLES = 40  # training recordings whose labels are used
SETS = ("vision", "audio")  # sets of a single sense: not the world's recordings


def perceive(name, frames=None):
    """The model's perception of the first frames of a recording, and the recording's fields."""
    fields = [field for field in ("video", "audio", "body", "action") if recordings.has(field)]
    whole = {field: np.array(recordings.field(name, field)) for field in fields}
    count = frames or recordings.frames(name)
    cut = {field: values[: count * len(values) // recordings.frames(name)] for field, values in whole.items()}
    return model.perceive(cut.get("video"), cut.get("audio"), cut.get("body"), cut.get("action")), whole


def recognise(sense, name):
    """Name the class of each labelled frame by the nearest class mean, learned from some training recordings."""
    label = recordings.details["labels"][sense]
    truth = {each: recordings.field(each, f"truth.{sense}_label") for each in recordings.names("training")[:EXAMPLES]}
    embeddings = np.concatenate([getattr(perceive(each)[0], sense) for each in truth])
    labels = np.concatenate(list(truth.values()))
    classes = np.unique(labels[labels >= 0])
    means = np.stack([embeddings[labels == number].mean(0) for number in classes])

    wanted = recordings.field(name, f"truth.{sense}_label")
    new = getattr(perceive(name)[0], sense)[wanted >= 0]
    found = classes[((new[:, None] - means) ** 2).sum(-1).argmin(1)]
    for number, right in zip(found[:3], wanted[wanted >= 0][:3], strict=True):
        print(f"  {label['name']}: {label['classes'][number]} (truth: {label['classes'][right]})")


def psnr(pictures, truth):
    """Peak signal-to-noise ratio in decibels."""
    return -10 * np.log10(max(1e-10, float(np.mean((pictures / 255.0 - truth / 255.0) ** 2))))


results = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
finetuned = results / "finetuned"  # encoders and fusion that were trained together, if there are any
model = sensorium.load(finetuned if finetuned.exists() else results)
manifests = [path for path in results.glob("data/*/manifest.json") if path.parent.name not in SETS]
if not manifests:
    sys.exit(f"{results}: no recordings of a world in its folder data; make them with: snakemake --profile local -j1")
recordings = RecordingSet.open(manifests[0])

name = recordings.names("test")[0]
print(f"{name} of {recordings.details['source']}, which the model was not trained on")
for verb, sense in (("sees", "vision"), ("hears", "audio")):
    if sense in (recordings.details.get("labels") or {}):
        print(f"it {verb}")
        recognise(sense, name)

half = recordings.frames(name) // 2
seen, whole = perceive(name, half)
print(f"it perceives a world state of {seen.world.shape[1]} numbers at each of {len(seen.world)} frames")
if "video" not in whole:
    sys.exit("it cannot imagine: these recordings have no pictures")
# films have no actions: then the number of frames is enough
dream = model.imagine(whole["action"][half : half + AHEAD] if "action" in whole else AHEAD)
truth, still = whole["video"][half : half + AHEAD], np.repeat(whole["video"][half - 1 : half], AHEAD, axis=0)
print(f"it expects the next {AHEAD} frames with {psnr(dream.video, truth):.1f} dB")
print(f"holding the last frame still has {psnr(still, truth):.1f} dB")
