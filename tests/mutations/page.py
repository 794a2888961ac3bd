"""docs/mutations.md: the list of all mutants.

python tests/mutations/page.py     writes it
"""

from __future__ import annotations

from pathlib import Path

from mutants import MUTANTS, Mutant

PAGE = Path(__file__).parents[2] / "docs/mutations.md"
INTRODUCTION = """\
# What is broken to see tests fail

`make mutations` breaks one mechanism at a time, in a copy of the sources of its own, and requires
that the named test turns red. {all} mechanisms are listed, by file under
`src/sensorium` or in the executor's package; {judging} of them belong to evaluations, their
statistics and baselines, or to objectives. The texts stand in `tests/mutations/broken/`, a module
for each room.

`make mutations` first runs all these tests on the sources as they are: they must be green. A
mutant whose text no longer occurs exactly once is an error. `python tests/mutations/page.py` writes
this page, and a test holds that it is up to date.

| what is broken | file | test |
|---|---|---|
"""


def judges(mutant: Mutant) -> bool:
    """Whether it breaks an evaluation or an objective."""
    return "evaluation" in Path(mutant.file).parts or mutant.file.endswith("_learner.py")


def text() -> str:
    """The page, in Markdown."""
    rows = [
        f"| {mutant.name} | {mutant.file} | {'<br>'.join(test.replace('::', ' ') for test in mutant.tests)} |"
        for mutant in sorted(MUTANTS, key=lambda mutant: mutant.file)
    ]
    return INTRODUCTION.format(all=len(MUTANTS), judging=sum(map(judges, MUTANTS))) + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text())
