"""What a result was made on: versions, commit, processor, and the instructions in use."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from grokbook import source

RECORDED_PACKAGES = ("numpy", "scipy")
# NumPy's names for levels of x86-64.
_LEVELS = {"X86_V2": "SSE4.2", "X86_V3": "AVX2", "X86_V4": "AVX512"}
_BLAS = {"openblas": "OpenBLAS", "mkl": "MKL", "blis": "BLIS"}


def versions(packages: Sequence[str] = ()) -> dict[str, str]:
    """Versions of Python, NumPy, SciPy and further packages that matter."""
    names = (*RECORDED_PACKAGES, *packages)
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def commit() -> str:
    """Hash of the checkout's commit, ``+`` if the work tree differs.

    ``unknown`` without git, and where the repository around the package is not Grokbook's own, as
    with an environment inside somebody's project.
    """
    tracked = git("ls-files", "--error-unmatch", "--", Path(__file__).name)
    if not tracked or git("rev-parse", "--show-prefix") != f"{source.ROOT.name}/":
        return "unknown"
    head = git("rev-parse", "HEAD")
    return head + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


def processor() -> str:
    """Model name of the CPU, or the machine type where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def instructions() -> str:
    """Level of instructions of each numerical library here: ``NumPy AVX2, OpenBLAS Haswell``.

    As the libraries say themselves, so that ``NPY_DISABLE_CPU_FEATURES``, ``OPENBLAS_CORETYPE`` and
    ``ATEN_CPU_CAPABILITY`` show.  torch is named once it is loaded, BLAS where threadpoolctl is.
    """
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {})
    known = [*extensions.get("baseline", []), *extensions.get("found", [])]
    levels = [f"NumPy {_LEVELS.get(known[-1], known[-1])}"] if known else []
    levels += _blas()
    if torch := sys.modules.get("torch"):
        levels.append(f"torch {torch.backends.cpu.get_cpu_capability()}")
    return ", ".join(levels)


def _blas() -> list[str]:
    try:
        from threadpoolctl import threadpool_info  # of the extra for sweeps
    except ImportError:
        return []
    found = [one for one in threadpool_info() if one["internal_api"] in _BLAS]
    return sorted(
        {f"{_BLAS[one['internal_api']]} {one.get('architecture') or 'unknown'}" for one in found}
    )


def git(*arguments: str) -> str:
    """What git says in the package's folder; empty without git or if it fails."""
    # In a hook git names the repository that it runs for.
    own = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    command = ["git", "-C", str(source.ROOT), *arguments]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
