"""The text of each error about schedules, schedulers and what they are read from: what, where, what to do."""

import pytest

from paramgroups import errors

CASES = {
    "a capture": (
        errors.CaptureError("A graph is being captured", "Take two steps before."),
        "A graph is being captured.\nTake two steps before.",
    ),
    "a duration": (
        errors.DurationError("5 %", "Warmup.steps", "is not a duration", "Write '5%'."),
        "Warmup.steps: '5 %' is not a duration.\nWrite '5%'.",
    ),
    "an unresolved duration": (
        errors.UnresolvedDurationError("Warmup('5%')", ["5%"]),
        (
            "Warmup('5%') does not know yet how many steps '5%' is.\n"
            "Say how long the run is: Scheduler(..., horizon=Horizon(steps=...)), or "
            "schedule.resolve(Horizon(steps=...))."
        ),
    ),
    "no base": (
        errors.MissingBaseError("Cosine(10)"),
        (
            "Cosine(10) gives factors of a base (a group's own lr, say), and no base was given.\n"
            "Give it, schedule(step, base=3e-4), or write every level in its own unit, Absolute(3e-4)."
        ),
    ),
    "a composition": (
        errors.CompositionError(["Linear(2)", "Absolute(1)"], "both are absolute", "Make one a factor."),
        "Linear(2) and Absolute(1): both are absolute.\nMake one a factor.",
    ),
    "an argument": (
        errors.ScheduleArgumentError("power", -1, "Polynomial", "a finite number above 0"),
        "power = -1 in Polynomial cannot be used.\nIt must be a finite number above 0.",
    ),
    "no value": (
        errors.UndefinedValueError("Function(f)", "step 3", "f gave nan", "Give a number."),
        "Function(f) has no value at step 3: f gave nan.\nGive a number.",
    ),
    "a foreign scheduler": (
        errors.UnconvertibleError("LambdaLR", "its function cannot be saved", "Define it in a module."),
        "No schedule can go on from this LambdaLR: its function cannot be saved.\nDefine it in a module.",
    ),
    "a claim": (
        errors.ClaimError("lr of group 'head'", "<Scheduler>", "Detach it first."),
        "lr of group 'head' is already driven by <Scheduler>.\nDetach it first.",
    ),
    "undriven": (
        errors.UndrivenError("eps of group 'head'", ["lr"], "Write it yourself."),
        "This scheduler does not drive eps of group 'head'.\nIt drives 'lr'. Write it yourself.",
    ),
    "a clock": (
        errors.ClockError("No step was seen.", "Call optimizer.step()."),
        "No step was seen.\nCall optimizer.step().",
    ),
    "a stalled clock": (
        errors.ClockStalledError("It stands.", "Use clock='manual'."),
        "It stands.\nUse clock='manual'.",
    ),
    "an edit": (
        errors.EditError("lr of group 'head'", 0.2, 0.1, 3, "edits are forbidden"),
        (
            "lr of group 'head' was changed by hand from 0.1 to 0.2 before step 3: edits are forbidden.\n"
            "Write a valid value under on_edit='rebase', or say what is meant: scheduler.override(...) for a while, "
            "scheduler.rebase(...) for good."
        ),
    ),
    "a scheduled value": (
        errors.ScheduledValueError(
            "lr of group 'head'", "Constant(-1.0)", 0, -0.1, 0.1, "a finite number of at least 0"
        ),
        (
            "Constant(-1.0) gives lr of group 'head' = -0.1 at step 0, from the base 0.1.\n"
            "It must be a finite number of at least 0. A plain level is a factor of the group's base; "
            "a level in the hyperparameter's own unit is written Absolute(...)."
        ),
    ),
    "a state": (errors.StateMismatchError("It has 2 groups.", "Load the other."), "It has 2 groups.\nLoad the other."),
    "another model": (
        errors.WrongModelError(["body.weight"], ["stem.weight", "head.weight"]),
        (
            "This is another model's state: nothing in it has the name of a parameter here. It holds 'body.weight'; "
            "here are 'stem.weight', 'head.weight'.\n"
            "If these are the same under other names, say so: rename={'old': 'new'}, for parameters or whole modules."
        ),
    ),
    "an expression": (
        errors.ExpressionError("Warmpu(3)", "'Warmpu' means nothing here", 1, "Did you mean Warmup?"),
        "'Warmpu(3)' cannot be read (column 1): 'Warmpu' means nothing here.\nDid you mean Warmup?",
    ),
    "an expression, column unknown": (
        errors.ExpressionError("x" * 300, "it is too long", 0, ""),
        f"'{'x' * 200}…' cannot be read: it is too long.",
    ),
    "one mistake in a recipe": (
        errors.RecipeError("run.yaml", [("plan.lr", "must be a number")]),
        "run.yaml: plan.lr: must be a number",
    ),
    "two mistakes in a recipe": (
        errors.RecipeError("run.yaml", [("plan.lr", "must be a number"), ("", "no model\nAdd one")]),
        "run.yaml has 2 mistakes.\n  plan.lr: must be a number\n  no model\n    Add one",
    ),
    "no data": (errors.DataError("data.csv", "is empty", "Give rows."), "data.csv is empty.\nGive rows."),
    "a run": (errors.RunError("The folder is taken.", "Name another."), "The folder is taken.\nName another."),
    "an unknown code": (
        errors.UnknownCodeError("PG2O1", ["PG101", "PG201"]),
        (
            "No check has the code 'PG2O1', or one that starts so.\n"
            "Did you mean 'PG201' or 'PG101'? docs/linter.md lists them all."
        ),
    ),
    "an absent extra": (
        errors.MissingExtraError("rich", "cli", "A table"),
        "A table needs 'rich', which is not installed.\nInstall it with: pip install 'paramgroups[cli]'",
    ),
}


@pytest.mark.parametrize(("error", "text"), CASES.values(), ids=CASES)
def test_an_error_says_what_where_and_what_to_do(error, text):
    """The whole text, word for word."""
    assert str(error) == text


def test_every_error_of_the_module_is_in_the_table():
    """No text goes untested."""
    shown = {type(error) for error, _ in CASES.values()}
    here = {kind for kind in vars(errors.running).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert here - shown == {errors.ParamGroupsError, errors.ScheduleError, errors.SchedulerError}
