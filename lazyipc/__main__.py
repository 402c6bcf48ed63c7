"""`python -m lazyipc`: the `lazyipc` command."""

from __future__ import annotations

import sys

from lazyipc.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m lazyipc"))
