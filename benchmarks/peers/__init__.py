"""Other people's programs, run beside ours by the benchmarks; fetched, never shipped."""
