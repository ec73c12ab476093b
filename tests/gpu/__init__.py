"""The networks on a real NVIDIA card; skipped, with the reason, where there is none."""
