"""The text of each error about plans and lookups: what, where, what to do."""

import pytest

from paramgroups import errors

CASES = {
    "a dead rule": (
        errors.UnmatchedRuleError("Rule('haed.*', lr=1)", ["body.weight", "head.weight"], ["haed.*"]),
        (
            "Rule('haed.*', lr=1) matched none of the model's 2 parameters.\n"
            "Did you mean 'head.*'?\n"
            "If the layer may be absent, write Rule(..., optional=True)."
        ),
    ),
    "an unknown hyperparameter": (
        errors.UnknownHyperparameterError("wieght_decay", "Rule('a')", "SGD", ["weight_decay"], ["lr", "weight_decay"]),
        (
            "'wieght_decay', given in Rule('a'), is no hyperparameter of SGD.\n"
            "Did you mean 'weight_decay'? The known ones: lr, weight_decay."
        ),
    ),
    "a value out of range": (
        errors.HyperparameterValueError("lr", -3, "Rule('a')", "a finite number of at least 0"),
        "lr = -3 in Rule('a') cannot be used.\nIt must be a finite number of at least 0.",
    ),
    "no matrix": (
        errors.NotAMatrixError("'head.bias'", "group 'head'", (10,), "Muon"),
        (
            "'head.bias' of group 'head' has the shape (10,); Muon takes matrices only.\n"
            "Select them with Ndim(2), and give norms, biases and convolutions to another optimizer, AdamW say."
        ),
    ),
    "a rule that says nothing": (
        errors.EmptyRuleError("Rule('a')"),
        (
            "Rule('a') gives its parameters nothing.\n"
            "Give it a hyperparameter (lr=1e-3), a name (name='head') to make a group of its own, or frozen=True."
        ),
    ),
    "nothing to scale": (
        errors.NothingToScaleError("lr", "Rule('a', lr=Times(2))", "a.weight"),
        (
            "Rule('a', lr=Times(2)) multiplies lr, but nothing stands there for 'a.weight'.\n"
            "Give the plan a default (Plan(..., lr=...)), or name the optimizer class whose default "
            "is meant: plan.on(model, torch.optim.AdamW)."
        ),
    ),
    "a value nobody gives": (
        errors.MissingHyperparameterError("lr", "Lion", "head"),
        (
            "Lion has no default for lr, and nothing gives one to group 'head'.\n"
            "Give the plan one, Plan(..., lr=...), or build: plan.build(model, ..., lr=...)."
        ),
    ),
    "a parameter twice": (
        errors.DuplicateParameterError("a.weight", ["group 'x'", "group 'y'"]),
        (
            "The parameter 'a.weight' is in group 'x' and in group 'y'.\n"
            "An optimizer would update it twice: leave it in exactly one."
        ),
    ),
    "a name twice": (
        errors.DuplicateNameError("head", ["group 0", "group 1"]),
        (
            "The name 'head' is borne by group 0 and by group 1.\n"
            "Names are how groups and parameters are found: give one of them another; a rule's is Rule(..., name=...)."
        ),
    ),
    "a name that is none": (
        errors.InvalidNameError("a/b"),
        (
            "'a/b' cannot be the name of a rule or group.\n"
            "Use letters, digits, '_', '.' and '-' only, so that it can be used as a metric or file name anywhere."
        ),
    ),
    "an empty model": (
        errors.EmptyModelError("ReLU"),
        (
            "ReLU has no parameters, so there is nothing to put in groups.\n"
            "Pass the nn.Module that holds the layers, after they are built (lazy layers after a first forward)."
        ),
    ),
    "everything frozen": (
        errors.NothingToTrainError({"frozen by the model": 2, "frozen by rule 'a'": 1}),
        (
            "Every parameter of the model is frozen: 2 frozen by the model, 1 frozen by rule 'a'.\n"
            "An optimizer needs at least one: narrow the frozen rules, or set requires_grad=True on what is to train."
        ),
    ),
    "no optimizer": (
        errors.NotAnOptimizerError("an Adam", is_class=True),
        (
            "an Adam is not a subclass of torch.optim.Optimizer.\n"
            "Pass the class itself, not an instance, e.g. plan.build(model, torch.optim.AdamW); "
            "its arguments follow as keywords."
        ),
    ),
    "no optimizer instance": (
        errors.NotAnOptimizerError("a Linear", is_class=False),
        (
            "a Linear is not a torch.optim.Optimizer instance.\n"
            "Pass the optimizer itself, as it was made by plan.build or by its class: view(optimizer), "
            "name_groups(optimizer, model)."
        ),
    ),
    "no model": (
        errors.NotAModelError("a generator"),
        (
            "a generator is not a model, an nn.Module.\n"
            "Pass the module itself, not its parameters() nor its class: plan.on(model), "
            "plan.build(model, torch.optim.AdamW), name_groups(optimizer, model)."
        ),
    ),
    "a refused group": (
        errors.GroupRefusedError("values", {"lr": None}, "group 'head'", "one that SGD accepts", "SGD", "no lr"),
        "SGD refuses group 'head': no lr\nWhat it was given: {'lr': None}. Each value must be one that SGD accepts.",
    ),
    "another model's parameter": (
        errors.ForeignParameterError("group 'default' (number 0, shape (2, 2))", ["a.weight", "a.bias"]),
        (
            "A parameter of group 'default' (number 0, shape (2, 2)) is not in this model, whose parameters are "
            "'a.weight', 'a.bias'.\n"
            "Pass the model from whose parameters the optimizer was made; if layers were replaced since, make the "
            "optimizer anew."
        ),
    ),
    "a collision": (
        errors.CollidingArgumentError("lr", 0.1, 0.2),
        (
            "lr is given twice: 0.1 as a default of the plan, 0.2 to build.\n"
            "Say it in one place; the plan is the one that explains itself."
        ),
    ),
    "no depth": (
        errors.DepthError("no numbered stack of layers was found in the model", {"": "Net", "conv": "Conv2d"}),
        (
            "LayerDecay: no numbered stack of layers was found in the model. Seen:\n"
            "  (root): Net\n  conv: Conv2d\n"
            "Give the depths yourself: LayerDecay(0.75, depth={'stem.*': 0, 'blocks.0.*': 1, ...}), "
            "or a callable from Param to int."
        ),
    ),
    "a missing index": (
        errors.GroupIndexError(1, ["default"]),
        (
            "There is no parameter group 1: the optimizer has 1 ('default'), numbered 0 to 0.\n"
            "A group is made by a rule, Plan(Rule('head.*', lr=1e-3), ...), or by hand: "
            "optimizer.add_param_group({'params': [...], 'name': 'head'})."
        ),
    ),
    "an empty slice": (
        errors.GroupIndexError(slice(3, 5), ["a", "b"]),
        (
            "There is no parameter group 3:5: the optimizer has 2 ('a', 'b'), numbered 0 to 1.\n"
            "A group is made by a rule, Plan(Rule('head.*', lr=1e-3), ...), or by hand: "
            "optimizer.add_param_group({'params': [...], 'name': 'head'})."
        ),
    ),
    "a missing group": (
        errors.GroupNameError("haed", ["head", "default"], ["head"]),
        (
            "No parameter group is called 'haed'.\nDid you mean 'head'?\n"
            "A group is made by a rule, Plan(Rule('head.*', lr=1e-3), ...), or by hand: "
            "optimizer.add_param_group({'params': [...], 'name': 'head'})."
        ),
    ),
    "a missing parameter": (
        errors.ParameterNameError("haed.bias", ["head.bias"]),
        (
            "No parameter is called 'haed.bias'.\nDid you mean 'head.bias'?\n"
            "Use a name that model.named_parameters() prints."
        ),
    ),
    "nothing selected": (
        errors.NothingSelectedError("'haed.*'", ["body.weight", "head.weight"], ["haed.*"]),
        "'haed.*' selects none of the 2 parameters there are.\nDid you mean 'head.*'?",
    ),
    "a model that nobody named": (
        errors.UnknownModelError("AdamW"),
        (
            "Which model's parameters this AdamW holds is not known: nobody gave them names, or it was copied or "
            "loaded since, or the model is gone.\n"
            "Say it once, pg.name_groups(optimizer, model), or where it is needed, model=model."
        ),
    ),
    "a regrouping that cannot be": (
        errors.RegroupError("'head' finds 2 groups.", "Name one of them."),
        "'head' finds 2 groups.\nName one of them.",
    ),
    "what cannot be frozen so": (
        errors.FreezeError("'stem.weight' is in no group.", "Add it first."),
        "'stem.weight' is in no group.\nAdd it first.",
    ),
    "groups that differ": (
        errors.UnequalGroupsError("all", {"lr": {"a": 0.1, "b": 1.0, "c": 0.1}, "eps": {"a": 0, "b": 1}}, "Give lr."),
        (
            "Group 'all' would hold parameters that differ.\n"
            "  lr: 0.1 in 'a', 'c'; 1.0 in 'b'\n"
            "  eps: 0 in 'a'; 1 in 'b'\n"
            "Give lr."
        ),
    ),
    "mixed values": (
        errors.MixedValueError("lr", {"a": 0.1, "b": 0.2}),
        (
            "lr differs between the selected groups (a: 0.1, b: 0.2).\n"
            "Select one group, or loop: [group.lr for group in view[...]]."
        ),
    ),
}


@pytest.mark.parametrize(("error", "text"), CASES.values(), ids=CASES)
def test_an_error_says_what_where_and_what_to_do(error, text):
    """The whole text, word for word."""
    assert str(error) == text


def test_every_error_of_the_module_is_in_the_table():
    """No text goes untested."""
    shown = {type(error) for error, _ in CASES.values()}
    here = {kind for kind in vars(errors.planning).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert here - shown == {errors.ParamGroupsError, errors.PlanError}


def test_depths_are_shown_up_to_a_dozen():
    """A message about a large model stays short."""
    text = str(errors.DepthError("two stacks", {f"m{i}": "seen" for i in range(40)}))
    assert text.count("seen") == 12


NAMES = ["body.0.weight", "body.0.bias", "head.weight", "head.bias"]
DEAD = {
    "a module": (["head"], [], "'head' is a module, not a parameter: write 'head.*' or Within('head')."),
    "a module and a dot": (
        ["body.0."],
        [],
        "'body.0' is a module, not a parameter: write 'body.0.*' or Within('body.0').",
    ),
    "a slip": (["haed.*"], [], "Did you mean 'head.*'"),
    "a slip of case": (["Head.*"], [], "Did you mean 'head.*'"),
    "a slip in an attribute": (["*.wieght"], [], "Did you mean '*.weight'"),
    "a slip in a name": (["haed.bias"], [], "Did you mean 'head.bias'"),
    "nothing like it": (["xyz"], [], "Nothing is called 'xyz'. There are: 'body.*', 'head.*'."),
    "a slip of a path": ([], ["haed"], "Did you mean Within('head')?"),
    "a glob below a leaf module": ([], ["head.*"], "Did you mean Within('head')?"),
    "a parameter for a path": (
        [],
        ["head.bias"],
        "'head.bias' is a parameter, not a module: write 'head.bias' without",
    ),
    "no such path": ([], ["xyz"], "No module is called 'xyz'. There are: 'body', 'head'."),
}


@pytest.mark.parametrize(("globs", "paths", "advice"), DEAD.values(), ids=DEAD)
def test_only_what_matches_something_is_offered_for_a_dead_rule(globs, paths, advice):
    """Never the text that was typed, and a module as the glob of what is in it."""
    second = str(errors.UnmatchedRuleError("Rule(...)", NAMES, globs, paths)).splitlines()[1]
    assert second.startswith(advice)


def test_groups_that_differ_are_shown_up_to_eight():
    """A message about many groups stays short."""
    text = str(errors.UnequalGroupsError("all", {"lr": {f"g{i}": i for i in range(99)}}, ""))
    assert text.count(" in ") == 8
    assert "7 in 'g7'; …" in text


def test_parts_that_match_but_never_together_are_said_to():
    """No name is offered where every name was right."""
    assert "no parameter matches the whole" in str(errors.UnmatchedRuleError("Rule('a.*' & NORMS)", NAMES))
