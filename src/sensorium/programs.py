"""The programs of Sensorium: `sensorium NAME` runs `main` of a module. Nothing here imports torch.

The command line, the rules (by `revision`) and the tests read this table, and no other list of programs exists.
"""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

TRAININGS = {
    "train-encoder": "sensorium.perception.train_encoder",
    "train-fusion": "sensorium.perception.train_fusion",
    "finetune": "sensorium.perception.finetune",
    "train-state-dynamics": "sensorium.forecasting.train_state_dynamics",
    "train-tokenizer": "sensorium.generation.train_tokenizer",
    "train-dynamics": "sensorium.generation.train_dynamics",
    "train-clone": "sensorium.agent.train_clone",
    "train-agent": "sensorium.agent.train_agent",
    "train-puzzle": "sensorium.puzzle.train_puzzle",
    "train-puzzle-joint": "sensorium.puzzle.train_puzzle_joint",
    "train-puzzle-next": "sensorium.puzzle.train_puzzle_next",
    "train-mask": "sensorium.music.train_mask",
    "train-cascade": "sensorium.music.train_cascade",
    "train-codec": "sensorium.music.train_codec",
}
EVALUATIONS = {
    "probe": "sensorium.perception.evaluation.probe",
    "retrieval": "sensorium.perception.evaluation.retrieval",
    "few-shot": "sensorium.perception.evaluation.few_shot",
    "properties": "sensorium.perception.evaluation.properties",
    "zero-shot": "sensorium.perception.evaluation.zero_shot",
    "world-state": "sensorium.perception.evaluation.world_state",
    "finetuning": "sensorium.perception.evaluation.finetuning",
    "motion": "sensorium.forecasting.evaluation.motion",
    "causal": "sensorium.forecasting.evaluation.causal",
    "fields": "sensorium.forecasting.evaluation.fields",
    "reconstruction": "sensorium.generation.evaluation.reconstruction",
    "sound-reconstruction": "sensorium.generation.evaluation.sound_reconstruction",
    "rollout": "sensorium.generation.evaluation.rollout",
    "uncertainty": "sensorium.generation.evaluation.uncertainty",
    "counterfactual": "sensorium.generation.evaluation.counterfactual",
    "drift": "sensorium.generation.evaluation.drift",
    "control": "sensorium.generation.evaluation.control",
    "dreamed-sound": "sensorium.generation.evaluation.dreamed_sound",
    "agent-return": "sensorium.agent.evaluation.agent_return",
    "puzzle-sound": "sensorium.puzzle.evaluation.puzzle_sound",
    "puzzle-sight": "sensorium.puzzle.evaluation.puzzle_sight",
    "puzzle-text": "sensorium.puzzle.evaluation.puzzle_text",
    "puzzle-common": "sensorium.puzzle.evaluation.puzzle_common",
    "puzzle-next": "sensorium.puzzle.evaluation.puzzle_next",
    "music-transfer": "sensorium.music.evaluation.music_transfer",
    "cascade-transfer": "sensorium.music.evaluation.cascade_transfer",
    "sound-coding": "sensorium.music.evaluation.sound_coding",
}
OTHERS = {
    "collect-texts": "sensorium.puzzle.collect_texts",
    "collect-songs": "sensorium.music.collect_songs",
    "train-puzzle-text": "sensorium.puzzle.train_puzzle_text",
    "collect": "sensorium.data.collect",
    "index": "sensorium.data.index",
    "encode-latents": "sensorium.generation.encode_latents",
    "summary": "sensorium.evaluation.summary",
    "curves": "sensorium.evaluation.curves",
    "study": "sensorium.studies.study",
    "study-tables": "sensorium.studies.study_tables",
}
INTERACTIVE = {
    "dream": "sensorium.interactive.dream",
    "play": "sensorium.interactive.play",
    "puzzle": "sensorium.puzzle.command",
    "continue": "sensorium.music.command",
    "encode-sound": "sensorium.music.encode_sound",
    "decode-sound": "sensorium.music.decode_sound",
}
PLANNING = {
    "runs": "sensorium.planning.runs",
    "track": "sensorium.planning.track",
    "estimate": "sensorium.planning.estimate",
    "inspect": "sensorium.evaluation.inspect",
    "export": "sensorium.data.export",
}
PROGRAMS = {**TRAININGS, **EVALUATIONS, **OTHERS, **INTERACTIVE, **PLANNING}


def revision(name: str) -> int:
    """REVISION of a program or a study, read from its source so that no torch is imported.

    Args:
        name: of a program, with `-` or `_`; or of a study.

    Raises:
        LookupError: if there is no such module, or it has no REVISION.
    """
    module = PROGRAMS.get(name.replace("_", "-"), f"sensorium.studies.{name}")
    spec = find_spec(module)
    if spec is not None and spec.origin is not None:
        for node in ast.parse(Path(spec.origin).read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "REVISION":
                return int(ast.literal_eval(node.value))
    raise LookupError(f"{name!r}: {module} is no module with a REVISION")
