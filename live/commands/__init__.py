"""The command line: a module for each command, with `add_to(subparsers)` and `run(args)`."""
