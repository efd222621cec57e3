"""Numbered errors of the WebSocket."""

from __future__ import annotations

MESSAGES: dict[int, str] = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    6: "Already subscribed",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    9: "Authentication required",
    10: "Channel error",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market ticker required",
    15: "Action required",
    18: "Command timeout",
    24: "Index IDs required",
    25: "Subscription buffer overflow",
    26: "Market limit exceeded for subscription",
    27: "Too many commands",
    28: "Underlying tickers required",
}


class CommandError(Exception):
    """A command that is answered with a numbered error."""

    def __init__(self, code: int) -> None:
        super().__init__(MESSAGES[code])
        self.code = code
