"""Make .venv and install the pinned set and grokbook into it; do nothing if that is done.

Run by the base interpreter with the standard library only.
Environment: TORCH_INDEX, where PyTorch's processor-only wheels are looked for.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# In .venv, from its first moment on: empty until all is installed.
STAMP = ".grokbook-installed"


class InstallError(Exception):
    """What went wrong and what to do, in one line."""


def say(line):
    print(f"grokbook: {line}", flush=True)


def check_python(version, has_venv):
    """Raise if this interpreter cannot make the environment."""
    found = "{}.{}".format(*version)
    if not (3, 11) <= version[:2] <= (3, 13):
        raise InstallError(
            f"Python {found} found, 3.11 to 3.13 is needed; install Python 3.11, "
            "or name one: make book PYTHON=/path/to/python3.11"
        )
    if not has_venv:
        raise InstallError(
            f"this Python {found} cannot make environments (module venv or ensurepip is "
            f"missing); install it (Debian, Ubuntu: apt install python{found}-venv)"
        )
    if version[:2] != (3, 11):
        say(f"warning: Python {found}; requirements.lock is made for and tested on 3.11")


def can_make_environments():
    try:
        import ensurepip  # noqa: F401 - Debian ships venv without it
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def check_place(root):
    """Refuse a folder whose name Jupyter Book would read as an address or as a pattern."""
    for letter in "%?*[":
        if letter in str(root):
            raise InstallError(
                f"the folder {root} has a {letter} in its name, where Jupyter Book looks for other "
                "files; rename the folder, and repeat"
            )


def key(root, version):
    """What an installation depends on, in one text."""
    digest = hashlib.sha256(repr(tuple(version[:3])).encode())
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((root / name).read_bytes())
    return f"{digest.hexdigest()}\n{root / '.venv'}"


def pip(venv, *arguments, **options):
    """Run the environment's own pip; only its errors go to the console."""
    command = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    return subprocess.run([*command, "-qq", *arguments], **options)


def run(venv, what, *arguments):
    if code := pip(venv, *arguments).returncode:
        raise InstallError(
            f"installing {what} failed with status {code} (see above); without a network, connect "
            "or set PIP_INDEX_URL to a mirror; the same command goes on from here"
        )


def answers(index):
    """Whether an index can be reached; pip would ask it again and again, for each package."""
    try:
        return index.startswith("file:") or bool(
            urllib.request.urlopen(f"{index}/torch/", None, 10)
        )
    except (OSError, ValueError):
        return False


def choose_torch(venv, root, cpu_index):
    """Arguments for pip that bring torch: the processor-only wheel where there is one.

    pip asks every index that it is told of, by us or by the user, and prefers the tag `+cpu`.
    """
    index = ["--extra-index-url", cpu_index] if answers(cpu_index) else []
    wanted = [*index, "-c", root / "requirements.lock", "torch"]
    preview = ["install", "--dry-run", "--ignore-installed", "--report", "-"]
    found = pip(venv, *preview, *wanted, stdout=subprocess.PIPE)
    if found.returncode == 0:
        names = [package["metadata"]["name"] for package in json.loads(found.stdout)["install"]]
        cuda = sum(bool(re.match("nvidia|triton|cuda", name)) for name in names)
        say(
            f"PyTorch's CPU wheels ({cpu_index}) cannot be reached: installing the normal torch "
            f"with {cuda} CUDA packages, several GB (the book does not use them)"
            if cuda
            else "installing torch for processors alone, about 0.2 GB"
        )
    return wanted  # where there is nothing, installing it gives the reason


def require_ours(venv):
    """Raise unless .venv may be made anew: it is not there, empty, or this installer made it."""
    if venv.is_symlink():
        raise InstallError(f".venv is a link to {os.readlink(venv)}; remove it and repeat")
    empty = not venv.exists() or (venv.is_dir() and not any(venv.iterdir()))
    if not empty and not (venv / STAMP).is_file():
        raise InstallError(
            ".venv was not made by this installer and is left alone; move or remove it and repeat, "
            "or use it: pip install -r requirements.lock, then pip install --no-deps -e ."
        )


def whole(venv, version):
    """Whether an environment is of this Python, made for this very place, with a working pip."""
    try:
        # The scripts in a copied or moved environment still name the old place.
        config = (venv / "pyvenv.cfg").read_text("utf-8") + "\n"
        mine = "version = {}.{}.".format(*version) in config and f" {venv}\n" in config
        return mine and pip(venv, "--version", stdout=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def make_environment(venv, version):
    """Empty .venv, all but its stamp, and make it with this Python."""
    say("making .venv with Python {}.{}.{}".format(*version))
    for entry in venv.iterdir():
        if entry.name != STAMP:
            entry.unlink() if entry.is_symlink() or not entry.is_dir() else shutil.rmtree(entry)
    if subprocess.run([sys.executable, "-m", "venv", venv]).returncode != 0:
        raise InstallError("making .venv failed (see above)")


def install(root, version):
    """Bring .venv up to date; the stamp is filled last, so half an install is none."""
    venv, stamp = root / ".venv", root / ".venv" / STAMP
    wanted, ready = key(root, version), (venv / "bin" / "python").exists()
    if ready and stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    require_ours(venv)
    venv.mkdir(exist_ok=True)
    stamp.write_text("", "utf-8")
    if not whole(venv, version):
        make_environment(venv, version)
    index = os.environ.get("TORCH_INDEX", CPU_INDEX)
    run(venv, "torch", "install", *choose_torch(venv, root, index))
    say("installing the rest of requirements.lock, about 0.5 GB: a minute or two")
    # The lock is complete, so nothing is left to resolve; pip check confirms that.
    run(venv, "requirements.lock", "install", "--no-deps", "-r", root / "requirements.lock")
    run(venv, "grokbook", "install", "--no-deps", "--no-build-isolation", "-e", root)
    run(venv, "a consistent set (pip check)", "check")
    stamp.write_text(wanted, "utf-8")
    say("installed")


def main():
    try:
        check_python(tuple(sys.version_info[:3]), can_make_environments())
        check_place(ROOT)
        install(ROOT, sys.version_info)
    except (InstallError, OSError) as error:
        print(f"grokbook: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
