"""The command as a whole: its commands, its exit codes, and what it says where something is wrong."""

import json
import subprocess
import sys

import pytest

import paramgroups
from paramgroups import cli

ABSENT = """
import sys
from paramgroups.cli import main
sys.modules.update(dict.fromkeys({modules!r}))
sys.exit(main({args!r}))
"""


def test_help_lists_every_command(command):
    """With a sentence each."""
    answer = command("--help")
    assert answer.code == 0
    for name in ("train", "show", "explain", "plot", "check", "schema", "state"):
        assert f"  {name} " in answer.out
        assert command(name, "--help").code == 0


def test_without_arguments_the_help_is_printed(command):
    """Which is no success."""
    answer = command()
    assert answer.code == 2
    assert "Usage: paramgroups" in answer.out + answer.err


def test_the_version_is_printed(command):
    """As the package has it."""
    assert command("--version").out == f"{paramgroups.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shwo"], "No such command 'shwo'"),
        (["show"], "Missing argument"),
        (["show", "digits-finetune", "--jsn"], "No such option"),
        (["show", "nothing"], "nothing: there is no such recipe."),
        (["show", "digits-finetune", "--set", "sed=[x]"], "sed: there is no such field. Did you mean 'seed'?"),
        (["explain", "digits-finetune", "haed.bias"], "No parameter is called 'haed.bias'."),
        (["plot", "fashion-mnist"], "data: data/fashion-mnist/train-images-idx3-ubyte"),
    ],
)
def test_bad_input_is_exit_code_2_and_a_message_on_stderr(command, arguments, said):
    """Never a traceback; nothing on stdout, which a program may read."""
    answer = command(*arguments)
    assert answer.code == 2
    assert said in answer.err
    assert answer.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show"], "Missing argument"),
        (["show", "nothing"], "nothing: there is no such recipe."),
        (["explain", "digits-finetune", "haed.bias"], "No parameter is called 'haed.bias'."),
        (["explain", "digits-finetune", "head.hidden.bias", "--set", "sed=3"], "there is no such field."),
        (["plot", "fashion-mnist"], "data: data/fashion-mnist/train-images-idx3-ubyte"),
        (["train"], "No such option"),
    ],
)
def test_bad_input_is_json_where_json_is_read(command, arguments, said):
    """The exit code is the same."""
    answer = command(*arguments, "--json")
    assert (answer.code, answer.err) == (2, "")
    told = json.loads(answer.out)
    assert said in told["error"]
    assert all(problem["message"] in told["error"].replace("\n    ", "\n") for problem in told["problems"])


MISTAKES = [
    ("optimizer={name: SGD, nesterov: true}", "SGD refuses group"),
    ("schedules.lr=Cosine('10 tokens')", "schedules.lr: "),
    ("schedules.lr=Linear('100%', end=-1)", "schedules.lr: "),
    ("schedules.amsgrad=Constant()", "schedules.amsgrad: "),
    ("schedules.momentum=Constant()", "schedules.momentum: "),
]


@pytest.mark.parametrize(("override", "said"), MISTAKES)
def test_every_command_finds_the_same_mistakes(command, override, said):
    """In the same words, and before anything is trained."""
    words = ("digits-finetune", "--set", override)
    answers = [command("show", *words), command("plot", *words), command("train", *words, "-o", "run")]
    answers.append(command("explain", "digits-finetune", "head.hidden.bias", "--set", override))
    answers.append(command("check", *words))
    assert {(answer.code, answer.out, answer.err) for answer in answers} == {(2, "", answers[0].err)}
    assert said in answers[0].err


def test_brackets_in_messages_stay(command):
    """What looks like markup is the user's text."""
    assert "'[red]x'" in command("show", "digits-finetune", "--set", "model='[red]x'").err


def test_an_interrupt_is_exit_code_130(command, monkeypatch):
    """Wherever it comes, as a shell has it."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("paramgroups.recipe.outline", interrupt)
    assert command("show", "digits-finetune").code == 130
    monkeypatch.setattr("paramgroups.cli.app.run", interrupt)
    assert command("show", "digits-finetune").code == 130


def test_a_mistake_of_ours_is_a_traceback(monkeypatch):
    """Only users' mistakes are explained; a bug is to be reported with everything."""

    def bug(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("paramgroups.recipe.outline", bug)
    with pytest.raises(ZeroDivisionError):
        cli.main(["show", "digits-finetune"])


@pytest.mark.parametrize(
    ("module", "arguments", "purpose", "extra"),
    [
        ("typer", [], "The command line needs 'typer'", "cli"),
        ("rich", ["schema"], "The command line needs 'rich'", "cli"),
        ("pydantic", ["schema"], "The command line needs 'pydantic'", "recipe"),
        ("ruamel", ["show", "digits-finetune"], "Reading recipes needs 'ruamel.yaml'", "recipe"),
        ("lightning_fabric", ["train"], "Training needs 'lightning-fabric'", "train"),
        (
            "sklearn",
            ["plot", "digits-finetune"],
            "digits-finetune: data: The data 'digits' needs 'scikit-learn'",
            "train",
        ),
        ("plotille", ["plot", "digits-finetune"], "Drawing in the terminal needs 'plotille'", "plot"),
    ],
)
def test_an_absent_extra_is_exit_code_2_and_the_command_that_installs_it(module, arguments, purpose, extra):
    """Each is asked for only by the commands that need it."""
    code = ABSENT.format(modules=[module], args=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-2:] == [
        f"{purpose}, which is not installed.",
        f"Install it with: pip install 'paramgroups[{extra}]'",
    ]


def test_showing_needs_neither_fabric_nor_matplotlib_nor_data():
    """A light installation reads recipes."""
    absent = ["lightning_fabric", "matplotlib", "plotille", "sklearn"]
    code = ABSENT.format(modules=absent, args=["show", "digits-finetune"])
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
