"""A fuzzer of the codec: types and values nobody thought of, and bytes nobody wrote.

It knows bincode by itself (`pack`, `leaves`, `containers`, `classes`) and holds lazyipc against
that, and against its own construct. Run it with `make fuzz`, or `python -m tests.fuzz --help`.
"""
