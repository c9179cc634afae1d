"""environment.yml, from which Binder and conda build: the lock's pins, and nothing local."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
PIP = next(item["pip"] for item in ENVIRONMENT["dependencies"] if isinstance(item, dict))
OPTIONS = [line for line in PIP if line.startswith("-")]
PINS = [Requirement(line) for line in PIP if not line.startswith("-")]
# What the environment is made for: Binder's images.
BINDER = {
    "python_version": "3.11",
    "python_full_version": "3.11.9",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "platform_machine": "x86_64",
}


def applies(requirement, extra=""):
    return requirement.marker is None or requirement.marker.evaluate({**BINDER, "extra": extra})


def requirements(name):
    """What an installed package needs; of one that another Python has no use for, nothing."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        assert sys.version_info[:2] != (3, 11), name
        return []


def test_every_pin_is_the_locks():
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    lock = [Requirement(line) for line in lines if not line.startswith("#")]
    locked = {pin.name: pin.specifier for pin in lock if applies(pin)}
    assert {pin.name: pin.specifier for pin in PINS}.items() <= locked.items()
    assert len(PINS) > 100


def test_python_and_pip_come_from_conda():
    named = [item for item in ENVIRONMENT["dependencies"] if isinstance(item, str)]
    assert re.fullmatch(r"python=3\.\d+", named[0])
    assert named[1:] == ["pip"]
    assert ENVIRONMENT["channels"] == ["conda-forge"]


def test_nothing_is_local_and_torch_is_the_cpu_build():
    assert OPTIONS == ["--extra-index-url https://download.pytorch.org/whl/cpu"]
    assert all(pin.url is None and str(pin.specifier).startswith("==") for pin in PINS)
    assert not [pin.name for pin in PINS if pin.name.startswith(("nvidia", "triton"))]
    assert [str(pin) for pin in PINS if pin.name == "torch" and "+" not in str(pin.specifier)]


def test_what_the_book_and_its_tests_need_is_all_there_in_versions_that_fit():
    """Followed through the metadata of what is installed, from the extra `test`."""
    pinned = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in PINS}
    waiting, seen = [("grokbook", "test")], set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in requirements(name):
            needed = Requirement(line)
            if applies(needed, extra) or applies(needed):
                found = canonicalize_name(needed.name)
                fits = found == "grokbook" or needed.specifier.contains(pinned.get(found, "0"))
                assert fits, f"{name} needs {line}"
                waiting += [(found, one) for one in ("", *needed.extras)]
    assert {name for name, _ in seen} - {"grokbook"} - pinned.keys() == set()


def test_only_developers_need_the_rest():
    names = {pin.name for pin in PINS}
    assert not names & {"ruff", "pre-commit", "zizmor", "uv", "jupyter-repo2docker"}


def test_grokbook_itself_is_installed_by_postbuild():
    script = ROOT / "postBuild"
    assert os.access(script, os.X_OK)
    text = script.read_text("utf-8")
    assert text.startswith("#!")
    assert "\nset -e\n" in text
    assert "pip install --no-deps --no-build-isolation -e ." in text


def test_repo2docker_reads_it(tmp_path):
    """Binder's own tool, up to the Dockerfile, on the files it looks for alone."""
    for name in ("environment.yml", "postBuild"):
        shutil.copy(ROOT / name, tmp_path)
    tool = str(Path(sys.executable).with_name("jupyter-repo2docker"))
    done = subprocess.run(
        [sys.executable, tool, "--no-build", "--debug", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    dockerfile = done.stdout + done.stderr
    assert "environment.yml" in dockerfile
    assert "./postBuild" in dockerfile
