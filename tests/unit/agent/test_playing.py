"""Playing: the same players and the same loop in a simulator and in a dream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from test_agent import CLONING, CONTINUOUS, DYNAMICS

from sensorium.agent.agent import Agent
from sensorium.agent.evaluation.players import PolicyPlayer
from sensorium.config import PlayroomConfig
from sensorium.data.environment import Environment, Observation, Player, RandomPlayer, ScriptedPlayer, play
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.data.sources import playroom
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.dream import Dreamer
from sensorium.generation.dream_environment import Beginning, DreamEnvironment
from sensorium.generation.observations import ObservationDecoder, ObservationEncoder
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer

ROOM, FRAMES, CONTEXT, SAMPLES = PlayroomConfig(task="touch", size=16, frames=16), 16, 4, 1000


class Parts:
    """Untrained models of the playroom, and what they make of it."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.video = VideoTokenizer(VideoTokenizerConfig(width=4, channels=3), {"size": 16}).eval()
        self.audio = AudioTokenizer(AudioTokenizerConfig(width=8, channels=3), {"samples_per_frame": SAMPLES}).eval()
        shapes = {"video": 4, "grid": True, "audio": self.audio.tokens, "channels": 3, "action": CONTINUOUS}
        self.agent = Agent(CLONING, {"dynamics": {"config": DYNAMICS.model_dump(mode="json"), "shapes": shapes}}).eval()
        for layer in (self.agent.dynamics.read_out, *self.agent.reward.distances, *self.agent.policy.distances):
            torch.nn.init.normal_(layer.weight, std=0.5)

    @torch.no_grad()
    def beginning(self, number: int) -> Beginning:
        """The first frames of a recording of the playroom."""
        recording = playroom.simulate(ROOM, number)
        pictures, sound = recording["video"][:CONTEXT], recording["audio"][: CONTEXT * SAMPLES]
        tokens = [
            self.video.encode(to_images(torch.from_numpy(pictures)))[None],
            self.audio.encode(to_sounds(torch.from_numpy(sound))[None]),
        ]
        actions = torch.from_numpy(recording["action"][None, :CONTEXT])
        return Beginning(str(number), torch.cat(tokens, dim=2), actions, pictures, sound)

    def dream(self, rewarded: bool = False) -> DreamEnvironment:
        """A dream of the playroom, as long as its episodes."""
        decoder = ObservationDecoder(self.video, torch.ones(4, 3), self.audio)
        dreamer = Dreamer(self.agent.dynamics, agent=self.agent.token if rewarded else None)
        reward = self.agent.reward.mean if rewarded else None
        return DreamEnvironment(dreamer, decoder, self.beginning, frames=FRAMES, reward=reward)


class Watched:
    """A player whose observations and actions are recorded."""

    def __init__(self, player: Player) -> None:
        self._player, self.seen, self.done = player, [], []

    def begin(self, observations: Sequence[Observation]) -> None:
        """Pass on."""
        self.seen.append(observations)
        self._player.begin(observations)

    def act(self) -> Sequence[np.ndarray]:
        """Pass on."""
        return self._player.act()

    def observe(self, observations: Sequence[Observation], actions: Sequence[np.ndarray]) -> None:
        """Pass on."""
        self.seen.append(observations)
        self.done.append(actions)
        self._player.observe(observations, actions)


@pytest.fixture(scope="module")
def parts() -> Parts:
    return Parts()


def script(number: int) -> ScriptedPlayer:
    """Moves that are written down."""
    moves = iter(np.random.default_rng(number).uniform(-1, 1, (FRAMES, 2)).astype(np.float32))
    return ScriptedPlayer([lambda: next(moves)])


@pytest.mark.parametrize("world", ["playroom", "dream"])
def test_a_scripted_player_plays_in_a_simulator_and_in_a_dream(parts: Parts, world: str) -> None:
    environment: Environment = playroom.environment(ROOM) if world == "playroom" else parts.dream()
    pictures = []
    for number in (0, 0, 1):  # of the script
        player = Watched(script(number))
        rewards = play([environment], player, [5])
        assert rewards.shape == (1, FRAMES)
        seen = [observations[0] for observations in player.seen]
        assert [observation.done for observation in seen] == [False] * FRAMES + [True]
        assert all((o.frame.shape, o.frame.dtype) == ((16, 16, 3), np.uint8) for o in seen)
        assert all((o.sound.shape, o.sound.dtype) == ((SAMPLES,), np.int16) for o in seen)
        pictures.append(np.stack([observation.frame for observation in seen]))
    assert np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[0][0], pictures[2][0])
    assert not np.array_equal(pictures[0], pictures[2])


def test_a_policy_plays_in_a_dream_and_earns_what_the_agent_predicts(parts: Parts) -> None:
    def player(seed: int) -> Watched:
        encoder = ObservationEncoder(parts.video, parts.audio)
        return Watched(PolicyPlayer(parts.agent, parts.agent.policy, encoder, np.zeros(2, np.float32), 0.1, seed))

    environments = [parts.dream(rewarded=True) for _ in range(2)]
    first, again, other = player(0), player(0), player(1)
    rewards = [play(environments, each, [3, 4]) for each in (first, again, other)]
    assert rewards[0].shape == (2, FRAMES)
    assert np.ptp(rewards[0], axis=1).min() > 0
    assert np.array_equal(rewards[0], rewards[1])
    assert not np.array_equal(first.done, other.done)


def test_a_reward_needs_agent_tokens(parts: Parts) -> None:
    environment = parts.dream()
    environment._reward = parts.agent.reward.mean
    environment.reset(0)
    with pytest.raises(ValueError, match="agent tokens"):
        environment.step(np.zeros(2, np.float32))


@pytest.mark.parametrize("action", [CONTINUOUS, {"kind": "discrete", "size": 3}], ids=["continuous", "discrete"])
def test_a_random_player_acts_in_every_episode(action: dict[str, object]) -> None:
    player = RandomPlayer(action, 0)
    player.begin([Observation(np.zeros(0), np.zeros(0), np.zeros(0), 0.0, False)] * 200)
    chosen = np.stack(player.act())
    if action["kind"] == "discrete":
        assert set(chosen.tolist()) == {0, 1, 2}
    else:
        assert (chosen.shape, chosen.dtype) == ((200, 2), np.float32)
        assert -1 <= chosen.min() < -0.9
        assert 0.9 < chosen.max() <= 1
