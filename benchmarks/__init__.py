"""Ratios against raw baselines, both measured in the same run; `python -m benchmarks`."""
