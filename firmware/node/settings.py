"""settings.toml, as CircuitPython has it, also where os.getenv does not read it.

Flat: `KEY = "text"` or `KEY = 12`, comments, empty lines; no tables, no escapes. Knows lines.
Truth: docs.circuitpython.org, "Environment variables".
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LINES_MAX = 64


def read_settings(path: str = "settings.toml") -> "dict[str, str | int]":
    """Return what the file says; nothing where there is no file. Raises ValueError."""
    try:
        file = open(path)
    except OSError:
        return {}
    try:
        return parse_settings(file)
    finally:
        file.close()


def parse_settings(lines: "Iterable[str]") -> "dict[str, str | int]":
    """Return the keys of `lines`. Raises ValueError with the number of the line."""
    found: "dict[str, str | int]" = {}
    number = 0
    for line in lines:
        number += 1
        text = line.strip()
        if number > _LINES_MAX:
            raise ValueError("settings.toml: more than 64 lines")
        if not text or text[0] == "#":
            continue
        at = text.find("=")
        value = _value(text[at + 1 :].strip())
        if at < 1 or value is None:
            raise ValueError('settings.toml:{}: KEY = "text" or KEY = 12'.format(number))
        found[text[:at].strip()] = value
    return found


def text_of(settings: "dict[str, str | int]", key: str, default: str) -> str:
    """Return a text. Raises ValueError where it is a number."""
    value = settings.get(key, default)
    if not isinstance(value, str):
        raise ValueError('settings.toml: {}: expected "text"'.format(key))
    return value


def number_of(settings: "dict[str, str | int]", key: str, default: int) -> int:
    """Return a number. Raises ValueError where it is a text."""
    value = settings.get(key, default)
    if not isinstance(value, int):
        raise ValueError("settings.toml: {}: expected a number".format(key))
    return value


def _value(text: str) -> "str | int | None":
    if text[:1] == '"':
        end = text.find('"', 1)
        if end < 0 or _rest(text[end + 1 :]) or "\\" in text[:end]:
            return None
        return text[1:end]
    end = text.find("#")
    digits = (text if end < 0 else text[:end]).strip()
    unsigned = digits[1:] if digits[:1] == "-" else digits
    if not unsigned or len(unsigned) > 9:
        return None
    for character in unsigned:
        if not "0" <= character <= "9":
            return None
    return int(digits)


def _rest(text: str) -> bool:
    """Return whether something other than a comment follows a value."""
    text = text.strip()
    return text != "" and text[0] != "#"
