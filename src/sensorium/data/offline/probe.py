"""List the episodes of a set and look at the first ones: the program that `config.offline.described` runs.

It prints one line of JSON: the fields of `DescribedSet`, or {"refused": reason}. All else that is printed goes to
stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sensorium.config import ConfigurationError, EpisodesConfig
from sensorium.data.files import blamed_on
from sensorium.data.offline import open_set
from sensorium.data.offline.episode import Episode, EpisodeSet, Facts
from sensorium.data.probing import answer
from sensorium.data.quarantine import BadRecordingError

TRIED = 8  # episodes, if the ones before are bad
USUAL_RATE = 16.0


def probe(config: EpisodesConfig) -> dict[str, Any]:
    """What a set holds.

    Raises:
        ConfigurationError: naming the key, its value and the way out.
    """
    try:
        with blamed_on(config.path):
            episodes = open_set(config.layout, Path(config.path), config.name("picture"))
            places, splits, facts = episodes.places(), episodes.splits(), episodes.facts
    except BadRecordingError as error:
        raise ConfigurationError(f"layout = {config.layout!r}: {error}") from None
    if config.split_by == "set" and not splits:
        raise ConfigurationError(
            "split_by = 'set': the set does not say which episodes are for training, validation and test; set it to "
            "draw"
        )
    rate = float(config.frames_per_second) or facts.rate or USUAL_RATE
    if facts.rate and rate != facts.rate:
        raise ConfigurationError(
            f"frames_per_second = {config.frames_per_second}: the set has {facts.rate:g}; write that, or 0"
        )
    return {"places": places, "splits": splits, "rate": rate, **_of_first(config, episodes, places, facts)}


def _of_first(config: EpisodesConfig, episodes: EpisodeSet, places: list[str], facts: Facts) -> dict[str, Any]:
    """What the first good episode shows.

    Raises:
        ConfigurationError: as `probe`.
    """
    reason = ""
    for place in places[:TRIED]:
        print(place, file=sys.stderr, flush=True)
        try:
            with blamed_on(place), episodes.open(place) as episode:
                return _described(config, episode, facts)
        except BadRecordingError as error:
            reason = reason or str(error)
    raise ConfigurationError(f"path = {config.path!r}: {reason or 'there is no episode in it'}")


def _described(config: EpisodesConfig, episode: Episode, facts: Facts) -> dict[str, Any]:
    """What an episode shows.

    Raises:
        BadRecordingError: if it lacks what a key names, or is not what the key is for.
    """
    sizes: dict[str, int] = {}
    body = config.name("body")
    named = {"picture": [config.name("picture")], "body": list(body), "sound": [config.sound]}
    named |= {key: [config.name(key)] for key in ("action", "reward", "end")}
    kinds: dict[str, str] = {}
    for key, names in named.items():
        for name in names:
            if not name and not (key == "picture" and config.layout == "lerobot"):
                continue
            try:
                kind, shape = episode.form(name)
            except BadRecordingError as error:
                none = "" if key == "picture" else f", or {'[]' if key == 'body' else repr('')} for none"
                raise BadRecordingError(f"{key} = {name!r}: {error}; name one of them{none}", error.kind) from None
            kinds[name], sizes[name] = kind, 1
            for side in shape[1:]:
                sizes[name] *= side
    scales = {} if config.bounds == "unit" else {name: facts.scales[name] for name in sizes if name in facts.scales}
    return {
        "action": _action(config, facts, kinds, sizes),
        "body": sum(sizes[name] for name in body),
        "names": {
            "action": list(facts.names.get(config.name("action"), ())),
            "body": [name for part in body for name in facts.names.get(part, ())],
        },
        "scales": scales,
        "shapes": dict(facts.shapes),
    }


def _action(config: EpisodesConfig, facts: Facts, kinds: dict[str, str], sizes: dict[str, int]) -> Any:
    """Kind and size of an action.

    Raises:
        BadRecordingError: if it is whole numbers, and nobody says how many choices there are.
    """
    name = config.name("action")
    if not name:
        return None
    choices = config.choices or facts.choices.get(name, 0)
    if choices:
        return {"kind": "discrete", "size": choices}
    if kinds[name] != "f":
        raise BadRecordingError(
            f"choices = 0: {name!r} holds whole numbers; say how many choices there are, or name another action"
        )
    return {"kind": "continuous", "size": sizes[name]}


if __name__ == "__main__":
    answer(EpisodesConfig, probe)
