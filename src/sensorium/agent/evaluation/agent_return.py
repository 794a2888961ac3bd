"""Returns of the agent in the real environment, and the error of the rewards that it predicts.

Every policy plays the same episodes, in scenes that no recording shows. `episode_return` is the sum of an episode's
rewards under the policy that was trained in dreams. Baselines: the cloned policy it started from, random actions, each
action held for ever, and of these the one that earned most in the scenes of some training recordings, where the choice
is made. The strongest is the floor; it may be a constant that only these episodes show to be the best, which is more
than a player could know. Ceiling: a scripted player with access to the true state, if there is one; otherwise the best
episode of any policy. In the playroom's task `left` that player holds one action too, so floor and ceiling meet and no
policy can pass. Reference: the policy that made the recordings.

`reward_error` is the mean squared error of the reward that the agent predicts for the last frame of test windows;
baselines: the mean of training recordings, the reward of the frame before, and untrained agents; ceiling: 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sensorium.agent.agent import Actor, Agent
from sensorium.agent.config import AgentReturnConfig
from sensorium.agent.evaluation.players import PolicyPlayer
from sensorium.artifacts import read_manifest
from sensorium.config import Data, parse_stored
from sensorium.data import sources
from sensorium.data.environment import Player, RandomPlayer, ScriptedPlayer, play
from sensorium.data.recording import RecordingSet, recording_name
from sensorium.data.windows import join
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.actions import best_constant, constant_actions, hold_each
from sensorium.evaluation.contract import DATA, Evaluation, Input, Result
from sensorium.evaluation.harness import Bench, WindowPool, require, spread
from sensorium.evaluation.statistics import measure
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.dream import Dreamer
from sensorium.generation.dynamics_learner import tokens_of
from sensorium.generation.observations import ObservationEncoder
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.progress import track
from sensorium.randomness import stable_seed

REVISION = 3
SOUND = "latents/audio"
CHOSEN = "constant chosen in training rooms"
EVALUATION = Evaluation(
    __name__,
    AgentReturnConfig,
    inputs=(
        DATA,
        Input("latents", "latents/video"),
        Input("tokenizer", "tokenizers/video"),
        Input("clone", "clone"),
        Input("agent", "agent"),
        Input("sound", SOUND, required=False, help="manifest of the encoded sound"),
        Input("hearing", "tokenizers/audio", required=False, help="manifest of the sound's tokenizer"),
    ),
    control="the agent: its tokens, its policy, its rewards",
)
main = EVALUATION.main


def judge(bench: Bench, config: AgentReturnConfig) -> Result:
    """Returns of all policies in the real environment, and the agent's reward error."""
    recordings = bench.parts.recordings()
    require(recordings, "reward", "record a game, or set data.task")
    world, numbers = world_of(recordings), numbers_of(recordings, config)
    earned = play_episodes(bench, config)
    actions, environments = constant_actions(recordings.details["action"]), simulators(world, config.episodes)
    held = hold_each(environments, actions, numbers)
    rooms = training_rooms(recordings, config)
    chosen = best_constant(hold_each(environments[: len(rooms)], actions, list(rooms.values())))
    sums = {name: rewards.sum(1) for name, rewards in (earned | held).items()}
    best = sums.get("scripted player", np.full(config.episodes, max(float(total.max()) for total in sums.values())))
    metrics = {
        "episode_return": measure(
            "episode_return",
            sums["agent"],
            [recording_name(world.source, number) for number in numbers],
            fitted_on=rooms,
            baselines={
                **{name: sums[name] for name in ("cloned policy", "random actions", *held)},
                CHOSEN: sums[chosen],
            },
            ceilings={"best": best},
            references={"recorded policy": sums["recorded policy"]},
            seed=config.seed,
        ),
        "reward_error": reward_error(bench, config),
    }
    drawn = earned | {f"{CHOSEN}: {chosen}": held[chosen]}
    return Result(metrics, lambda path: figures.earnings(path, drawn), {"chosen_constant": chosen})


def simulators(world: Any, count: int) -> list[Any]:
    """Environments side by side (`data.environment.Simulator`)."""
    return [sources.module(world.source).environment(world) for _ in range(count)]


def training_rooms(recordings: RecordingSet, config: AgentReturnConfig) -> dict[str, int]:
    """Numbers of the scenes in which a constant action is chosen, by the training recordings that show them."""
    listed = {entry["name"]: entry for entry in recordings.details["recordings"]}
    names = np.array(recordings.names("training"))
    rng = np.random.default_rng(stable_seed(config.seed, "rooms"))
    drawn = spread(names, np.ones(len(names), bool), min(config.rooms, config.episodes), rng)
    return {name: int(listed[name]["number"]) for name in names[drawn].tolist()}


def world_of(recordings: RecordingSet) -> Any:
    """The section that the recordings were made with."""
    return parse_stored(Data, read_manifest(recordings.manifest)["config"], recordings.manifest)


def numbers_of(recordings: RecordingSet, config: AgentReturnConfig) -> range:
    """Numbers of the episodes' scenes; the recordings have those before."""
    first = world_of(recordings).recordings
    return range(first, first + config.episodes)


def play_episodes(bench: Bench, config: AgentReturnConfig) -> dict[str, np.ndarray]:
    """Rewards of each player, [E, T], in the same episodes."""
    recordings, parts = bench.parts.recordings(), bench.parts
    world, numbers = world_of(recordings), numbers_of(recordings, config)
    clone, actor = parts.load(Agent), parts.load(Actor, bench.untrained_seed)
    tokenizer = parts.load(VideoTokenizer)
    hearing = parts.load(AudioTokenizer) if SOUND in parts else None
    environments = simulators(world, config.episodes)
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
    each = track(players.items(), "players")
    return {name: play(environments, player, numbers) for name, player in each}


def reward_error(bench: Bench, config: AgentReturnConfig) -> dict[str, Any]:
    """Squared error of the reward predicted for the last frame of a window."""
    frames = bench.parts.load(Agent).dynamics.window
    pool = WindowPool(bench.parts.recordings("latents/video"), "test", ("latent", "action", "reward"), frames)
    known = bench.parts.recordings()
    usual = float(np.concatenate([known.field(name, "reward") for name in known.names("training")]).mean())
    rng = np.random.default_rng(stable_seed(config.seed, "agent-return"))
    picked = pool.draw(np.ones(len(pool), bool), config.windows, rng)
    batch = join(pool.windows, bench.parts.path(SOUND) if SOUND in bench.parts else None).batch(picked)
    tokens, action, truth = tokens_of(batch).numpy(), batch["action"].numpy(), batch["reward"][:, -1].numpy()

    def errors(weights: int | None) -> np.ndarray:
        agent = bench.parts.load(Agent, weights)

        def predict(seen: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
            dreamer = Dreamer(agent.dynamics, context_noise=config.context_noise, seed=config.seed, agent=agent.token)
            dreamer.begin(seen, done)
            read = dreamer.keep()
            assert read is not None
            return agent.reward.mean(read[:, 0])

        return (bench.map(predict, tokens, action) - truth) ** 2

    return measure(
        "reward_error",
        errors(bench.untrained_seed),
        pool.recording[picked].tolist(),
        higher_is_better=False,
        fitted_on=known.names("training"),
        baselines={
            "mean": (truth - usual) ** 2,
            "last reward": (batch["reward"][:, -2].numpy() - truth) ** 2,
            **bench.untrained(errors),
        },
        ceilings={"known": 0.0},
        seed=config.seed,
    )
