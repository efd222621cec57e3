"""Write what a ``RunBuilder`` kept: the summary and the parquet files of the results schema."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from core.decisions import DecisionDigest, encode
from core.money import to_text
from core.pairs import encode_pairs

if TYPE_CHECKING:
    from tests.report.synth import RunBuilder

D = Decimal
MONEY = pa.decimal128(18, 6)

_T = {
    "int": pa.int64(), "text": pa.string(), "money": MONEY, "bool": pa.bool_(), "leg": pa.int8(),
}  # fmt: skip
SCHEMAS = {
    "decisions": "ts_ns:int session pair_id decision_id box_id kind outcome reason detail direction"
    " venue_a venue_b"
    " size:money price_a:money price_b:money limit_a:money limit_b:money cost_a:money cost_b:money"
    " fees_a:money fees_b:money gross_edge:money net_edge:money required_edge:money age_a_ns:int"
    " age_b_ns:int record",
    "orders": "ts_ns:int session venue instrument outcome side price:money quantity:money"
    " time_in_force reduce_only:bool status filled_quantity:money average_price:money order_id"
    " pair_id box_id decision_id leg:leg role last_ns:int reason",
    "fills": "ts_ns:int session venue instrument outcome side price:money quantity:money fee:money"
    " currency liquidity cash:money order_id trade_id pair_id box_id decision_id leg:leg role",
    "settlements": "ts_ns:int session venue instrument outcome pair_id price:money quantity:money"
    " cash:money currency",
    "boxes": "ts_ns:int session pair_id box_id decision_id direction contracts:money cost:money"
    " fees:money locked:money slippage:money unwound:money unwind_pnl:money closed:money"
    " closed_pnl:money unhedged:money unhedged_pnl:money settlement_pnl:money pnl:money status"
    " end_ns:int",
    "positions": "venue instrument outcome pair_id bought:money sold:money settled:money open:money"
    " cost:money proceeds:money fees:money settlement_price:money settlement_cash:money"
    " realised:money first_ns:int last_ns:int currency",
    "equity": "ts_ns:int venue event cash:money holdings_cost:money worst_total:money currency",
}
STEPS = ("detected_edge", "not_filled", "slippage", "entry_fees", "closed", "unwind", "unhedged",
         "settlement")  # fmt: skip


def schema_of(name: str) -> pa.Schema:
    fields = [f.split(":") for f in SCHEMAS[name].split()]
    return pa.schema([(f[0], _T[f[1]] if len(f) > 1 else pa.string()) for f in fields])


def write_table(path: Path, name: str, rows: list[dict]) -> None:
    schema = schema_of(name)
    clean = [{n: r.get(n) for n in schema.names} for r in rows]
    pq.write_table(pa.Table.from_pylist(clean, schema=schema), path)


def write_run(b: RunBuilder, out: Path) -> Path:
    out.mkdir(parents=True)
    for venue in b.capital:
        b._equity(venue, "end")
    for p in b.pos.values():
        if p["open"] == 0:
            p["realised"] = p["proceeds"] + p["settlement_cash"] - p["cost"] - p["fees"]
    tables = dict(b.rows)
    tables["decisions"] = [_decision(d, session) for d, session in b.decisions]
    tables["boxes"] = [x.row for x in b.boxes]
    tables["positions"] = list(b.pos.values())
    for name in SCHEMAS:
        write_table(out / f"{name}.parquet", name, tables.get(name, []))
    (out / "summary.json").write_text(json.dumps(_summary(b), indent=1) + "\n")
    (out / "pairs.json").write_bytes(encode_pairs(b.pairs))
    (out / "config.toml").write_text('[fills]\nmodel = "hazard"\nseed = 1\n')
    (out / "quality.json").write_text(json.dumps(_quality(b), indent=1) + "\n")
    return out


def _decision(d, session: str) -> dict:
    a, b = d.legs
    n = d.size
    return {
        "ts_ns": d.ts_ns, "session": session, "pair_id": d.pair_id, "decision_id": d.decision_id,
        "box_id": d.box_id, "kind": d.kind, "detail": d.detail, "outcome": d.outcome,
        "reason": d.reason.value, "direction": d.direction.value,
        "venue_a": a.venue.value, "venue_b": b.venue.value, "size": n, "price_a": a.best_ask,
        "price_b": b.best_ask, "limit_a": a.limit_price, "limit_b": b.limit_price,
        "cost_a": a.cost if n else None, "cost_b": b.cost if n else None,
        "fees_a": a.fee if n else None, "fees_b": b.fee if n else None,
        "gross_edge": d.gross_edge, "net_edge": d.net_edge, "required_edge": d.required_edge,
        "age_a_ns": a.age_ns, "age_b_ns": b.age_ns, "record": encode(d).decode(),
    }  # fmt: skip


def _quality(b: RunBuilder) -> dict:
    books = {
        m.yes_id: {
            "venue": m.venue.value, "role": "leg", "observations": 1200 + 7 * i, "crossed": i,
            "locked": 0, "no_bid": 30, "no_ask": 0, "one_sided_share": 0.025, "deltas": 3600,
            "gap_median_ns": 3_707_000_000, "gap_max_ns": 5_300_000_000, "spread_median": "0.0020",
        }
        for i, p in enumerate(b.pairs) for m in p.markets
    }  # fmt: skip
    issues = [{"kind": "feed_gap", "where": f"{b.pairs[0].session} KALSHI",
               "found": 500_000_000_000, "limit": 30_000_000_000}]  # fmt: skip
    return {"schema_version": 1, "instruments": books, "feeds": [], "pairs": [], "issues": issues}


def _sum(rows: list[dict], key: str) -> D:
    return sum((r[key] for r in rows), D(0))


def _summary(b: RunBuilder) -> dict:
    t = to_text
    boxes = [x.row for x in b.boxes]
    fills, settled = b.rows["fills"], b.rows["settlements"]
    refused = Counter(d.reason.value for d, _ in b.decisions if d.outcome == "refused")
    taken = sum(d.outcome == "taken" for d, _ in b.decisions)
    wf = [{"step": s, "amount": t(b.wf[s])} for s in STEPS]
    total = sum((b.wf[s] for s in STEPS), D(0))
    change = sum(b.cash.values(), D(0)) + b.open_worst - sum(b.capital.values(), D(0))
    assert total == change, (total, change)
    digest = DecisionDigest()
    for d, _ in b.decisions:
        digest.add(d)
    per_venue = {v: t(_sum([f for f in fills if f["venue"] == v], "fee")) for v in b.capital}
    sessions = sorted({p.session or "" for p in b.pairs})
    return {
        "schema_version": 1, "config_hash": "c0ffee" * 10 + "c0ff",
        "decision_digest": digest.hexdigest(), "synthetic": b.synthetic,
        "data": _data(b, sessions),
        "models": {
            "fills": "hazard" if b.hazard else "pure", "hazard_seed": 1,
            "latency_ms": {"KALSHI": 0, "POLYMARKET": 0},
            "matching_delay_ms": {"KALSHI": 0, "POLYMARKET": 0},
            "checks_off": b.checks_off, "fees": {},
        },
        "capital": {
            "start": {v: t(c) for v, c in b.capital.items()},
            "end": {v: t(c) for v, c in b.cash.items()},
            "open_cost": {
                v: t(sum((c for i, c in b.cost.items() if i.endswith(f".{v}")), D(0)))
                for v in b.capital
            },
            "open_worst": t(b.open_worst), "peak_used": t(b.peak),
        },
        "pnl": {
            "total": t(total), "locked": t(_sum(boxes, "locked")),
            "closed": t(_sum(boxes, "closed_pnl")), "unwind": t(_sum(boxes, "unwind_pnl")),
            "unhedged": t(_sum(boxes, "unhedged_pnl")),
            "settlement": t(_sum(boxes, "settlement_pnl")), "fees": per_venue,
            "slippage": t(_sum(boxes, "slippage")),
        },
        "waterfall": wf,
        "boxes": _boxes(b, boxes, total),
        "orders": {
            "sent": len(b.rows["orders"]), "filled": len(b.rows["orders"]), "partly_filled": 0,
            "missed": 0, "denied": 0, "rejected": 0,
        },
        "hazard": {leg: {"attempts": taken, "filled": taken} for leg in ("first", "second")}
        | {"close": {"attempts": 0, "filled": 0}},
        "decisions": {
            "evaluated": len(b.decisions), "taken": taken, "refused": dict(sorted(refused.items())),
            "gate_updates": 2400, "gate_misses": 2400 - len(b.decisions),
        },
        "pairs": [_pair(b, p) for p in b.pairs],
        "sessions": [
            {"session": s, "messages": 1200,
             "evaluated": sum(x == s for _, x in b.decisions),
             "taken": sum(x == s and d.outcome == "taken" for d, x in b.decisions),
             "boxes": sum(r["session"] == s and r["contracts"] > 0 for r in boxes),
             "contracts": t(_sum([r for r in boxes if r["session"] == s], "contracts")),
             "fees": t(_sum([f for f in fills if f["session"] == s], "fee")),
             "pnl": t(_sum([r for r in boxes if r["session"] == s], "pnl"))}
            for s in sessions
        ],
        "reconciliation": {
            "cash_difference": "0", "positions_difference": "0",
            "by_venue": {
                v: {"account": t(b.cash[v]), "difference": "0",
                    "recomputed": t(
                        b.capital[v] + _sum([f for f in fills + settled if f["venue"] == v], "cash")
                    )}
                for v in b.capital
            },
        },
    }  # fmt: skip


def _data(b: RunBuilder, sessions: list[str]) -> dict:
    return {
        "name": "quotes",
        "messages": 2400,
        "deltas": 9600,
        "instruments": 2 * len(b.pairs),
        "sessions": [
            {
                "session": s,
                "kind": "polled",
                "start_ns": b.decisions[0][0].ts_ns if b.decisions else b.ts,
                "end_ns": b.ts,
                "messages": 1200,
                "pairs": sum((p.session or "") == s for p in b.pairs),
            }
            for s in sessions
        ],
        "span_ns": [1_783_261_800_000_000_000, b.ts],
        "windows_only": False,
        "seed": 7 if b.synthetic else None,
        "sources": [{"name": "S.parquet", "bytes": 9, "sha256": "ab" * 32}],
    }


def _boxes(b: RunBuilder, boxes: list[dict], total: D) -> dict:
    t = to_text
    open_boxes = [r for r in boxes if r["status"] == "open"]
    bought = sum((p["cost"] + p["fees"] for p in b.pos.values()), D(0))
    return {
        "opened": sum(r["contracts"] > 0 for r in boxes),
        "contracts": t(_sum(boxes, "contracts")),
        "settled": sum(r["status"] == "settled" for r in boxes),
        "closed": sum(r["status"] == "closed" for r in boxes),
        "open": len(open_boxes),
        "cost": t(_sum(boxes, "cost") + _sum(boxes, "fees")),
        "return_on_capital": t((total / bought).quantize(D("0.000001"))) if bought else None,
        "annualised": (
            None if open_boxes or not bought else t((total / bought * 26).quantize(D("0.0001")))
        ),
        "worst_state_loss": t(-_sum(open_boxes, "pnl")),
        "divergence_loss": t(_sum(open_boxes, "cost") + _sum(open_boxes, "fees")),
    }


def _pair(b: RunBuilder, p) -> dict:
    t = to_text
    mine = [x.row for x in b.boxes if x.pair is p]
    ds = [d for d, s in b.decisions if d.pair_id == p.pair_id and s == p.session]
    status = (
        "none" if not mine else "open" if any(r["status"] == "open" for r in mine) else "settled"
    )
    return {
        "pair_id": p.pair_id, "session": p.session, "evaluated": len(ds),
        "taken": sum(d.outcome == "taken" for d in ds),
        "boxes": sum(r["contracts"] > 0 for r in mine), "contracts": t(_sum(mine, "contracts")),
        "cost": t(_sum(mine, "cost")),
        "fees": t(sum((r.get("_fees", D(0)) for r in mine), D(0))),
        "pnl": t(_sum(mine, "pnl")), "status": status,
    }  # fmt: skip
