"""Every switch has a reason, refuses what is not allowed, and is tested in this folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulators.polymarket.choices import SWITCHES
from tests.simulators.polymarket.kit import make_world

HERE = Path(__file__).parent
GUIDE = HERE.parents[2] / "simulators" / "POLYMARKET.md"


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda s: s.name)
def test_every_switch_is_set_by_a_test(switch):
    written = "\n".join(
        p.read_text() for p in HERE.glob("test_*.py") if p.name != Path(__file__).name
    )
    assert re.search(rf'\b{switch.name}\b"?[:=]', written), "no test sets it"


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda s: s.name)
def test_every_switch_takes_its_values_and_refuses_others(switch):
    world = make_world()
    for value in switch.allowed or (0, 5):
        world.switches.update({switch.name: value})
        assert world.switches[switch.name] == value
    with pytest.raises(ValueError, match=f"switch {switch.name}: 'nonsense'"):
        world.switches.update({switch.name: "nonsense"})


def test_uncertainties_are_all_there():
    """U1 to U25 of the venue reference, save U22: reference-price topics are not simulated."""
    named = {int(n) for switch in SWITCHES for n in re.findall(r"\bU(\d+)", switch.why)}
    assert named == set(range(1, 26)) - {22}


def test_the_guide_names_every_switch():
    text = GUIDE.read_text()
    assert [s.name for s in SWITCHES if f"`{s.name}`" not in text] == []
