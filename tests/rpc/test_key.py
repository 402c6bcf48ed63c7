"""The key to a connection: what it is made of, what it survives, and what is no key."""

from __future__ import annotations

import copy
import pickle
import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc.rpc._key import SCHEME, TOKEN_CHARACTERS, ConnectionKey, is_meant_as_key

TOKEN = "a-B_3456789012345678901234567890"
PLAIN = f"{SCHEME}:{TOKEN}:/run/user/1000/lazyipc/rpc-1/s"

PATHS = [
    "/s",
    "/run/user/1000/lazyipc/rpc-1/s",
    "/with space/and\ttab\nand newline",
    "/quotes'\"`$(id)${X};&|<>*?[]{}!#\\",
    "/percent%41/colon:comma,at@plus+equals=",
    "/ünïcode/日本",
    "/~/-dash/..hidden/~~",
    b"/not \xff utf-8 \x80",
]
"""Whatever a file may be called."""


# What it is made of -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_key_leads_to_its_path_through_text(path: str | bytes) -> None:
    key = ConnectionKey.make(path)  # type: ignore[arg-type]
    again = ConnectionKey(str(key))
    assert again == key
    assert again.path == key.path == (path if isinstance(path, str) else key.path)
    assert key.path.encode("utf-8", "surrogateescape") == (
        path if isinstance(path, bytes) else path.encode()
    )
    assert again.token == key.token


@given(st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name))
def test_any_file_name_travels(name: bytes) -> None:
    # Without what `abspath` would make shorter.
    path = b"/" + name.replace(b"/", b"_").replace(b".", b"_")
    key = ConnectionKey.make(path)  # type: ignore[arg-type]
    assert key.isascii()
    assert ConnectionKey(str(key)).path.encode("utf-8", "surrogateescape") == path


@pytest.mark.parametrize("path", PATHS)
def test_nothing_in_it_has_to_be_quoted(path: str) -> None:
    key = ConnectionKey.make(path)
    assert shlex.quote(key) == key
    assert key.isascii()
    assert key.isprintable()
    assert key[0].isalpha()


def test_a_shell_an_argument_and_an_environment_give_it_back() -> None:
    key = ConnectionKey.make("/~/ $HOME *`id`%25/日本")
    script = f'K={key}; export K; exec "$0" -c "$1" {key}'
    told = "import os, sys; print(sys.argv[1] == os.environ['K'], sys.argv[1])"
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, told],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == f"True {key}\n"


def test_a_relative_path_is_made_absolute(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.chdir(folder)
    assert ConnectionKey.make("s").path == f"{folder}/s"


def test_no_two_tokens_are_alike() -> None:
    tokens = {ConnectionKey.make("/s").token for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {32}  # of 64 characters: 192 bits


def test_it_is_a_text() -> None:
    key = ConnectionKey(PLAIN)
    assert key == PLAIN
    assert isinstance(key, str)
    assert f"{key}" == str(key) == PLAIN
    assert type(str(key)) is str
    assert {PLAIN: 1}[key] == 1
    for other in (copy.copy(key), copy.deepcopy(key), pickle.loads(pickle.dumps(key))):
        assert type(other) is ConnectionKey
        assert other == key


def test_a_key_of_a_key_is_that_key() -> None:
    key = ConnectionKey(PLAIN)
    assert ConnectionKey(key) == key


@pytest.mark.parametrize("path", PATHS)
def test_the_token_is_not_shown(path: str) -> None:
    key = ConnectionKey.make(path)
    assert key.token in str(key)
    for shown in (repr(key), f"{key!r}", repr([key]), "%r" % key):  # noqa: UP031 that way too
        assert key.token not in shown
        assert str(key).split(":", 2)[2] in shown


def test_a_key_of_another_program_may_have_more_percents() -> None:
    assert ConnectionKey(f"{SCHEME}:{TOKEN}:/%73%2f%C3%bC").path == "/s/ü"


# What is no key -----------------------------------------------------------------------------------

NO_KEYS = {
    "": "it begins with '', not with lazyipc-rpc:",
    "-x": "it begins with '-x', not with lazyipc-rpc:",
    f" {PLAIN}": "it begins with ' lazyipc-rpc', not with lazyipc-rpc:",
    f"'{PLAIN}'": 'it begins with "\'lazyipc-rpc", not with lazyipc-rpc:',
    "LAZYIPC-RPC:x:/": "it begins with 'LAZYIPC-RPC'",
    f"lazyipc-rpc:{TOKEN}": "have a colon and a path after them",
    "lazyipc-rpc:short:/s": "its token has 5 characters, and must have 22 to 128",
    "lazyipc-rpc::/s": "its token has 0 characters",
    f"lazyipc-rpc:{'x' * 129}:/s": "its token has 129 characters",
    f"lazyipc-rpc:{TOKEN[:-1]}+:/s": "its token has a character other than",
    f"lazyipc-rpc:{TOKEN[:-1]}٣:/s": "its token has a character other than",
    f"lazyipc-rpc:{TOKEN}:": "its path is not absolute: ''",
    f"lazyipc-rpc:{TOKEN}:s": "its path is not absolute: 's'",
    f"lazyipc-rpc:{TOKEN}:/a b": "must be percent-encoded",
    f"lazyipc-rpc:{TOKEN}:/~": "must be percent-encoded",
    f"lazyipc-rpc:{TOKEN}:/ü": "must be percent-encoded",
    f"{PLAIN}\n": "must be percent-encoded",
    f"lazyipc-rpc:{TOKEN}:/%4": "% without two hexadecimal digits",
    f"lazyipc-rpc:{TOKEN}:/%zz": "% without two hexadecimal digits",
    f"lazyipc-rpc:{TOKEN}:/%": "% without two hexadecimal digits",
    f"lazyipc-rpc:{TOKEN}:/a%00b": "its path has a zero byte",
    f"lazyipc-rpc:{TOKEN}:/{'ü' * 500}": "...'",
}


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_is_no_key_is_refused_by_what_is_wrong(text: str) -> None:
    with pytest.raises(ValueError, match=r"no connection key: .*; it is given whole") as caught:
        ConnectionKey(text)
    assert NO_KEYS[text] in str(caught.value)
    assert TOKEN[:20] not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="a connection key is a str, not bytes"):
        ConnectionKey(PLAIN.encode())  # type: ignore[arg-type]


def test_a_path_that_no_file_has_is_refused() -> None:
    with pytest.raises(ValueError, match="zero byte"):
        ConnectionKey.make("/a\0b")


@given(st.text(max_size=80))
def test_any_text_is_a_key_or_a_value_error(text: str) -> None:
    for whole in (text, f"{SCHEME}:{text}", f"{SCHEME}:{TOKEN}:{text}"):
        try:
            key = ConnectionKey(whole)
        except ValueError as error:
            assert str(error).startswith("no connection key: ")  # noqa: PT017 either will do
            continue
        assert key == whole
        assert key.path.startswith("/")
        assert TOKEN_CHARACTERS[0] <= len(key.token) <= TOKEN_CHARACTERS[1]


@pytest.mark.parametrize("text", [PLAIN, "lazyipc-rpc:", "lazyipc-rpc:broken"])
def test_a_spoilt_key_is_told_from_another_word(text: str) -> None:
    assert is_meant_as_key(text)


@pytest.mark.parametrize("text", ["", "lazyipc-rpc", "--key=lazyipc-rpc:", "x", "lazyipc:"])
def test_another_word_is_not_meant_as_a_key(text: str) -> None:
    assert not is_meant_as_key(text)
