"""Games of the Arcade Learning Environment (ale-py): the console's picture, sound and memory.

The console runs at 60 frames a second, with 512 samples a frame (30,720 Hz, mono, 8 bit, silence at 128). An action is
held for FRAME_SKIP console frames, and the sound of all of them is kept, so a recording has 15 frames a second and
2,048 samples a frame. A frame is the pixelwise maximum of the last two console frames, because many games draw their
sprites in every other frame only (Mnih et al. 2015, "Human-level control through deep reinforcement learning",
Methods).

Recording k is a function of (seed, k). The game is games[k % len(games)]. The player presses random keys, any of the
18, and holds each for a random time. A random time is played before the recording begins, so that recordings start
differently. Sticky actions of the console are off.

One game in ten rests at another level than 128, because the sound chip holds a constant level when nothing sounds. A
loudspeaker plays no constant level, so the level at which the console rests is subtracted (`RestLevel`). Nothing
changes in games that rest at 128.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from ale_py import Action, ALEInterface, LoggerMode, roms

from sensorium.config import AtariConfig, ConfigurationError
from sensorium.data.environment import Observation
from sensorium.randomness import stable_seed

FRAME_SKIP = 4
CONSOLE_RATE = 60
CONSOLE_SAMPLES = 512
MEMORY = 128  # bytes
SILENCE = 128
REST_FRAMES = CONSOLE_RATE // FRAME_SKIP  # a level that is held for a second is a rest; effects hold one for half of it
LISTENING = 4 * REST_FRAMES  # frames in which a game shows at which level it rests
WARM_UP = 60  # the most frames that are played before a recording begins
ACTIONS = 18  # all keys of the console, although a game may ignore some
SCALE_8_TO_16_BIT = 256


def simulate(config: AtariConfig, number: int) -> dict[str, np.ndarray]:
    """Play one recording.

    Returns:
        video uint8 [T, size, size, 3], audio int16 [T * 2048], action int64 [T] in 0..17, reward float32 [T] (points
        won in the frame), truth.state float32 [T, 128] (the console's memory).

    Raises:
        ConfigurationError: if ale-py ships no such game.
    """
    game, observations, memory = AtariEnvironment(config), [], np.empty((config.frames, MEMORY), np.float32)
    game.reset(number)
    actions = np.array([game.habit() for _ in range(config.frames)])
    for frame, action in enumerate(actions):
        observations.append(game.step(action))
        memory[frame] = game.memory()
    return {
        "video": np.stack([observation.frame for observation in observations]),
        "audio": np.concatenate([observation.sound for observation in observations]),
        "action": actions,
        "reward": np.array([observation.reward for observation in observations], np.float32),
        "truth.state": memory,
    }


class RestLevel:
    """The level at which the console rests when nothing sounds, found from the past alone.

    It is the last one that was held for a second, or SILENCE if that one has not occurred for a second.

    Args:
        level: at which it rested so far.
    """

    def __init__(self, level: int = SILENCE) -> None:
        self.level, self._held, self._constant, self._absent = level, level, 0, 0

    def subtract(self, sound: np.ndarray) -> np.ndarray:
        """One frame of the console's sound, uint8 [2048] -> int16 [2048] that rests at zero."""
        first = int(sound[0])
        goes_on = self._constant + 1 if first == self._held else 1
        self._held, self._constant = first, goes_on if (sound == first).all() else 0
        self._absent = 0 if (sound == self.level).any() else self._absent + 1
        if self._constant >= REST_FRAMES:
            self.level = first
        elif self._absent >= REST_FRAMES:
            self.level = SILENCE
        return (sound.astype(np.int16) - self.level) * SCALE_8_TO_16_BIT


class AtariEnvironment:
    """A game as a data.environment.Environment; an episode ends after config.frames frames.

    A game that is over begins again within the episode, as in the recordings.
    """

    def __init__(self, config: AtariConfig) -> None:
        self._config = config

    def reset(self, number: int) -> Observation:
        """Start the game of recording `number` and play it up to the recording's first frame."""
        config = self._config
        random = np.random.default_rng(stable_seed(config.seed, "atari", number))
        game = config.games[number % len(config.games)]
        self._console, self._rest = _console(game, int(random.integers(2**31))), RestLevel(_rest_level(game))
        warm_up = int(random.integers(WARM_UP + 1))
        keys = _hold_keys(random, warm_up + config.frames, config.repeat_action)
        for action in keys[:warm_up]:
            self._rest.subtract(_play_frame(self._console, action)[1])
        self._keys, self._frame = iter(keys[warm_up:]), 0
        silence = np.zeros(FRAME_SKIP * CONSOLE_SAMPLES, np.int16)
        return self._observe(self._console.getScreenRGB(), silence, 0.0)

    def step(self, action: np.ndarray) -> Observation:
        """Hold a key, int64 [] in 0..17, for one frame."""
        reward, sound, picture = _play_frame(self._console, int(action))
        self._frame += 1
        return self._observe(picture, self._rest.subtract(sound), reward)

    def memory(self) -> np.ndarray:
        """The console's memory, uint8 [128]."""
        return self._console.getRAM()

    def rest(self) -> np.ndarray:
        """No key."""
        return np.array(0, np.int64)

    def habit(self) -> np.ndarray:
        """The key that the player of the recordings holds next; call it once a frame."""
        return next(self._keys)

    def expert(self) -> None:
        """None: there is no scripted player."""

    def _observe(self, picture: np.ndarray, sound: np.ndarray, reward: float) -> Observation:
        size = (self._config.size, self._config.size)
        frame = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return Observation(frame, sound, np.zeros(0, np.float32), reward, self._frame >= self._config.frames)


def environment(config: AtariConfig) -> AtariEnvironment:
    """The games of the recordings."""
    return AtariEnvironment(config)


def details(config: AtariConfig) -> dict[str, Any]:
    """Details of all recordings. There are no labels and no body sense."""
    return {
        "source": "atari",
        "licence": "ale-py is GPL-2.0; the games belong to their owners: do not share recordings",
        "games": list(config.games),
        "frames_per_second": CONSOLE_RATE // FRAME_SKIP,
        "sample_rate": CONSOLE_RATE * CONSOLE_SAMPLES,
        "samples_per_frame": FRAME_SKIP * CONSOLE_SAMPLES,
        "size": config.size,
        "action": {"kind": "discrete", "size": ACTIONS},
        "body": 0,
        "state_names": [f"memory_{address:03d}" for address in range(MEMORY)],
        "may_be_silent": True,
    }


def _console(game: str, seed: int) -> ALEInterface:
    """A new console for each recording, so that earlier games have no influence."""
    shipped = roms.get_all_rom_ids()
    rom = roms.get_rom_path(game) if game in shipped else None
    if rom is None:  # checked first, because the console ends the process if the file is missing
        raise ConfigurationError(
            f"config: data.games = {game!r}: no such game; ale-py ships {', '.join(sorted(shipped))}"
        )
    ALEInterface.setLoggerMode(LoggerMode.Error)
    console = ALEInterface()
    console.setInt("random_seed", seed)
    console.setFloat("repeat_action_probability", 0.0)
    console.setBool("sound_obs", True)  # has no effect after the game is loaded
    console.loadROM(rom)
    return console


def _hold_keys(random: np.random.Generator, count: int, repeat: float) -> np.ndarray:
    """Actions int64 [count]: each repeats the one before with probability `repeat`, else is any of the 18."""
    fresh = random.integers(ACTIONS, size=count)
    anew = random.random(count) >= repeat
    anew[:1] = True
    return fresh[np.maximum.accumulate(np.where(anew, np.arange(count), 0))]


@lru_cache
def _rest_level(game: str) -> int:
    """The level at which a game rests after its start, while no key is pressed."""
    console, rest = _console(game, seed=0), RestLevel()
    for _ in range(LISTENING):
        rest.subtract(_play_frame(console, action=0)[1])
    return rest.level


def _play_frame(console: ALEInterface, action: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Hold a key for FRAME_SKIP console frames; a game that is over begins again.

    Returns:
        points won, sound uint8 [2048] and picture uint8 [210, 160, 3].
    """
    reward, sound, pictures = 0.0, [], []
    for _ in range(FRAME_SKIP):
        if console.game_over():
            console.reset_game()
        reward += console.act(Action(int(action)))
        sound.append(console.getAudio())
        if len(sound) >= FRAME_SKIP - 1:
            pictures.append(console.getScreenRGB())
    return reward, np.concatenate(sound), np.maximum(*pictures)
