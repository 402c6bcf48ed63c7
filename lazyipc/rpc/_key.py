"""The key to a connection: where a server is, and the secret that shows one was asked in.

Knows the text of a key. Who makes one, hands it over and asks for it is the business of others.
"""

from __future__ import annotations

import os
import re
import secrets
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

SCHEME = "lazyipc-rpc"
TOKEN_BYTES = 24
"""Of chance: 192 bits, which are 32 characters without a remainder."""
TOKEN_CHARACTERS = (22, 128)
"""How long a token may be that another program made: 22 characters have 128 bits at least."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PATH = re.compile(r"(?:[A-Za-z0-9/._-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_LONGEST_SHOWN = 40
"""Characters of a text that is no key, in an error."""


class ConnectionKey(str):
    """What lets a client connect to one server: `lazyipc-rpc:TOKEN:PATH`.

    It is a string that may stand in a command line, in an environment and in a shell's script
    without quotes: letters, digits and `:/._%-` only, and a letter first. PATH is absolute, for
    the other process may be in another directory, and percent-encoded as in a URL.

    The token is a secret: `str` has it, `repr` has not, so that a key in a log or in a traceback
    opens nothing. (Other users can read a command line. They are kept out by the socket's mode and
    by its server, which asks the kernel who they are.)

    Args:
        text: the whole key, as `str` gives it.

    Raises:
        ValueError: it is no key; says what is wrong with it, and does not tell the token.
        TypeError: it is no text.

    >>> key = ConnectionKey("lazyipc-rpc:Zm9yIHlvdXIgZXllcyBvbmx5:/run/user/1000/my%20app")
    >>> key.path
    '/run/user/1000/my app'
    >>> key
    ConnectionKey('lazyipc-rpc:...:/run/user/1000/my%20app')
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check a text, and take it as a key."""
        if not isinstance(text, str):
            raise TypeError(f"a connection key is a str, not {type(text).__name__}")
        wrong = _why_no_key(text)
        if wrong:
            raise ValueError(f"no connection key: {wrong}; it is given whole, as `str(key)` has it")
        return super().__new__(cls, text)

    @classmethod
    def make(cls, path: str | os.PathLike[str]) -> Self:
        """A key to a path, with a token that nobody can guess.

        Raises:
            ValueError: no file can have this path.

        >>> ConnectionKey.make("/run/app.sock").path
        '/run/app.sock'
        """
        # Made absolute here: what a relative path means changes with the directory.
        name = os.fsencode(os.path.abspath(os.fsdecode(path)))
        token = secrets.token_urlsafe(TOKEN_BYTES)
        # URLs leave a tilde as it is, shells do not always.
        return cls(f"{SCHEME}:{token}:{quote_from_bytes(name).replace('~', '%7E')}")

    @property
    def token(self) -> str:
        """The part that cannot be guessed."""
        return self.split(":", 2)[1]

    @property
    def path(self) -> str:
        """The path of the server's socket."""
        return os.fsdecode(unquote_to_bytes(self.split(":", 2)[2]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{SCHEME}:...:{self.split(':', 2)[2]}')"


def is_meant_as_key(text: str) -> bool:
    """Whether a text is a key, or a spoilt one; nothing else begins so.

    >>> is_meant_as_key("--verbose")
    False
    """
    return text.startswith(SCHEME + ":")


def _why_no_key(text: str) -> str:
    """What makes a text no key, or an empty string."""
    if not is_meant_as_key(text):
        # Not all of it: in quotes, or behind a space, it may well be a key with its token.
        return f"it begins with {_shown(text.split(':', 1)[0])}, not with {SCHEME}:"
    _, token, *rest = text.split(":", 2)
    if not rest:
        return f"{SCHEME}: and a token have a colon and a path after them, here there is none"
    least, most = TOKEN_CHARACTERS
    if not least <= len(token) <= most:
        return f"its token has {len(token)} characters, and must have {least} to {most}"
    if not _TOKEN.fullmatch(token):
        return "its token has a character other than letters, digits, - and _"
    (path,) = rest
    if not path.startswith("/"):
        return f"its path is not absolute: {_shown(path)}"
    fits = _PATH.match(path)
    if fits is not None and fits.end() < len(path):
        wrong = path[fits.end()]
        if wrong == "%":
            return f"its path has a % without two hexadecimal digits: {_shown(path)}"
        return f"its path has {wrong!r}, which must be percent-encoded: {_shown(path)}"
    if "%00" in path:
        return f"its path has a zero byte: {_shown(path)}"
    return ""


def _shown(text: str) -> str:
    """A text for an error, not all of it where it is long."""
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")
