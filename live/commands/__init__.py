"""The command line's commands: each module has `add_to(subparsers)` and `run(args) -> exit code`."""
