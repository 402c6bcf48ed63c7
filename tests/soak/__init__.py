"""The fifteen failure modes at full scale: `python -m tests.soak`, or `make soak`."""
