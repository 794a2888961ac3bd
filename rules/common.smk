"""The only functions of the workflow: the validated settings, and what each rule takes of them."""

from snakemake.exceptions import WorkflowError

from sensorium.config import ConfigurationError, canonical_json, validate
from sensorium.programs import revision

try:
    SETTINGS = validate(config)
except ConfigurationError as error:
    raise WorkflowError(str(error))

SETS = SETTINGS.sets()
STUDIES = list(type(SETTINGS.studies).model_fields)
DATA = f"results/data/{SETTINGS.data.source}/manifest.json"
SHARDS = [f"{number:04d}" for number in range(SETTINGS.data.shards)]


wildcard_constraints:
    set="|".join(SETS),
    modality="vision|audio",
    stream="video|audio",
    shard=r"\d{4}",
    study="|".join(STUDIES),


def section(path):
    """Canonical JSON of one section: equal settings give equal text, so a restyled YAML reruns nothing."""
    part = SETTINGS
    for name in path.split("."):
        part = getattr(part, name)
    return canonical_json(part)


def set_section(wildcards):
    """The section of one set of recordings."""
    return canonical_json(SETS[wildcards.set])


def source_files(wildcards):
    """Files that the recordings are read from; a simulator has none."""
    try:
        return SETS[wildcards.set].files()
    except ConfigurationError as error:
        raise WorkflowError(str(error))


def shards(suffix):
    """Files of one kind, one a shard of a set."""
    return lambda wildcards: [
        f"results/data/{wildcards.set}/shard-{number:04d}.{suffix}" for number in range(SETS[wildcards.set].shards)
    ]


def learned_from(wildcards):
    """Manifest of what an encoder learns from: its own set, if it has one, else the world's recordings."""
    return f"results/data/{wildcards.modality}/manifest.json" if wildcards.modality in SETS else DATA


def probed_for(wildcards):
    """Manifest of the set whose labels an encoder is probed for."""
    return f"results/data/{SETTINGS.probed_set(wildcards.modality) or SETTINGS.data.source}/manifest.json"


def own_labels(modality):
    """Manifest of the set whose classes a sense is asked for, where that is not the world."""
    own = modality in SETS and SETTINGS.probed_set(modality) == modality
    return [f"results/data/{modality}/manifest.json"] if own else []


def encoder_section(wildcards):
    """The section of the encoder of one modality."""
    return section(f"encoders.{wildcards.modality}")


def study_section(wildcards):
    """The section of one study."""
    return section(f"studies.{wildcards.study}")


def study_revision(wildcards):
    """The REVISION of one study."""
    return revision(wildcards.study)


def tokenizer_section(wildcards):
    """The section of the tokenizer of one stream."""
    return section(f"tokenizers.{wildcards.stream}")


def lpips_weights(wildcards):
    """Weights of the perceptual distance that a user named, where there is one to learn by."""
    weights = SETTINGS.tokenizers.video.lpips
    return [weights] if weights and wildcards.stream == "video" else []


def sound_latents(wildcards):
    """Manifest of the encoded sound that is dreamed beside the video, if there is any."""
    return ["results/latents/audio/manifest.json"] if "audio" in SETTINGS.streams() else []


def sound_tokenizer(wildcards):
    """Manifest of the tokenizer of that sound, if there is any."""
    return ["results/tokenizers/audio/manifest.json"] if "audio" in SETTINGS.streams() else []


def looking_encoder(wildcards):
    """The encoder whose features long dreams are judged by; without the representation line it is the tokenizer."""
    return ["results/encoders/vision/manifest.json"] if SETTINGS.lines.representation else []


def evaluation_results(wildcards):
    """Results of the evaluations that are switched on."""
    return [f"results/eval/{name}.json" for name in SETTINGS.evaluations_on()]


def trained_manifests(wildcards):
    """Manifests of the models that the switched-on lines train."""
    finetuned = ["finetuned"] if SETTINGS.lines.finetune else []
    foreseen = ["state_dynamics"] if "motion" in SETTINGS.evaluations_on() else []
    parts = ["encoders/vision", "encoders/audio", "fusion", *finetuned, *foreseen]
    representation = parts if SETTINGS.lines.representation else []
    tokenizers = [f"tokenizers/{stream}" for stream in SETTINGS.streams()]
    generative = [*tokenizers, "dynamics"] if SETTINGS.lines.generative else []
    agent = ["clone", "agent"] if SETTINGS.lines.agent else []
    return [f"results/{name}/manifest.json" for name in representation + generative + agent]
