"""Make .venv and install the pinned set and grokbook into it; do nothing if that is done.

Run by the base interpreter with the standard library only, so it must also parse
under an old Python 3: that is how the reader of one gets a line instead of a traceback.
Environment: TORCH_INDEX, where PyTorch's processor-only wheels are looked for first.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
OLDEST, LOCKED_FOR, NEWEST = (3, 11), (3, 11), (3, 13)
# In .venv: written before all else and never removed; written last, and removed first.
MARKER, STAMP = ".grokbook-environment", ".grokbook-installed"
CUDA_NAME = re.compile(r"nvidia|triton|cuda", re.IGNORECASE)
NO_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeout|NameResolutionError|ProxyError|Read timed out"
    r"|Network is unreachable|Temporary failure in name resolution|Max retries exceeded"
)


class InstallError(Exception):
    """What went wrong and what to do, in one line."""


def say(line):
    print(f"grokbook: {line}", flush=True)


def check_python(version, has_venv):
    """Raise if this interpreter cannot make the environment; return a warning or None."""
    found = f"{version[0]}.{version[1]}"
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        raise InstallError(
            f"Python {found} found, 3.11 to 3.13 is needed; install Python 3.11, "
            "or name one: make book PYTHON=/path/to/python3.11"
        )
    if not has_venv:
        raise InstallError(
            f"this Python {found} cannot make environments (module venv or ensurepip is "
            f"missing); install it (Debian, Ubuntu: apt install python{found}-venv)"
        )
    if tuple(version[:2]) != LOCKED_FOR:
        return f"warning: Python {found}; requirements.lock is made for and tested on 3.11"
    return None


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
        if letter in root:
            raise InstallError(
                f"the folder {root} has a {letter} in its name, where Jupyter Book looks for other "
                "files; rename the folder, and repeat"
            )


def key(root, version):
    """What an installation depends on, as one hash."""
    digest = hashlib.sha256(repr(tuple(version[:3])).encode())
    for name in ("requirements.lock", "pyproject.toml"):
        with open(os.path.join(root, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def read_lock(root):
    """The pinned torch version and the other lines of the lock."""
    with open(os.path.join(root, "requirements.lock"), encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    torch = [line.split("==")[1] for line in lines if line.startswith("torch==")]
    if len(torch) != 1:
        raise InstallError("requirements.lock must name torch once; restore it or run make lock")
    return torch[0], [line for line in lines if not line.startswith("torch==")]


class Pip:
    """pip of one interpreter; what it does goes to a log, its failures become one line."""

    def __init__(self, python, log):
        self.python, self.log = python, log

    def _call(self, *args):
        common = ["--disable-pip-version-check", "--no-input", "--log", self.log]
        return subprocess.run(
            [self.python, "-m", "pip", *common, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _logged(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def run(self, what, *args):
        before = len(self._logged())
        done = self._call(*args)
        if done.returncode == 0:
            return
        # Only the log has the connection errors of an index that is not retried.
        if NO_NETWORK.search(self._logged()[before:]):
            raise InstallError(
                f"no network: pip cannot reach its package index ({what}); connect, or set "
                f"PIP_INDEX_URL to a mirror, and repeat; log: {self.log}"
            )
        errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR")]
        reason = errors[-1] if errors else " ".join(done.stdout.split()[-30:])
        raise InstallError(f"installing {what} failed: {reason}; log: {self.log}")

    def preview(self, *args):
        """What an installation would bring, as pip's report, and None if it finds nothing."""
        report = self.log + ".report.json"
        done = self._call(
            "install", "--dry-run", "--ignore-installed", "--quiet", "--report", report, *args
        )
        if done.returncode != 0:
            return None
        with open(report, encoding="utf-8") as file:
            found = json.load(file)["install"]
        os.remove(report)
        return found


def requires_cuda(package):
    """Whether a previewed package asks for CUDA packages without any extra."""
    wanted = package["metadata"].get("requires_dist", [])
    return any(CUDA_NAME.match(line) and "extra ==" not in line for line in wanted)


def size(package):
    """Bytes to fetch for a previewed package; 0 where the server does not tell."""
    url = package["download_info"]["url"]
    try:
        if url.startswith("file:"):
            return os.path.getsize(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.headers.get("Content-Length", 0))
    except (OSError, ValueError):
        return 0


def total_size(packages):
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(size, packages))
    known = f"{sum(sizes) / 1e9:.1f} GB" if sum(sizes) > 1e9 else f"{sum(sizes) / 1e6:.0f} MB"
    return known if all(sizes) else "more than " + known


def choose_torch(pip, version, cpu_index, constraints):
    """Arguments for `pip install` that bring torch: the processor-only wheel where there is one.

    `cpu_index` is None off Linux, where the normal wheel is processor-only. pip adds the
    user's own extra indexes and find-links to any index, so what would come is looked at,
    not where it was asked for.
    """
    wanted = "torch==" + version
    index = ["--index-url", cpu_index, "--retries", "0", "--timeout", "10"]
    for where in [index, []] if cpu_index else [[]]:
        found = pip.preview("--no-deps", *where, wanted)
        if found and not requires_cuda(found[0]):
            say(f"torch {version}, {total_size(found)}")
            return [*where, "--no-deps", wanted]
    if not found:
        # The plain command gives the reason, or, if the network came back, torch.
        return ["--no-deps", wanted]
    packages = pip.preview("-c", constraints, wanted) or found
    heavy = [
        p
        for p in packages
        if p["metadata"]["name"] == "torch" or CUDA_NAME.match(p["metadata"]["name"])
    ]
    say(
        f"PyTorch's CPU wheels ({cpu_index}) cannot be reached: the normal torch brings "
        f"{len(heavy) - 1} CUDA packages, {total_size(heavy)} to fetch (the book does not use them)"
    )
    return ["-c", constraints, wanted]


def require_ours(venv):
    """Raise unless .venv may be made anew: it is not there, empty, or this installer made it."""
    if os.path.islink(venv):
        raise InstallError(
            f".venv is a link to {os.readlink(venv)}, which is left alone; remove it and repeat"
        )
    if not os.path.lexists(venv) or (os.path.isdir(venv) and not os.listdir(venv)):
        return
    if not any(os.path.isfile(os.path.join(venv, name)) for name in (MARKER, STAMP)):
        raise InstallError(
            ".venv was not made by this installer and is left alone; move or remove it and repeat, "
            "or use it: pip install -r requirements.lock, then pip install --no-deps -e ."
        )


def mark(venv):
    """Say in .venv that it is ours, before all else: also half an environment can be mended."""
    os.makedirs(venv, exist_ok=True)
    with open(os.path.join(venv, MARKER), "w", encoding="utf-8") as file:
        file.write("Made by tools/install.py, which may delete all that is in here.\n")


def clear(venv):
    """Empty an environment of ours, all but its mark."""
    for entry in os.scandir(venv):
        if entry.name == MARKER:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.remove(entry.path)


def make_environment(venv, version):
    """Make .venv unless it is whole: right Python, this very place, a working pip."""
    require_ours(venv)
    try:
        mark(venv)
    except OSError as error:
        raise InstallError(f".venv cannot be written: {error}") from error
    python = os.path.join(venv, "bin", "python")
    try:
        with open(os.path.join(venv, "pyvenv.cfg"), encoding="utf-8") as file:
            config = dict(line.strip().split(" = ", 1) for line in file if " = " in line)
        whole = (
            config["version"].split(".")[:2] == [str(part) for part in version[:2]]
            # The scripts in a copied or moved environment still name the old place.
            and config["command"].endswith(" " + venv)
            and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode
            == 0
        )
    except (OSError, KeyError):
        whole = False
    if not whole:
        say("making .venv with Python {}.{}.{}".format(*version[:3]))
        try:
            clear(venv)
        except OSError as error:
            raise InstallError(f"making .venv failed: {error}") from error
        done = subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, text=True)
        if done.returncode != 0:
            raise InstallError(
                "making .venv failed: " + " ".join((done.stdout + done.stderr).split()[-40:])
            )
    return python


def install(root, version):
    """Bring .venv up to date; the stamp is written last, so half an install is none."""
    venv = os.path.join(root, ".venv")
    stamp = os.path.join(venv, STAMP)
    wanted = key(root, version)
    python = os.path.join(venv, "bin", "python")
    if os.path.exists(stamp) and os.path.exists(python):
        with open(stamp, encoding="utf-8") as file:
            if file.read() == wanted + "\n" + venv:
                return
    started = time.time()
    torch, others = read_lock(root)
    python = make_environment(venv, version)
    if os.path.exists(stamp):
        os.remove(stamp)
    log = os.path.join(venv, "install.log")
    rest = os.path.join(venv, "lock-without-torch.txt")
    with open(rest, "w", encoding="utf-8") as file:
        file.write("\n".join(others) + "\n")
    pip = Pip(python, log)
    index = os.environ.get("TORCH_INDEX", CPU_INDEX) if sys.platform == "linux" else None
    pip.run("torch", "install", *choose_torch(pip, torch, index, rest))
    say(f"installing the rest of requirements.lock ({len(others)} lines): a minute or two")
    # The lock is complete, so nothing is left to resolve; pip check confirms that.
    pip.run("requirements.lock", "install", "--no-deps", "-r", rest)
    pip.run("grokbook", "install", "--no-deps", "--no-build-isolation", "-e", root)
    pip.run("a consistent set (pip check)", "check")
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(wanted + "\n" + venv)
    say(f"installed in {time.time() - started:.0f} s")


def main():
    try:
        warning = check_python(sys.version_info, can_make_environments())
        if warning:
            say(warning)
        check_place(ROOT)
        install(ROOT, sys.version_info)
    except InstallError as error:
        print(f"grokbook: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
