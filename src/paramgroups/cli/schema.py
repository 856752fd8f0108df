"""`paramgroups schema`: what a recipe may hold, for editors."""

from __future__ import annotations

from paramgroups.cli.options import say_json
from paramgroups.extras import needed_for


def schema() -> None:
    """Print the JSON schema of recipes, with which an editor completes and checks them."""
    with needed_for("Reading recipes"):
        from paramgroups.recipe import Recipe
    say_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()})
