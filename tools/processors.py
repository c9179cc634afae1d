"""Run code as an older processor would: the variables by which libraries choose their kernels.

    python -m tools.processors plain 4 COMMAND...   run a command as that processor, on 4 threads

A processor can act as an older one, never as a newer one.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping

import numpy as np

THREADS = (1, 2, 4)
THREAD_VARIABLES = tuple(
    f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
)
# OpenBLAS, torch, MKL.
KERNELS = ("OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS")
NUMPY = "NPY_DISABLE_CPU_FEATURES"
# Oldest first.
LEVELS = {
    "plain": ("Nehalem", "default", "SSE4_2"),
    "avx2": ("Haswell", "avx2", "AVX2"),
    "avx512": ("SkylakeX", "avx512", "AVX512"),
}
NATIVE = "native"


def levels() -> tuple[str, ...]:
    """The levels that this processor has, oldest first, ``native`` last."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return (NATIVE,)
    features = [*_simd("baseline"), *_dispatched()]
    has = {
        "plain": True,
        "avx2": any(one in ("AVX2", "X86_V3") for one in features),
        "avx512": any(_needs_avx512(one) for one in features),
    }
    return (*(name for name in LEVELS if has[name]), NATIVE)


def environment(
    level: str = NATIVE, threads: int = 1, base: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment for a process that computes like that level, on so many threads.

    Parameters
    ----------
    level : str
        One of :func:`levels`; ``native`` removes what ``base`` says about kernels.
    threads : int
        1, 2 or 4.
    base : mapping
        The environment to start from.

    Raises
    ------
    ValueError
        For a level that this processor lacks, or another number of threads.
    """
    if level not in levels():
        raise ValueError(f"CPU = {level!r}: must be one of {', '.join(levels())} on this processor")
    if threads not in THREADS:
        raise ValueError(f"THREADS = {threads!r}: must be one of {', '.join(map(str, THREADS))}")
    found = {name: value for name, value in base.items() if name not in (*KERNELS, NUMPY)}
    found |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    if level != NATIVE:
        found |= dict(zip(KERNELS, LEVELS[level], strict=True))
        keep = {"plain": lambda one: False, "avx2": lambda one: not _needs_avx512(one)}
        disabled = [one for one in _dispatched() if not keep.get(level, lambda one: True)(one)]
        if disabled:
            found[NUMPY] = " ".join(disabled)
    return found


def _needs_avx512(feature: str) -> bool:
    return feature.startswith("AVX512") or feature == "X86_V4"


def _simd(kind: str) -> list[str]:
    return np.show_config("dicts")["SIMD Extensions"].get(kind, [])


def _dispatched() -> list[str]:
    """What this NumPy dispatches on this processor (it warns of any other); also if disabled."""
    return [*_simd("found"), *os.environ.get(NUMPY, "").replace(",", " ").split()]


def main() -> int:
    """The command: the exit code of the one it runs, 2 for a wrong call."""
    if len(sys.argv) < 4:
        print("error: usage: LEVEL THREADS COMMAND...", file=sys.stderr)
        return 2
    level, threads, *command = sys.argv[1:]
    try:
        variables = environment(level, int(threads) if threads.isdecimal() else threads)
        # nbval must not compare what a build printed as another processor (tests/replay.py).
        return subprocess.run(command, env=variables | {"GROKBOOK_NBVAL": "run"}).returncode
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {command[0]!r}: cannot be run: {error.strerror}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
