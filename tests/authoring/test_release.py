"""Is what is handed out what the source says, without answers, and is a broken source refused with a remedy?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator

from autograder import house, metadata
from autograder.authoring.contract import as_written, regions
from autograder.authoring.release import build, notebooks, out_of_date, released, write
from autograder.authoring.source import read
from autograder.errors import AuthorError
from autograder.house import NOTEBOOKS, SOLUTIONS

TINY = '''\
# %% [markdown]
# # A tiny lesson

# %% given="setup"
from autograder import check

# %% answer="tiny-lesson-double"
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    doubled = x + x
    return doubled * 1
    ### END SOLUTION


# %% check="tiny-lesson-double" points=3
check("tiny-lesson-double")

# %% [markdown] hint="tiny-lesson-double"
# <details><summary>Hint 1</summary>What is a number plus itself?</details>

# %% answer="tiny-lesson-bug"
def mean(xs):
    """The mean of xs."""
    total = sum(xs)
    ### BEGIN SOLUTION
    return total / len(xs) + 0 * total
    ### END SOLUTION
    ### RELEASED AS
    # if total:
    #     return total
    ### END RELEASED


# %% check="tiny-lesson-bug" points=0
check("tiny-lesson-bug")

# %% experiment="print"
print("twice two")

# %% fails="on-purpose"
raise ValueError("on purpose")

# %% [markdown] written="tiny-lesson-why" points=2
# Why does it work?
#
# ### BEGIN SOLUTION
# Because of the model answer.
# ### END SOLUTION

# %%
print("free")

# %%
print("free")
'''


def lesson(folder: Path, text: str = TINY) -> Path:
    path = folder / "07_tiny_lesson.py"
    path.write_text(text, encoding="utf-8")
    return path


def cells(path: Path, **options) -> dict[str, nbformat.NotebookNode]:
    notebook = nbformat.reads(released(path, **options).decode(), as_version=4)
    return {cell.id: cell for cell in notebook.cells}


def test_an_answer_keeps_signature_and_docstring_and_loses_the_rest(tmp_path):
    """A learner starts from the signature, the docstring and a stub."""
    expected = 'def double(x):\n    """Twice x."""\n    # YOUR CODE HERE\n    raise NotImplementedError()'
    assert expected == cells(lesson(tmp_path))["tiny-lesson-double"].source


def test_a_bug_to_find_is_released_as_its_commented_lines(tmp_path):
    """What is under RELEASED AS replaces the solution, indented as it was."""
    expected = 'def mean(xs):\n    """The mean of xs."""\n    total = sum(xs)\n    if total:\n        return total'
    assert expected == cells(lesson(tmp_path))["tiny-lesson-bug"].source


def test_a_written_answer_keeps_its_question_and_loses_the_model_answer(tmp_path):
    """The question of a written exercise stays; the model answer goes."""
    assert "Why does it work?\n\nYOUR ANSWER HERE" == cells(lesson(tmp_path))["tiny-lesson-why"].source


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("tiny-lesson-double", {"grade": False, "solution": True, "locked": False}),
        ("tiny-lesson-double-check", {"grade": True, "solution": False, "locked": True, "points": 3}),
        ("tiny-lesson-why", {"grade": True, "solution": True, "locked": False, "points": 2}),
        ("given-setup", {"grade": False, "solution": False, "locked": True}),
        ("experiment-print", None),
        ("fails-on-purpose", None),
    ],
)
def test_a_role_becomes_nbgraders_metadata(tmp_path, cell, expected):
    """Each role is the kind of cell that nbgrader knows, or none."""
    found = cells(lesson(tmp_path))[cell].metadata.get("nbgrader")
    assert expected == (found and {key: found[key] for key in expected})


def test_nbgrader_accepts_every_cell(tmp_path):
    """nbgrader's own validator accepts a release."""
    MetadataValidator().validate_nb(nbformat.reads(released(lesson(tmp_path)).decode(), as_version=4))


def test_a_given_cell_and_a_check_cannot_be_edited_or_deleted(tmp_path):
    """JupyterLab keeps a learner from changing what is given and how it is checked."""
    found = cells(lesson(tmp_path))
    locked = {name for name, cell in found.items() if cell.metadata.get("editable") is False}
    assert {"given-setup", "tiny-lesson-double-check", "tiny-lesson-bug-check"} == locked


def test_a_cell_that_fails_on_purpose_does_not_stop_run_all(tmp_path):
    """Such a cell carries the tag that makes Jupyter go on."""
    assert ["raises-exception"] == cells(lesson(tmp_path))["fails-on-purpose"].metadata.tags


def test_hints_can_be_left_out(tmp_path):
    """An instructor can hand a lesson out without hints, and nothing else is missing."""
    path = lesson(tmp_path)
    assert {"hint-tiny-lesson-double"} == cells(path).keys() - cells(path, hints=False).keys()


def test_a_notebook_carries_its_lesson_and_version(tmp_path):
    """The version follows from the content: another word makes another version."""
    first = nbformat.reads(released(lesson(tmp_path)).decode(), as_version=4).metadata.bptt
    second = nbformat.reads(
        released(lesson(tmp_path, TINY.replace("tiny lesson", "small lesson"))).decode(), as_version=4
    ).metadata.bptt
    assert ("07_tiny_lesson", "07_tiny_lesson", False) == (
        first.lesson,
        second.lesson,
        first.version == second.version,
    )


def test_a_release_is_the_same_bytes_in_another_process(tmp_path):
    """Nothing varies between runs: no random ids, no clock, no hash order."""
    path = lesson(tmp_path)
    program = f"import sys; from autograder.authoring.release import released; sys.stdout.buffer.write(released({str(path)!r}))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert released(path) == other.stdout


def test_nbgrader_itself_makes_the_release_from_the_notebook_with_answers(tmp_path):
    """In a class folder, nbgrader's own generate_assignment makes exactly the notebook that we commit."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    from autograder.authoring.release import as_bytes, preprocessors

    solved, handed_out = notebooks(lesson(tmp_path))
    source = tmp_path / "class" / "source" / "07" / "07_tiny_lesson.ipynb"
    source.parent.mkdir(parents=True)
    source.write_bytes(as_bytes(solved))
    config = Config()
    config.CourseDirectory.root = str(tmp_path / "class")
    config.CourseDirectory.db_url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    config.GenerateAssignment.preprocessors = preprocessors()
    assert NbGraderAPI(config=config).generate_assignment("07")["success"]
    theirs = nbformat.read(tmp_path / "class" / "release" / "07" / "07_tiny_lesson.ipynb", as_version=4)
    assert handed_out == theirs


# What an author gets wrong: (what to replace, by what, words that the error must contain).
BREACHES = {
    "unknown key": ('points=3\ncheck("tiny', 'point=3\ncheck("tiny', ["unknown key point", "Did you mean points"]),
    "repeated id": ('experiment="print"', 'given="setup"', ["id setup is taken by cell 2", "another id"]),
    "repeated answer": ('answer="tiny-lesson-bug"', 'answer="tiny-lesson-double"', ["is taken by cell 3"]),
    "two roles": ('experiment="print"', 'experiment="print" given="more"', ["two roles", "Split the cell"]),
    "check without answer": ('answer="tiny-lesson-bug"', 'answer="tiny-lesson-bag"', ["has no answer", "Add the ans"]),
    "answer without check": (
        '# %% check="tiny-lesson-bug" points=0\ncheck("tiny-lesson-bug")\n',
        "",
        ["answer tiny-lesson-bug has no check", "Add the check's cell"],
    ),
    "answer without markers": (
        "    ### BEGIN SOLUTION\n    doubled = x + x\n    return doubled * 1\n    ### END SOLUTION\n",
        "    return x\n",
        ["no solution markers", "### BEGIN SOLUTION"],
    ),
    "written without markers": (
        "# ### BEGIN SOLUTION\n# Because of the model answer.\n# ### END SOLUTION\n",
        "# Say.\n",
        ["written tiny-lesson-why has no solution markers"],
    ),
    "begin without end": ("return doubled * 1\n    ### END SOLUTION", "return doubled * 1", ["without `### END"]),
    "end without begin": (
        "    ### BEGIN SOLUTION\n    doubled",
        "    doubled",
        ["without `### BEGIN SOLUTION` before"],
    ),
    "nearly a marker": ("### END SOLUTION\n\n\n", "## END SOLUTION\n\n\n", ["almost a marker", "Write exactly"]),
    "markers outside an answer": (
        'print("twice two")',
        "### BEGIN SOLUTION\nprint()\n### END SOLUTION",
        ["solution markers outside an answer", "answer="],
    ),
    "released as nothing": (
        "    ### RELEASED AS\n",
        "    x = 1\n    ### RELEASED AS\n",
        ["does not follow a solution"],
    ),
    "released as code": ("    # if total:\n", "    if total:\n", ["is not a comment", "Put # before it"]),
    "released as nonsense": ("# if total:\n", "# if total\n", ["not valid Python without the answer"]),
    "negative points": ("points=3", "points=-1", ["are -1", "whole number"]),
    "half points": ("points=3", "points=1.5", ["are 1.5", "whole number"]),
    "no points": ('written="tiny-lesson-why" points=2', 'written="tiny-lesson-why"', ["are missing", "points=3"]),
    "another lesson's id": (
        'written="tiny-lesson-why"',
        'written="why"',
        ["does not begin with tiny-lesson-", "Call it tiny-lesson-why"],
    ),
    "more in a check cell": (
        'check("tiny-lesson-bug")\n',
        'from autograder import check\ncheck("tiny-lesson-bug")\n',
        ["one call and nothing else", "imports belong in a given cell"],
    ),
    "another check": ('\ncheck("tiny-lesson-bug")', '\ncheck("tiny-lesson-double")', ["holds one call"]),
    "check before answer": (
        TINY,
        '# %% check="tiny-lesson-double" points=1\ncheck("tiny-lesson-double")\n'
        + TINY.replace('# %% check="tiny-lesson-double" points=3\ncheck("tiny-lesson-double")\n', ""),
        ["comes before its answer"],
    ),
    "id without quotes": ('experiment="print"', "experiment=print", ["header does not parse", "in quotes"]),
    "a colon": ('experiment="print"', 'experiment: "print"', ["header does not parse"]),
    "no space": ('# %% experiment="print"', '# %%experiment="print"', ["header does not parse"]),
    "a title": ('# %% experiment="print"', '# %% Printing experiment="print"', ["header does not parse"]),
    "metadata as JSON": ('# %% experiment="print"', '# %% {"experiment": "print"}', ["header does not parse"]),
    "a key twice": ('experiment="print"', 'experiment="print" experiment="more"', ["twice"]),
    "text before the first header": ("# %% [markdown]\n# # A", '"""Doc."""\n# %% [markdown]\n# # A', ["cell headers"]),
    "points without a role": ('# %%\nprint("free")\n\n', '# %% points=2\nprint("free")\n\n', ["without a role"]),
    "points on a given cell": ('given="setup"', 'given="setup" points=2', ["points does not go with given"]),
    "written as code": ('# %% [markdown] written="t', '# %% written="t', ["written is on a code cell"]),
    "answer as text": ('# %% answer="tiny-lesson-bug"', '# %% [markdown] answer="tiny-lesson-bug"', ["markdown cell"]),
    "no Python": ('print("twice two")', 'print("twice two"', ["not valid Python", "line 1 of the cell"]),
    "a magic": ('print("twice two")', '# %time print("twice two")', ["not valid Python", "magics"]),
    "hint for nothing": (
        'hint="tiny-lesson-double"',
        'hint="tiny-lesson-duble"',
        ["not an exercise here", "Did you mean"],
    ),
    "an id that ends in -check": ("tiny-lesson-bug", "tiny-lesson-bug-check", ["ends in -check"]),
    "a leak in code": ('print("twice two")', "y = 2\nz = y + y\nw = z * 1", None),
    "a leak under other names": (
        'print("twice two")',
        "def twice(y):\n    z = y + y\n    return z * 1",
        ["the answer tiny-lesson-double", "appears here too", "Leave it out"],
    ),
    "a leak in a hint": (
        "What is a number plus itself?",
        "\n# ```python\n# d = n + n\n# return d * 1\n# ```\n# ",
        ["the answer tiny-lesson-double", "appears here too"],
    ),
    "a leaked expression": ('print("twice two")', "print(t / len(a) + 0 * t)", ["the answer tiny-lesson-bug"]),
    "half a statement": (
        "    return total / len(xs) + 0 * total\n",
        "    total + (\n",
        ["not valid Python"],
    ),
}


@pytest.mark.parametrize(("old", "new", "words"), BREACHES.values(), ids=BREACHES)
def test_a_breach_of_the_contract_names_file_and_way_out(tmp_path, old, new, words):
    """An author who makes this mistake reads which file it is in, what is wrong and how to fix it."""
    assert old in TINY
    path = lesson(tmp_path, TINY.replace(old, new))
    if words is None:  # almost a leak, but not one: the twin that keeps the others honest
        released(path)
        return
    with pytest.raises(AuthorError) as caught:
        released(path)
    message = str(caught.value)
    assert [] == [word for word in ["07_tiny_lesson.py", *words] if word not in message], message


def test_an_authors_error_names_the_cell_by_number_line_and_first_line(tmp_path):
    """The error leads to the cell in the script and in the notebook."""
    with pytest.raises(AuthorError, match=r"07_tiny_lesson\.py:16, cell 4 \(`check\(\"tiny-lesson-double\"\)`\)"):
        released(lesson(tmp_path, TINY.replace("points=3", "points=-3")))


def test_a_file_that_is_not_named_as_a_lesson_is_refused(tmp_path):
    """A script without a number would silently be left out."""
    (tmp_path / "tiny.py").write_text(TINY)
    with pytest.raises(AuthorError, match="Call it NN_name.py"):
        read(tmp_path / "tiny.py")


def test_a_failed_release_writes_nothing_and_names_every_lesson_at_fault(tmp_path):
    """The previous release is unchanged, and all broken lessons are reported at once."""
    good = lesson(tmp_path)
    bad = [tmp_path / "08_other.py", tmp_path / "09_third.py"]
    for path in bad:
        path.write_text('# %% nothing="x"\n')
    with pytest.raises(ExceptionGroup) as caught:
        build([bad[0], good, bad[1]])
    assert ["08_other.py", "09_third.py"] == [Path(error.file).name for error in caught.value.exceptions]


def test_writing_replaces_files_only_when_all_are_there(tmp_path, monkeypatch):
    """A disk that fills up half-way does not leave half a release."""
    write({"a.ipynb": b"old", "b.ipynb": b"old"}, tmp_path)
    real = Path.write_bytes

    def full(self, data):
        if self.name == "b.ipynb":
            raise OSError("No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write({"a.ipynb": b"new", "b.ipynb": b"new"}, tmp_path)
    assert {"a.ipynb": b"old", "b.ipynb": b"old"} == {p.name: p.read_bytes() for p in tmp_path.iterdir()}


def test_differences_are_found(tmp_path):
    """What is missing, changed or left over is named; what is the same is not."""
    write({"same.ipynb": b"1", "changed.ipynb": b"1", "left.ipynb": b"1"}, tmp_path)
    assert [
        "changed.ipynb differs from what its source makes",
        "new.ipynb is missing",
        "left.ipynb has no source",
    ] == out_of_date({"same.ipynb": b"1", "changed.ipynb": b"2", "new.ipynb": b"1"}, tmp_path)


def test_the_committed_notebooks_are_what_the_sources_make(tmp_path):
    """notebooks/ is generated; nothing in it was edited or forgotten."""
    write(build(house.lessons(house.SOLUTIONS)), tmp_path)
    built = {path.name: path.read_bytes() for path in sorted(tmp_path.glob("*.ipynb"))}
    assert [] == out_of_date(built, NOTEBOOKS), "run `make release`, and commit notebooks/"


@pytest.mark.parametrize("path", house.lessons(house.SOLUTIONS), ids=lambda path: path.stem)
def test_no_answer_is_handed_out(path):
    """No solution of a lesson, line for line, is anywhere in the notebook that learners get."""
    text = _flat("\n".join(cell.source for cell in cells(path).values()))
    assert [] == [solution for solution in _solutions(path) if solution in text]


def test_the_search_for_answers_finds_one(tmp_path):
    """The twin: in a lesson with its answers, the search finds all of them."""
    path = lesson(tmp_path)
    text = _flat("\n".join(cell.source for cell in notebooks(path)[0].cells))
    assert 3 == len([solution for solution in _solutions(path) if solution in text])


def _solutions(path: Path) -> list[str]:
    """What stands between solution markers; `guess = 3` is too little to search for."""
    found = []
    for cell in read(path).cells:
        if cell.role in ("answer", "written"):
            lines = cell.source.split("\n")
            found += [_flat("\n".join(lines[begin + 1 : end])) for begin, end in regions(cell.source)]
    return [solution for solution in found if len(solution) > 25]


def _flat(text: str) -> str:
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def test_solutions_are_for_reading_and_go_where_no_learner_copies_from(tmp_path, capsys):
    """`course release --solutions` writes the answers without markers, grades or locks, and never into notebooks/."""
    from autograder.cli import main

    assert 2 == main(["release", "00", "--solutions"])
    assert 0 == main(["release", "00", "--solutions", "--to", str(tmp_path)])
    made = nbformat.read(tmp_path / "00_start_here.ipynb", as_version=4)
    sources = "\n".join(cell.source for cell in made.cells)
    assert (False, False) == ("BEGIN SOLUTION" in sources, any("nbgrader" in cell.metadata for cell in made.cells))
    answer = next(
        cell for cell in notebooks(SOLUTIONS / "00_start_here.py")[0].cells if metadata.role(cell) == "answer"
    )
    assert as_written(answer.source).strip() in sources
