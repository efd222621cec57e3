"""Why a decision went the way it did: one code per cause, stable across versions."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reason code of a decision; ``TAKEN`` is the only one that leads to orders."""

    TAKEN = "taken"

    # the pair may not be traded
    NOT_APPROVED = "not_approved"
    RELATION = "relation"
    GRADE = "grade"
    NOT_OBSERVED_LONG_ENOUGH = "not_observed_long_enough"
    RULE_CHANGED = "rule_changed"
    UNKNOWN_FEES = "unknown_fees"
    MARKET_CLOSED = "market_closed"

    # the books cannot be believed
    STALE_LEG = "stale_leg"
    LEG_SKEW = "leg_skew"
    ONE_SIDED = "one_sided"
    CROSSED = "crossed"
    LOCKED = "locked"
    WIDE_SPREAD = "wide_spread"
    TOO_GOOD = "too_good"
    CONSUMED = "consumed"

    # the arithmetic says no
    NO_EDGE = "no_edge"
    BELOW_HURDLE = "below_hurdle"
    BELOW_MIN_SIZE = "below_min_size"
    NO_CASH = "no_cash"

    # our own bounds
    PAIR_BUSY = "pair_busy"
    HOLDS_OTHER_SIDE = "holds_other_side"
    LIMIT_BOX = "limit_box"
    LIMIT_PAIR = "limit_pair"
    LIMIT_VENUE = "limit_venue"
    LIMIT_TOTAL = "limit_total"
    LIMIT_FAMILY = "limit_family"
    LIMIT_LOSS = "limit_loss"
    LIMIT_RATE = "limit_rate"
    HALTED = "halted"
