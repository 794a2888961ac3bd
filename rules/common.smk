"""The only functions and constants of the workflow: validated settings, shared inputs, resources and commands."""

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from sensorium.config import ConfigurationError, canonical_json
from sensorium.planning.resources import memory_mb, minutes
from sensorium.programs import revision
from sensorium.settings import check_files, validate

try:
    SETTINGS = validate(config)
    if workflow.is_main_process:  # each job reads the rules again, and need not list the user's folders again
        check_files(SETTINGS)  # not in an input function: Snakemake swallows its errors where the output exists
        for text in SETTINGS.warnings():
            logger.warning(f"config: {text}")
except ConfigurationError as error:
    raise WorkflowError(str(error))

SETS = SETTINGS.sets()
STUDIES = list(type(SETTINGS.studies).model_fields)


wildcard_constraints:
    set="|".join(SETS),
    modality="vision|audio",
    stream="video|audio",
    sense="(sound|sight|text)(_list|_legacy)?",
    shard=r"\d{4}",
    study="|".join(STUDIES),


# -- settings


def section(path):
    """Canonical JSON of a section, so a restyled YAML reruns nothing; `path` may name wildcards."""
    if "{" in path:
        return lambda wildcards: section(path.format(**wildcards))
    part = SETTINGS
    for name in path.split("."):
        part = getattr(part, name)
    return canonical_json(part)


def is_on(line):
    """Whether a line is switched on; a line that was removed is off."""
    return getattr(SETTINGS.lines, line, False)


# -- commands: a rule's wildcards are the positional arguments of its program, and each of its named inputs is an
# argument. An input without a name only has to exist.

TRAIN = (
    "sensorium --log {log} --ranks {resources.gpu} {params.program} --config {params.config:q} {params.inputs} "
    "--output {params.folder} --threads {threads} --max-minutes {resources.runtime}"
)
EVALUATE = (
    "sensorium --log {log} {params.program} --config {params.config:q} {params.inputs} {params.outputs} "
    "--threads {threads}"
)


def memory(wildcards, rulename):
    """Megabytes of host memory, by arithmetic from the settings (`sensorium estimate`); they cause no rerun."""
    return memory_mb(SETTINGS, rulename)


# The program stops at `runtime`, in minutes: a training saves its state, an evaluation would begin anew.
GPU_TRAINING = {"gpu": 1, "mem_mb": memory, "runtime": 240}
GPU_JOB = {"gpu": 1, "mem_mb": memory, "runtime": lambda wildcards, rulename: minutes(SETTINGS, rulename)}


def flags(files):
    """One flag for each named file; what a rule calls `result` is the output of its program."""
    return " ".join(f"--{name.replace('_', '-').replace('result', 'output')} {paths}" for name, paths in files.items())


def called(name):
    """Params that spell a command. Snakemake does not record params that depend on files: they cause no rerun."""
    return {
        "program": lambda wildcards, input: " ".join([name.replace("_", "-"), *wildcards]),
        "inputs": lambda wildcards, input: flags(input),
        "outputs": lambda wildcards, output: flags(output),
    }


def training(name, config):
    """Params of a training: its section, its revision, its command and the folder of its artifact."""
    folder = subpath(output.manifest, parent=True)
    return {"config": config, "revision": revision(name), "folder": folder, **called(name)}


def evaluation(name):
    """Params of an evaluation: its section, its revision and its command."""
    return {"config": section(f"evaluations.{name}"), "revision": revision(name), **called(name)}


PLAYED = {}  # film or sound of an evaluation -> its page


def in_report(path, category, caption=None, **labels):
    """A file of an evaluation that the report shows; unless given, label and caption follow from the file's name."""
    name = Path(path).stem
    labels = {"evaluation": name.replace("_", " "), **labels}
    shown = path if path.endswith(".png") else f"results/pages/{name}.html"  # where a film or a sound is played
    marked = report(shown, caption=f"../workflow/report/{caption or name}.rst", category=category, labels=labels)
    if shown != path and name in SETTINGS.evaluations_on():
        PLAYED[path] = marked  # `summary` makes the page
    return marked if shown == path else path


# How fast a training computes, not what: a profile sets other values (profiles/README.md), which rerun nothing.
SPEED = {"workers": "auto", "precision": "auto", "micro_batch": 0, "compile": "auto", "recompute": "auto"}
GPU_TRAINING |= SPEED
TRAIN += "".join(f" --{name.replace('_', '-')} {{resources.{name}}}" for name in SPEED)


# -- recordings

DATA = f"results/data/{SETTINGS.data.source}/manifest.json"
SHARDS = [f"{number:04d}" for number in range(SETTINGS.data.shards)]


def set_section(wildcards):
    """The section of one set of recordings."""
    return canonical_json(SETS[wildcards.set])


def source_files(wildcards):
    """Files that the recordings are read from; where there are many, `set_revision` stands for them."""
    return [] if SETS[wildcards.set].listing else SETS[wildcards.set].files()


def set_revision(wildcards):
    """REVISION of `collect`, and a digest of the names and sizes of many files: Snakemake cannot take all as inputs."""
    listed = SETS[wildcards.set].listing_of(int(wildcards.shard))
    return f"{revision('collect')} {listed}" if listed else revision("collect")


def shards(suffix):
    """Files of one kind, one for each shard of a set."""
    return lambda wildcards: [
        f"results/data/{wildcards.set}/shard-{number:04d}.{suffix}" for number in range(SETS[wildcards.set].shards)
    ]


# -- perception, and forecasting on its world states

ENCODERS = {"data": DATA, **{sense: f"results/encoders/{sense}/manifest.json" for sense in ("vision", "audio")}}
WORLD_STATE = {**ENCODERS, "fusion": "results/fusion/manifest.json"}


def own_or_world(name):
    """Manifest of what a model learns from: of its own set, whose `name` has wildcards, or the world's recordings."""
    return lambda wildcards: f"results/{SETTINGS.learned_from(name.format(**wildcards))}/manifest.json"


def probed_for(wildcards):
    """Manifest of the set whose labels an encoder is probed for."""
    return f"results/data/{SETTINGS.probed_set(wildcards.modality) or SETTINGS.data.source}/manifest.json"


def own_labels(modality):
    """Manifest of the set that provides the classes of a sense, where that set is not the world's recordings."""
    own = modality in SETS and SETTINGS.probed_set(modality) == modality
    return [f"results/data/{modality}/manifest.json"] if own else []


# -- generation, and the agent on its dynamics


def of_sound(kind):
    """Manifest of the latents or of the tokenizer of sound, if the recordings have sound."""
    return lambda wildcards: [f"results/{kind}/audio/manifest.json"] if "audio" in SETTINGS.streams() else []


def lpips_weights(wildcards):
    """Weights of the perceptual distance, if the configuration names a file of them."""
    weights = SETTINGS.tokenizers.video.lpips
    return [weights] if weights and wildcards.stream == "video" else []


def feature_encoder(wildcards):
    """The encoder whose features long dreams are compared in; without perception, the tokenizer's features serve."""
    return [ENCODERS["vision"]] if is_on("representation") else []


LATENTS = {"latents": "results/latents/video/manifest.json", "sound": of_sound("latents")}
TOKENIZER = "results/tokenizers/video/manifest.json"
THREE_CODES = {sense: f"results/puzzle/{sense}/manifest.json" for sense in ("sound", "sight", "text")}
DREAMS = {"data": DATA, **LATENTS, "tokenizer": TOKENIZER, "dynamics": "results/dynamics/manifest.json"}


# -- results


def evaluation_results(wildcards):
    """Results of the evaluations that are switched on."""
    return [f"results/eval/{name}.json" for name in SETTINGS.evaluations_on()]


def recordings_used(wildcards):
    """Manifests of the world's recordings and of the sets that models of the lines have for themselves."""
    return [f"results/data/{name}/manifest.json" for name in SETTINGS.sets_used()]


def trained_manifests(wildcards):
    """Manifests of the models that are trained by the lines that are switched on."""
    return [f"results/{name}/manifest.json" for name in SETTINGS.trained()]


# -- studies


def study_revision(wildcards):
    """The REVISION of one study."""
    return revision(wildcards.study)
