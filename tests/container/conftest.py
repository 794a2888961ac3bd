"""A podman with a storage of its own, and the image of this repository built with it."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE, IMAGE = "localhost/base:test", "localhost/sensorium:test"
DISTRIBUTIONS = ("Debian", "Ubuntu")
NEEDED = ("podman", "mmdebstrap", "apt-get")

Command = Callable[..., subprocess.CompletedProcess[str]]


def call(*words: str, timeout: float = 1500, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository; what it writes is in stdout."""
    return subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )


def base_system(archive: Path) -> None:
    """Pack a fresh system like this machine's own, from the mirror that this machine uses."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    codename = release.get("VERSION_CODENAME", "").strip('"')
    targets = call(
        "apt-get", "indextargets", "--format", "$(ORIGIN) $(RELEASE) $(REPO_URI) $(COMPONENT)", "Created-By: Packages"
    )
    found = [line.split() for line in targets.stdout.splitlines()]
    wanted = [words for words in found if words[0] in DISTRIBUTIONS and words[1] == codename]
    if not wanted:
        pytest.skip(f"apt knows no mirror of {codename or 'this system'}; apt-get update may help")
    result = call(
        *("unshare", "--mount"),  # what it mounts is gone with it, even if it is killed
        "mmdebstrap",
        "--variant=minbase",
        "--dpkgopt=force-unsafe-io",
        "--include=ca-certificates,python3,python3-venv",
        f"--components={','.join(words[3] for words in wanted)}",
        codename,
        str(archive),
        wanted[0][2],
    )
    if result.returncode:
        pytest.skip(f"mmdebstrap cannot make a base system here: {result.stdout[-500:]}")


@pytest.fixture(scope="session")
def engine() -> Iterator[list[str]]:
    """The words that start podman; images and caches of the machine stay untouched."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = Path(tempfile.mkdtemp(prefix="podman-"))  # podman allows 50 characters; pytest's folders may have more
    # The limits that podman asks for by itself can be higher than those it may set.
    limits = {
        name: min(16384, hard) if (hard := resource.getrlimit(number)[1]) > 0 else 16384
        for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
    }
    runtime = next((name for name in ("runc", "crun") if shutil.which(name)), "crun")
    settings = folder / "containers.conf"
    settings.write_text(
        f"[containers]\ndefault_ulimits = {[f'{name}={limit}:{limit}' for name, limit in limits.items()]}\n"
        f'[engine]\nruntime = "{runtime}"\n'
    )
    # Caches of a build lie in TMPDIR; that of uv is the machine's own, so that nothing is downloaded twice.
    cache = call(str(Path(sys.executable).with_name("uv")), "cache", "dir").stdout.strip()
    caches = folder / "tmp/buildah-cache"
    caches.mkdir(parents=True)
    (caches / "uv").symlink_to(cache)
    podman = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/runroot"]
    yield ["env", f"CONTAINERS_CONF={settings}", f"TMPDIR={folder}/tmp", *podman]
    call("env", f"CONTAINERS_CONF={settings}", *podman, "rmi", "--all", "--force")
    shutil.rmtree(folder, ignore_errors=True)  # gigabytes


@pytest.fixture(scope="session")
def base(engine: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Python's version in a base system of the name BASE, made here and seen to run."""
    archive = tmp_path_factory.mktemp("base") / "base.tar"
    base_system(archive)
    imported = call(*engine, "import", "--quiet", str(archive), BASE)
    archive.unlink()
    assert imported.returncode == 0, imported.stdout
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    tried = call(*engine, "run", "--rm", "--network", "none", BASE, "python3", "-c", version)
    if tried.returncode:
        pytest.skip(f"podman cannot run a container here: {tried.stdout.strip()[-500:]}")
    return tried.stdout.strip()


@pytest.fixture(scope="session")
def cuda(pytestconfig: pytest.Config, base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Flags that keep the CUDA libraries out of the image; none with --slow.

    The build installs all the same, but into a folder that is mounted again when the image runs: to pack these 3 GB,
    half of the image, takes a minute and proves nothing.
    """
    if pytestconfig.getoption("--slow"):
        yield ()
        return
    folder = tmp_path_factory.mktemp("cuda")
    folder.chmod(0o755)
    yield ("--volume", f"{folder}:/opt/venv/lib/python{base}/site-packages/nvidia")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def image(engine: list[str], cuda: tuple[str, ...]) -> str:
    """Name of the image, made by `make image` on the base system."""
    flags = ["--network", "host", "--layers=false", *cuda]  # without layers it is packed once, not twice
    result = call(
        *("make", "image", f"IMAGE={IMAGE}", f"BASE_IMAGE={BASE}"),
        *(f"ENGINE={' '.join(engine)}", f"IMAGE_FLAGS={' '.join(flags)}"),
    )
    assert result.returncode == 0, result.stdout[-5000:]
    return IMAGE


@pytest.fixture(scope="session")
def start(engine: list[str], image: str, cuda: tuple[str, ...]) -> list[str]:
    """The words that start a container without a network; the image's name is still to come."""
    return [*engine, "run", "--rm", "--network", "none", *cuda]


@pytest.fixture(scope="session")
def container(start: list[str], image: str) -> Command:
    """Run the image to its end: the image's own words, and flags of podman."""

    def run(*words: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return call(*start, *flags, image, *words)

    return run
