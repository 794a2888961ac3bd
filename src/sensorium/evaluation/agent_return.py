"""What the agent earns in the real environment, and how well it knows what is earned.

Every policy plays the same episodes, in scenes that no recording shows. `episode_return` is the sum of an episode's
rewards under the policy that was trained in dreams. Floors: the cloned policy it started from, and random actions.
Ceiling: a scripted player who sees the truth, where somebody wrote one; otherwise the best episode of any policy.
Reference: the policy behind the recordings. `reward_error` is the mean squared error of the reward that the agent tells
of the last frame of test windows; floors: their mean, and an untrained agent; ceiling: 0.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium.artifacts import read_json
from sensorium.config import (
    AgentReturnConfig,
    AudioTokenizerConfig,
    CloningConfig,
    Data,
    ImaginationConfig,
    VideoTokenizerConfig,
    parse_section,
)
from sensorium.data import sources
from sensorium.data.environment import Player, RandomPlayer, ScriptedPlayer, play
from sensorium.data.recording import RecordingSet
from sensorium.data.windows import join
from sensorium.evaluation import figures
from sensorium.evaluation.harness import (
    FLOOR_SEEDS,
    Bench,
    WindowPool,
    arguments,
    check_pedigree,
    load_judged,
    require,
)
from sensorium.evaluation.play import PolicyPlayer
from sensorium.evaluation.statistics import measure, write_result
from sensorium.models.agent import Actor, Agent
from sensorium.models.audio_tokenizer import AudioTokenizer
from sensorium.models.dream import Dreamer
from sensorium.models.observations import ObservationEncoder
from sensorium.models.tokenizers import VideoTokenizer
from sensorium.objectives.forcing import tokens_of
from sensorium.randomness import stable_seed

REVISION = 1


def main(argv: list[str]) -> None:
    """Run `sensorium agent-return`."""
    inputs = ("data", "latents", "tokenizer", "clone", "agent")
    parser = arguments("agent-return", __doc__, inputs, "the agent: its tokens, its policy, its rewards")
    parser.add_argument("--sound", type=Path, nargs="?", metavar="MANIFEST", help="manifest of the encoded sound")
    parser.add_argument("--hearing", type=Path, nargs="?", metavar="MANIFEST", help="manifest of the sound's tokenizer")
    args = parser.parse_args(argv)
    began, config = time.monotonic(), parse_section(AgentReturnConfig, args.config)
    bench, recordings, latents = Bench.prepare(args), RecordingSet.open(args.data), RecordingSet.open(args.latents)
    require(recordings, "reward", "record a game, or set data.task")
    check_pedigree(args.latents, data=args.data, tokenizer=args.tokenizer)
    sound = {"sound": args.sound} if args.sound else {}
    check_pedigree(args.clone, latents=args.latents, **sound)
    check_pedigree(args.agent, clone=args.clone)
    seed = args.untrained_seed
    clone = load_judged(Agent, CloningConfig, args.clone, "clone", None, bench)
    actor = load_judged(Actor, ImaginationConfig, args.agent, "agent", seed, bench)
    tokenizer = load_judged(VideoTokenizer, VideoTokenizerConfig, args.tokenizer, "tokenizer_video", None, bench)
    hearing = None
    if args.sound:
        check_pedigree(args.sound, tokenizer=args.hearing)
        hearing = load_judged(AudioTokenizer, AudioTokenizerConfig, args.hearing, "tokenizer_audio", None, bench)

    world: Any = parse_section(Data, json.dumps(read_json(args.data)["config"]))
    environments = [sources.module(world.source).environment(world) for _ in range(config.episodes)]
    numbers = range(world.recordings, world.recordings + config.episodes)  # recordings have the numbers before
    rest = environments[0].rest()
    drawn = stable_seed(config.seed, "agent-return")
    encoder = ObservationEncoder(tokenizer, hearing)
    players: dict[str, Player] = {
        "agent": PolicyPlayer(clone, actor.policy, encoder, rest, config.context_noise, drawn),
        "cloned policy": PolicyPlayer(clone, clone.policy, encoder, rest, config.context_noise, drawn),
        "random actions": RandomPlayer(recordings.details["action"], drawn),
        "recorded policy": ScriptedPlayer([environment.habit for environment in environments]),
    }
    environments[0].reset(numbers[0])
    if environments[0].expert() is not None:
        players["scripted player"] = ScriptedPlayer([environment.expert for environment in environments])
    earned = {name: play(environments, player, numbers) for name, player in players.items()}
    sums = {name: rewards.sum(1) for name, rewards in earned.items()}
    best = sums.get("scripted player", np.full(config.episodes, max(float(total.max()) for total in sums.values())))
    metrics = {
        "episode_return": measure(
            "episode_return", sums["agent"], [f"episode {number}" for number in numbers],
            floors={name: sums[name] for name in ("cloned policy", "random actions")}, ceilings={"best": best},
            references={"recorded policy": sums["recorded policy"]}, seed=config.seed,
        ),
        "reward_error": _reward_error(config, bench, latents, args.sound, args.clone, seed),
    }  # fmt: skip
    figures.earnings(args.figure, earned)
    named = {name: getattr(args, name) for name in inputs} | sound
    write_result(args.output, "agent_return", metrics, named, time.monotonic() - began)


def _reward_error(
    config: AgentReturnConfig, bench: Bench, latents: RecordingSet, sound: Path | None, manifest: Path, seed: int | None
) -> dict[str, Any]:
    """How well the reward of a window's last frame is told from the window."""
    frames = int(read_json(manifest)["details"]["shapes"]["dynamics"]["config"]["window"])
    pool = WindowPool(latents, "test", ("latent", "action", "reward"), frames)
    rng = np.random.default_rng(stable_seed(config.seed, "agent-return"))
    picked = pool.draw(np.ones(len(pool), bool), config.windows, rng)
    batch = join(pool.windows, sound).batch(picked)
    tokens, action, truth = tokens_of(batch).numpy(), batch["action"].numpy(), batch["reward"][:, -1].numpy()

    def errors(weights: int | None) -> np.ndarray:
        agent = load_judged(Agent, CloningConfig, manifest, "clone", weights, bench)

        def tell(seen: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
            dreamer = Dreamer(agent.dynamics, context_noise=config.context_noise, seed=config.seed, agent=agent.token)
            dreamer.begin(seen, done)
            read = dreamer.keep()
            assert read is not None
            return agent.reward.mean(read[:, 0])

        return (bench.map(tell, tokens, action) - truth) ** 2

    return measure(
        "reward_error", errors(seed), pool.recording[picked].tolist(), higher_is_better=False,
        floors={"mean": (truth - truth.mean()) ** 2, "untrained": errors(FLOOR_SEEDS[0])}, ceilings={"known": 0.0},
        seed=config.seed,
    )  # fmt: skip
