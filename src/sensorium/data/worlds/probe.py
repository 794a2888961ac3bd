"""Try an environment and its policy: the program that `config.gymnasium.described` runs in a process of its own.

It prints one line of JSON: {"action", "body"}, or {"refused": reason}. All else that is printed goes to stderr.
"""

from __future__ import annotations

import numpy as np

from sensorium.config import ConfigurationError, GymnasiumConfig
from sensorium.data.probing import answer
from sensorium.data.worlds.policies import policy_of
from sensorium.data.worlds.world import World

STEPS = 4  # frames that are played


def probe(config: GymnasiumConfig) -> dict[str, object]:
    """What the environment has, after a few frames of it.

    Raises:
        ConfigurationError: naming the key, its value and the way out.
    """
    world = World(config)
    try:
        policy = policy_of(config, world.actions, np.random.default_rng(0))
        moment = world.begin(0)
        for _ in range(STEPS):
            moment = world.step(policy(world.inner, world.observation))
        return {"action": world.actions.details, "body": len(moment.body)}
    except ConfigurationError:
        raise
    except Exception as error:
        acted = f" under policy = {config.policy!r}" if ":" in config.policy else ""
        failed = f"{type(error).__name__}: {error}"
        raise ConfigurationError(
            f"environment = {config.environment!r}: it fails in its first frames{acted}: {failed}"
        ) from None
    finally:
        world.close()


if __name__ == "__main__":
    answer(GymnasiumConfig, probe)
