"""Reading a properties file as Kafka does: `java.util.Properties` over Latin-1 bytes.

The inverse of `properties.render`. Values keep their trailing spaces here; Kafka trims them when it reads a type."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

_BLANKS = " \t\f"
_BREAK = re.compile(r"\r\n|\r|\n")
_LETTERS = MappingProxyType({"t": "\t", "r": "\r", "n": "\n", "f": "\f"})
_HEX = re.compile(r"[0-9a-fA-F]{4}")


class PropertiesError(ValueError):
    """The text is no properties file. A sentence: which line, what, what to do."""


def parse(content: bytes) -> Mapping[str, str]:
    """Every property, in the order in which its key first appears; of a key that comes twice, the last value wins.

    Raises PropertiesError for a `\\u` without four hexadecimal digits; everything else has a meaning in such a file."""
    found: dict[str, str] = {}
    for number, line in _logical_lines(content.decode("latin-1")):
        end, start = _separator(line)
        try:
            found[_unescaped(line[:end])] = _unescaped(line[start:])
        except PropertiesError as error:
            raise PropertiesError(f"line {number}: {error}") from None
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of the first natural line, the line with its continuations joined); without blank lines and comments."""
    held: list[str] = []
    first = 0
    naturals = _BREAK.split(text)
    # A backslash before the very last line break continues nothing (Java's reader looks ahead only after `\r\n`).
    last = len(naturals) - (1 if text.endswith(("\r", "\n")) and not text.endswith("\r\n") else 0)
    for number, natural in enumerate(naturals, start=1):
        line = natural.lstrip(_BLANKS)
        begun = any(held)
        if not begun:
            if not line or line[0] in "#!":
                # An empty continuation of something ends it; of nothing it is a blank line.
                held = []
                continue
            first = number
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            held.append(line[:-1])
            if number < last:
                continue
        else:
            held.append(line)
        yield first, "".join(held)
        held = []
    if any(held):
        yield first, "".join(held)


def _separator(line: str) -> tuple[int, int]:
    """Where the key ends and where the value begins: at the first `=`, `:` or blank that no backslash escapes."""
    end, escaped = 0, False
    while end < len(line):
        sign = line[end]
        if sign in "=:" + _BLANKS and not escaped:
            break
        escaped = sign == "\\" and not escaped
        end += 1
    start, separated = end, False
    while start < len(line):
        sign = line[start]
        if sign in "=:" and not separated:
            separated = True
        elif sign not in _BLANKS:
            break
        start += 1
    return end, start


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    out: list[str] = []
    place = 0
    while place < len(text):
        sign = text[place]
        place += 1
        if sign != "\\":
            out.append(sign)
            continue
        sign = text[place : place + 1]
        place += 1
        if sign == "u":
            digits = text[place : place + 4]
            if not _HEX.fullmatch(digits):
                raise PropertiesError(f"\\u{digits} is no character; write four hexadecimal digits after \\u.")
            out.append(chr(int(digits, 16)))
            place += 4
        else:
            out.append(_LETTERS.get(sign, sign))
    # Java's characters are UTF-16: two escapes may make one of ours.
    return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
