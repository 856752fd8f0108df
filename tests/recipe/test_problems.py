"""What pydantic finds, as a person is told it."""

from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from paramgroups.recipe.problems import fail_at, path, problems_in, tag


def positive(value: float) -> float:
    """A validator with words of its own."""
    if value <= 0:
        raise ValueError("it is not positive.")
    return value


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    count: int = 0
    ready: bool = False
    name: str = ""
    items: Annotated[list[int], Field(min_length=1)] = [1]
    ratio: Annotated[float, AfterValidator(positive)] = 1.0
    small: Annotated[float, Field(lt=3)] = 1.0


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    inner: Inner


def problems(data):
    """What is wrong with the data."""
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(data)
    return problems_in(caught.value, lambda at: Inner.model_fields if at == "inner" else Outer.model_fields)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ({"cuont": 1}, ("inner.cuont", "there is no such field. Did you mean 'count'?")),
        ({"count": "1"}, ("inner.count", "'1' is not a whole number.")),
        ({"ready": "yes"}, ("inner.ready", "'yes' is not true or false.")),
        ({"name": 1}, ("inner.name", "1 is not text.")),
        ({"items": 1}, ("inner.items", "1 is not a list.")),
        ({"items": ["a"]}, ("inner.items.0", "'a' is not a whole number.")),
        ({"items": []}, ("inner.items", "[] is not long enough: give at least one.")),
        ({"ratio": "a"}, ("inner.ratio", "'a' is not a number.")),
        ({"ratio": -1.0}, ("inner.ratio", "it is not positive.")),
        ({"small": 4.0}, ("inner.small", "4.0 is not less than 3.")),
        (3, ("inner", "3 is not a mapping of fields.")),
    ],
)
def test_each_kind_of_mistake_has_words(inner, expected):
    """The path, the value, what is wanted."""
    assert problems({"inner": inner}) == [expected]


def test_all_mistakes_are_told_at_once():
    """In the order of the fields."""
    assert [path for path, _ in problems({"inner": {"count": "1", "x": 1}, "y": 2})] == ["inner.count", "inner.x", "y"]
    assert problems({}) == [("inner", "it is missing.")]


def test_a_path_has_no_forms():
    """Which of several forms a section has is pydantic's business."""
    assert path(("plan", "rules", 0, tag("rule"), "lr")) == "plan.rules.0.lr"


def test_fields_of_a_mapping_can_fail_one_by_one():
    """Nothing fails where there are no problems."""

    class Free(BaseModel):
        values: Annotated[dict[str, int], AfterValidator(lambda v: fail_at([(k, "bad.") for k in v if v[k]], v))]

    Free.model_validate({"values": {"a": 0}})
    with pytest.raises(ValidationError) as caught:
        Free.model_validate({"values": {"a": 1, "b": 0, "c": 2}})
    assert problems_in(caught.value, lambda _: ()) == [("values.a", "bad."), ("values.c", "bad.")]
