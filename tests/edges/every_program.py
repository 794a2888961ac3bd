"""A good command for every program, on a world that these commands have made: trainings of two steps, tiny models."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from sensorium.agent.agent import Actor, Agent
from sensorium.cli import main
from sensorium.config import Section, canonical_json
from sensorium.evaluation.statistics import NOTHING, measure
from sensorium.forecasting.state_dynamics import StateDynamics
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.load import Loadable
from sensorium.music.cascade import Cascade
from sensorium.music.codec import MusicCodec
from sensorium.music.mask_network import MaskNetwork
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion
from sensorium.programs import EVALUATIONS, PROGRAMS
from sensorium.puzzle.common_space import CommonSpace
from sensorium.puzzle.next_grid import NextGrid
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sound_map import SoundMap
from sensorium.settings import Config, validate

TRAINING = {"steps": 2, "batch": 4, "warmup": 0}
SETTINGS: dict[str, Any] = {
    "lines": {"representation": False},  # or the workflow refuses so few recordings; the programs take them
    "data": {"recordings": 12, "frames": 32, "shards": 1, "size": 32, "task": "left"},
    "encoders": {
        "vision": {"width": 4, "dim": 8, "training": TRAINING},
        "audio": {"width": 4, "dim": 8, "mels": 16, "training": TRAINING},
    },
    "tokenizers": {
        "video": {"width": 4, "channels": 4, "training": TRAINING},
        "audio": {"width": 8, "layers": 1, "frames": 2, "channels": 4, "training": TRAINING},
    },
    "fusion": {"dim": 8, "layers": 1, "heads": 2, "training": TRAINING},
    "finetune": {"training": TRAINING},
    "state_dynamics": {"width": 8, "context": 4, "horizon": 4, "training": TRAINING},
    "dynamics": {
        "dim": 16, "layers": 2, "heads": 2, "key_heads": 1, "time_every": 2, "window": 4, "frames": 4,
        "long_frames": 4, "training": TRAINING,
    },
    "agent": {
        "cloning": {"distances": 2, "training": TRAINING},
        "imagination": {"context": 4, "training": TRAINING},
    },
    "puzzle": {
        "sound": {"width": 8, "blocks": 1, "training": TRAINING},
        "sight": {"width": 8, "blocks": 1, "training": TRAINING},
        "next": {"width": 8, "blocks": 1, "moments": 64, "training": TRAINING},
        "joint": {"dim": 8, "heads": 2, "layers": 1, "width": 8, "blocks": 1, "moments": 64, "training": TRAINING},
        "text": {
            "corpus": {"packages": [], "unprimed": [], "package_bytes": 30_000, "catalogues": None},
            "words": 1000, "slots": 14, "fit_pages": 10, "fit_rounds": 2,
        },
    },
    "music": {
        "songs": {
            "songs": 16, "bars": 1, "tempi": [120, 160], "instruments": 6, "validation_fraction": 0.25,
            "test_fraction": 0.25,
        },
        "mask": {"width": 4, "layers": 1, "seconds": 1.0, "training": TRAINING},
        "others": ["cascade"],
        "cascade": {"dim": 16, "heads": 2, "layers": 1, "seconds": 1.0, "training": TRAINING},
        "codec": {"width": 8, "layers": 1, "seconds": 0.5, "training": TRAINING},
    },
    "evaluations": {
        "puzzle_next": {"clips": 10, "examples": 100},
        "puzzle_common": {"moments": 10, "examples": 100},
        "puzzle_text": {"pages": 4, "page_bytes": 300, "damaged": 100},
        "music_transfer": {"pairs": 2, "seconds": 1.0},
        "cascade_transfer": {"pairs": 2, "seconds": 1.0},
        "sound_coding": {"songs": 2, "seconds": 1.0},
    },
}  # fmt: skip
MADE_BY = {  # where each artifact lies -> the program that makes it, with its first argument
    "data": "collect",
    "encoders/vision": "train-encoder vision",
    "encoders/audio": "train-encoder audio",
    "fusion": "train-fusion",
    "finetuned": "finetune",
    "state_dynamics": "train-state-dynamics",
    "tokenizers/video": "train-tokenizer video",
    "tokenizers/audio": "train-tokenizer audio",
    "latents/video": "encode-latents video",
    "latents/audio": "encode-latents audio",
    "dynamics": "train-dynamics",
    "sounding": "train-dynamics",  # of both streams; the others dream in silence
    "clone": "train-clone",
    "agent": "train-agent",
    "puzzle/sound": "train-puzzle sound",
    "puzzle/sight": "train-puzzle sight",
    "puzzle/texts": "collect-texts",
    "puzzle/text": "train-puzzle-text",
    "puzzle/joint": "train-puzzle-joint",
    "puzzle/next": "train-puzzle-next",
    "music/songs": "collect-songs",
    "music/mask": "train-mask",
    "music/cascade": "train-cascade",
    "music/codec": "train-codec",
}
INPUTS = {  # of the programs that are no evaluations: option -> where its manifest lies
    "train-encoder": {"data": "data"},
    "train-fusion": {"data": "data", "vision": "encoders/vision", "audio": "encoders/audio"},
    "finetune": {"data": "data", "vision": "encoders/vision", "audio": "encoders/audio", "fusion": "fusion"},
    "train-state-dynamics": {
        "data": "data", "vision": "encoders/vision", "audio": "encoders/audio", "fusion": "fusion",
    },
    "train-tokenizer": {"data": "data"},
    "train-dynamics": {"latents": "latents/video", "tokenizer": "tokenizers/video"},
    "train-clone": {"latents": "latents/video", "tokenizer": "tokenizers/video", "dynamics": "dynamics"},
    "train-agent": {"latents": "latents/video", "clone": "clone"},
    "train-puzzle": {"data": "data"},
    "train-puzzle-text": {"texts": "puzzle/texts"},
    "train-puzzle-next": {"data": "data", "sight": "puzzle/sight"},
    "train-puzzle-joint": {
        "data": "data", "sound": "puzzle/sound", "sight": "puzzle/sight", "text": "puzzle/text",
    },
    "train-mask": {"songs": "music/songs"},
    "train-cascade": {"songs": "music/songs"},
    "train-codec": {"songs": "music/songs"},
    "encode-latents": {"data": "data", "tokenizer": "tokenizers/video"},
    "index": {"like": "data"},
    "curves": {"manifests": "encoders/vision"},
    "dream": {"data": "data", "latents": "latents/video", "tokenizer": "tokenizers/video", "dynamics": "dynamics"},
    "play": {"data": "data", "latents": "latents/video", "tokenizer": "tokenizers/video", "dynamics": "dynamics"},
    "puzzle": {"model": "puzzle/text"},
    "continue": {"model": "music/mask"},
    "encode-sound": {"model": "music/codec"},
    "decode-sound": {"model": "music/codec"},
}  # fmt: skip


MODELS: dict[str, type[Loadable]] = {
    "encoders/vision": VisionEncoder,
    "encoders/audio": AudioEncoder,
    "fusion": Fusion,
    "state_dynamics": StateDynamics,
    "tokenizers/video": VideoTokenizer,
    "tokenizers/audio": AudioTokenizer,
    "dynamics": Dynamics,
    "clone": Agent,
    "agent": Actor,
    "puzzle/sound": SoundMap,
    "puzzle/sight": SightMap,
    "puzzle/joint": CommonSpace,
    "puzzle/next": NextGrid,
    "music/mask": MaskNetwork,
    "music/cascade": Cascade,
    "music/codec": MusicCodec,
}
OPTIONAL = {name: {"sound": "latents/audio"} for name in ("train-dynamics", "train-clone", "train-agent")}


def code_of(*argv: str) -> int:
    """Exit code of `sensorium ARGV` in this process."""
    with pytest.raises(SystemExit) as leaving:
        main(argv)
    return int(leaving.value.code or 0)


def inputs_of(name: str, optional: bool = False) -> dict[str, str]:
    """Option of each manifest that a program must, or also may, read -> where it lies."""
    if name in EVALUATIONS:
        entries = importlib.import_module(PROGRAMS[name]).EVALUATION.inputs
        read = {entry.option: entry.place.format(sense="vision") for entry in entries if entry.required or optional}
        return read | ({"dynamics": "sounding"} if name == "dreamed-sound" else {})
    return INPUTS.get(name, {}) | (OPTIONAL.get(name, {}) if optional else {})


class World:
    """Artifacts in a folder, and the commands on them.

    Attributes:
        folder: where each artifact has its place.
        config: the settings that made them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, validate(SETTINGS)

    def manifest(self, place: str) -> Path:
        """The manifest of an artifact."""
        return self.folder / place / "manifest.json"

    def make(self) -> None:
        """Make everything, by the commands of a user."""
        for place, program in MADE_BY.items():
            name, *sense = program.split()
            shard = self.folder / place / "shard-0000.safetensors"
            output = shard if name in ("collect", "encode-latents") else self.folder / place
            more = {"sound": str(self.manifest("latents/audio"))} if place == "sounding" else {}
            assert code_of(*self.argv(name, output, *sense, **more)) == 0, place
            if output == shard:
                assert code_of(*self.index(place)) == 0, place

    def index(self, place: str) -> list[str]:
        """The command that makes the manifest of a set."""
        like = [] if place == "data" else ["--like", str(self.manifest("data"))]
        section = self.config.data if place == "data" else self.config.latents
        shards = ["--shards", str(self.folder / place / "shard-0000.json")]
        return ["index", "--config", canonical_json(section), *shards, *like, "--output", str(self.manifest(place))]

    def argv(self, name: str, output: Path, sense: str | None = None, **instead: str) -> list[str]:
        """A good command of a program.

        Args:
            name: of the program.
            output: where its result goes.
            sense: of programs that take one; by default the first.
            instead: option -> value that replaces the good one.
        """
        options = {option: str(self.manifest(place)) for option, place in inputs_of(name).items()}
        first: list[str] = []
        if name == "index":
            return self.with_options(self.index("latents/video"), self._beside(output) | instead)
        if name in ("train-encoder", "train-tokenizer", "encode-latents", "probe"):
            first = [sense or ("video" if name in ("train-tokenizer", "encode-latents") else "vision")]
        if name == "train-puzzle":
            first = [sense or "sound"]
        if name == "encode-latents":
            options |= {"shard": "0", "tokenizer": str(self.manifest(f"tokenizers/{first[0]}"))}
        if name == "collect":
            options["shard"] = "0"
        if name == "study":
            first = ["forgetting"]
        if name == "puzzle":
            text = self.folder / "note.txt"
            text.write_text("a note")
            return self.with_options([name, "encode", str(text)], {**options, "output": str(output), **instead})
        if name == "continue":
            options |= {"beats-a": "120@0", "beats-b": "120@0"}  # two seconds are too short to find them
            return self.with_options(
                [name, *self.songs()], {**options, "output": str(output.with_suffix(".wav")), **instead}
            )
        if name == "encode-sound":
            return self.with_options([name, self.songs()[0]], {**options, "output": str(output), **instead})
        if name == "decode-sound":
            options["output"] = str(output.with_suffix(".wav"))
            return self.with_options([name, self.codes()], {**options, **instead})
        if name in ("summary", "study-tables", "curves"):
            return self._of_results(name, output, instead)
        if name in ("dream", "play"):
            options |= {"context": "4", "denoising-steps": "1", "device": "cpu"}
            options |= {"port": "0"} if name == "play" else {"frames": "2"}
        else:
            options["config"] = canonical_json(self.section(name, first))
        if name not in ("collect", "collect-texts", "collect-songs", "study", "dream", "play"):
            options["device"] = "cpu"
        if name in EVALUATIONS:
            module = importlib.import_module(PROGRAMS[name])
            more = {"figure": "png", **{entry.option: entry.metavar.lower() for entry in module.EVALUATION.outputs}}
            options |= {option: str(output.with_suffix(f".{suffix}")) for option, suffix in more.items()}
        if name != "play":
            options["output"] = str(output)
        return self.with_options([name, *first], {**options, **instead})

    def _beside(self, output: Path) -> dict[str, str]:
        """A copy of a shard and its list beside a manifest that is to be made: `index` wants them in one folder."""
        source = self.folder / "latents/video"
        output.parent.mkdir(parents=True, exist_ok=True)
        for path in source.glob("shard-0000.*"):
            shutil.copy(path, output.parent)
        return {"shards": str(output.parent / "shard-0000.json"), "output": str(output)}

    def _of_results(self, name: str, output: Path, instead: dict[str, str]) -> list[str]:
        if name == "curves":
            manifest = instead.get("manifests", str(self.manifest("encoders/vision")))
            return ["curves", "--manifests", manifest, "--output", str(output)]
        if name == "summary":
            return ["summary", "--evaluations", instead.get("evaluations", str(self.result())), "--output", str(output)]
        (output / "studies").mkdir(parents=True, exist_ok=True)
        (output / "studies.md").write_text("<!-- study: x -->\n<!-- end of study: x -->\n")
        return ["study-tables", instead.get("results", str(self.study())), "--docs", str(output)]

    def with_options(self, argv: list[str], options: dict[str, str]) -> list[str]:
        """The command with each option set, or set anew."""
        argv = list(argv)
        for option, value in options.items():
            if f"--{option}" in argv:
                argv[argv.index(f"--{option}") + 1] = value
            else:
                argv += [f"--{option}", value]
        return argv

    def section(self, name: str, first: list[str]) -> Section:
        """The section that a program gets."""
        config: Config = self.config
        sections: dict[str, Any] = {
            "collect": config.data,
            "train-encoder": getattr(config.encoders, first[0], None) if first else None,
            "train-fusion": config.fusion,
            "finetune": config.finetune,
            "train-state-dynamics": config.state_dynamics,
            "train-tokenizer": getattr(config.tokenizers, first[0], None) if first else None,
            "encode-latents": config.latents,
            "train-dynamics": config.dynamics,
            "train-clone": config.agent.cloning,
            "train-agent": config.agent.imagination,
            "train-puzzle": getattr(config.puzzle, first[0], None) if first else None,
            "collect-texts": config.puzzle.text.corpus,
            "train-puzzle-text": config.puzzle.text,
            "train-puzzle-joint": config.puzzle.joint,
            "train-puzzle-next": config.puzzle.next,
            "collect-songs": config.music.songs,
            "train-mask": config.music.mask,
            "train-cascade": config.music.cascade,
            "train-codec": config.music.codec,
            "study": config.studies.forgetting,
        }
        return sections[name] if name in sections else getattr(config.evaluations, name.replace("-", "_"))

    def songs(self) -> list[str]:
        """Two sounds to combine."""
        paths = [self.folder / f"{name}.wav" for name in "ab"]
        for number, path in enumerate(paths):
            soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, 12_000), 8000)
        return list(map(str, paths))

    def codes(self) -> str:
        """A file of codes, of one of the sounds."""
        path = self.folder / "sound.codes"
        if not path.exists():
            assert code_of(*self.argv("encode-sound", path)) == 0
        return str(path)

    def result(self) -> Path:
        """The result of an evaluation."""
        groups, samples = list("aabb"), np.full(4, 0.5)
        metric = measure("x", samples, groups, fitted_on=NOTHING, baselines={"chance": 0.2}, ceilings={"all": 1.0})
        path = self.folder / "result.json"
        path.write_text(json.dumps({"name": "x", "metrics": {"accuracy": metric}, "inputs": {"data": "d"}}))
        return path

    def study(self) -> Path:
        """The result of a study."""
        content = json.loads(self.result().read_text())
        table = {"title": "t", "columns": ["a", "b"], "rows": [["x", {"value": 1.0, "low": 0.0, "high": 2.0}]]}
        content |= {"controls": {}, "tables": [table], "seeds": [0, 1], "revision": 1, "commit": "abc"}
        path = self.folder / "study.json"
        path.write_text(json.dumps(content))
        return path


if __name__ == "__main__":
    World(Path(sys.argv[1])).make()
