"""The installer: which torch it takes from which index, and what it leaves alone or makes anew."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from guards import ROOT
from tools import install

VERSION = tuple(sys.version_info[:3])


def wheel(folder, name, version, requires=()):
    """A wheel with nothing in it but metadata, listed in a folder index."""
    shelf = folder / "simple" / name.replace("_", "-")
    shelf.mkdir(parents=True, exist_ok=True)
    path = shelf / f"{name}-{version}-py3-none-any.whl"
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {o}" for o in requires)]
    files = {
        "METADATA": "\n".join(["Metadata-Version: 2.1", *metadata]),
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(f"{name}-{version}.dist-info/{file}", text)
    quoted = path.name.replace("+", "%2B")
    with (shelf / "index.html").open("a") as index:
        index.write(f'<a href="{quoted}">{path.name}</a>\n')


@pytest.fixture
def indexes(tmp_path, monkeypatch):
    """A CPU index and the normal one, whose torch asks for CUDA packages; pip knows no others."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    cpu, normal = tmp_path / "cpu", tmp_path / "normal"
    wheel(cpu, "torch", "2.0+cpu", ["filelock"])
    wheel(normal, "torch", "2.0", ["filelock", "nvidia-cublas==13.0", "triton==3.5"])
    for name, version in {"filelock": "1", "nvidia_cublas": "13.0", "triton": "3.5"}.items():
        wheel(normal, name, version)
    wheel(normal, "filelock", "2")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (normal / "simple").as_uri())
    (tmp_path / "requirements.lock").write_text("torch==2.0\nfilelock==1\n")
    python(tmp_path / ".venv" / "bin", f'exec "{sys.executable}" "$@"')
    return cpu


def python(folder, code, name="python"):
    """A stand-in for an interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!{shutil.which('sh')}\n{code}\n")
    (folder / name).chmod(0o755)


CPU = {"torch-2.0+cpu", "filelock-1"}
CUDA = {"torch-2.0", "filelock-1", "nvidia_cublas-13.0", "triton-3.5"}


@pytest.mark.parametrize(
    ("index", "elsewhere", "brought", "said"),
    [
        ("cpu", False, CPU, "for processors alone"),
        ("nowhere", True, CPU, "for processors alone"),
        ("nowhere", False, CUDA, "cannot be reached: installing the normal torch with 2 CUDA"),
    ],
    ids=["the CPU index", "a CPU wheel elsewhere", "the normal wheel"],
)
def test_the_cpu_wheel_is_taken_where_there_is_one(
    indexes, tmp_path, capfd, monkeypatch, index, elsewhere, brought, said
):
    if elsewhere:
        monkeypatch.setenv("PIP_FIND_LINKS", str(indexes / "simple" / "torch"))
    address = (indexes.with_name(index) / "simple").as_uri()
    chosen = install.choose_torch(tmp_path / ".venv", tmp_path, address)
    (line,) = capfd.readouterr().out.splitlines()
    assert said in line
    install.run(tmp_path / ".venv", "torch", "install", "--target", tmp_path / "in", *chosen)
    assert {path.stem for path in (tmp_path / "in").glob("*.dist-info")} == brought


def test_an_index_that_does_not_answer_is_not_asked_again():
    assert not install.answers("http://127.0.0.1:9")
    assert not install.answers("no-address")


def test_what_cannot_be_installed_stops_with_the_reason(indexes, tmp_path, capfd):
    with pytest.raises(install.InstallError, match="installing torch failed with status 1 "):
        install.run(tmp_path / ".venv", "torch", "install", "--target", tmp_path, "torch==3")
    assert "No matching distribution found for torch==3" in capfd.readouterr().err


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 14, 0)])
def test_a_wrong_python_is_refused(version):
    with pytest.raises(install.InstallError, match=r"3\.11 to 3\.13 is needed"):
        install.check_python(version, True)


def test_a_python_without_venv_is_refused_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(install, "can_make_environments", lambda: False)
    assert install.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "-venv)" in line


def test_only_the_locked_python_goes_without_a_warning(capsys):
    install.check_python((3, 11, 7), True)
    assert capsys.readouterr().out == ""
    install.check_python((3, 13, 0), True)
    assert "warning" in capsys.readouterr().out


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a lock, real environments without pip, and steps that are only recorded."""
    (tmp_path / "requirements.lock").write_text("torch==2.0\n")
    (tmp_path / "pyproject.toml").write_text("")
    make, steps = subprocess.run, []

    def run(command, **options):
        if "venv" in command:
            steps.append("venv")
            return make([*command, "--without-pip"])
        return make([command[0], "-c", ""])  # pip works where Python does

    def step(venv, what, *arguments):
        steps.append(what)
        if what in broken:
            raise install.InstallError("stopped")

    broken = set()
    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(install, "choose_torch", lambda *arguments: [])
    monkeypatch.setattr(install, "run", step)
    return tmp_path, steps, broken


PIP = ["torch", "requirements.lock", "grokbook", "a consistent set (pip check)"]


def steps_of(project):
    """What an installation does."""
    root, steps, _ = project
    steps.clear()
    install.install(root, VERSION)
    return steps


def test_an_installation_is_done_once_and_again_after_a_change(project):
    root, _, _ = project
    assert steps_of(project) == ["venv", *PIP]
    assert steps_of(project) == []
    for change in ("requirements.lock", "pyproject.toml"):
        (root / change).write_text("torch==2.1\n")
        assert steps_of(project) == PIP
    (root / ".venv" / "bin" / "python").unlink()
    assert steps_of(project) == ["venv", *PIP]


def test_half_an_installation_is_not_taken_for_a_whole_one(project):
    root, _, broken = project
    steps_of(project)
    (root / "pyproject.toml").write_text("# changed\n")
    broken.add("grokbook")
    for _ in range(2):
        with pytest.raises(install.InstallError, match="stopped"):
            steps_of(project)
    (root / "pyproject.toml").write_text("")  # as it was when the stamp was written
    broken.clear()
    assert steps_of(project) == PIP


def test_half_an_environment_and_one_of_another_place_or_python_are_made_anew(project):
    root, _, _ = project
    venv = root / ".venv"
    venv.mkdir()  # empty: nothing to lose
    steps_of(project)
    for old, new in ((str(root), "/elsewhere"), ("version = 3.", "version = 2."), ("=", "")):
        config = (venv / "pyvenv.cfg").read_text()
        (venv / "pyvenv.cfg").write_text(config.replace(old, new))
        (venv / install.STAMP).write_text("")
        (venv / "half.txt").touch()
        (venv / "link").symlink_to(root)
        assert steps_of(project) == ["venv", *PIP], old
        assert not (venv / "half.txt").exists()
        assert (root / "requirements.lock").is_file()  # behind the link


def refused(project):
    """The line with which an installation is refused, before it does anything."""
    before = sorted(project[0].rglob("*"))
    with pytest.raises(install.InstallError) as error:
        steps_of(project)
    assert sorted(project[0].rglob("*")) == before
    assert project[1] == []
    return str(error.value)


def test_what_this_installer_did_not_make_is_left_alone(project):
    venv = project[0] / ".venv"
    subprocess.run([sys.executable, "-m", "venv", venv])
    assert "not made by this installer and is left alone" in refused(project)
    venv.rename(venv.with_name("elsewhere"))
    (project[0] / "elsewhere" / install.STAMP).touch()
    venv.symlink_to(project[0] / "elsewhere")
    assert "is a link to" in refused(project)
    venv.unlink()
    venv.touch()
    assert "left alone" in refused(project)


@pytest.fixture
def make(tmp_path):
    """`make install` in a folder whose name has a space, with stand-ins for interpreters."""
    stubs = tmp_path / "bin"

    def make(*arguments, **interpreters):
        for name, status in interpreters.items():
            python(stubs, f'[ "$1" != -c ] || exit {status}\necho ran {name}', name)
        for tool in ("sh", "sed"):
            (stubs / tool).exists() or (stubs / tool).symlink_to(shutil.which(tool))
        (tmp_path / "a b").mkdir(exist_ok=True)
        command = [shutil.which("make"), "-f", ROOT / "Makefile", "install", *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path / "a b",
            env={"PATH": str(stubs)},
            capture_output=True,
            text=True,
        )

    return make


def test_make_takes_the_first_python_that_can_make_environments(make, tmp_path):
    assert make(**{"python3": 0, "python3.12": 0}).stdout == "ran python3\n"
    assert make(**{"python3": 1}).stdout == "ran python3.12\n"
    assert make(**{"python3.12": 1}).stdout == "ran python3\n"  # install.py says what it lacks
    own = tmp_path / "c d"
    python(own, '[ "$1" != -c ] || exit 0\necho ran its own')
    (tmp_path / "a b" / ".venv").mkdir()
    (tmp_path / "a b" / ".venv" / "pyvenv.cfg").write_text(f"executable = {own / 'python'}\n")
    assert make(**{"python3": 0}).stdout == "ran its own\n"
    assert make(f"PYTHON={own / 'python'}").stdout == "ran its own\n"


def test_make_stops_with_the_line(make):
    done = make("PYTHON=no-such-python", python3=0)
    assert done.returncode != 0
    assert re.search("no-such-python: (command )?not found", done.stderr)
