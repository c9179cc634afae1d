"""The repository about itself: one address, one author line, valid and safe automation."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import grokbook

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
ADDRESS = CONFIG["repository"]["url"]
OWNER, NAME = ADDRESS.removeprefix("https://github.com/").split("/")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Ways to name a repository, or the site of one, in an address.
REPOSITORY = re.compile(
    rf"(?:github\.com[/:]|githubusercontent\.com/|colab\.research\.google\.com/github/|/v2/gh/)"
    rf"([\w.-]+/{NAME})\b",
    re.IGNORECASE,
)
SITE = re.compile(rf"https://([\w-]+)\.github\.io/({NAME})\b", re.IGNORECASE)


def read(name):
    return (ROOT / name).read_text("utf-8")


def run(tool, *arguments):
    """A tool of the environment, in the root of the repository."""
    command = [str(Path(sys.executable).with_name(tool)), *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def texts():
    """Every text of the repository: what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    generated = {".venv", "_build", "__pycache__", ".git"}
    names = listed.stdout.splitlines() or [
        str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not generated & set(path.parts)
    ]
    for name in names:
        try:
            yield name, read(name)
        except (UnicodeDecodeError, OSError):
            continue


def test_every_address_is_that_of_the_configuration():
    wrong = []
    for name, text in texts():
        if name == "tests/test_repository.py":
            continue
        wrong += [f"{name}: {hit}" for hit in REPOSITORY.findall(text) if hit != f"{OWNER}/{NAME}"]
        wrong += [f"{name}: {hit}" for hit in SITE.findall(text) if hit != (OWNER, NAME)]
    assert wrong == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "pyproject.toml", "CITATION.cff"])
def test_the_address_is_given_where_readers_look(name):
    assert ADDRESS in read(name)


def test_the_author_line_is_that_of_the_configuration():
    author = CONFIG["author"]
    assert [one["name"] for one in PROJECT["authors"]] == [author]
    assert [one["name"] for one in yaml.safe_load(read("CITATION.cff"))["authors"]] == [author]
    for name in ("LICENSE", "LICENSE-CONTENT"):
        assert author in read(name)


def test_the_version_is_everywhere_the_same():
    version = grokbook.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev0)?", version)
    assert yaml.safe_load(read("CITATION.cff"))["version"] == version
    assert f"## [{version.removesuffix('.dev0')}]" in read("CHANGELOG.md")
    assert "version" in PROJECT["dynamic"]


def test_an_edition_is_the_branch_or_the_tag_of_its_version(monkeypatch):
    monkeypatch.setattr(grokbook, "__version__", "0.2.0.dev0")
    assert grokbook.edition() == "main"
    monkeypatch.setattr(grokbook, "__version__", "0.2.0")
    assert grokbook.edition() == "v0.2.0"


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", WORKFLOWS),
        ("github-issue-forms", [".github/ISSUE_TEMPLATE/dispute.yml"]),
        ("github-issue-config", [".github/ISSUE_TEMPLATE/config.yml"]),
        ("dependabot", [".github/dependabot.yml"]),
        ("citation-file-format", ["CITATION.cff"]),
    ],
)
def test_files_read_by_others_are_valid(schema, files):
    assert files
    run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files)


def test_zizmor_finds_nothing_in_the_automation():
    run("zizmor", "--offline", "--no-progress", "--persona", "pedantic", ".")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_their_actions_and_grant_nothing_at_the_top(path):
    text = path.read_text("utf-8")
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", one) for one in uses)
    assert yaml.safe_load(text)["permissions"] == {}
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")


def test_citation_names_the_seven_papers():
    cited = re.findall(r"arXiv:(\d{4}\.\d{5})", read("CITATION.cff"))
    assert sorted(cited) == [
        "2310.02541",
        "2310.16441",
        "2310.19470",
        "2311.18817",
        "2410.04489",
        "2501.04697",
        "2601.19791",
    ]


def test_content_licence_is_the_whole_legal_code():
    text = read("LICENSE-CONTENT")
    assert re.findall(r"^Section (\d) --", text, re.MULTILINE) == list("12345678")


def test_make_alone_lists_every_target():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)
    targets = re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE)
    assert re.findall(r"^  make (\S+) +\S", listed, re.MULTILINE) == targets == phony[1].split()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_git_ignores_only_the_pages_that_the_build_writes():
    pages = [f"{name}.md" for name in re.findall(r"(?:file|root): (\S+)", read("_toc.yml"))]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *pages], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    assert sorted(ignored) == ["book/scoreboard.md", "book/what-it-costs.md"]
    assert all(name in read("Makefile") for name in ignored)


def test_lock_names_its_tool_and_no_gpu_package():
    text = read("requirements.lock")
    header = [line for line in text.splitlines() if line.startswith("#")]
    assert "uv" in header[0]
    assert "uv pip compile --universal" in header[1]
    assert re.findall(r"^torch==(.*)$", text, re.MULTILINE) == [
        re.search(r"torch==([\d.]+)", read("pyproject.toml"))[1]
    ]
    assert not re.search(r"^(nvidia|triton|cuda)", text, re.MULTILINE)


def test_scripts_are_executable():
    scripts = [ROOT / "postBuild", *(ROOT / ".ci").iterdir()]
    assert [path.name for path in scripts if not os.access(path, os.X_OK)] == []


def test_ruff_has_nothing_to_say():
    run("ruff", "check", "--quiet", ".")
    run("ruff", "check", "--quiet", "--select=D1", "--ignore=D105,D107", "grokbook")  # docstrings
    run("ruff", "format", "--check", "--quiet", "--exclude", "*.ipynb", ".")


def test_commit_hooks_are_valid_and_local():
    run("pre-commit", "validate-config")
    assert [repo["repo"] for repo in yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]] == [
        "local"
    ]


def test_no_backend_is_forced_on_the_notebooks():
    """MPLBACKEND=agg would make every figure of the book vanish."""
    files = ["Makefile", *(f".ci/{path.name}" for path in (ROOT / ".ci").iterdir())]
    assert not [name for name in files if "MPLBACKEND" in read(name)]


def test_the_readmes_example_runs_as_it_stands(capsys):
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL
    )
    exec(example, {})
    assert capsys.readouterr().out == "fits at step 2,353, generalises at step 22,634\n"
