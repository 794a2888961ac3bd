"""What a stage decides by itself about the machine it runs on."""

from __future__ import annotations

import argparse
import shutil
import sysconfig
from types import SimpleNamespace

import pytest
import torch

from sensorium.config import ConfigurationError
from sensorium.models.precision import full_float32
from sensorium.training import execution
from sensorium.training.execution import Execution, multiply_by_onednn


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with gcc and Python's headers."""
    (tmp_path / "Python.h").touch()
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", {"gcc": "/usr/bin/gcc"}.get)
    monkeypatch.setattr(sysconfig, "get_paths", lambda scheme: {"include": str(tmp_path)})
    return tmp_path


def test_models_are_compiled_on_cuda_alone(machine):
    assert Execution().compiles(torch.device("cuda"))
    assert not Execution().compiles(torch.device("cpu"))


def test_without_a_compiler_models_run_uncompiled_and_say_so(machine, monkeypatch, caplog):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not Execution().compiles(torch.device("cuda"))
    assert "needs gcc or clang" in caplog.text
    for device, name in (("cuda", "gcc"), ("cpu", r"g\+\+")):
        with pytest.raises(ConfigurationError, match=f"{name} or .*apt-get install"):
            Execution(compile="on").compiles(torch.device(device))
    assert not Execution(compile="off").compiles(torch.device("cuda"))


def test_without_the_headers_of_python_models_run_uncompiled(machine):
    (machine / "Python.h").unlink()
    assert not Execution().compiles(torch.device("cuda"))


@pytest.fixture
def precision():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def test_products_are_exact_to_float32(precision):
    multiply_by_onednn()
    x = torch.randn(300, 200, generator=torch.Generator().manual_seed(0))
    error = ((x @ x.T) - (x.double() @ x.double().T)).abs().max()
    assert error < 1e-3 < ((x.bfloat16().double() @ x.bfloat16().double().T) - x.double() @ x.double().T).abs().max()


def test_every_program_on_a_cpu_multiplies_so(monkeypatch):
    called = []
    monkeypatch.setattr(execution, "multiply_by_onednn", lambda: called.append(True))
    Execution(device="cpu").prepare()
    assert called


def parsed(*words: str) -> Execution:
    parser = argparse.ArgumentParser()
    execution.add_arguments(parser)
    return Execution.from_args(parser.parse_args(words))


def test_a_switch_of_yaml_is_understood():
    assert [parsed("--compile", word).compile for word in ("on", "off", "True", "False", "auto")] == [
        "on", "off", "on", "off", "auto",
    ]  # fmt: skip
    assert [parsed(*words).recompute for words in ((), ("--recompute", "True"), ("--recompute", "off"))] == [
        "auto", "on", "off",
    ]  # fmt: skip
    for words in (
        ("--compile", "yes"),
        ("--recompute", "1"),
        ("--workers", "-1"),
        ("--workers", "many"),
        ("--precision", "tf32"),
    ):
        with pytest.raises(SystemExit):
            parsed(*words)


def test_batches_are_read_ahead_where_a_gpu_waits_for_them(monkeypatch, caplog):
    free = {"bytes": 2**34}
    monkeypatch.setattr(execution.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free["bytes"]))
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert (parsed().readers(cuda), parsed().readers(cpu)) == (4, 0)
    assert (parsed("--workers", "auto").readers(cuda), parsed("--workers", "0").readers(cuda)) == (4, 0)
    assert (parsed("--workers", "7").readers(cuda), parsed("--workers", "2").readers(cpu)) == (7, 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert parsed().readers(cuda) == 1  # of two cores for each rank, one is left
    free["bytes"] = 2**26  # a container
    assert parsed().readers(cuda) == 0
    assert "64 MB free; see --workers" in caplog.text


def test_full_float32_forbids_tf32_on_cuda_and_restores_what_was(precision):
    torch.set_float32_matmul_precision("high")
    before = torch.backends.cudnn.allow_tf32
    with full_float32(torch.device("cuda")):
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cudnn.allow_tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("high", before)
    with full_float32(torch.device("cpu")):  # where "medium" means oneDNN
        assert torch.get_float32_matmul_precision() == "high"


def test_every_program_on_cuda_computes_float32_as_such(precision, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    for name, value in {"is_available": True, "device_count": 1, "set_device": None}.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda *_, **__: None)  # would hold for all tests
    torch.set_float32_matmul_precision("high")
    assert Execution().prepare() == torch.device("cuda", 0)
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32


def test_where_products_would_be_of_bfloat16_they_stay_with_mkl(precision, monkeypatch):
    monkeypatch.setattr(execution, "_ROUNDING", 0.0)  # no product is that exact
    multiply_by_onednn()
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_job_that_holds_a_gpu_in_vain_is_refused(monkeypatch):
    """Unless it is allowed: a GPU that nobody sees is paid for."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    monkeypatch.delenv("SENSORIUM_ALLOW_CPU", raising=False)
    with pytest.raises(ConfigurationError, match=r"holds GPU 0 of .*580 series.*SENSORIUM_ALLOW_CPU=1") as error:
        Execution().prepare()
    assert error.value.exit_code == 78
    assert Execution(device="cpu").prepare().type == "cpu"
    monkeypatch.setenv("SENSORIUM_ALLOW_CPU", "1")
    assert Execution().prepare().type == "cpu"
    monkeypatch.delenv("SENSORIUM_ALLOW_CPU")
    monkeypatch.delenv("SLURM_JOB_GPUS")
    assert Execution().prepare().type == "cpu"
