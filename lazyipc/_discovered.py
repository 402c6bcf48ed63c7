"""`Discovered`: a running server as an object, with a method for each of its commands.

The classes it sends and gives back are made from the server's description. Knows which description
holds now; how a command travels, and what a method looks like, is others' business.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from lazyipc._calls import checked_timeout, trusted_uids
from lazyipc._core.catalog import mismatch_seen_by_client
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.description.compared.comparison import compare
from lazyipc._core.description.model import Description
from lazyipc._core.description.rebuilt.classes import classes_of
from lazyipc._core.description.rebuilt.making import MODULE
from lazyipc._core.description.rebuilt.method import Method, method_names
from lazyipc._core.description.soundness import printable
from lazyipc._core.events import Failed
from lazyipc._core.framing import FRAMED, JSON
from lazyipc._core.nearest import UnknownName
from lazyipc._description_cache import cached_description
from lazyipc._io.clock import clock_identity
from lazyipc._io.fds import abandon_in_child
from lazyipc._io.runtime_dir import name_of
from lazyipc._io.status_page import read_status
from lazyipc._kept import KeptLink
from lazyipc._link import Link
from lazyipc._patience import seconds_for
from lazyipc._plain_client import PlainClient
from lazyipc.errors import Disconnected, IpcError, RemoteProtocolError

MOST_SHOWN = 100
"""How many commands a repr lists."""
MOST_WARNED = 20
"""How many differences a warning lists."""


class DiscoveredTypes:
    """The classes that a server's commands and responses consist of, as attributes."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, types: Mapping[str, type]) -> None:
        self.__dict__.update(types)

    def __repr__(self) -> str:
        return f"<classes {', '.join(self.__dict__)}>"


class Discovered:
    """A running server: a method for each command, made from what it tells of itself.

    `run.set_rate(3e-4)` or `run.set_rate(lr=3e-4)` sends the command SetRate and returns its
    response, an object of a class with its fields; `timeout=` is the time the call may take. An
    enum's member may be given by its name, a struct as a dict. `run.types` holds the classes.

    One connection is kept, and made again where it ended. A server that was started anew with
    other commands is told of in a warning, and the methods are then those of the new one. It is
    given after the call that noticed, so where warnings are errors it takes the answer's place.
    To be used by one thread at a time.

    Args:
        path: the server's socket.
        timeout: seconds for each call; None is the command's own, else 5; math.inf is for ever.
        server_uids: the users the server may run as; None is one's own and root.
    """

    types: DiscoveredTypes
    """The classes that the commands and responses consist of, by name."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    def __init__(
        self,
        path: str,
        *,
        timeout: float | None = None,
        server_uids: Iterable[int] | None = None,
    ) -> None:
        self._path = path
        self._timeout = checked_timeout(timeout)
        self._server_uids = trusted_uids(server_uids)
        self._methods: dict[str, Method] = {}
        self._link: Link | None = None
        """The connection that the description was held against."""
        self._wire = FRAMED
        self._kept = KeptLink(self._make_link, self._wire)
        self._take(self._described())
        abandon_in_child(self, type(self)._abandon)

    def _make_link(self) -> Link:
        connection = ClientConnection(self._wire, clock=clock_identity())
        return Link(self._path, connection, self._server_uids)

    def _abandon(self) -> None:
        """In a forked child: let go of the parent's connection; the next call makes another."""
        self._kept.disconnect()

    def close(self) -> None:
        """Close the connection. Calling it twice is fine; a call after it is not."""
        self._kept.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # The description ---------------------------------------------------------------------------

    def _described(self) -> Description:
        """What the server now tells of itself."""
        with PlainClient(
            self._path, timeout=self._timeout, server_uids=self._server_uids
        ) as client:
            try:
                return cached_description(self._path, client.describe)
            except IpcError as error:
                raise _shown(error)  # noqa: B904 it is the same

    def _take(self, description: Description) -> None:
        """Have the methods of a description, and no others."""
        classes = classes_of(description)
        methods = {
            name: Method(name, info, classes.commands[info.name])
            for name, info in method_names(description.commands, _RESERVED).items()
        }
        for name in self._methods:
            del self.__dict__[name]
        self._description = description
        self._catalog = classes.catalog
        self._methods = methods
        self._speak(description)
        self.types = DiscoveredTypes(classes.types)
        self.__doc__ = self._manual()  # what `help` shows of this very object
        self.__dict__.update((name, self._function(method)) for name, method in methods.items())

    def _speak(self, description: Description) -> None:
        """Go on in a wire that the described server takes."""
        wire = FRAMED if FRAMED.name in description.server.wires else JSON
        if wire is not self._wire:
            self._kept.disconnect()
            self._wire = wire
            self._kept = KeptLink(self._make_link, wire)

    def _function(self, method: Method) -> Callable[..., Any]:
        """What is called: a plain function, for `help` and notebooks know these best."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call(method.name, args, kwargs)

        call.__name__ = method.name
        call.__qualname__ = f"{type(self).__qualname__}.{method.name}"
        call.__module__ = MODULE
        call.__doc__ = method.doc
        call.__signature__ = method.signature  # type: ignore[attr-defined]
        return call

    def _is_of_server(self) -> bool:
        """Whether the description is certainly the running server's, by its status page."""
        page = read_status(self._path, self._server_uids)
        known = self._description.server
        return page is not None and (page.pid, page.start_ns, page.clock.hex()) == (
            known.pid,
            known.start_ns,
            known.clock,
        )

    def _catch_up(self, stack_level: int) -> None:
        """Take the description of a server that was started since, and warn where it differs.

        Args:
            stack_level: how many frames out the line of the program is that is warned.
        """
        if self._is_of_server():
            return
        old, new = self._description, self._described()
        if new.fingerprint == old.fingerprint:
            self._description = new
            self._speak(new)
            return
        told = [str(difference) for difference in compare(old, new)]
        more = len(told) - MOST_WARNED
        if more > 0:
            told[MOST_WARNED:] = [f"and {more} more"]
        self._take(new)
        lines = "\n".join(printable(line) for line in told)
        warnings.warn(
            f"{name_of(self._path)} was started anew and differs; its methods are those of now:\n"
            f"{lines}",
            UserWarning,
            stacklevel=stack_level,
        )

    # Calls -------------------------------------------------------------------------------------

    def _call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        method = self._methods.get(name)
        if method is None:
            raise self._no_method(name)
        command, timeout = method.command(args, kwargs)
        timeout = self._timeout if timeout is None else checked_timeout(timeout)
        if self._wire is JSON:
            self._check_lines(method)
        seconds = seconds_for(command, timeout)
        try:
            answer = self._kept.over(Link.call, command, seconds, monotonic() + seconds)
        except (RemoteProtocolError, Disconnected):
            self._try_to_catch_up(5)
            raise
        if isinstance(answer, Failed):
            if isinstance(answer.error, RemoteProtocolError):
                self._try_to_catch_up(5)
            raise _shown(answer.error)
        link = self._kept.link
        if link is not self._link and self._try_to_catch_up(5):
            self._link = link
        return answer.value

    def _check_lines(self, method: Method) -> None:
        """Before a line goes over a new connection: see that its command is still what it was.

        A frame names its command by a fingerprint, so a server sees that by itself; a line does
        not, and another program may take it for what was not meant.

        Raises:
            SchemaMismatch: it is not.
        """
        self._kept.disconnect_ended()
        if self._kept.is_connected:
            return
        self._catch_up(5)
        entry = method.entry
        if entry.fingerprint not in self._catalog.by_fingerprint:
            raise _shown(mismatch_seen_by_client(entry, self._catalog.description))

    def _try_to_catch_up(self, stack_level: int) -> bool:
        """After a call: see that it went to the server that we know; whether that could be seen."""
        try:
            self._catch_up(stack_level)
        except IpcError:
            return False  # what became of the call counts more; the next one asks again
        return True

    def _no_method(self, name: str, more: str = "") -> AttributeError:
        where = self._description.server.name
        told = str(UnknownName("command", name, list(self._methods), where))
        return AttributeError(printable(told + more), name=name, obj=self)

    # What people see ---------------------------------------------------------------------------

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Notebooks ask for many a name with an underscore; none is a command's.
            if name.startswith("_") or "_methods" not in self.__dict__:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            try:
                self._catch_up(3)
            except IpcError as error:  # whoever only looks what there is shall not fail
                raise self._no_method(name, f"; what there is now is not known: {error}") from error
            if name in self._methods:
                return self.__dict__[name]
            raise self._no_method(name)

    def _manual(self) -> str:
        told = [printable(self._description.doc)] if self._description.doc else []
        for method in self._methods.values():
            doc = method.info.doc.partition("\n")[0]
            told.append("\n    ".join(filter(None, [method.usage, printable(doc)])))
        return "\n\n".join([*told, "close()\n    Close the connection."])

    def __dir__(self) -> list[str]:
        return sorted([*self._methods, *_RESERVED])

    def __repr__(self) -> str:
        told = self._description
        version = f" {told.server.version}" if told.server.version else ""
        doc = f": {told.doc.partition(chr(10))[0]}" if told.doc else ""
        lines = [f"{told.server.name}{version}{doc}"]
        lines += [f"  {method.usage}" for method in [*self._methods.values()][:MOST_SHOWN]]
        more = len(self._methods) - MOST_SHOWN
        if more > 0:
            lines.append(f"  and {more} more")
        return printable("\n".join(lines))


def _shown(error: IpcError) -> IpcError:
    """A server's error whose text does nothing to a terminal; its attributes are as they came."""
    error.args = tuple(printable(each) if isinstance(each, str) else each for each in error.args)
    return error


_RESERVED = frozenset({"close", "types"})
"""Names of its own that commands do not get."""
