"""``runwire token create USER``: a program's credential. Floor 8."""

from __future__ import annotations

import argparse

from runwire.cli.serve import add_settings, settings_from
from runwire.errors import InvalidInput


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("token", help="manage access tokens")
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a token and print it, once")
    create.add_argument("user", metavar="USER", help="whose token it is; a new name is a new user")
    create.add_argument("--name", default="command line", help="what the token is for")
    create.add_argument("--admin", action="store_true", help="let it see the operators' pages")
    create.add_argument("--expires-days", type=float, default=None, metavar="DAYS", help="default: never")
    create.add_argument("--config", metavar="FILE", help="TOML file with settings [RUNWIRE_CONFIG]")
    add_settings(create, frozenset({"data"}))
    create.set_defaults(command=run_create)


def run_create(arguments: argparse.Namespace) -> int:
    """Make a token and print only that. Works while the server runs."""
    from runwire.clock import SystemClock
    from runwire.contracts.actors import User
    from runwire.persistence import database
    from runwire.persistence.user_store import create_token

    if not arguments.user.strip():
        raise InvalidInput("USER: a name; what belongs to nobody has none")
    engine = database.open_engine(database.database_file(settings_from(arguments).data_path))
    database.check_schema(engine)
    now_ms = SystemClock().now_ms()
    expires_ms = None if arguments.expires_days is None else now_ms + int(arguments.expires_days * 86_400_000)
    with engine.begin() as connection:
        user = User(arguments.user, admin=arguments.admin)
        print(create_token(connection, user, arguments.name, now_ms, expires_ms=expires_ms))
    return 0
