"""A lesson on GitHub: the template repository, what a push is told, and what Classroom 50 takes.

Held against docs.github.com, *Workflow commands for GitHub Actions* (`::error file=…,title=…::…`, job summaries of at most 1024 KiB)
and the escapes of actions/toolkit, packages/core/src/command.ts; and against foundation50/classroom50: wiki/Advanced-Autograding.md
(the contract of an autograder.py), schemas/result-v1.schema.json (result.json), wiki/Assignment-Templates.md (a template must not
hold .github/workflows/autograde.yaml). GitHub Classroom was retired on 28 August 2026 (orgs/community, discussion 205975), so the
form of its reporter is not written.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from markdown_it import MarkdownIt

from autograder.cli import main
from autograder.delivery import github
from autograder.house import SOLUTIONS
from tests.submissions import change, lesson, write

pytestmark = pytest.mark.needs_bubblewrap

NAME = "00_start_here"
ONE = lesson(SOLUTIONS / f"{NAME}.py")
GRAD = "start-here-tanh-grad"

# What Classroom 50's runner gives an autograder, from wiki/Advanced-Autograding.md.
RUNNER = {
    "CLASSROOM": "rnns",
    "ASSIGNMENT": "start-here",
    "SUBMISSION_TAG": "submit/2026-06-01T14-32-05Z-a1b2c3d",
    "PAGES_BASE_URL": "https://example.org/rnns",
    "USERNAME": "ada",
    "OWNER": "ada",
    "ASSIGNMENT_TYPE": "individual",
    "COMMIT_URL": "https://github.com/example/rnns-start-here-ada/commit/a1b2c3d",
    "RELEASE_URL": "https://github.com/example/rnns-start-here-ada/releases/tag/submit%2F2026",
    "REVIEW_URL": "",
}
# The fields of schemas/result-v1.schema.json: what is required, and what else there may be; nothing else is allowed.
REQUIRED = {
    "schema": "classroom50/result/v1", "classroom": r".+", "assignment": r".+", "assignment_type": "individual|group", "owner": r".+",
    "submission": r"submit/.*", "commit": r".+", "release": r".+", "review": r".+",
    "datetime": r"\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", "score": int, "max-score": int, "tests": list,
}  # fmt: skip
OF_A_TEST = {"test-name": str, "passed": bool, "score": int, "max-score": int}


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """The template repository of one lesson."""
    to = tmp_path_factory.mktemp("github") / "template"
    assert 0 == main(["pack", "github", "00", "-o", str(to)])
    return to


def judged(place: Path, notebook, monkeypatch, capsys, **given: str) -> tuple[int, str, str]:
    """The exit code, the lines on stdout and the summary of the job for this notebook."""
    (place / f"{NAME}.ipynb").write_text(nbformat.writes(notebook) if not isinstance(notebook, str) else notebook)
    told = place.parent / "summary.md"
    told.unlink(missing_ok=True)
    for name in ("CLASSROOM", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"GITHUB_STEP_SUMMARY": str(told), **given}.items():
        monkeypatch.setenv(name, value)
    code = github.main([NAME, str(place)])
    return code, capsys.readouterr().out, told.read_text()


def commands(out: str) -> list[tuple[str, dict[str, str], str]]:
    """What GitHub reads in a job's output: command, properties and message of each line that is one, unescaped."""

    def plain(text: str) -> str:
        return (
            text.replace("%3A", ":").replace("%2C", ",").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        )

    found = []
    for line in out.splitlines():
        if match := re.match(r"\s*::([\w-]+)(?: ([^:]*))?::(.*)", line):
            properties = dict(part.split("=", 1) for part in (match[2] or "").split(","))
            found.append((match[1], {key: plain(value) for key, value in properties.items()}, plain(match[3])))
    return found


# ------------------------------------------------------------------------------------------------ the repository


def test_a_template_holds_the_lesson_and_what_judges_it_and_no_key(template):
    """The notebook as it is handed out, a workflow, a page for learners; the wheel lies where the judge brings nothing from."""
    names = sorted(path.relative_to(template).as_posix() for path in template.rglob("*") if path.is_file())
    (wheel,) = [name for name in names if name.endswith(".whl")]
    rest = [
        ".github/bptt/constraints.txt",
        ".github/workflows/feedback.yml",
        ".gitignore",
        f"{NAME}.ipynb",
        "README.md",
    ]
    assert sorted([*rest, wheel]) == names
    assert wheel.startswith(".github/bptt/bptt_course-")
    texts = [(template / name).read_text() for name in rest]
    assert [] == [text for text in texts if "@LESSON@" in text or "--key" in text or "secrets." in text]


def test_the_workflow_is_one(template):
    """YAML with a trigger, rights to read alone, and steps that install by the pins and judge this lesson."""
    flow = yaml.safe_load((template / ".github" / "workflows" / "feedback.yml").read_text())
    assert ({"push": None, "workflow_dispatch": None}, {"contents": "read"}) == (flow[True], flow["permissions"])
    steps = flow["jobs"]["feedback"]["steps"]
    runs = "\n".join(step.get("run", "") for step in steps)
    assert (True, True) == ("-c .github/bptt/constraints.txt" in runs, f"autograder.delivery.github {NAME} " in runs)
    assert 0 == subprocess.run(["bash", "-n", "-c", runs]).returncode
    assert {"persist-credentials": False} == steps[0]["with"]
    ours = yaml.safe_load((SOLUTIONS.parent / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["test"]["steps"]
    assert {step["uses"] for step in steps if "uses" in step} == {step["uses"] for step in ours if "uses" in step}


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    """Packing never writes among files of yours."""
    (tmp_path / "mine").write_text("x")
    assert 2 == main(["pack", "github", "00", "-o", str(tmp_path)])
    assert ("is not empty" in capsys.readouterr().err, ["mine"]) == (True, [path.name for path in tmp_path.iterdir()])


def test_cloned_repositories_are_graded_as_they_are(template, tmp_path, capsys):
    """For grades: a folder with a clone for each learner, your key, and nothing of theirs that runs but the notebook."""
    for learner, notebook in (("ada", ONE.right()), ("alan", ONE.blank())):
        subprocess.run(["cp", "-a", str(template), str(tmp_path / learner)], check=True)
        (tmp_path / learner / f"{NAME}.ipynb").write_text(nbformat.writes(notebook))
        subprocess.run(["git", "init", "-q", str(tmp_path / learner)], check=True)
    (tmp_path / "course.key").write_text("5e" * 32)
    assert 0 == main(
        ["grade", str(tmp_path / "ada"), str(tmp_path / "alan"), "--key", str(tmp_path / "course.key"), "--json"]
    )
    found = {one["learner"]: one["score"] for one in json.loads(capsys.readouterr().out)["submissions"]}
    assert {"ada": ONE.points("check"), "alan": 0} == found


# ------------------------------------------------------------------------------------------------ what a push is told


def test_a_right_notebook_is_told_so(template, monkeypatch, capsys):
    """Exit code 0, no annotation, a card for each check, and the word that this is no grade."""
    code, out, told = judged(template, ONE.right(), monkeypatch, capsys)
    assert (0, []) == (code, commands(out))
    assert f"## {NAME}: {ONE.points('check'):g} of {ONE.points('check'):g} points" in told
    assert (told.count("```text\n[x] "), "this is feedback, not a grade" in told) == (4, True)


def test_a_mistake_is_an_annotation_with_its_card(template, monkeypatch, capsys):
    """The check is the title, the card the message; what is not written yet is a notice; the run is red."""
    code, out, told = judged(template, change(ONE.right(), "answer", GRAD, "1 - h * h", "1 - h"), monkeypatch, capsys)
    ((level, where, message),) = commands(out)
    assert (1, "error", {"file": f"{NAME}.ipynb", "title": "tanh-grad"}) == (code, level, where)
    assert message.startswith(f"[ ] {GRAD}: not yet\n    Asked: ") and message in told
    code, out, _ = judged(template, ONE.blank(), monkeypatch, capsys)
    assert (1, True) == (code, "notice" in {level for level, _, _ in commands(out)})


def test_a_notebook_that_cannot_be_read_is_told_so(template, monkeypatch, capsys):
    """One annotation, with what to do."""
    code, out, told = judged(template, "{", monkeypatch, capsys)
    assert (1, ["error"]) == (code, [level for level, _, _ in commands(out)])
    assert "its JSON is broken" in out and "its JSON is broken" in told


EVIL = '''
def tanh_grad(h):
    raise RuntimeError("""x
::stop-commands::token
::add-mask::points
```
</details><h1>All right</h1>
%0A::error::more""")
'''


def test_what_a_learner_writes_gives_no_command_and_no_markup(template, monkeypatch, capsys):
    """A message that holds workflow commands and Markdown stays text: one command, whose message it is, and one fenced block."""
    _, out, told = judged(template, write(ONE.right(), "answer", GRAD, EVIL), monkeypatch, capsys)
    assert ["error"] == [level for level, _, _ in commands(out)]
    assert not re.search(r"^\s*::(?!error file=)", out, re.MULTILINE)
    page = MarkdownIt("commonmark").render(told)  # which leaves raw HTML as it is
    assert (False, True) == ("<h1>" in page, "&lt;h1&gt;All right&lt;/h1&gt;" in page)


def test_a_summary_is_never_larger_than_github_takes(monkeypatch, template, capsys):
    """Beyond that GitHub drops all of it, so a short one takes its place."""
    monkeypatch.setattr(github, "LARGEST", 300)
    _, _, told = judged(template, ONE.right(), monkeypatch, capsys)
    assert (True, True) == (len(told) < 300, "too much to show" in told)


def test_without_a_sandbox_nothing_runs_and_nothing_is_said_to_be_right(template, monkeypatch, capsys):
    """Exit code 2, one annotation, no summary: a job that could not judge looks like none that could."""
    from autograder.delivery import single
    from autograder.judge.sandbox import NoSandbox

    def none() -> None:
        raise NoSandbox("no namespaces")

    monkeypatch.setattr(single, "choose", none)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert 2 == github.main([NAME, str(template)])
    assert "no namespaces" in commands(capsys.readouterr().out)[0][2]


# ------------------------------------------------------------------------------------------------ Classroom 50


def wrong(made: dict) -> list[str]:
    """What in result.json is not as schemas/result-v1.schema.json has it."""
    found = list({*made} ^ {*REQUIRED})
    for key, rule in REQUIRED.items():
        value = made.get(key)
        fits = re.fullmatch(rule, str(value)) if isinstance(rule, str) else type(value) is rule
        found += [] if fits else [key]
    for test in made["tests"]:
        found += [key for key, kind in OF_A_TEST.items() if type(test.get(key)) is not kind]
        found += ["test score"] if not 0 <= test["score"] <= test["max-score"] else []
    return found + (["score"] if not 0 <= made["score"] <= made["max-score"] else [])


def test_classroom_50_gets_its_result(template, monkeypatch, capsys):
    """result.json in the checkout, by its schema; exit code 0 whatever the score, as its contract wants."""
    scores = []
    for notebook in (ONE.right(), ONE.blank(), "{"):
        code, _, _ = judged(template, notebook, monkeypatch, capsys, **RUNNER)
        made = json.loads((template / "result.json").read_text())
        assert (0, []) == (code, wrong(made))
        scores.append((made["score"], made["max-score"]))
    most = ONE.points("check")
    assert [(most, most), (0, most), (0, most)] == scores


def test_an_autograder_for_classroom_50_is_packed_with_its_wheel(tmp_path):
    """autograder.py compiles, names the lesson, and what it installs lies beside it, within the 10 MB that the runner fetches."""
    assert 0 == main(["pack", "classroom50", "00", "-o", str(tmp_path / "made")])
    names = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert ["autograder.py", True, "constraints.txt"] == [names[0], names[1].startswith("bptt_course-"), names[2]]
    text = (tmp_path / "made" / "autograder.py").read_text()
    compile(text, "autograder.py", "exec")
    assert (True, False) == (f'"{NAME}"' in text, "@LESSON@" in text)
    assert 10 * 2**20 > sum(path.stat().st_size for path in (tmp_path / "made").iterdir())


def test_the_module_runs_as_the_workflow_runs_it(template):
    """By -I -m in a process of its own, from whatever folder: what a checkout holds cannot stand for our modules."""
    (template / f"{NAME}.ipynb").write_text(nbformat.writes(ONE.right()))
    (template / "autograder.py").write_text("raise SystemExit('not ours')")
    (template / "json.py").write_text("raise SystemExit('not ours')")
    line = [sys.executable, "-I", "-m", "autograder.delivery.github", NAME, str(template)]
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    ended = subprocess.run(line, cwd=template, env=variables, capture_output=True, text=True)
    assert (0, "") == (ended.returncode, ended.stderr)
