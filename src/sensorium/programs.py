"""The programs of Sensorium: `sensorium NAME` runs `main` of a module. Nothing here imports torch.

The command line, the rules (by `revision`) and the tests read this table, and no other list of programs exists.
"""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

TRAININGS = {
    "train-encoder": "sensorium.stages.train_encoder",
    "train-fusion": "sensorium.stages.train_fusion",
    "finetune": "sensorium.stages.finetune",
    "train-state-dynamics": "sensorium.stages.train_state_dynamics",
    "train-tokenizer": "sensorium.stages.train_tokenizer",
    "train-dynamics": "sensorium.stages.train_dynamics",
    "train-clone": "sensorium.stages.train_clone",
    "train-agent": "sensorium.stages.train_agent",
}
EVALUATIONS = {
    "probe": "sensorium.evaluation.probe",
    "retrieval": "sensorium.evaluation.retrieval",
    "few-shot": "sensorium.evaluation.few_shot",
    "properties": "sensorium.evaluation.properties",
    "zero-shot": "sensorium.evaluation.zero_shot",
    "world-state": "sensorium.evaluation.world_state",
    "finetuning": "sensorium.evaluation.finetuning",
    "motion": "sensorium.evaluation.motion",
    "causal": "sensorium.evaluation.causal",
    "reconstruction": "sensorium.evaluation.reconstruction",
    "sound-reconstruction": "sensorium.evaluation.sound_reconstruction",
    "rollout": "sensorium.evaluation.rollout",
    "uncertainty": "sensorium.evaluation.uncertainty",
    "counterfactual": "sensorium.evaluation.counterfactual",
    "drift": "sensorium.evaluation.drift",
    "agent-return": "sensorium.evaluation.agent_return",
}
OTHERS = {
    "collect": "sensorium.stages.collect",
    "index": "sensorium.stages.index",
    "encode-latents": "sensorium.stages.encode_latents",
    "summary": "sensorium.evaluation.summary",
    "curves": "sensorium.evaluation.curves",
    "study": "sensorium.studies.study",
    "study-tables": "sensorium.studies.study_tables",
}
INTERACTIVE = {
    "dream": "sensorium.interactive.dream",
    "play": "sensorium.interactive.play",
}
PROGRAMS = {**TRAININGS, **EVALUATIONS, **OTHERS, **INTERACTIVE}


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
