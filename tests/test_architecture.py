"""Who may import whom, what importing costs, and the public names."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import lazyipc

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lazyipc"

LEAF = "errors"
"""What everything may import, and what imports nothing of ours."""

MAY_IMPORT: dict[str, set[str]] = {
    "_version": set(),
    # the core, from left to right
    "_core.record": set(),
    "_core.scalars": {"_core.record"},
    "_core.encoding": {"_core.record", "_core.scalars"},
    "_core.marks": {"_core.record", "_core.scalars"},
    "_core.fitting": {"_core.scalars"},
    "_core.duration": set(),
    "_core.shape": {"_core.record", "_core.scalars"},
    "_core.conversion": {"_core.duration", "_core.scalars", "_core.shape"},
    "_core.family": {"_core.fitting", "_core.record"},
    "_core.command": {"_core.family"},
    "_core.members": {"_core.family"},
    "_core.annotation": {
        "_core.conversion",
        "_core.family",
        "_core.marks",
        "_core.members",
        "_core.record",
        "_core.scalars",
        "_core.shape",
    },
    "_core.parts": set(),
    "_core.intake": set(),
    "_core.source": {"_core.encoding", "_core.parts", "_core.scalars"},
    "_core.cursor": {"_core.encoding", "_core.scalars"},
    "_core.layout.rule": {
        "_core.cursor",
        "_core.encoding",
        "_core.record",
        "_core.scalars",
        "_core.shape",
        "_core.source",
    },
    "_core.layout.hashes": {"_core.scalars", "_core.shape", "_core.source"},
    **{
        f"_core.layout.{rows}": {
            "_core.cursor",
            "_core.encoding",
            "_core.layout.rule",
            "_core.source",
            *more,
        }
        for rows, more in {
            "numbers": {"_core.scalars"},
            "atoms": {"_core.layout.numbers", "_core.shape"},
            "containers": {"_core.shape"},
            "indirect": {"_core.shape"},
            "sequences": {
                "_core.conversion",
                "_core.layout.hashes",
                "_core.layout.numbers",
                "_core.scalars",
                "_core.shape",
            },
            "arrays": {
                "_core.layout.numbers",
                "_core.layout.sequences",
                "_core.marks",
                "_core.shape",
            },
            "models": {
                "_core.family",
                "_core.fitting",
                "_core.layout.numbers",
                "_core.members",
                "_core.shape",
            },
        }.items()
    },
    "_core.layout": {
        "_core.layout.models",
        "_core.layout.rule",
    },
    "_core.locate": {
        "_core.scalars",
        "_core.cursor",
        "_core.encoding",
        "_core.layout",
        "_core.shape",
        "_core.source",
    },
    "_core.codec": {
        "_core.cursor",
        "_core.encoding",
        "_core.family",
        "_core.intake",
        "_core.layout",
        "_core.locate",
        "_core.parts",
        "_core.shape",
        "_core.source",
    },
    "_core.compiled": {
        "_core.annotation",
        "_core.codec",
        "_core.encoding",
        "_core.family",
        "_core.fitting",
        "_core.layout",
        "_core.scalars",
        "_core.shape",
    },
    "_core.rust": {"_core.encoding", "_core.scalars", "_core.shape"},
    "_core.explanation": {
        "_core.cursor",
        "_core.encoding",
        "_core.layout",
        "_core.locate",
        "_core.rust",
        "_core.scalars",
        "_core.shape",
        "_core.source",
    },
    "_core.schema": {"_core.scalars", "_core.shape"},
    "_core.framing": {"_core.intake"},
    "_core.events": {"_core.record"},
    "_core.failure": {
        "_core.compiled",
        "_core.scalars",
    },
    "_core.limits": {"_core.codec"},
    "_core.description.published.definitions": set(),
    "_core.description.published.declared": {"_core.members", "_core.shape"},
    "_core.description.published.demands": {"_core.scalars", "_core.shape"},
    "_core.description.published.size": {"_core.conversion", "_core.scalars", "_core.shape"},
    "_core.description.published.standard": {
        "_core.conversion",
        "_core.description.published.definitions",
        "_core.duration",
        "_core.scalars",
        "_core.shape",
    },
    "_core.description.published.json_schema": {
        "_core.codec",
        "_core.command",
        "_core.conversion",
        "_core.description.published.declared",
        "_core.description.published.definitions",
        "_core.description.published.demands",
        "_core.description.published.standard",
        "_core.family",
        "_core.json_form.rule",
        "_core.scalars",
        "_core.schema",
        "_core.shape",
    },
    "_core.description.published.document": {
        "_core.annotation",
        "_core.codec",
        "_core.command",
        "_core.description.published.declared",
        "_core.description.published.definitions",
        "_core.description.published.json_schema",
        "_core.description.published.size",
        "_core.family",
        "_core.schema",
        "_core.shape",
    },
    "_core.catalog": {
        "_core.codec",
        "_core.command",
        "_core.compiled",
        "_core.description.published.document",
        "_core.family",
        "_core.framing",
        "_core.record",
        "_core.schema",
        "_core.shape",
    },
    "_core.messages": {
        "_core.catalog",
        "_core.command",
        "_core.compiled",
        "_core.family",
        "_core.schema",
        "_core.shape",
    },
    "_core.json_form.rule": {"_core.shape"},
    "_core.json_form.atoms": {"_core.json_form.rule", "_core.scalars", "_core.shape"},
    "_core.json_form.containers": {
        "_core.json_form.atoms",
        "_core.json_form.rule",
        "_core.layout.hashes",
        "_core.layout.sequences",
        "_core.scalars",
        "_core.shape",
        "_core.source",
    },
    "_core.json_form.arrays": {
        "_core.json_form.atoms",
        "_core.json_form.containers",
        "_core.json_form.rule",
        "_core.marks",
        "_core.shape",
    },
    "_core.json_form.standard": {
        "_core.json_form.atoms",
        "_core.json_form.rule",
        "_core.scalars",
        "_core.shape",
    },
    "_core.json_form.maps": {
        "_core.conversion",
        "_core.json_form.containers",
        "_core.json_form.rule",
        "_core.json_form.standard",
        "_core.scalars",
        "_core.schema",
        "_core.shape",
    },
    "_core.json_form.validation": {"_core.json_form.rule", "_core.locate", "_core.shape"},
    "_core.json_form.models": {
        "_core.conversion",
        "_core.family",
        "_core.json_form.atoms",
        "_core.json_form.rule",
        "_core.json_form.standard",
        "_core.json_form.validation",
        "_core.layout",
        "_core.members",
        "_core.shape",
    },
    "_core.json_form.text": {"_core.json_bounds", "_core.json_form.rule"},
    "_core.json_form.form": {
        "_core.codec",
        "_core.json_form.rule",
        "_core.json_form.validation",
        "_core.locate",
        "_core.shape",
    },
    "_core.json_form": {
        "_core.json_form.arrays",
        "_core.json_form.atoms",
        "_core.json_form.containers",
        "_core.json_form.form",
        "_core.json_form.maps",
        "_core.json_form.models",
        "_core.json_form.rule",
        "_core.json_form.standard",
        "_core.json_form.text",
    },
    "_core.connection.lines": {"_core.framing"},
    "_core.connection.json_message": {
        "_core.catalog",
        "_core.codec",
        "_core.failure",
        "_core.family",
        "_core.json_form",
        "_core.shape",
    },
    "_core.connection.json_server": {
        "_core.catalog",
        "_core.codec",
        "_core.connection.json_message",
        "_core.connection.lines",
        "_core.events",
        "_core.framing",
        "_core.json_form",
        "_core.limits",
    },
    "_core.connection.json_client": {
        "_core.catalog",
        "_core.codec",
        "_core.connection.json_message",
        "_core.connection.lines",
        "_core.events",
        "_core.framing",
        "_core.json_form",
    },
    "_core.connection.bare_server": {
        "_core.catalog",
        "_core.codec",
        "_core.events",
        "_core.framing",
    },
    "_core.connection.bare_client": {
        "_core.catalog",
        "_core.codec",
        "_core.events",
        "_core.framing",
    },
    "_core.connection.server": {
        "_core.catalog",
        "_core.codec",
        "_core.connection.bare_server",
        "_core.connection.json_server",
        "_core.events",
        "_core.failure",
        "_core.framing",
        "_core.intake",
        "_core.parts",
        "_core.schema",
    },
    "_core.connection.client": {
        "_core.catalog",
        "_core.codec",
        "_core.connection.bare_client",
        "_core.connection.json_client",
        "_core.events",
        "_core.failure",
        "_core.framing",
        "_core.intake",
        "_core.parts",
        "_core.schema",
    },
    "_core.connection.hello": {"_core.messages", "_core.record"},
    "_core.connection.comparison": {
        "_core.connection.hello",
        "_core.messages",
        "_core.record",
        "_core.schema",
    },
    "_core.connection.handshake": {
        "_core.connection.comparison",
        "_core.connection.hello",
        "_core.framing",
        "_core.messages",
    },
    "_core.connection.ending": {
        "_core.catalog",
        "_core.connection.comparison",
        "_core.connection.handshake",
        "_core.failure",
        "_core.framing",
        "_core.messages",
    },
    "_core.connection.incoming": {"_core.catalog", "_core.connection.ending", "_core.framing"},
    "_core.connection.outgoing": {
        "_core.catalog",
        "_core.codec",
        "_core.connection.ending",
        "_core.connection.hello",
        "_core.events",
        "_core.framing",
        "_core.messages",
        "_core.parts",
        "_core.schema",
    },
    "_core.connection.control": {
        "_core.connection.ending",
        "_core.connection.handshake",
        "_core.connection.hello",
        "_core.connection.incoming",
        "_core.connection.outgoing",
        "_core.events",
        "_core.framing",
        "_core.messages",
        "_core.schema",
    },
    "_core.connection.peer": {
        "_core.catalog",
        "_core.codec",
        "_core.connection.control",
        "_core.connection.ending",
        "_core.connection.handshake",
        "_core.connection.hello",
        "_core.connection.incoming",
        "_core.connection.outgoing",
        "_core.events",
        "_core.framing",
        "_core.messages",
        "_core.parts",
        "_core.schema",
    },
    "_core.connection": set(),
    # system calls
    "_io.clock": set(),
    "_io.fds": set(),
    "_io.poller": set(),
    "_io.status_page": {"_io.clock", "_io.fds"},
    "_io.address": set(),
    "_io.ownership": {"_io.address", "_io.fds", "_io.status_page"},
    "_io.sockets": {
        "_io.address",
        "_io.ownership",
        "_io.status_page",
    },
    "_io.activation": {
        "_io.address",
        "_io.status_page",
    },
    "_io.runtime_dir": {
        "_io.address",
        "_io.status_page",
    },
    "_io.private_dir": {"_io.ownership", "_io.runtime_dir", "_io.status_page"},
    "_io.ancestry": set(),
    "_io.child": {"_io.fds"},
    # the server
    "_stats": set(),
    "_session": {
        "_core.connection.server",
        "_core.parts",
        "_io.poller",
        "_io.sockets",
        "_peer",
    },
    "_log": {"_stats"},
    "_misuse": set(),
    "_place": {"_io.activation", "_io.ownership", "_io.sockets"},
    "_attendant": {
        "_core.connection.server",
        "_core.events",
        "_core.failure",
        "_core.parts",
        "_log",
        "_peer",
        "_stats",
    },
    "_introspection": {
        "_core.catalog",
        "_core.events",
        "_core.framing",
        "_io.runtime_dir",
        "_io.status_page",
        "_log",
        "_stats",
        "_version",
    },
    "_door": {
        "_io.poller",
        "_io.sockets",
        "_log",
        "_peer",
        "_stats",
    },
    "_rota": {
        "_core.connection.server",
        "_core.framing",
        "_core.limits",
        "_door",
        "_io.poller",
        "_log",
        "_peer",
        "_session",
        "_stats",
    },
    "_assembly": {
        "_attendant",
        "_core.catalog",
        "_core.connection.server",
        "_core.framing",
        "_core.limits",
        "_door",
        "_introspection",
        "_io.poller",
        "_io.status_page",
        "_log",
        "_rota",
        "_stats",
    },
    "_server": {
        "_assembly",
        "_attendant",
        "_core.catalog",
        "_core.command",
        "_core.framing",
        "_core.limits",
        "_door",
        "_io.clock",
        "_io.fds",
        "_io.poller",
        "_io.sockets",
        "_log",
        "_misuse",
        "_peer",
        "_place",
        "_stats",
    },
    # bytes and moments in an event loop
    "_aio.alarm": set(),
    "_aio.connecting": {"_io.sockets"},
    "_aio.stream": {"_aio.news", "_core.parts"},
    # the client
    "_calls": {"_core.framing"},
    "_verdict": {"_io.status_page"},
    "_silence": {"_io.sockets", "_io.status_page", "_verdict"},
    "_link": {
        "_calls",
        "_core.events",
        "_core.framing",
        "_core.parts",
        "_io.sockets",
        "_silence",
        "_verdict",
    },
    "_client": {
        "_calls",
        "_core.command",
        "_core.connection.client",
        "_core.events",
        "_core.framing",
        "_io.clock",
        "_io.fds",
        "_kept",
        "_link",
        "_patience",
    },
    "_async_calls": {"_core.connection.client", "_core.events"},
    "_async_socket": {
        "_aio.connecting",
        "_aio.stream",
        "_io.sockets",
        "_silence",
        "_verdict",
    },
    "_async_failure": {
        "_async_calls",
        "_async_socket",
        "_core.framing",
        "_silence",
        "_verdict",
    },
    "_async_link": {
        "_aio.alarm",
        "_async_calls",
        "_async_failure",
        "_async_socket",
        "_calls",
        "_core.connection.client",
        "_core.events",
        "_core.framing",
        "_io.clock",
        "_io.sockets",
    },
    "_async_client": {
        "_async_calls",
        "_async_link",
        "_calls",
        "_core.command",
        "_core.events",
        "_core.framing",
        "_io.fds",
        "_patience",
    },
    # plain JSON, with no classes
    "_core.nearest": set(),
    "_core.json_bounds": set(),
    "_core.description.reading": {"_core.description.model", "_core.description.soundness"},
    "_core.description.soundness": set(),
    "_core.description.requirements": set(),
    "_core.connection.plain": {
        "_core.connection.lines",
        "_core.events",
        "_core.failure",
        "_core.framing",
        "_core.json_bounds",
    },
    "_io.private_file": {"_io.fds"},
    "_patience": {"_calls", "_core.catalog"},
    "_kept": {"_calls", "_core.framing", "_link"},
    "_plain_client": {
        "_calls",
        "_core.connection.plain",
        "_core.description.model",
        "_core.description.reading",
        "_core.events",
        "_core.framing",
        "_io.fds",
        "_io.status_page",
        "_kept",
        "_link",
        "_plain_stream",
        "_stranger",
    },
    "_plain_stream": {
        "_calls",
        "_core.connection.plain",
        "_core.events",
        "_io.sockets",
        "_kept",
        "_link",
        "_verdict",
    },
    "_stranger": {"_core.connection.plain"},
    "_target": {"_io.runtime_dir"},
    "_running": {
        "_core.connection.plain",
        "_core.description.soundness",
        "_core.events",
        "_core.framing",
        "_core.record",
        "_io.runtime_dir",
        "_io.sockets",
        "_io.status_page",
    },
    "_meant": {"_core.nearest", "_running"},
    "_description_cache": {
        "_core.description.model",
        "_core.description.reading",
        "_io.private_file",
        "_io.status_page",
    },
    # a client made of a description
    "_core.description.rebuilt.making": {
        "_core.description.soundness",
        "_core.family",
        "_core.record",
    },
    "_core.description.rebuilt.hints": {
        "_core.compiled",
        "_core.description.rebuilt.making",
        "_core.description.soundness",
        "_core.json_form",
        "_core.json_form.rule",
        "_core.limits",
        "_core.record",
        "_core.scalars",
    },
    "_core.description.rebuilt.levels": {
        "_core.description.rebuilt.hints",
        "_core.description.rebuilt.making",
    },
    "_core.description.rebuilt.wire_types": {"_core.duration", "_core.marks", "_core.scalars"},
    "_core.description.rebuilt.rebuilding": {
        "_core.description.model",
        "_core.description.rebuilt.hints",
        "_core.description.rebuilt.levels",
        "_core.description.rebuilt.making",
        "_core.description.rebuilt.wire_types",
        "_core.description.soundness",
        "_core.family",
        "_core.marks",
    },
    "_core.description.rebuilt.classes": {
        "_core.catalog",
        "_core.command",
        "_core.description.model",
        "_core.description.rebuilt.hints",
        "_core.description.rebuilt.levels",
        "_core.description.rebuilt.making",
        "_core.description.rebuilt.rebuilding",
        "_core.description.soundness",
        "_core.family",
        "_core.record",
        "_core.schema",
    },
    "_core.description.rebuilt.leniency": {
        "_core.conversion",
        "_core.description.soundness",
        "_core.duration",
        "_core.shape",
    },
    "_core.description.rebuilt.method": {
        "_core.catalog",
        "_core.conversion",
        "_core.description.model",
        "_core.description.rebuilt.leniency",
        "_core.description.rebuilt.making",
        "_core.description.soundness",
        "_core.nearest",
        "_core.scalars",
        "_core.shape",
    },
    "_discovered": {
        "_calls",
        "_core.catalog",
        "_core.connection.client",
        "_core.description.compared.comparison",
        "_core.description.model",
        "_core.description.rebuilt.classes",
        "_core.description.rebuilt.making",
        "_core.description.rebuilt.method",
        "_core.description.soundness",
        "_core.events",
        "_core.framing",
        "_core.nearest",
        "_description_cache",
        "_io.clock",
        "_io.fds",
        "_io.runtime_dir",
        "_io.status_page",
        "_kept",
        "_link",
        "_patience",
        "_plain_client",
    },
    "_discover": {
        "_core.description.soundness",
        "_discovered",
        "_meant",
        "_running",
        "_target",
    },
    # the schema lock
    "_core.lock.pinned": {"_core.schema"},
    "_core.lock.text": {"_core.lock.pinned", "_core.schema"},
    "_core.lock.changes": {"_core.lock.text"},
    "_core.lock.breaks": {"_core.lock.changes", "_core.lock.pinned", "_core.lock.text"},
    "_core.lock": {"_core.lock.breaks", "_core.lock.pinned", "_core.lock.text"},
    "_core.lock.taken": {
        "_core.catalog",
        "_core.command",
        "_core.family",
        "_core.lock.pinned",
        "_core.schema",
    },
    "_check": {
        "_core.framing",
        "_core.lock",
        "_core.lock.taken",
        "_io.whole_file",
    },
    # for users' own tests
    "testing": {
        "testing._caller",
        "testing._hosted",
        "testing._joined",
        "testing._joined_client",
    },
    "testing._caller": {
        "_calls",
        "_core.catalog",
        "_core.connection.client",
        "_core.events",
        "_core.framing",
        "_core.limits",
        "_verdict",
    },
    "testing._kernel": {
        "_io.poller",
        "_peer",
        "_stats",
        "testing._caller",
    },
    "testing._memory": {
        "_assembly",
        "_attendant",
        "_core.catalog",
        "_core.framing",
        "_core.limits",
        "_door",
        "_io.poller",
        "_io.status_page",
        "_log",
        "_misuse",
        "_peer",
        "_stats",
        "testing._caller",
        "testing._kernel",
    },
    "testing._course": {
        "_core.framing",
        "_core.limits",
        "_peer",
        "_verdict",
        "testing._caller",
        "testing._kernel",
        "testing._memory",
    },
    "testing._joined_client": {
        "_core.command",
        "_core.framing",
        "_peer",
        "testing._caller",
        "testing._course",
        "testing._kernel",
    },
    "testing._joined": {
        "_attendant",
        "_core.command",
        "_core.framing",
        "_core.limits",
        "_peer",
        "_stats",
        "testing._caller",
        "testing._course",
        "testing._joined_client",
        "testing._kernel",
        "testing._memory",
    },
    "testing._hosted": {
        "_attendant",
        "_core.command",
        "_core.framing",
        "_core.limits",
        "_io.clock",
        "_io.sockets",
        "_io.status_page",
        "_server",
        "_verdict",
        "testing._caller",
    },
    "testing.fixtures": {"testing._hosted"},
    # rpc: a key, and a child that is started
    "rpc._key": set(),
    "rpc._parent": {"rpc._key"},
    "rpc._watch": {"_io.child", "_log"},
    "rpc._meeting": {
        "_io.ancestry",
        "_io.child",
        "_io.fds",
        "_io.private_dir",
        "_io.sockets",
        "_log",
        "_peer",
        "_stats",
        "rpc._key",
        "rpc._parent",
    },
    "rpc._process": {
        "_calls",
        "_core.connection.hello",
        "_io.child",
        "_peer",
        "rpc._conversation",
        "rpc._crew",
        "rpc._limits",
        "rpc._meeting",
        "rpc._opening",
        "rpc._parent",
        "rpc._peer",
        "rpc._side",
        "rpc._watch",
    },
    "_peer": {"_core.framing"},
    "rpc": {
        "_core.connection.hello",
        "rpc._client",
        "rpc._key",
        "rpc._limits",
        "rpc._peer",
        "rpc._process",
        "rpc._reply",
        "rpc._server",
        "rpc._status",
    },
    "rpc._client": {
        "_aio.connecting",
        "_calls",
        "_core.connection.hello",
        "_io.sockets",
        "_peer",
        "rpc._crew",
        "rpc._key",
        "rpc._limits",
        "rpc._opening",
        "rpc._parent",
        "rpc._peer",
        "rpc._side",
    },
    "rpc._conversation": {
        "_aio.alarm",
        "_aio.news",
        "_aio.stream",
        "_core.connection.hello",
        "_core.connection.peer",
        "_core.events",
        "_io.fds",
        "_io.sockets",
        "_log",
        "_stats",
        "rpc._crew",
        "rpc._endings",
        "rpc._inbox",
        "rpc._outbox",
        "rpc._reply",
        "rpc._status",
    },
    "rpc._crew": {"_core.messages"},
    "rpc._inbox": {
        "_aio.stream",
        "_core.connection.peer",
        "_core.events",
        "_core.failure",
        "_core.parts",
        "_log",
        "rpc._crew",
    },
    "rpc._limits": {"_aio.stream", "_core.codec"},
    "rpc._opening": set(),
    "rpc._outbox": {
        "_aio.alarm",
        "_aio.stream",
        "_calls",
        "_core.connection.outgoing",
        "_core.connection.peer",
        "_core.parts",
        "rpc._reply",
    },
    "rpc._peer": {
        "_core.command",
        "_core.connection.hello",
        "_peer",
        "rpc._conversation",
        "rpc._crew",
        "rpc._reply",
        "rpc._status",
    },
    "rpc._reception": {
        "_aio.news",
        "_io.fds",
        "_io.private_dir",
        "_io.sockets",
        "_log",
        "_peer",
        "_place",
        "_stats",
        "rpc._conversation",
        "rpc._key",
        "rpc._peer",
        "rpc._side",
    },
    "rpc._reply": {"rpc._crew"},
    "rpc._server": {
        "_calls",
        "_core.connection.hello",
        "rpc._key",
        "rpc._limits",
        "rpc._peer",
        "rpc._reception",
        "rpc._side",
        "rpc._status",
    },
    "rpc._side": {
        "_core.connection.hello",
        "_core.connection.peer",
        "_core.messages",
        "_io.clock",
        "_log",
        "rpc._conversation",
        "rpc._crew",
        "rpc._limits",
    },
    "rpc._status": {"_core.record"},
    "rpc._endings": set(),
    "_aio.news": set(),
    "_core.description.compared.demanding": {
        "_core.description.requirements",
        "_core.description.soundness",
        "_core.lock.text",
        "_core.record",
    },
    "_core.description.compared.reshaping": {
        "_core.description.compared.demanding",
        "_core.lock.text",
    },
    "_core.description.compared.comparison": {
        "_core.description.compared.demanding",
        "_core.description.compared.locking",
        "_core.description.compared.reshaping",
        "_core.description.model",
        "_core.lock.breaks",
        "_core.record",
    },
    "_core.description.compared.locking": {"_core.description.model", "_core.lock.pinned"},
    # the command line
    "cli._ending": set(),
    "cli._views.file": set(),
    "cli._views.timeout": {"cli._words.atoms"},
    "cli._shown.safe": set(),
    "cli._shown.output": {"cli._shown.safe", "cli._shown.table"},
    "cli._shown.table": {"cli._shown.safe"},
    "cli._shown.form": {"cli._shown.safe"},
    "cli._shown.span": set(),
    "cli._shown.naming": {
        "_core.description.model",
        "_core.description.soundness",
        "_core.schema",
    },
    "cli._shown.sample": {"_core.description.model", "cli._shown.form"},
    "cli._views.status": {
        "_io.address",
        "_io.runtime_dir",
        "_io.status_page",
        "_target",
        "cli._app",
        "cli._failure",
        "cli._shown.output",
        "cli._shown.span",
    },
    "cli._views.ls": {
        "_io.runtime_dir",
        "_running",
        "cli._app",
        "cli._shown.span",
        "cli._views.status",
        "cli._shown.table",
    },
    "cli._views.describe": {
        "_core.description.model",
        "_core.description.requirements",
        "_core.nearest",
        "_plain_client",
        "_target",
        "cli._app",
        "cli._shown.form",
        "cli._shown.help",
        "cli._shown.naming",
        "cli._shown.output",
        "cli._shown.safe",
        "cli._shown.sample",
        "cli._shown.span",
        "cli._shown.table",
        "cli._views.timeout",
    },
    "cli._views.stats": {
        "_io.runtime_dir",
        "_plain_client",
        "_target",
        "cli._app",
        "cli._shown.output",
        "cli._shown.span",
        "cli._shown.table",
        "cli._views.timeout",
    },
    "cli._views.gauge": set(),
    "cli._views.ticking": set(),
    "cli._views.watch_picture": {
        "cli._views.gauge",
        "cli._shown.output",
        "cli._shown.span",
        "cli._views.stats",
        "cli._views.status",
        "cli._shown.table",
    },
    "cli._views.watch": {
        "_io.runtime_dir",
        "_plain_client",
        "_target",
        "cli._app",
        "cli._ending",
        "cli._shown.output",
        "cli._views.gauge",
        "cli._views.status",
        "cli._views.ticking",
        "cli._views.timeout",
        "cli._views.watch_picture",
        "cli._words.atoms",
    },
    "cli._views.schema": {
        "_core.description.compared.comparison",
        "_core.description.model",
        "_core.description.reading",
        "_io.whole_file",
        "_plain_client",
        "_target",
        "cli._app",
        "cli._failure",
        "cli._shown.output",
        "cli._shown.safe",
        "cli._shown.span",
        "cli._views.file",
        "cli._views.timeout",
    },
    "cli._views.dissection": {
        "_core.catalog",
        "_core.codec",
        "_core.cursor",
        "_core.encoding",
        "_core.explanation",
        "_core.failure",
        "_core.framing",
        "_core.record",
    },
    "cli._words.types": {
        "_core.duration",
        "_core.marks",
        "_core.nearest",
        "_core.scalars",
    },
    "cli._views.explain": {
        "_core.catalog",
        "_core.codec",
        "_core.command",
        "_core.compiled",
        "_core.description.rebuilt.classes",
        "_core.family",
        "_core.nearest",
        "_plain_client",
        "_target",
        "cli._app",
        "cli._failure",
        "cli._shown.output",
        "cli._views.dissection",
        "cli._views.file",
        "cli._views.timeout",
        "cli._words.types",
    },
    "__main__": {"cli"},
    "cli": {
        "cli._failure",
        "cli._own",
        "cli._program",
        "cli._start",
    },
    "cli._shown.answer": {
        "_core.description.model",
        "cli._failure",
        "cli._shown.form",
        "cli._shown.output",
        "cli._shown.safe",
        "cli._words.atoms",
        "cli._words.json",
    },
    "cli._app": {
        "_version",
        "cli._failure",
        "cli._program",
        "cli._shown.output",
    },
    "cli._asked": {
        "_core.nearest",
        "cli._words.atoms",
        "cli._failure",
        "cli._words.words",
    },
    "cli._words.atoms": set(),
    "cli._call": {
        "_calls",
        "_core.description.model",
        "_core.description.rebuilt.classes",
        "_core.nearest",
        "_description_cache",
        "_plain_client",
        "_target",
        "cli._asked",
        "cli._failure",
        "cli._lines",
        "cli._shown.answer",
        "cli._shown.help",
        "cli._shown.output",
        "cli._shown.span",
        "cli._typed",
        "cli._words.atoms",
        "cli._words.json",
        "cli._words.words",
    },
    "cli._call_command": {
        "cli._app",
        "cli._asked",
        "cli._call",
    },
    "cli._completion": {
        "_core.description.model",
        "_core.nearest",
        "_description_cache",
        "_plain_client",
        "_running",
        "_target",
        "cli._app",
        "cli._asked",
        "cli._failure",
        "cli._program",
        "cli._shell.completion",
        "cli._shown.output",
        "cli._shown.safe",
        "cli._words.words",
    },
    "cli._completion_command": {"cli._completion"},
    "cli._failure": {"cli._shown.safe"},
    "cli._words.given": {
        "_core.nearest",
        "cli._words.atoms",
        "cli._words.json",
    },
    "cli._shown.help": {
        "_core.description.model",
        "_core.nearest",
        "_core.schema",
        "cli._shown.form",
        "cli._shown.naming",
        "cli._shown.safe",
        "cli._words.given",
        "cli._words.words",
    },
    "cli._words.json": {"cli._words.atoms"},
    "cli._lines": {
        "_plain_stream",
        "cli._shown.answer",
        "cli._words.atoms",
    },
    "cli._own": {
        "_core.catalog",
        "_core.description.model",
        "_core.description.published.document",
        "_core.description.reading",
        "_core.nearest",
        "cli._app",
        "cli._completion",
        "cli._failure",
        "cli._program",
        "cli._shell.completion",
        "cli._shown.answer",
        "cli._shown.help",
        "cli._shown.output",
        "cli._typed",
        "cli._words.atoms",
        "cli._words.words",
    },
    "cli._program": {"_core.record"},
    "cli._shell.line": {"_core.record"},
    "cli._shell.builtins": {"_core.record", "cli._shell.line"},
    "cli._shell.place": {
        "_core.description.model",
        "_core.nearest",
        "_core.record",
        "cli._words.given",
    },
    "cli._shell.completion": {
        "_core.description.model",
        "_core.nearest",
        "_core.record",
        "cli._shell.builtins",
        "cli._shell.line",
        "cli._shell.place",
        "cli._shown.form",
        "cli._shown.naming",
        "cli._shown.safe",
        "cli._words.given",
        "cli._words.words",
    },
    "cli._shell.help": {
        "_core.description.model",
        "_core.nearest",
        "cli._shell.builtins",
        "cli._shell.completion",
        "cli._shown.help",
        "cli._shown.output",
        "cli._words.words",
    },
    "cli._shell.history": set(),
    "cli._shell.hint": {
        "_core.description.model",
        "_core.nearest",
        "_core.schema",
        "cli._shell.builtins",
        "cli._shell.completion",
        "cli._shell.line",
        "cli._shell.place",
        "cli._shown.form",
        "cli._shown.naming",
        "cli._shown.safe",
    },
    "cli._shell.prompt": {
        "_core.description.model",
        "cli._shell.completion",
        "cli._shell.hint",
        "cli._shell.history",
        "cli._shown.safe",
    },
    "cli._shell.calls": {
        "_core.description.model",
        "_core.description.rebuilt.classes",
        "_plain_client",
        "cli._typed",
        "cli._words.words",
    },
    "cli._shell.known": {
        "_core.description.compared.comparison",
        "_core.description.model",
        "_core.nearest",
        "_core.record",
        "_io.status_page",
        "cli._shown.naming",
        "cli._shown.safe",
    },
    "cli._shell.session": {
        "_core.description.model",
        "cli._failure",
        "cli._shell.builtins",
        "cli._shell.help",
        "cli._shell.known",
        "cli._shell.line",
        "cli._shown.form",
        "cli._shown.output",
        "cli._shown.safe",
        "cli._shown.span",
        "cli._words.atoms",
        "cli._words.words",
    },
    "cli._shell.waiting": {
        "_io.status_page",
        "cli._views.ticking",
    },
    "cli._shell.server": {
        "_core.description.model",
        "_description_cache",
        "_io.runtime_dir",
        "_io.status_page",
        "_plain_client",
        "cli._failure",
        "cli._shell.calls",
        "cli._shell.help",
        "cli._shell.known",
        "cli._shell.session",
        "cli._shell.waiting",
        "cli._shown.output",
        "cli._views.describe",
        "cli._views.stats",
        "cli._views.status",
    },
    "cli._shell.command": {
        "_io.runtime_dir",
        "_plain_client",
        "_target",
        "cli._app",
        "cli._ending",
        "cli._failure",
        "cli._shell.help",
        "cli._shell.history",
        "cli._shell.line",
        "cli._shell.prompt",
        "cli._shell.server",
        "cli._shell.session",
        "cli._shell.waiting",
        "cli._shown.output",
        "cli._shown.safe",
        "cli._views.timeout",
    },
    "cli._start": {
        "_io.runtime_dir",
        "_meant",
        "cli._app",
        "cli._call",
        "cli._completion",
        "cli._program",
    },
    "cli._typed": {
        "_client",
        "_core.catalog",
        "_core.codec",
        "_core.connection.json_message",
        "_core.framing",
        "_core.json_form",
        "_core.json_form.rule",
        "cli._words.atoms",
    },
    "cli._words.words": {
        "_core.description.model",
        "_core.nearest",
        "_core.record",
        "cli._words.atoms",
        "cli._words.given",
        "cli._words.json",
    },
    "_core.description.model": {
        "_core.description.requirements",
        "_core.description.soundness",
        "_core.nearest",
        "_core.record",
        "_core.schema",
    },
    "_io.whole_file": set(),
    # the codec by itself
    "bincode": {
        "_core.codec",
        "_core.compiled",
        "_core.cursor",
        "_core.encoding",
        "_core.explanation",
        "_core.layout",
        "_core.rust",
    },
}
"""Each module and what of ours it may import besides `errors`; `lazyipc` itself imports lazily."""

SERVER = {
    "_server",
    "_assembly",
    "_attendant",
    "_door",
    "_introspection",
    "_misuse",
    "_rota",
    "_session",
}
CLIENT = {
    "_async_calls",
    "_async_client",
    "_async_failure",
    "_async_link",
    "_async_socket",
    "_client",
    "_kept",
    "_link",
    "_patience",
    "_plain_client",
    "_plain_stream",
    "_silence",
    "_stranger",
    "_verdict",
}

IMPURE = {
    "asyncio", "contextvars", "datetime", "fcntl", "io", "logging", "mmap", "multiprocessing", "os",
    "pathlib", "random", "secrets", "select", "selectors", "shutil", "signal", "socket",
    "subprocess", "tempfile", "threading", "time",
}  # fmt: skip
"""What the core does without: system calls, clocks, files, loops, threads, chance, logs."""

VALUES = {
    "_core.conversion": {"datetime", "pathlib"},
    "_core.description.published.standard": {"datetime"},
    "_core.description.rebuilt.leniency": {"datetime", "pathlib"},
    "_core.description.rebuilt.wire_types": {"pathlib"},
    "_core.duration": {"datetime"},
    "_core.fitting": {"datetime"},
    "_core.intake": {"io"},
}
"""Times and paths as values: what travels, not what the clock or the disk says."""

ASKING = {
    "absolute", "cwd", "exists", "expanduser", "home", "is_dir", "is_file", "iterdir", "mkdir",
    "now", "open", "read_bytes", "read_text", "resolve", "stat", "today", "unlink", "utcnow",
    "write_bytes", "write_text",
}  # fmt: skip
"""What would ask them."""


# Reading the sources -----------------------------------------------------------------------------


def module_name(path: Path) -> str:
    """A module's dotted name below `lazyipc`; empty for `lazyipc` itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def sources() -> dict[str, ast.Module]:
    """Every module of the library, parsed."""
    found = sorted(PACKAGE.rglob("*.py"))
    return {module_name(path): ast.parse(path.read_text(), str(path)) for path in found}


def imported_names(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Each import, wherever it stands, and the dotted names it brings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def our_imports(module: str) -> set[str]:
    """The modules of ours that a module imports, but for the leaf."""
    found = set()
    for _, name in imported_names(sources()[module]):
        if name.split(".")[0] == "lazyipc":
            below = name.removeprefix("lazyipc").removeprefix(".")
            found.add(below if below in sources() else below.rpartition(".")[0])
    return found - {LEAF}


def foreign_imports(module: str) -> set[str]:
    """The packages of others that a module imports."""
    roots = {name.split(".")[0] for _, name in imported_names(sources()[module])}
    return roots - {"lazyipc", "__future__"}


def modules_in(folder: str) -> list[str]:
    return [module for module in sources() if module.split(".")[0] == folder]


# The arrows --------------------------------------------------------------------------------------

EMPTY = {
    "_aio",
    "_core",
    "_core.description",
    "_core.description.compared",
    "_core.description.published",
    "_core.description.rebuilt",
    "_io",
    "cli._shell",
    "cli._shown",
    "cli._views",
    "cli._words",
}
"""Packages with nothing but a docstring."""


def test_the_table_knows_every_module() -> None:
    assert set(MAY_IMPORT) | EMPTY | {"", LEAF} == set(sources())


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_a_module_imports_only_what_it_may(module: str) -> None:
    assert our_imports(module) <= MAY_IMPORT[module]


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_the_table_tells_of_no_import_that_is_gone(module: str) -> None:
    assert our_imports(module) >= MAY_IMPORT[module]


def test_the_leaf_and_the_empty_packages_import_nothing_of_ours() -> None:
    for module in (LEAF, *EMPTY):
        assert our_imports(module) == set()
    assert foreign_imports(LEAF) == {"typing"}


def test_the_arrows_run_in_one_direction() -> None:
    left_of: dict[str, set[str]] = {}

    def reached(module: str, way: tuple[str, ...]) -> set[str]:
        assert module not in way, f"a circle: {' → '.join((*way, module))}"
        if module not in left_of:
            further = (reached(name, (*way, module)) for name in MAY_IMPORT[module])
            left_of[module] = MAY_IMPORT[module].union(*further)
        return left_of[module]

    for module in MAY_IMPORT:
        reached(module, ())
    for module in SERVER:
        assert not reached(module, ()) & CLIENT
    for module in CLIENT:
        assert not reached(module, ()) & SERVER
    for module in modules_in("_core"):
        if module in MAY_IMPORT:
            assert all(name.startswith("_core.") for name in reached(module, ()))


def test_the_core_never_imports_system_calls_and_they_never_the_core() -> None:
    for module in modules_in("_core"):
        assert {name.split(".")[0] for name in our_imports(module)} <= {"_core"}
    for module in modules_in("_io"):
        assert {name.split(".")[0] for name in our_imports(module)} <= {"_io"}


def test_poller_and_clock_know_nothing_of_ours_but_errors() -> None:
    for module in ("_io.poller", "_io.clock"):
        assert not our_imports(module)


def test_drivers_never_import_each_other() -> None:
    drivers = [SERVER, CLIENT, set(modules_in("rpc")), {"bincode"}]
    for driver in drivers:
        others = set().union(*drivers) - driver
        for module in driver:
            assert not our_imports(module) & others


def test_nothing_imports_the_public_face() -> None:
    """It would make `import lazyipc` a circle, and hide which module is meant."""
    for module in sources():
        assert "" not in our_imports(module)


def test_the_public_codec_imports_the_core_alone() -> None:
    assert all(name.startswith("_core.") for name in our_imports("bincode"))


# What the core does without ----------------------------------------------------------------------


@pytest.mark.parametrize("module", modules_in("_core"))
def test_the_core_is_pure(module: str) -> None:
    assert foreign_imports(module) & IMPURE == VALUES.get(module, set())


@pytest.mark.parametrize("module", VALUES)
def test_times_and_paths_are_values_and_nobody_asks_the_clock_or_the_disk(module: str) -> None:
    used = {node.attr for node in ast.walk(sources()[module]) if isinstance(node, ast.Attribute)}
    assert not used & ASKING


@pytest.mark.parametrize("module", modules_in("_io"))
def test_system_calls_know_no_models(module: str) -> None:
    assert foreign_imports(module) <= set(sys.stdlib_module_names)


def test_only_two_packages_of_others_are_used_and_a_third_where_the_user_does() -> None:
    used = set().union(*map(foreign_imports, sources())) - set(sys.stdlib_module_names)
    assert {module for module in sources() if "pytest" in foreign_imports(module)} == {
        "testing.fixtures"
    }
    used -= {"pytest"}
    of_command = {"click", "prompt_toolkit", "rich"}  # the extra `cli`
    users = {module for module in sources() if foreign_imports(module) & of_command}
    assert all(module.startswith("cli._") for module in users)
    assert used - of_command == {
        "construct", "pydantic", "pydantic_core", "typing_extensions", "numpy",
    }  # fmt: skip


def test_numpy_is_imported_by_what_lays_out_its_arrays_and_nowhere_else() -> None:
    """It is no requirement: whoever declares an array has it."""
    users = {module for module in sources() if "numpy" in foreign_imports(module)}
    arrays = {"_core.json_form.arrays", "_core.layout.arrays"}
    assert users == {"_core.annotation", "_core.marks", *arrays}
    for module in users:
        for statement in sources()[module].body:
            if not isinstance(statement, ast.FunctionDef):
                assert "numpy" not in {name for _, name in imported_names(statement)}, module


def test_no_thread_no_loop_no_pickle() -> None:
    # A test's code may block in a call, and then somebody else must poll; see docs/testing.md.
    may = {"testing._hosted": {"threading"}}
    looped = (module for module in sources() if module.startswith(("_aio", "_async_", "rpc")))
    may.update({module: {"asyncio"} for module in looped})
    for module in sources():
        assert not (foreign_imports(module) - may.get(module, set())) & {
            "asyncio", "concurrent", "marshal", "multiprocessing", "pickle", "shelve", "threading",
        }  # fmt: skip


def test_construct_is_imported_where_it_is_asked_for_and_nowhere_else() -> None:
    users = {module for module in sources() if "construct" in foreign_imports(module)}
    assert users <= {"bincode", *modules_in("_core")}
    for module in users:
        for statement in sources()[module].body:
            if not is_type_checking(statement) and not isinstance(statement, ast.FunctionDef):
                names = [name for _, name in imported_names(statement)]
                assert "construct" not in {name.split(".")[0] for name in names}, module
    assert all(user == "bincode" or user.startswith("_core.layout.") for user in users)


def is_type_checking(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Name)
        and statement.test.id == "TYPE_CHECKING"
    )


def calls_of(module: str) -> set[str]:
    """The plain names a module calls."""
    calls = (node for node in ast.walk(sources()[module]) if isinstance(node, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def test_code_is_run_from_text_in_one_place() -> None:
    assert {module for module in sources() if calls_of(module) & {"exec", "eval", "compile"}} == {
        "_core.source"
    }
    assert not any(calls_of(module) & {"__import__", "print", "input"} for module in sources())


def test_nothing_is_imported_by_star() -> None:
    for module, tree in sources().items():
        assert not any(name.endswith(".*") for _, name in imported_names(tree)), module


# What importing costs ----------------------------------------------------------------------------

LOADED = """
import sys
def loaded(*names):
    return sorted(m for m in sys.modules for n in names if m == n or m.startswith(n + "."))
"""


def run(program: str) -> str:
    """What a program prints in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED + program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_lazyipc_loads_nothing() -> None:
    program = """
import lazyipc
lazyipc.__version__, lazyipc.__all__, dir(lazyipc)
print(loaded("lazyipc", "pydantic", "pydantic_core", "construct", "asyncio", "logging"))
"""
    assert run(program) == "['lazyipc', 'lazyipc._version']"


def test_the_errors_load_no_models() -> None:
    program = """
from lazyipc import CommandFailed, IpcError
print(loaded("lazyipc", "pydantic", "construct", "asyncio"))
"""
    assert run(program) == "['lazyipc', 'lazyipc._version', 'lazyipc.errors']"


def test_a_call_loads_only_what_a_call_needs() -> None:
    """A script that sends one command pays for its start; what failures need waits for them."""
    asking = """
import subprocess, sys
from pydantic import BaseModel
class Bare(BaseModel):
    x: int
Bare(x=1)
before = set(sys.modules)  # some versions of pydantic load more than others
from lazyipc import Command, Response, client_send
class Pong(Response): "Here."
class Order(Command[None]): "Commands."
class Ping(Order):
    def process(self, context: None) -> Pong: return Pong()
serving = subprocess.Popen([sys.executable, "-c", SERVING], stdout=subprocess.PIPE, text=True)
path = serving.stdout.readline().strip()
assert client_send(Ping(), path)
serving.wait(10)
needless = loaded(
    "json", "lazyipc._core.failure", "lazyipc._core.locate", "lazyipc._core.connection.server",
    "lazyipc._core.conversion", "lazyipc._core.layout.sequences", "lazyipc._io.ownership",
    "lazyipc._io.status_page", "lazyipc._server", "pydantic.dataclasses", "pydantic.type_adapter",
)
print([name for name in needless if name not in before])
"""
    serving = """
import tempfile
from lazyipc import Command, IpcServer, Response
class Pong(Response): "Here."
class Order(Command[None]): "Commands."
class Ping(Order):
    def process(self, context: None) -> Pong: return Pong()
with tempfile.TemporaryDirectory() as folder, IpcServer(folder + "/s", Order) as server:
    print(server.path, flush=True)
    while not server.stats.commands:
        server.wait(5)
        server.handle_new_messages(None)
"""
    assert run(f"SERVING = {serving!r}\n{asking}") == "[]"


def test_a_command_set_loads_no_driver() -> None:
    program = """
from lazyipc import U8, Command, Response
class Order(Command): pass
class Stop(Order):
    x: U8
    def process(self, context) -> None: ...
Stop(x=5)
print(loaded("lazyipc._io", "lazyipc._server", "lazyipc._client", "construct", "asyncio"))
"""
    assert run(program) == "[]"


def test_encoding_and_decoding_load_neither_construct_nor_asyncio() -> None:
    program = """
from lazyipc import U8, bincode
data = bincode.encode([(1, "a", None)], list[tuple[U8, str, bool | None]])
assert bincode.decode(data, list[tuple[U8, str, bool | None]]) == [(1, "a", None)]
from ipaddress import IPv4Address
from pathlib import Path
from lazyipc import Array, Duration
from typing import Annotated
every = tuple[set[U8], Annotated[bytes, Array(2)], Path, Duration, IPv4Address]
value = ({1}, b"ab", Path("a"), Duration(1), IPv4Address(1))
assert bincode.decode(bincode.encode(value, every), every) == value
print(loaded("construct", "numpy", "asyncio", "lazyipc._io", "lazyipc._server",
             "lazyipc._client"))
"""
    assert run(program) == "[]"


def test_a_whole_call_loads_neither_construct_nor_asyncio() -> None:
    program = """
import os, tempfile, traceback
from lazyipc import Command, IpcServer, Response, U64, Wire, client_send
class Answer(Response): pass
class Total(Answer):
    c: U64
class Order(Command[list[int]]): pass
class Add(Order):
    a: U64
    b: U64
    def process(self, context: list[int]) -> Total:
        return Total(c=self.a + self.b)

def ask(path, wire):
    try:
        assert client_send(Add(a=1, b=2), path, wire=wire) == Total(c=3)
        assert loaded("construct", "asyncio", "concurrent") == []
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

with tempfile.TemporaryDirectory() as folder:
    with IpcServer(f"{folder}/s", Order, wires=Wire.ALL) as server:
        for wire in (Wire.FRAMED, Wire.BARE):
            child = os.fork() or ask(server.path, wire)
            while not server.handle_new_messages([]):
                server.wait(10)
            assert os.waitpid(child, 0)[1] == 0
print(loaded("construct", "asyncio", "concurrent"))
"""
    assert run(program) == "[]"


def test_a_construct_is_loaded_when_asked_for() -> None:
    program = """
from lazyipc import U8, bincode
bincode.construct_for(list[U8])
print(loaded("construct")[:1])
"""
    assert run(program) == "['construct']"


# The public names --------------------------------------------------------------------------------


def test_the_public_names_are_told_once() -> None:
    assert len(set(lazyipc.__all__)) == len(lazyipc.__all__)


@pytest.mark.parametrize("name", lazyipc.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(lazyipc, name) is getattr(importlib.import_module("lazyipc"), name)
    assert name in dir(lazyipc)


def annotated_texts(module: str) -> dict[str, str]:
    """The text below each assignment of a module."""
    body = sources()[module].body
    return {
        statement.targets[0].id: below.value.value
        for statement, below in pairwise(body)
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


@pytest.mark.parametrize("name", lazyipc.__all__)
def test_a_public_name_is_documented(name: str) -> None:
    value = getattr(lazyipc, name)
    if isinstance(value, type):
        assert value.__dict__["__doc__"]
    elif name in annotated_texts("_core.scalars"):
        assert annotated_texts("_core.scalars")[name]
    else:
        assert value.__doc__


@pytest.mark.parametrize("module", sources())
def test_each_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(sources()[module])


def test_type_checkers_see_the_same_names() -> None:
    (block,) = [node for node in sources()[""].body if is_type_checking(node)]
    seen = {name.rpartition(".")[2] for _, name in imported_names(block)}
    assert seen == set(lazyipc.__all__)


def test_every_error_is_public() -> None:
    from lazyipc import errors

    classes = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert classes <= set(lazyipc.__all__)
    tree = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert tree == classes


@pytest.mark.parametrize("name", ["IpcSever", "client_sends", "server", "_missing", "Stat"])
def test_a_misspelt_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'lazyipc' has no attribute '{name}'"):
        getattr(lazyipc, name)
    with pytest.raises(ImportError, match=name):
        exec(f"from lazyipc import {name}")


def test_a_star_import_brings_the_public_names() -> None:
    namespace: dict[str, object] = {}
    exec("from lazyipc import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(lazyipc.__all__)


def test_the_version_is_told() -> None:
    assert [int(part) >= 0 for part in lazyipc.__version__.split(".")] == [True] * 3
