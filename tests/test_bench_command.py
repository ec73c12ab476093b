"""What every benchmark has in common, whoever adds the next one."""

from __future__ import annotations

import argparse
import importlib

import pytest

from benchmarks.reporting.page import SECTIONS
from live.commands.bench import BENCHMARKS


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_a_method_a_quick_run_and_a_record(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    args = parser.parse_args(["--quick", "--json", "x.json"])
    assert args.quick is True
    assert args.json.name == "x.json"
    assert len(module.__doc__ or "") > 200
    assert name in SECTIONS, "visavis bench report has no part for its records"
