"""The table of programs: one entry a program, each with its module, found without importing any of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sensorium.programs import EVALUATIONS, INTERACTIVE, OTHERS, PLANNING, PROGRAMS, TRAININGS, revision


def test_every_program_has_one_name_and_one_kind():
    kinds = (TRAININGS, EVALUATIONS, OTHERS, INTERACTIVE, PLANNING)
    assert len(PROGRAMS) == sum(map(len, kinds))
    assert len(set(PROGRAMS.values())) == len(PROGRAMS)


@pytest.mark.parametrize("name", ["train-encoder", "train_encoder", "probe", "curiosity"])
def test_the_revision_of_a_program_or_a_study_is_found_by_its_name(name):
    assert revision(name) >= 1


@pytest.mark.parametrize("name", ["no_such_stage", "dream"])
def test_what_has_no_revision_is_named(name):
    with pytest.raises(LookupError, match=name):
        revision(name)


def test_a_revision_is_read_without_torch():
    program = "import sys; sys.modules['torch'] = None\nfrom sensorium.programs import revision\n"
    program += "print(revision('train_dynamics'), revision('probe'), revision('curiosity'))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
