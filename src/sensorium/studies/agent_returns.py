"""Does training in dreams pay? The policy trained in dreams against what needs no dreams, in the real environment.

Each seed has recordings, tokenizer, dynamics, clone, agent and episodes of its own, made by the stages of the workflow.
The baselines are those of `agent_return`: the cloned policy, random actions, every action held for ever, and the one of
them that earned most in the rooms of training recordings. In the room the scripted player, the ceiling, is itself such
a constant ("left"), so nothing can pass there; dreams would have to find what one constant already does.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sensorium.agent import train_agent, train_clone
from sensorium.agent.evaluation import agent_return
from sensorium.artifacts import read_json
from sensorium.config import Section, canonical_json
from sensorium.evaluation.statistics import baseline_values, measure_over_seeds
from sensorium.generation import train_dynamics
from sensorium.progress import track
from sensorium.studies.config import AgentReturnsConfig
from sensorium.studies.findings import Cell, Findings, Table, estimate
from sensorium.studies.recorded import DEVICE, make_tokens, record, seeded

REVISION = 4
POLICIES = ("agent", "cloned policy", "random actions", agent_return.CHOSEN, "recorded policy", "best")
_UNTRAINED = 101  # seed of the control's weights


def run(config: AgentReturnsConfig) -> Findings:
    """Train and play, over all seeds."""
    return judge(config.all_seeds(), [play_seed(config, seed) for seed in track(config.all_seeds(), "seeds")])


def judge(seeds: list[int], lives: list[tuple[dict[str, float], float]]) -> Findings:
    """The findings from the mean episode returns of each seed's policies and of an untrained one."""
    earned = {name: np.array([sums[name] for sums, _ in lives]) for name in lives[0][0]}
    baselines = {name: sums for name, sums in earned.items() if name not in ("agent", "recorded policy", "best")}
    held = [name for name in baselines if name not in POLICIES]

    def returns(values: np.ndarray) -> dict[str, Any]:
        return measure_over_seeds(
            "episode_return",
            values,
            ceilings={"best": earned["best"]},
            baselines=baselines,
            references={"recorded policy": earned["recorded policy"]},
        )

    rows: list[dict[str, Cell]] = [
        {"seed": str(seed), **{name: round(sums[name], 3) for name in POLICIES}}
        for seed, (sums, _) in zip(seeds, lives, strict=True)
    ]
    rows.append({"seed": "all", **{name: estimate(earned[name]) for name in POLICIES}})
    constants: list[dict[str, Cell]] = [
        {
            "action": name,
            **{f"seed {seed}": round(float(value), 3) for seed, value in zip(seeds, earned[name], strict=True)},
            "all": estimate(earned[name]),
        }
        for name in sorted(held, key=lambda name: -float(earned[name].mean()))
    ]
    return Findings(
        metrics={"episode_return": returns(earned["agent"])},
        controls={"untrained_policy": returns(np.array([untrained for _, untrained in lives]))},
        tables=[
            Table("Sum of an episode's rewards, mean over the episodes of a seed", rows),
            Table("The same of each action held for ever, the best first", constants),
        ],
    )


def play_seed(config: AgentReturnsConfig, seed: int) -> tuple[dict[str, float], float]:
    """Mean return of every policy of one seed, and that of an untrained policy in the agent's place."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        data = record(config.data, seed, folder / "data")
        tokenizer, latents = make_tokens(config.tokenizer, config.data.shards, seed, data, folder)

        def train(stage: Any, name: str, section: Section, **inputs: Path) -> Path:
            arguments = [part for key, path in inputs.items() for part in (f"--{key}", str(path))]
            stage.main(["--config", seeded(section, seed), *arguments, "--output", str(folder / name), *DEVICE])
            return folder / name / "manifest.json"

        dynamics = train(train_dynamics, "dynamics", config.dynamics, latents=latents, tokenizer=tokenizer)
        clone = train(
            train_clone, "clone", config.agent.cloning, latents=latents, tokenizer=tokenizer, dynamics=dynamics
        )
        agent = train(train_agent, "agent", config.agent.imagination, latents=latents, clone=clone)
        inputs = {"data": data, "latents": latents, "tokenizer": tokenizer, "clone": clone, "agent": agent}
        judged = config.play.model_copy(update={"seed": seed})
        arguments = ["--config", canonical_json(judged), *DEVICE, "--figure", str(folder / "played.png")]
        arguments += [part for key, path in inputs.items() for part in (f"--{key}", str(path))]
        found = []
        for control in ((), ("--untrained-seed", str(_UNTRAINED))):
            agent_return.main([*arguments, *control, "--output", str(folder / "played.json")])
            found.append(read_json(folder / "played.json")["metrics"]["episode_return"])
        trained, untrained = found
        sums = {"agent": trained["value"], "best": trained["ceiling"]}
        sums |= baseline_values(trained) | trained["references"]
        return sums, untrained["value"]
