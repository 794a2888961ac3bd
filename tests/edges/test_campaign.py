"""README: on a CPU "the result has the same bits as a run that was never stopped". The short form of the campaign.

python tests/edges/campaign.py --kills 200 --full-disks 100      the long one
"""

from __future__ import annotations

from pathlib import Path

import pytest
from campaign import encoder
from full_disks import KINDS, Stages, can_mount, disk_campaign
from kills import VICTIMS, kill_campaign

SEED = 9


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("campaign")


@pytest.fixture(scope="module")
def stages(folder: Path) -> Stages:
    """Each program, run once without an interruption."""
    return Stages(folder)


def test_killed_runs_go_on_with_the_same_bits(folder: Path, stages: Stages) -> None:
    seconds = sum(stages.seconds[:-1])
    records = list(kill_campaign(encoder, folder, stages.expected, len(VICTIMS), seconds, SEED))
    assert [record["wrongs"] for record in records] == [[]] * len(records)
    assert {kill["victim"] for record in records for kill in record["killed"]} == set(VICTIMS)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_full_disks_end_with_74_and_the_same_command_goes_on(folder: Path, stages: Stages, kind: str) -> None:
    if kind != "file size" and not can_mount():
        pytest.skip("a disk that fills is a mounted tmpfs, which needs root")
    (record,) = disk_campaign(folder / kind, stages, (kind,), SEED + KINDS.index(kind))
    assert record["wrongs"] == []
