"""The instruments: each file is one benchmark, its method in its docstring."""
