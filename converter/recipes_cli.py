"""`godwit recipes`: the rows of `recipes.py`."""

from __future__ import annotations

import click
import msgspec

from converter.recipes import RECIPES


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def recipes(as_json: bool) -> None:
    """List the recipes: what `convert` can do to a model.

    A profile says which of them it tries; a project adds its own as [[recipe]], each with one of these as base.

    \b
    godwit recipes
    godwit convert --recipe tflite-int8-equalized
    """
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(RECIPES), indent=2).decode())
        return
    width = max(len(recipe.name) for recipe in RECIPES)
    for recipe in RECIPES:
        click.echo(f"{recipe.name:{width}}  {recipe.title}")
