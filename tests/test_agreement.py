"""Every process resolves the same groups, or all of them are told where the first does not."""

import pytest

from paramgroups import agreement

AGREED = ["the same", "switched off", "a stage each", "not a member"]
REMEDY = (
    "\nMake the same model and the same plan on every rank. Where ranks hold different layers, as the stages of a "
    "pipeline do, name those that must agree: plan.build(..., ranks=process_group), or ranks=False for none."
)
DIFFERENCES = {
    "another group": "parameter 'layer0.bias' is in group 'default' on rank 1, in group 'layer0' on rank 0",
    "another value": "lr of group 'layer0' is 0.2 on rank 1, 0.1 on rank 0",
    "another argument": "eps of group 'layer0' is 1e-07 on rank 1, 1e-08 on rank 0",
    "another class": "the optimizer is the class NAdam on rank 1, the class AdamW on rank 0",
    "another model": "parameter 'layer2.weight' is in group 'default' on rank 1, and not there on rank 0",
}


@pytest.mark.parametrize("case", AGREED)
def test_what_need_not_differ_or_need_not_agree_is_built(case, together):
    """The same plan; and different models where they are not compared: switched off, or each in a group of its own."""
    assert together.of(case) == ["", ""]


@pytest.mark.parametrize("case", DIFFERENCES)
def test_every_rank_names_the_first_difference(case, together):
    """Both raise the same error, which names the rank, the parameter or value, and what to do."""
    said = f"DisagreementError: Rank 1 does not resolve the groups as rank 0: {DIFFERENCES[case]}.{REMEDY}"
    assert together.of(case) == [said, said]


def test_a_rank_that_fails_is_not_waited_for(together):
    """It raises its own error, and the others say which rank failed and why."""
    first, second = together.of("a failure")
    assert second.startswith("UnmatchedRuleError: Rule('laier0.*', lr=0.1) matched none")
    assert first == (
        "DisagreementError: Rank 1 does not resolve the groups as the others: rank 1 failed: UnmatchedRuleError: "
        f"Rule('laier0.*', lr=0.1) matched none of the model's 4 parameters.{REMEDY}"
    )
    assert all(said.startswith("UnmatchedRuleError") for said in together.of("a failure everywhere"))


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        ([("a", "1")], [("a", "2")], "a is 1 on rank 3, 2 on rank 0"),
        ([("a", "1"), ("b", "1")], [("a", "1")], "b is 1 on rank 3, and not there on rank 0"),
        ([("b", "1")], [("a", "1"), ("b", "1")], "a is 1 on rank 0, and not there on rank 3"),
        ([("b", "1"), ("a", "1")], [("a", "1"), ("b", "1")], "b comes on rank 3 where a comes on rank 0"),
    ],
)
def test_the_first_difference_is_told_in_words(own, other, said):
    """Another value, something that one has alone, another order."""
    assert agreement.first_difference(own, other, (3, 0)) == said


def test_accounts_have_one_digest_only_if_they_are_equal():
    """What is said of a subject cannot pass for another subject's."""
    accounts = [
        [("a", "b c")],
        [("a b", "c")],
        [("a", "b"), ("c", "")],
        [("a", "b\n1 1 c d")],
        [("a", "b"), ("c", "d")],
        [],
    ]
    assert len({agreement.Account(statements=statements).digest for statements in accounts}) == len(accounts)
    assert agreement.Account(statements=[("a", "b")]).digest == agreement.Account(statements=[("a", "b")]).digest


def test_a_process_alone_compares_nothing():
    """Nor does it say anything of its groups, which takes time on a large model."""
    with agreement.agreed(ranks=True) as account:
        pass
    assert not account.wanted
