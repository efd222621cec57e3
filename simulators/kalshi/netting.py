"""Cash returned early for NO positions over several markets of a mutually exclusive event.

At most one market of a MECNET event resolves YES, so NOs of sizes n₁ ≥ n₂ ≥ … pay at least
n₂ + n₃ + …: that much may be returned before settlement. The venue's own formula is unpublished;
this is the arithmetic bound, behind the switch ``event_netting``.
"""

from __future__ import annotations

from simulators.kalshi.model import Market
from simulators.kalshi.state import State
from simulators.kalshi.units import DOLLAR_PX


def refresh_netting(state: State, user_id: str, subaccount: int, market: Market) -> None:
    """Make the early payout of one event right again after a position moved."""
    event = state.events[market.event_ticker]
    if event.collateral_return_type != "MECNET":
        return
    account = state.accounts[user_id]
    enabled = (
        state.switches["event_netting"] == "mecnet"
        and account.netting.get(subaccount, False)
        and not account.house
    )
    key = (user_id, subaccount, event.ticker)
    if not enabled and not state.ledger.returned.get(key):
        return
    sizes: list[int] = []
    yes_won = False
    for ticker in state.markets_of[event.ticker]:
        yes_won = yes_won or state.markets[ticker].result == "yes"
        held = state.ledger.quantity(user_id, subaccount, ticker)
        if held < 0 and not state.markets[ticker].result:
            sizes.append(-held)
    # Once a market resolved YES every other NO is certain to pay.
    certain = sum(sizes) - (0 if yes_won or not sizes else max(sizes))
    amount = certain * DOLLAR_PX if enabled else 0
    state.ledger.set_returned(key, market.exchange_index, amount)
