"""Games of the Arcade Learning Environment (ale-py), with the console's own picture, sound and memory.

The console runs at 60 frames a second and gives 512 samples a frame (30,720 Hz, mono, 8 bit, silence at 128). An
action is held for FRAME_SKIP console frames and all their sound is kept, so a recording has 15 frames a second and
2,048 samples a frame. A frame is the brighter of the last two console frames, pixel by pixel, because many games draw
their figures in every other frame only (Mnih et al. 2015, "Human-level control through deep reinforcement learning",
Methods).

The play of recording k is a function of (seed, k): the game is games[k % len(games)], the player presses random keys
of all 18 and holds each for a random time, and a random while is played before the recording begins so that
recordings do not all start alike. The console itself repeats no action of its own accord.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from ale_py import Action, ALEInterface, LoggerMode, roms

from sensorium.config import AtariConfig, ConfigurationError
from sensorium.randomness import stable_seed

FRAME_SKIP = 4
CONSOLE_RATE = 60
CONSOLE_SAMPLES = 512
MEMORY = 128  # bytes
SILENCE = 128
WARM_UP = 60  # most frames that are played before a recording begins
ACTIONS = 18  # every key of the console; each game knows which of them it heeds


def simulate(config: AtariConfig, number: int) -> dict[str, np.ndarray]:
    """Play one recording.

    Returns:
        video uint8 [T, size, size, 3], audio int16 [T * 2048], action int64 [T] in 0..17, reward float32 [T] (points
        won in the frame), truth.state float32 [T, 128] (the console's memory).

    Raises:
        ConfigurationError: if ale-py ships no such game.
    """
    game = config.games[number % len(config.games)]
    random = np.random.default_rng(stable_seed(config.seed, "atari", number))
    console = _console(game, int(random.integers(2**31)))
    warm_up = int(random.integers(WARM_UP + 1))
    actions = _hold_keys(random, warm_up + config.frames, config.repeat_action)
    for action in actions[:warm_up]:
        for _ in range(FRAME_SKIP):
            _act(console, action)
    video = np.empty((config.frames, config.size, config.size, 3), np.uint8)
    sound = np.empty((config.frames, FRAME_SKIP, CONSOLE_SAMPLES), np.uint8)
    reward = np.zeros(config.frames, np.float32)
    memory = np.empty((config.frames, MEMORY), np.float32)
    for frame, action in enumerate(actions[warm_up:]):
        for tick in range(FRAME_SKIP):
            reward[frame] += _act(console, action)
            sound[frame, tick] = console.getAudio()
            if tick == FRAME_SKIP - 2:
                picture = console.getScreenRGB()
        picture = np.maximum(picture, console.getScreenRGB())
        video[frame] = cv2.resize(picture, (config.size, config.size), interpolation=cv2.INTER_AREA)
        memory[frame] = console.getRAM()
    return {
        "video": video,
        "audio": (sound.reshape(-1).astype(np.int16) - SILENCE) * 256,
        "action": actions[warm_up:],
        "reward": reward,
        "truth.state": memory,
    }


def details(config: AtariConfig) -> dict[str, Any]:
    """What holds for all recordings. There are no labels, and no body."""
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
    """A console that was just switched on. A new one for each recording: what was played before must not matter."""
    shipped = roms.get_all_rom_ids()
    rom = roms.get_rom_path(game) if game in shipped else None
    if rom is None:  # asked first, because loading a file that is not there ends the process
        raise ConfigurationError(
            f"config: data.games = {game!r}: no such game; ale-py ships {', '.join(sorted(shipped))}"
        )
    ALEInterface.setLoggerMode(LoggerMode.Error)
    console = ALEInterface()
    console.setInt("random_seed", seed)
    console.setFloat("repeat_action_probability", 0.0)
    console.setBool("sound_obs", True)  # heeded only before the game is loaded
    console.loadROM(rom)
    return console


def _hold_keys(random: np.random.Generator, count: int, repeat: float) -> np.ndarray:
    """Actions int64 [count]: each is the one before with chance `repeat`, else any of the 18."""
    fresh = random.integers(ACTIONS, size=count)
    anew = random.random(count) >= repeat
    anew[:1] = True
    return fresh[np.maximum.accumulate(np.where(anew, np.arange(count), 0))]


def _act(console: ALEInterface, action: int) -> float:
    """One console frame; a game that is over begins anew."""
    if console.game_over():
        console.reset_game()
    return float(console.act(Action(int(action))))
