"""Click's usage errors, told in one line as every other error of Godwit."""

from __future__ import annotations

import click

from firmware_profiles.errors import EXIT_INTERRUPTED, InputError, Problem, did_you_mean


def invoke(command: click.Command, name: str, arguments: list[str]) -> int:
    """Run `command` as `name`; return its exit code.

    Raises:
        InputError: the arguments are not what they must be.
    """
    try:
        result = command.main(arguments, prog_name=name, standalone_mode=False)
    except click.Abort:
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        raise InputError(_problem(error, name)) from None
    return result if isinstance(result, int) else 0


class Group(click.Group):
    """A group that names the close command for a mistyped one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            step = did_you_mean(args[0], known)
            raise InputError(Problem(ctx.command_path, "a known command", repr(args[0]), step))
        return super().resolve_command(ctx, args)


def _problem(error: click.ClickException, name: str) -> Problem:
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else name
    step = f"see {path} --help"
    match error:
        case click.NoSuchOption():
            known = [option for param in context.command.params for option in param.opts] if context else []
            return Problem(path, "a known option", error.option_name, did_you_mean(error.option_name, known))
        case click.MissingParameter():
            wanted = error.param.get_error_hint(context) if error.param and context else "another argument"
            return Problem(path, wanted.strip("'"), "nothing", step)
        case click.BadParameter():
            hint = error.param.get_error_hint(context) if error.param and context else path
            return Problem(f"{path} {hint}".replace("'", ""), "an admitted value", _sentence(error.message), step)
        case _:
            return Problem(path, "a valid command line", _sentence(error.format_message()), step)


def _sentence(text: str) -> str:
    """As it stands after "found": no capital letter, no full stop, no second verb."""
    return (text[:1].lower() + text[1:]).rstrip(".").removeprefix("got ")
