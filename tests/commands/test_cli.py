"""Does `course` explain its own use, and say in one line what went wrong?"""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from autograder import cli
from autograder.errors import OperatorError, for_terminal


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself_with_examples(name, capsys):
    """`course COMMAND --help` shows how the command is used, not only its options."""
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert (0, True) == (ended.value.code, f"  course {name}" in capsys.readouterr().out)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_a_module_with_arguments_and_run(name):
    """The table of commands names modules that exist."""
    module = importlib.import_module(f"autograder.commands.{cli.COMMANDS[name][0]}")
    assert (True, True) == (callable(module.add_arguments), callable(module.run))


def test_help_names_every_command(capsys):
    """`course --help` leaves no command out."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert [] == [name for name in cli.COMMANDS if f"\n    {name} " not in shown]


def test_an_unknown_command_is_misuse(capsys):
    """A command that does not exist ends with exit code 2 and a list of those that do."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["lob"])
    assert (2, True) == (ended.value.code, "lab" in capsys.readouterr().err)


def test_what_a_person_did_wrong_is_one_line_and_exit_code_2(monkeypatch, capsys):
    """There is no stack trace for a wrong folder or a lesson that does not exist."""
    assert 2 == cli.main(["release", "77"])
    assert "course: There is no lesson 77 in solutions/" in capsys.readouterr().err.split("\n")[0]


def test_a_bug_of_ours_is_not_hidden(monkeypatch):
    """The twin: an error that is our own fault keeps its stack trace."""
    from autograder.commands import release

    def broken(args):
        raise ZeroDivisionError

    monkeypatch.setattr(release, "run", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["release"])


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),  # clears the screen
        ("\x9b31mred", "\\x9b31mred"),
        ("name\u202egpj", "name\\x202egpj"),  # turns the order of letters
        ("caf\udce9", "caf\\xdce9"),  # a file's name that is no UTF-8
        ("two\nlines\tand é, ∂, 你好", "two\nlines\tand é, ∂, 你好"),
    ],
)
def test_no_text_controls_the_terminal(text, shown):
    """Names and messages from submissions are printed so that nothing in them is obeyed; ordinary text stays as it is."""
    assert shown == for_terminal(text)


def test_the_operators_error_is_no_bug(monkeypatch):
    """An OperatorError raised anywhere below a command becomes exit code 2."""
    from autograder.commands import release

    def refused(args):
        raise OperatorError("No.")

    monkeypatch.setattr(release, "run", refused)
    assert 2 == cli.main(["release"])


def test_help_does_not_load_the_commands():
    """`course --help` answers without importing nbgrader."""
    program = "import sys; from autograder.cli import parser_for; parser_for(None); print('nbgrader' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()


def missing(module):
    """A command's `run` that needs a module that is not installed."""

    def run(args):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    return run


def test_a_learners_installation_is_told_what_staff_install(monkeypatch, capsys):
    """A staff command without the staff's packages prints one line that says how to install them."""
    from autograder.commands import release

    monkeypatch.setattr(release, "run", missing("rich"))
    assert (2, True) == (cli.main(["release"]), '-e ".[staff]"' in capsys.readouterr().err)


def test_another_missing_module_is_a_bug(monkeypatch):
    """The twin: a module that everybody should have is not explained away."""
    from autograder.commands import release

    monkeypatch.setattr(release, "run", missing("autograder.gone"))
    with pytest.raises(ModuleNotFoundError):
        cli.main(["release"])
