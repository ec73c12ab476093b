"""The parts of `benchmarks.soak`: a call that can do everything wrong, what it does, and limits."""
