"""Hosts of every kind with a control socket: `python -m examples.hosts.NAME PATH` runs one."""
