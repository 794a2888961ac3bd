"""All settings: the sections of the lines, joined. A line is one base class of `Evaluations` and one of `Config`.

Devices, precision, workers and minutes are not here: they belong to profiles and command-line arguments, so
changing them reruns nothing. Nothing here imports torch, so `snakemake -n` answers at once.
"""

from __future__ import annotations

from typing import Any

from sensorium.agent.config import AgentEvaluations, AgentSettings
from sensorium.config import ConfigurationError, Section, WorldSettings, parse
from sensorium.forecasting.config import ForecastingEvaluations, ForecastingSettings
from sensorium.generation.config import GenerationEvaluations, GenerationSettings
from sensorium.music.config import MusicEvaluations, MusicSettings
from sensorium.perception.config import PerceptionEvaluations, PerceptionSettings
from sensorium.puzzle.config import PuzzleEvaluations, PuzzleSettings
from sensorium.studies.config import Studies


class Evaluations(
    # the last base comes first in the workflow
    MusicEvaluations,
    PuzzleEvaluations,
    AgentEvaluations,
    GenerationEvaluations,
    ForecastingEvaluations,
    PerceptionEvaluations,
    Section,
):
    """The evaluations of trained models: one section for each."""


class Config(
    MusicSettings,
    PuzzleSettings,
    AgentSettings,
    GenerationSettings,
    ForecastingSettings,
    PerceptionSettings,
    WorldSettings,
):
    """The whole configuration of Sensorium."""

    evaluations: Evaluations = Evaluations()
    studies: Studies = Studies()


def validate(values: dict[str, Any]) -> Config:
    """Check a plain configuration and fill in defaults.

    Raises:
        ConfigurationError: one line for each fault, with the key, the value and what is allowed.
    """
    config: Config = parse(Config, values)
    return config


def check_files(config: Config) -> None:
    """Check that everything the settings name is on this machine: recordings, labelled sets, games, weights.

    Folders are listed and no file is opened, so this takes a second where a set has a million files.

    Raises:
        ConfigurationError: one line for each fault, with the key, the value and the way out.
    """
    faults = []
    for section, check in config.checks().items():
        try:
            check()
        except ConfigurationError as error:
            faults.append(f"config: {section}.{error}")
    if faults:
        raise ConfigurationError("\n".join(faults))
