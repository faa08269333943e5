"""The command line (design §4): one Typer application. Exit codes: 0 ok, 1 what was asked for failed, 2 usage."""

import sys

import typer

from tacita.cli import (
    audit,
    conformance,
    demo,
    device,
    fleet,
    init,
    keys,
    ledger,
    model,
    privacy,
    receipt,
    report,
    round_,
    serve,
    statement,
    trust,
)
from tacita.cli.screen import complain
from tacita.errors import TacitaError

app = typer.Typer(
    name="tacita",
    help="Learning graphs in, a better model out: privately, measured, signed.\n\n"
    "Begin with `tacita demo`, or: `tacita init DIR`, `tacita serve DIR`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("init")(init.init)
app.command("serve")(serve.serve)
app.add_typer(round_.app, name="round")
app.add_typer(model.app, name="model")
app.add_typer(keys.app, name="keys")
app.add_typer(trust.app, name="trust")
app.add_typer(device.app, name="device")
app.add_typer(fleet.app, name="fleet")
privacy.app.command("report")(report.report)
privacy.app.command("audit")(audit.audit)
privacy.app.command("statement")(statement.statement)
app.add_typer(privacy.app, name="privacy")
privacy.app.command("ledger")(ledger.show_ledger)
app.command("conformance")(conformance.conformance)
app.command("vectors")(conformance.vectors)
app.command("withdraw")(receipt.withdraw)
app.add_typer(receipt.app, name="receipt")
app.command("demo")(demo.demo)
app.command("drive", hidden=True)(serve.drive)


def main() -> None:
    """Run the command line; an error that we raise on purpose is one line on stderr and exit code 1."""
    try:
        app()
    except TacitaError as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(1)
