"""The installer: which torch it takes from which index, and what it says when it cannot go on."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import install

ROOT = Path(__file__).resolve().parents[1]
VERSION, OTHERS = install.read_lock(ROOT)


def wheel(folder, name, version, requires=()):
    """A wheel with nothing in it but metadata, listed in a folder index; its size in bytes."""
    shelf = folder / "simple" / name.replace("_", "-")
    shelf.mkdir(parents=True, exist_ok=True)
    path = shelf / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", metadata + "".join(f"Requires-Dist: {one}\n" for one in requires)
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    quoted = path.name.replace("+", "%2B")
    (shelf / "index.html").write_text(f'<a href="{quoted}">{path.name}</a>')
    return path.stat().st_size


@pytest.fixture
def indexes(tmp_path, monkeypatch):
    """An empty CPU index and an empty normal index, the only ones that pip knows."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    cpu, normal = tmp_path / "cpu", tmp_path / "normal"
    for folder in (cpu, normal):
        (folder / "simple").mkdir(parents=True)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (normal / "simple").as_uri())
    return cpu, normal


@pytest.fixture
def pip(tmp_path):
    return install.Pip(sys.executable, str(tmp_path / "install.log"))


def choose(pip, cpu, tmp_path):
    rest = tmp_path / "rest.txt"
    rest.write_text("\n".join(OTHERS))
    return install.choose_torch(pip, VERSION, (cpu / "simple").as_uri(), str(rest))


def brought(pip, arguments):
    """Names and versions that the chosen command would install."""
    found = pip.preview(*arguments)
    return {p["metadata"]["name"]: p["metadata"]["version"] for p in found}


def cuda_torch(folder):
    """The normal Linux wheel in small: a torch that asks for CUDA packages, and these."""
    return wheel(
        folder,
        "torch",
        VERSION,
        ["nvidia-cublas==13.0.1; platform_system != 'none'", "triton==3.5"],
    ) + sum(
        wheel(folder, name, one) for name, one in [("nvidia_cublas", "13.0.1"), ("triton", "3.5")]
    )


def test_the_cpu_index_serves_torch_alone(indexes, pip, tmp_path, capsys):
    cpu, normal = indexes
    wheel(cpu, "torch", f"{VERSION}+cpu", ["filelock"])
    cuda_torch(normal)
    arguments = choose(pip, cpu, tmp_path)
    assert brought(pip, arguments) == {"torch": f"{VERSION}+cpu"}
    assert arguments[:2] == ["--index-url", (cpu / "simple").as_uri()]
    assert "CUDA" not in capsys.readouterr().out


def test_without_the_cpu_index_a_cpu_wheel_elsewhere_serves(indexes, pip, tmp_path, capsys):
    cpu, normal = indexes
    wheel(normal, "torch", f"{VERSION}+cpu", ["filelock"])
    arguments = choose(pip, cpu, tmp_path)
    assert arguments == ["--no-deps", f"torch=={VERSION}"]
    assert brought(pip, arguments) == {"torch": f"{VERSION}+cpu"}
    assert "CUDA" not in capsys.readouterr().out


@pytest.mark.parametrize("also_as_extra_index", [False, True])
def test_cuda_packages_are_announced_with_their_size(
    indexes, pip, tmp_path, capsys, monkeypatch, also_as_extra_index
):
    cpu, normal = indexes
    if also_as_extra_index:  # then pip finds the wheel while it asks the empty CPU index
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", (normal / "simple").as_uri())
    cuda_torch(normal)
    monkeypatch.setattr(install, "size", lambda package: 1_500_000_000)
    arguments = choose(pip, cpu, tmp_path)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "2 CUDA packages, 4.5 GB to fetch" in said
    names = {"torch": VERSION, "nvidia_cublas": "13.0.1", "triton": "3.5"}
    assert brought(pip, arguments) == names


def test_sizes_are_those_of_the_wheels(indexes, pip, tmp_path):
    _, normal = indexes
    total = cuda_torch(normal)
    assert sum(map(install.size, pip.preview(f"torch=={VERSION}"))) == total
    assert (
        install.total_size([{"download_info": {"url": "file:///nowhere.whl"}}]) == "more than 0 MB"
    )


def test_no_wheel_anywhere_is_one_line(indexes, pip, tmp_path):
    cpu, _ = indexes
    with pytest.raises(install.InstallError, match=r"installing torch failed: ERROR: No matching"):
        pip.run("torch", "install", "--dry-run", "--ignore-installed", *choose(pip, cpu, tmp_path))


def test_no_network_is_one_line(indexes, pip, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(install.InstallError, match=r"no network") as error:
        pip.run("torch", "install", "--dry-run", "--ignore-installed", f"torch=={VERSION}")
    assert "\n" not in str(error.value)
    assert "connect" in str(error.value)


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 13), (3, 14, 0)])
def test_a_wrong_python_is_refused(version):
    with pytest.raises(install.InstallError, match=r"3\.11 to 3\.13 is needed"):
        install.check_python(version, True)


def test_a_python_without_venv_is_refused():
    with pytest.raises(install.InstallError, match=r"apt install python3\.11-venv"):
        install.check_python((3, 11, 7), False)


def test_only_the_locked_python_goes_without_a_warning():
    assert install.check_python((3, 11, 7), True) is None
    assert "warning" in install.check_python((3, 13, 0), True)


def test_errors_reach_the_shell_as_one_line_and_a_status(monkeypatch, capsys):
    monkeypatch.setattr(install, "can_make_environments", lambda: False)
    assert install.main() == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a lock, and an installation whose steps are only recorded."""
    (tmp_path / "requirements.lock").write_text("# header\nnumpy==2.0\ntorch==2.0\n")
    (tmp_path / "pyproject.toml").write_text("")
    steps = []

    def make(venv, version):
        steps.append("environment")
        (Path(venv) / "bin").mkdir(parents=True, exist_ok=True)
        (Path(venv) / "bin" / "python").touch()
        return str(Path(venv) / "bin" / "python")

    def run(self, what, *args):
        if what in broken:
            raise install.InstallError("stopped")
        steps.append(what)

    broken = set()
    monkeypatch.setattr(install, "make_environment", make)
    monkeypatch.setattr(install, "choose_torch", lambda *args: [])
    monkeypatch.setattr(install.Pip, "run", run)
    return str(tmp_path), steps, broken


def test_an_installation_is_done_once_and_again_after_a_change(project):
    root, steps, _ = project
    install.install(root, (3, 11, 7))
    assert steps == [
        "environment",
        "torch",
        "requirements.lock",
        "grokbook",
        "a consistent set (pip check)",
    ]
    install.install(root, (3, 11, 7))
    assert len(steps) == 5
    for change in ("requirements.lock", "pyproject.toml"):
        with open(Path(root) / change, "a") as file:
            file.write("# more\n")
        steps.clear()
        install.install(root, (3, 11, 7))
        assert len(steps) == 5
    install.install(root, (3, 12, 1))
    assert len(steps) == 10


def test_half_an_installation_is_not_taken_for_a_whole_one(project):
    root, steps, broken = project
    install.install(root, (3, 11, 7))
    (Path(root) / "pyproject.toml").write_text("# changed\n")
    broken.add("grokbook")
    for _ in range(2):
        with pytest.raises(install.InstallError, match=r"stopped"):
            install.install(root, (3, 11, 7))
    (Path(root) / "pyproject.toml").write_text("")  # as it was when the stamp was written
    broken.clear()
    steps.clear()
    install.install(root, (3, 11, 7))
    assert len(steps) == 5


def test_an_environment_is_whole_only_at_its_own_place_and_version(tmp_path, monkeypatch):
    made = []

    class Failed:
        returncode, stdout, stderr = 1, "", "no space\nleft"

    def run(command, **_):
        made.append(command[-1])
        return Failed

    monkeypatch.setattr(install.subprocess, "run", run)
    (tmp_path / install.STAMP).touch()
    (tmp_path / "pyvenv.cfg").write_text(
        f"version = 3.11.7\ncommand = python -m venv {tmp_path}-old\n"
    )
    with pytest.raises(install.InstallError, match=r"making \.venv failed: no space left"):
        install.make_environment(str(tmp_path), (3, 11, 7))
    assert made == [str(tmp_path)]


def refused(root):
    """The line with which an installation is refused, before it does anything."""
    with pytest.raises(install.InstallError) as error:
        install.install(str(root), tuple(sys.version_info[:3]))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A folder with a lock and real environments, in which pip is broken from the first step on."""
    (tmp_path / "requirements.lock").write_text("torch==2.0\n")
    (tmp_path / "pyproject.toml").write_text("")

    def run(self, what, *args):
        raise install.InstallError("stopped")

    def venv(command, **_):
        Path(command[-1], "bin").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(install.subprocess, "run", venv)
    monkeypatch.setattr(install, "choose_torch", lambda *args: [])
    monkeypatch.setattr(install.Pip, "run", run)
    return tmp_path


def test_an_environment_of_somebody_else_is_left_alone(locked, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(install, "choose_torch", None)  # whatever breaks, nothing is fetched
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "venv", "--quiet", "--offline", "--python", sys.executable, locked / ".venv"]
    subprocess.run(command, check=True)
    (locked / ".venv" / "notes.txt").write_text("x")
    before = sorted(locked.rglob("*"))
    assert ".venv was not made by this installer and is left alone" in refused(locked)
    assert sorted(locked.rglob("*")) == before


def test_a_link_and_a_file_in_its_place_are_left_alone(locked):
    (locked / "elsewhere").mkdir()
    (locked / "elsewhere" / install.STAMP).touch()
    (locked / ".venv").symlink_to(locked / "elsewhere")
    assert "is a link to" in refused(locked)
    assert [path.name for path in (locked / "elsewhere").iterdir()] == [install.STAMP]
    (locked / ".venv").unlink()
    (locked / ".venv").touch()
    assert "left alone" in refused(locked)


def test_half_an_environment_of_ours_and_one_from_another_place_are_made_anew(locked):
    venv = locked / ".venv"
    venv.mkdir()  # empty: nothing to lose
    assert refused(locked) == "stopped"
    assert (venv / install.MARKER).is_file()
    (venv / "half.txt").touch()
    (venv / "link").symlink_to(locked)
    assert refused(locked) == "stopped"
    assert not (venv / "half.txt").exists()
    assert (locked / "requirements.lock").is_file()  # behind the link
    # One that an older installer finished, before there was a marker.
    (venv / install.MARKER).unlink()
    (venv / install.STAMP).write_text("another place")
    assert refused(locked) == refused(locked) == "stopped"


@pytest.fixture
def stubs(tmp_path):
    """A PATH with sh, sed and stand-ins for interpreters, and a way to ask find_python.sh."""
    for tool in ("sh", "sed"):
        (tmp_path / tool).symlink_to(shutil.which(tool))

    def find(*arguments, **interpreters):
        for name, status in interpreters.items():
            path = tmp_path / name.replace("_", ".")
            path.write_text(f'#!{tmp_path}/sh\n[ -z "$2" ] || exit {status}\n')
            path.chmod(0o755)
        return subprocess.run(
            ["sh", str(ROOT / "tools" / "find_python.sh"), *arguments],
            cwd=tmp_path,
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    return find


def test_no_python_is_one_line_that_says_what_to_install(stubs):
    done = stubs()
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "install Python 3.11" in done.stderr


def test_a_named_python_that_does_not_run_is_one_line(stubs):
    done = stubs("no-such-python")
    assert done.returncode == 1
    assert "PYTHON=no-such-python does not run" in done.stderr


def test_the_first_python_that_is_accepted_is_taken(stubs):
    assert stubs(python3=0, python3_12=0).stdout == "python3\n"
    assert stubs(python3=1, python3_12=0).stdout == "python3.12\n"
    assert stubs(python3=1, python3_12=1).stdout == "python3.12\n"  # install.py says what it lacks


def test_make_stops_with_the_line(tmp_path):
    done = subprocess.run(
        ["make", "install", "PYTHON=no-such-python"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "does not run" in done.stderr
