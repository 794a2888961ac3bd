"""Environments of Gymnasium as a source: their settings, and what a process of its own finds out about one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from sensorium.config.probing import ask, need
from sensorium.config.sources import SOURCE, Recordings

PROBE = "sensorium.data.worlds.probe"
PROBE_SECONDS = 180  # in which an environment is imported, made and stepped a few times
POLICIES = ("random", "sticky")
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _pairs(values: Any) -> Any:
    """A mapping of plain values as sorted pairs, which can be hashed."""
    if not isinstance(values, Mapping):
        raise ValueError("a mapping of names to values is needed, such as {continuous: true}")
    for name, value in values.items():
        if not isinstance(value, bool | int | float | str):
            raise ValueError(f"{name} is {value!r}: true or false, a number or a text is needed")
    return tuple(sorted(values.items()))


Plain = bool | int | float | str
Arguments = Annotated[
    tuple[tuple[str, Plain], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict, return_type=dict[str, Plain]),
    WithJsonSchema({"type": "object"}),
]


class GymnasiumConfig(Recordings):
    """An environment of Gymnasium: any id whose pictures are rendered or observed."""

    source: Literal["gymnasium"] = Field("gymnasium", description=SOURCE)
    environment: str = Field(
        min_length=1,
        description="id of an environment, after the module that registers it where that is not Gymnasium itself: "
        "CartPole-v1, minigrid:MiniGrid-Empty-5x5-v0",
    )
    arguments: Arguments = Field({}, validate_default=True, description="what gymnasium.make hands to the environment")
    picture: str = Field(
        "render",
        min_length=1,
        description="where frames come from: render, or the name of an observation: its key, key.key where they are "
        "nested, observation where there are no keys",
    )
    leave_out: tuple[str, ...] = Field((), description="names of observations that are not recorded in the body sense")
    policy: str = Field(
        "random",
        description="who acts: random, sticky (repeats its last action), or module:function, called with environment, "
        "observation and a generator of random numbers",
    )
    stickiness: float = Field(0.75, ge=0, lt=1, description="probability that sticky repeats its last action")
    action_repeat: int = Field(1, ge=1, le=1000, description="steps of the environment in a frame, under one action")
    warm_up: int = Field(
        0, ge=0, le=1_000_000, description="most frames played before a recording begins; how many is drawn"
    )

    @model_validator(mode="after")
    def _policy_is_known(self) -> GymnasiumConfig:
        if self.policy not in POLICIES and not FUNCTION.fullmatch(self.policy):
            raise ValueError(f"policy is {self.policy!r}: it must be one of {', '.join(POLICIES)}, or module:function")
        return self

    @property
    def sample_rate(self) -> int:
        """There is no sound."""
        return 0

    @property
    def samples_per_frame(self) -> int:
        """There is no sound."""
        return 0

    def has(self, stream: str) -> bool:
        """Whether the recordings have this stream: there is no sound."""
        return stream == "video"

    def has_state(self) -> bool:
        """Whether the truth holds a state: what an environment observes is its body sense."""
        return False

    def has_rewards(self) -> bool:
        """Whether the recordings hold rewards: those of the environment."""
        return True

    def has_ends(self) -> bool:
        """Whether the recordings say where an episode ends."""
        return True

    def check(self) -> None:
        """Try the environment and its policy in a process of its own.

        Raises:
            ConfigurationError: naming the key, its value and the way out.
        """
        described(self)


class Described(NamedTuple):
    """What an environment has.

    Attributes:
        action: {"kind", "size"} of its actions, as in manifests.
        body: numbers of its body sense.
    """

    action: dict[str, Any]
    body: int


@lru_cache
def described(config: GymnasiumConfig) -> Described:
    """Make the environment and take a few steps in another process, which may crash, hang, or import what it likes.

    Raises:
        ConfigurationError: naming the key, its value and the way out.
    """
    need("gymnasium", "gymnasium", "source = 'gymnasium'")
    where = f"environment = {config.environment!r}"
    late = f"{where}: no first frames after {PROBE_SECONDS} s; try it by hand: gymnasium.make and a few steps"
    return Described(**ask(PROBE, config, PROBE_SECONDS, f"{where}: the process that tried it", late))
