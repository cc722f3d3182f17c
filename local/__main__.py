"""`python -m local up | twins | run | stop`: what make's targets call."""

from __future__ import annotations

import argparse

from local.run import run
from local.stack import Stack


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="the local AWS with the application deployed")
    for name, text in (
        ("twins", "both twins with sample people"),
        ("run", "all of it, and an initial sync"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--people", type=int, default=5000)
        command.add_argument("--seed", type=int, default=1)
    commands.add_parser("stop", help="end what was started")
    arguments = parser.parse_args()
    stack = Stack()
    if arguments.command == "up":
        description = stack.up()
        print(f"The API: {description['api_url']}\nThe console: {description['console_url']}")
    elif arguments.command == "twins":
        found = stack.twins(arguments.people, arguments.seed)
        print(f"ActionKit {found['actionkit_url']}, Strive {found['strive_url']}")
    elif arguments.command == "run":
        run(stack, arguments.people, arguments.seed)
    else:
        stopped = stack.stop()
        print(f"Stopped: {', '.join(stopped) or 'nothing was running'}")


if __name__ == "__main__":
    main()
