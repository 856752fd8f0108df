"""`paramgroups schema`."""

import json

from paramgroups.recipe import built_in, load


def test_the_schema_describes_every_built_in_recipe(command):
    """Its fields are theirs; what is required is there."""
    schema = json.loads(command("schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["required"] == ["model", "data", "optimizer", "plan", "horizon"]
    assert schema["additionalProperties"] is False
    for name in built_in():
        assert load(name).model_dump().keys() <= schema["properties"].keys()


def test_the_schema_tells_an_editor_how_leaves_are_written(command):
    """Targets as text or mapping, expressions as text, any other key of a rule as a hyperparameter."""
    definitions = json.loads(command("schema").out)["$defs"]
    assert [form["type"] for form in definitions["Target"]["anyOf"]] == ["string", "object"]
    rule = definitions["RuleEntry"]
    assert "NORMS | BIASES" in rule["properties"]["select"]["description"]
    assert "Times(0.1)" in rule["additionalProperties"]["description"]
