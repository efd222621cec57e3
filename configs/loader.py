"""TOML to frozen structs, strictly.

* An unknown key stops the start and names the nearest valid one.
* A wrong type or a value out of range names file, field, value and what is allowed.
* Numbers with a fraction are read as exact decimals, never as binary floats.
* ``nan`` and ``inf``, quoted or not, are refused: a bound that is no number bounds nothing.
* The hash of the effective settings identifies a run: two files that mean the same are the same.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from core.money import to_text


class ConfigError(Exception):
    """A settings file is wrong; one line that names file, field, value and what is allowed."""


_PATH = re.compile(r"^(?P<reason>.*) - at `(?:key in )?`?\$(?P<path>[^`]*)`+$", re.DOTALL)


def load[T: msgspec.Struct](path: Path, kind: type[T]) -> T:
    """Read a settings file.

    Parameters
    ----------
    path : Path
        The TOML file.
    kind : type
        The struct it describes.

    Raises
    ------
    ConfigError
        If the file is missing, is no TOML, or holds an unknown key or a wrong value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file, allowed a TOML file (see configs/)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return parse(text, kind, str(path))


def parse[T: msgspec.Struct](text: str, kind: type[T], source: str) -> T:
    """Read settings from TOML text; ``source`` is its name in errors.

    Raises
    ------
    ConfigError
        As :func:`load`.
    """
    try:
        raw = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: no TOML: {error}") from None
    shape = inspect.type_info(kind)
    for place, found, nearest in _unknown(raw, shape, ""):
        raise ConfigError(f"{source}: {place}: found unknown key {found!r}, {nearest}")
    for place, number in _not_finite(raw, shape, ""):
        raise ConfigError(f"{source}: {place}: found {number}, allowed a finite number")
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_explain(str(error), raw, shape)}") from None


def _unknown(raw: object, kind: inspect.Type, place: str) -> Iterator[tuple[str, str, str]]:
    """Yield keys that no struct on the way knows, with the nearest that it does."""
    struct = _struct(kind)
    if struct is not None and isinstance(raw, Mapping):
        fields = {field.encode_name: field.type for field in struct.fields}
        for key, value in raw.items():
            if key not in fields:
                yield place.lstrip(".") or "top level", key, _nearest(key, fields)
            else:
                yield from _unknown(value, fields[key], f"{place}.{key}")
    elif isinstance(kind, inspect.DictType) and isinstance(raw, Mapping):
        for key, value in raw.items():
            yield from _unknown(value, kind.value_type, f"{place}.{key}")


def _not_finite(raw: object, kind: inspect.Type, place: str) -> Iterator[tuple[str, object]]:
    """Yield numbers that are ``nan`` or infinite, before any check compares with them."""
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            yield from _not_finite(value, _inside(kind, key), f"{place}.{key}")
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            yield from _not_finite(value, _inside(kind, str(index)), f"{place}.{index}")
    elif isinstance(raw, Decimal):
        if not raw.is_finite():
            yield place.lstrip("."), raw
    elif isinstance(raw, str) and _is_number(kind):
        try:
            finite = Decimal(raw).is_finite()
        except InvalidOperation:
            return  # no number at all: the conversion says so
        if not finite:
            yield place.lstrip("."), repr(raw)


def _is_number(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.UnionType):
        return any(map(_is_number, kind.types))
    return isinstance(kind, inspect.DecimalType | inspect.FloatType)


def _struct(kind: inspect.Type) -> inspect.StructType | None:
    if isinstance(kind, inspect.UnionType):
        return next((t for t in kind.types if isinstance(t, inspect.StructType)), None)
    return kind if isinstance(kind, inspect.StructType) else None


def _nearest(key: str, fields: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(key, fields, n=1, cutoff=0.4)
    known = f"did you mean {close[0]!r}? " if close else ""
    return f"{known}Allowed: {', '.join(sorted(fields))}"


def _explain(message: str, raw: object, kind: inspect.Type) -> str:
    """Turn a validation error into: field, value found, what is allowed."""
    match = _PATH.match(message)
    if match is None:
        return message
    steps = [step for step in re.split(r"\.|\[|\]", match["path"]) if step]
    place = ".".join(steps)
    found: Any = raw
    for step in steps:
        try:
            found = found[int(step)] if isinstance(found, list) else found[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return f"{place}: {match['reason']}"
        kind = _inside(kind, step)
    if isinstance(found, Mapping):  # the struct's own check, which names the field
        return f"{place}.{match['reason']}"
    return f"{place}: found {_show(found)}: {_allowed(kind) or match['reason']}"


def _inside(kind: inspect.Type, step: str) -> inspect.Type:
    struct = _struct(kind)
    if struct is not None:
        return next((f.type for f in struct.fields if f.encode_name == step), inspect.AnyType())
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return kind.item_type
    return inspect.AnyType()


def _allowed(kind: inspect.Type) -> str | None:
    """Say which words a field takes, where it takes words."""
    if isinstance(kind, inspect.UnionType):
        return next((text for text in map(_allowed, kind.types) if text), None)
    if isinstance(kind, inspect.LiteralType):
        return f"allowed {', '.join(map(str, kind.values))}"
    if isinstance(kind, inspect.EnumType):
        return f"allowed {', '.join(str(member.value) for member in kind.cls)}"
    return None


def _show(value: object) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def to_plain(config: msgspec.Struct) -> dict[str, Any]:
    """Return settings as plain values: decimals as shortest text, nothing that is not set."""
    table: dict[str, Any] = _plain(
        msgspec.to_builtins(config, str_keys=True, builtin_types=(Decimal,))
    )
    return table


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain values of any shape
    if isinstance(value, Decimal):
        return to_text(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def config_hash(config: msgspec.Struct, *, without: tuple[str, ...] = ()) -> str:
    """Return the SHA-256 of the effective settings as canonical JSON.

    Parameters
    ----------
    without : tuple[str, ...]
        Dotted fields that name places, not behaviour (``data.dir``).
    """
    plain = to_plain(config)
    for field in without:
        *parents, last = field.split(".")
        table: Any = plain
        for parent in parents:
            table = table.get(parent, {})
        table.pop(last, None)
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def to_toml(config: msgspec.Struct) -> str:
    """Write settings as TOML with every default spelled out; :func:`parse` reads it back equal."""
    return "\n".join(_table(to_plain(config), ())).strip() + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if path and (plain or not table):
        yield f"\n[{'.'.join(_key(step) for step in path)}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _table(value, (*path, key))


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, int | float):
        return repr(value)
    return msgspec.json.encode(str(value)).decode()
