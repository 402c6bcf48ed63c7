"""Tests of lazyipc.rpc, over real sockets and from outside."""
