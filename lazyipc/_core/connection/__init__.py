"""The protocol without I/O, one class for each role."""

from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection

__all__ = ["ClientConnection", "ServerConnection"]
