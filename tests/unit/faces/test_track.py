"""Records of runs go to a server once, whatever is sent when; MLflow itself where it is installed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sensorium.config import ConfigurationError
from sensorium.exits import StorageError
from sensorium.planning import track
from sensorium.planning.kept_runs import kept_runs
from sensorium.planning.track import FOLDER, MOST_NUMBERS, MOST_SETTINGS, Number, main, send_all

RUN = "0123456789abcdef"


class Notebook:
    """A server that remembers what it was given, and refuses what is too much for one request."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.last: dict[str, int] = {}
        self.kept: dict[str, str] = {}
        self.sent: list[Number] = []
        self.status: dict[str, str] = {}
        self.fails_after = 10**9

    def begin(self, name: str, tags: Mapping[str, str]) -> tuple[str, int | None]:
        """The run, by its folder."""
        known = tags[FOLDER] in self.names
        self.names[tags[FOLDER]] = name
        return tags[FOLDER], self.last.get(tags[FOLDER], -1) if known else None

    def settings(self, run: str, values: Mapping[str, str]) -> None:
        """Remember settings."""
        assert len(values) <= MOST_SETTINGS
        self.kept |= values

    def numbers(self, run: str, values: list[Number]) -> None:
        """Remember numbers."""
        assert len(values) <= MOST_NUMBERS
        self.fails_after -= 1
        if self.fails_after < 0:
            raise ConnectionError("gone")
        self.sent += values

    def note(self, run: str, step: int, status: str) -> None:
        """Remember how far it is."""
        self.last[run], self.status[run] = step, status


def write_run(results: Path, steps: list[int], stage: str = "encoders/vision", settings: int = 1) -> Path:
    """A run with records after some steps, the last of which is cut."""
    folder = results / stage / "runs" / RUN
    folder.mkdir(parents=True, exist_ok=True)
    section = {"training": {"steps": 40}, **{f"key{number}": number for number in range(settings)}}
    (folder / "config.json").write_text(json.dumps({"section": section, "inputs": {}, "revision": 1}))
    lines = [json.dumps({"step": step, "train/loss": 1 / step, "val/loss": None}) for step in steps]
    (folder / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 99, "train/lo']))
    return folder


def test_numbers_are_sent_once(tmp_path: Path) -> None:
    server, run = Notebook(), f"encoders/vision/{RUN}"
    write_run(tmp_path, [10, 20])
    send_all(server, tmp_path)
    assert server.names == {run: f"encoders/vision {RUN}"}
    assert [(number.name, number.value, number.step) for number in server.sent] == [
        ("train/loss", 0.1, 10),
        ("train/loss", 0.05, 20),
    ]
    assert server.kept == {"training.steps": "40", "key0": "0"}
    assert server.status == {run: "KILLED"}  # nobody trains, and steps are left
    send_all(server, tmp_path)
    assert len(server.sent) == 2
    write_run(tmp_path, [10, 20, 30, 40])
    send_all(server, tmp_path)
    assert [number.step for number in server.sent] == [10, 20, 30, 40]
    assert server.status == {run: "FINISHED"}


def test_what_a_lost_server_did_not_get_is_sent_again(tmp_path: Path) -> None:
    server = Notebook()
    write_run(tmp_path, list(range(1, 2 * MOST_NUMBERS + 2)), settings=2 * MOST_SETTINGS)
    server.fails_after = 1
    with pytest.raises(ConnectionError):
        send_all(server, tmp_path)
    assert len(server.sent) == MOST_NUMBERS
    assert len(server.kept) == 2 * MOST_SETTINGS + 1
    server.fails_after = 10**9
    send_all(server, tmp_path)
    assert {number.step for number in server.sent} == set(range(1, 2 * MOST_NUMBERS + 2))


def test_runs_without_records_are_left_alone(tmp_path: Path) -> None:
    server = Notebook()
    (tmp_path / "dynamics/runs" / RUN).mkdir(parents=True)
    write_run(tmp_path, [])
    send_all(server, tmp_path)
    assert not server.names
    assert len(kept_runs(tmp_path)) == 2


def test_without_the_package_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigurationError, match="pip install mlflow-skinny"):
        main(["--mlflow", "http://127.0.0.1:9", "--results", str(tmp_path)])


@pytest.mark.parametrize(
    ("more", "message"), [(["--follow", "0"], "at least 1 second"), (["--results", "nowhere"], "no such folder")]
)
def test_wrong_arguments(more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["--mlflow", "x", "--results", str(tmp_path), *more])
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_a_server_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Exception):
        """As MLflow raises it."""

    Broken.__module__ = "mlflow.exceptions"

    def fail(uri: str, experiment: str) -> None:
        raise Broken("API request failed\nand more")

    monkeypatch.setattr(track, "MlflowServer", fail)
    with pytest.raises(StorageError, match=r"--mlflow http://x: API request failed; what was sent stays"):
        main(["--mlflow", "http://x", "--results", str(tmp_path)])


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="needs pip install mlflow-skinny")
def test_mlflow_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # its file store, in place of a server
    from mlflow import MlflowClient

    results, uri = tmp_path / "results", f"file:{tmp_path / 'store'}"
    write_run(results, [10, 20])
    for steps in ([10, 20], [10, 20, 40]):
        write_run(results, steps)
        main(["--mlflow", uri, "--results", str(results)])
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("sensorium")
    (run,) = client.search_runs([experiment.experiment_id])
    assert [each.step for each in client.get_metric_history(run.info.run_id, "train/loss")] == [10, 20, 40]
    assert run.data.params["training.steps"] == "40"
    assert run.info.status == "FINISHED"
