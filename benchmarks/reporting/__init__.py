"""The parts of `benchmarks.report`: records in, one page with plots and tables out."""
