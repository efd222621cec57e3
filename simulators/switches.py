"""Named choices about a venue that its documents leave open, changeable while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.wire import Json

type Setting = str | int | bool


@dataclass(frozen=True, slots=True)
class Switch:
    """One choice: its name, the default, what is allowed and why it exists.

    ``allowed`` is a tuple of values, or empty for "any integer >= 0" (then the default is an int).
    """

    name: str
    default: Setting
    allowed: tuple[Setting, ...]
    why: str

    def check(self, value: Json) -> Setting:
        """Return ``value`` if it is allowed.

        Raises
        ------
        ValueError
            It is not; the message names the switch, the value and what is allowed.

        """
        if self.allowed:
            for choice in self.allowed:
                if value == choice and type(value) is type(choice):
                    return choice
            raise ValueError(f"switch {self.name}: {value!r} is not one of {list(self.allowed)}")
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise ValueError(f"switch {self.name}: {value!r} is not an integer >= 0")


class Switches:
    """The current settings of one venue. An unknown name or value is refused."""

    def __init__(self, table: tuple[Switch, ...], values: Mapping[str, Any] | None = None) -> None:
        self._table = {switch.name: switch for switch in table}
        self._values: dict[str, Setting] = {s.name: s.default for s in table}
        self.update(values or {})

    def __getitem__(self, name: str) -> Setting:
        return self._values[name]

    def number(self, name: str) -> int:
        """Return an integer switch."""
        value = self._values[name]
        assert isinstance(value, int)
        return value

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several switches; nothing changes if one of them is refused.

        Raises
        ------
        ValueError
            Unknown switch or a value that is not allowed.

        """
        self._values.update(self.checked(values))

    def checked(self, values: Mapping[str, Any]) -> dict[str, Setting]:
        """Return the settings that `update` would make, or raise as it would."""
        found: dict[str, Setting] = {}
        for name, value in values.items():
            if name not in self._table:
                raise ValueError(f"unknown switch {name!r}: known are {sorted(self._table)}")
            found[name] = self._table[name].check(value)
        return found

    def values(self) -> dict[str, Setting]:
        """Return all settings by name."""
        return dict(self._values)

    def describe(self) -> list[dict[str, Any]]:
        """Return every switch with its setting, default, allowed values and reason."""
        return [
            {
                "name": s.name,
                "value": self._values[s.name],
                "default": s.default,
                "allowed": list(s.allowed) or "integer >= 0",
                "why": s.why,
            }
            for s in self._table.values()
        ]
