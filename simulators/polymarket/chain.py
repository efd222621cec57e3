"""A chain stub: JSON-RPC for wallets with gas, and the gasless relayer.

``POST /rpc`` speaks the methods that wallets use; raw transactions (legacy with EIP-155, and
EIP-1559) are decoded, their sender is recovered, and their call runs at once. The relayer paths
take signed batches of deposit wallets, safes and proxies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simulators.polymarket.contracts import RevertError, execute, selector, view
from simulators.polymarket.keccak import (
    BadSignatureError,
    address_bytes,
    checksum_address,
    hex_bytes,
    keccak256,
    recover,
    word,
)
from simulators.polymarket.model import Refusal, Wallet
from simulators.polymarket.routes import Call, Route
from simulators.polymarket.wallets import DEPOSIT, PROXY, SAFE, deposit_wallet
from simulators.polymarket.world import NS_PER_S, World
from simulators.wire import Json

MULTISEND = "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761"
GAS_PRICE = 30_000_000_000
GAS = 200_000
_RELAY = "0xD216153c06E857cD7f72665E0aF1d7D82172F494"
_MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError)
_TYPES = {"WALLET": DEPOSIT, "SAFE": SAFE, "PROXY": PROXY}


@dataclass(slots=True)
class Chain:
    """Nonces, receipts and relayed transactions."""

    world: World
    nonces: dict[str, int] = field(default_factory=dict)
    receipts: dict[str, bool] = field(default_factory=dict)
    relayed: dict[str, dict[str, Any]] = field(default_factory=dict)

    def routes(self) -> tuple[Route, ...]:
        """Return the HTTP routes of node and relayer."""
        return (
            Route("POST", "/rpc", self._rpc),
            Route("GET", "/deployed", self._deployed),
            Route("GET", "/v1/account/transactions/params", self._params),
            Route("GET", "/relay-payload", self._params),
            Route("POST", "/submit", self._submit),
            Route("GET", "/v1/account/transactions/{id}", self._transaction),
        )

    def _rpc(self, call: Call) -> Json:
        if isinstance(call.body, list):
            return [self._one(item) for item in call.body]
        return self._one(call.body)

    def _one(self, request: Json) -> dict[str, Any]:
        if not isinstance(request, dict):
            return {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "invalid"}}
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": request.get("id")}
        params = request.get("params") or []
        try:
            body["result"] = self._method(str(request.get("method")), params)
        except RevertError as error:
            body["error"] = {"code": 3, "message": f"execution reverted: {error}"}
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            body["error"] = {"code": -32602, "message": f"invalid params: {error}"}
        return body

    def _method(self, name: str, params: list[Any]) -> Json:
        simple: dict[str, Json] = {
            "eth_chainId": hex(self.world.chain_id),
            "net_version": str(self.world.chain_id),
            "eth_gasPrice": hex(GAS_PRICE),
            "eth_maxPriorityFeePerGas": hex(GAS_PRICE),
            "eth_estimateGas": hex(GAS),
            "eth_getBalance": hex(10**18),
            "eth_blockNumber": hex(len(self.receipts) + 1),
            "eth_getCode": "0x60",
            "eth_feeHistory": {
                "oldestBlock": "0x1",
                "baseFeePerGas": [hex(GAS_PRICE)] * 2,
                "gasUsedRatio": [0.5],
                "reward": [[hex(GAS_PRICE)]],
            },
        }
        if name in simple:
            return simple[name]
        if name == "eth_getBlockByNumber":
            stamp = self.world.now_ns // NS_PER_S
            return {"number": "0x1", "timestamp": hex(stamp), "baseFeePerGas": hex(GAS_PRICE)}
        if name == "eth_getTransactionCount":
            return hex(self.nonces.get(params[0].lower(), 0))
        if name == "eth_call":
            answer = view(self.world, params[0]["to"], hex_bytes(params[0]["data"]))
            return "0x" + answer.hex()
        if name == "eth_getTransactionByHash":
            known = self.receipts.get(params[0].lower())
            return None if known is None else {"hash": params[0], "blockNumber": "0x1"}
        if name == "eth_getTransactionReceipt":
            return self._receipt(params[0])
        if name == "eth_sendRawTransaction":
            return self._send(hex_bytes(params[0]))
        raise ValueError(f"method {name} is not supported")

    def _receipt(self, tx_hash: str) -> Json:
        done = self.receipts.get(tx_hash.lower())
        if done is None:
            return None
        return {
            "transactionHash": tx_hash,
            "status": "0x1" if done else "0x0",
            "blockNumber": "0x1",
            "gasUsed": hex(GAS),
            "logs": [],
        }

    def _send(self, raw: bytes) -> str:
        sender, nonce, to, data, chain_id = decode_transaction(raw)
        if chain_id != self.world.chain_id:
            raise ValueError(f"invalid chain id {chain_id}, want {self.world.chain_id}")
        expected = self.nonces.get(sender.lower(), 0)
        if nonce != expected:
            raise ValueError(f"nonce is {nonce}, want {expected}")
        self.nonces[sender.lower()] = nonce + 1
        tx_hash = "0x" + keccak256(raw).hex()
        try:
            execute(self.world, self.world.ledger.open(sender, sender, 0), to, data)
            self.receipts[tx_hash] = True
        except RevertError:
            self.receipts[tx_hash] = False
        return tx_hash

    def _deployed(self, call: Call) -> Json:
        wallet = self.world.wallet(call.one("address"))
        return {"deployed": wallet is not None and wallet.signature_type != 0}

    def _params(self, call: Call) -> Json:
        address = call.one("address")
        kind = call.one("type")
        key = f"{kind}:{address.lower()}"
        try:
            shown = checksum_address(_RELAY if kind == "PROXY" else address)
        except ValueError as error:
            raise Refusal(400, str(error)) from error
        return {"address": shown, "nonce": str(self.nonces.get(key, 0))}

    def _submit(self, call: Call) -> Json:
        body = call.body if isinstance(call.body, dict) else {}
        kind = str(body.get("type"))
        try:
            owner = checksum_address(str(body.get("from")))
        except ValueError as error:
            raise Refusal(400, str(error)) from error
        tx_hash = self.world.tx_hash("relayed", self.world.next())
        if kind == "WALLET-CREATE":
            self.world.ledger.open(deposit_wallet(owner), owner, DEPOSIT)
            return self._done(tx_hash, "")
        if kind not in _TYPES:
            raise Refusal(400, f"unsupported transaction type {kind!r}")
        key = f"{kind}:{owner.lower()}"
        nonce = self.nonces.get(key, 0)
        if str(body.get("nonce")) != str(nonce):
            raise Refusal(
                400, f"batch nonce {body.get('nonce')} does not match on-chain nonce {nonce}"
            )
        try:
            wallet, calls = self._read_batch(kind, owner, body)
        except _MALFORMED as error:
            raise Refusal(400, f"invalid {kind} transaction: {error}") from error
        self.nonces[key] = nonce + 1
        failure = ""
        for to, data in calls:
            try:
                execute(self.world, wallet, to, data)
            except RevertError as error:
                failure = str(error)
                break
        return self._done(tx_hash, failure)

    def _done(self, tx_hash: str, failure: str) -> dict[str, Any]:
        state = "STATE_FAILED" if failure else "STATE_CONFIRMED"
        transaction = {
            "transaction_id": self.world.uuid("relayed", tx_hash),
            "transaction_hash": tx_hash,
            "state": state,
            "error_msg": failure or None,
        }
        self.relayed[transaction["transaction_id"] or ""] = transaction
        return {
            "transactionID": transaction["transaction_id"],
            "transactionHash": tx_hash,
            "state": "STATE_NEW",
        }

    def _transaction(self, call: Call) -> Json:
        found = self.relayed.get(call.path["id"])
        if found is None:
            raise Refusal(404, "transaction not found")
        return found

    def _read_batch(
        self, kind: str, owner: str, body: dict[str, Any]
    ) -> tuple[Wallet, list[tuple[str, bytes]]]:
        """Return wallet and calls of a relayed transaction, its owner checked."""
        if kind == "WALLET":
            inner = body["depositWalletParams"]
            address = inner["depositWallet"]
            calls = [(item["target"], hex_bytes(item["data"])) for item in inner["calls"]]
            signer = recover(
                _batch_hash(self.world.chain_id, address, body["nonce"], inner),
                hex_bytes(body["signature"]),
            )
            if signer.lower() != owner.lower():
                raise BadSignatureError("the batch is signed by another key")
        else:
            address = body["proxyWallet"]
            data = hex_bytes(body["data"])
            if kind == "PROXY":
                calls = _proxy_calls(data)
            elif body["to"].lower() == MULTISEND.lower():
                calls = _multisend_calls(data)
            else:
                calls = [(body["to"], data)]
        wallet = self.world.wallet(address)
        if wallet is None or wallet.signature_type != _TYPES[kind]:
            raise ValueError(f"wallet {address} is not deployed")
        if wallet.owner.lower() != owner.lower():
            raise ValueError(f"wallet {address} belongs to another owner")
        return wallet, calls


def _batch_hash(chain_id: int, wallet: str, nonce: str, params: dict[str, Any]) -> bytes:
    call_type = b"Call(address target,uint256 value,bytes data)"
    batch_type = b"Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)" + call_type
    domain_type = (
        b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    )
    domain = keccak256(
        keccak256(domain_type)
        + keccak256(b"DepositWallet")
        + keccak256(b"1")
        + word(chain_id)
        + word(wallet)
    )
    calls = b"".join(
        keccak256(
            keccak256(call_type)
            + word(item["target"])
            + word(int(item["value"]))
            + keccak256(hex_bytes(item["data"]))
        )
        for item in params["calls"]
    )
    struct = keccak256(
        keccak256(batch_type)
        + word(wallet)
        + word(int(nonce))
        + word(int(params["deadline"]))
        + keccak256(calls)
    )
    return keccak256(b"\x19\x01" + domain + struct)


def _number(data: bytes, at: int) -> int:
    if at + 32 > len(data):
        raise ValueError("calldata is too short")
    return int.from_bytes(data[at : at + 32], "big")


def _proxy_calls(data: bytes) -> list[tuple[str, bytes]]:
    """Decode ``proxy((uint8,address,uint256,bytes)[])``."""
    if data[:4] != selector("proxy((uint8,address,uint256,bytes)[])"):
        raise ValueError("not a proxy call")
    args = data[4:]
    base = _number(args, 0) + 32
    calls = []
    for index in range(_number(args, base - 32)):
        start = base + _number(args, base + 32 * index)
        size_at = start + _number(args, start + 96)
        size = _number(args, size_at)
        target = "0x" + args[start + 44 : start + 64].hex()
        calls.append((target, args[size_at + 32 : size_at + 32 + size]))
    return calls


def _multisend_calls(data: bytes) -> list[tuple[str, bytes]]:
    """Decode ``multiSend(bytes)``: packed operation, target, value, length, data."""
    if data[:4] != selector("multiSend(bytes)"):
        raise ValueError("not a multiSend call")
    size = _number(data, 36)
    packed, at = data[68 : 68 + size], 0
    calls = []
    while at < len(packed):
        target = "0x" + packed[at + 1 : at + 21].hex()
        length = _number(packed, at + 53)
        calls.append((target, packed[at + 85 : at + 85 + length]))
        at += 85 + length
    return calls


type Rlp = bytes | list["Rlp"]


def _rlp(data: bytes, at: int = 0) -> tuple[Rlp, int]:
    """Decode one RLP item at an offset; return it and where the next begins."""
    head = data[at]
    if head < 0x80:
        return data[at : at + 1], at + 1
    is_list, base = head >= 0xC0, 0xC0 if head >= 0xC0 else 0x80
    size, start = head - base, at + 1
    if size > 55:
        width = size - 55
        size, start = int.from_bytes(data[start : start + width], "big"), start + width
    end = start + size
    if end > len(data):
        raise ValueError("truncated RLP")
    if not is_list:
        return data[start:end], end
    items: list[Rlp] = []
    while start < end:
        item, start = _rlp(data, start)
        items.append(item)
    return items, end


def _encode(item: Rlp) -> bytes:
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _head(0x80, len(item)) + item
    body = b"".join(_encode(part) for part in item)
    return _head(0xC0, len(body)) + body


def _head(base: int, size: int) -> bytes:
    if size < 56:
        return bytes([base + size])
    raw = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([base + 55 + len(raw)]) + raw


def _int(item: Rlp) -> int:
    if not isinstance(item, bytes):
        raise ValueError("expected a number")
    return int.from_bytes(item, "big")


def decode_transaction(raw: bytes) -> tuple[str, int, str, bytes, int]:
    """Return sender, nonce, target, data and chain id of a signed raw transaction.

    Raises
    ------
    ValueError
        Malformed, of an unknown type, or without a valid signature.
    """
    typed = raw[:1] == b"\x02"
    fields, _ = _rlp(raw[1:] if typed else raw)
    if not isinstance(fields, list) or len(fields) != (12 if typed else 9):
        raise ValueError("unknown transaction type")
    if typed:
        chain_id, nonce, to, data = _int(fields[0]), _int(fields[1]), fields[5], fields[7]
        parity, r, s = _int(fields[9]), fields[10], fields[11]
        digest = keccak256(b"\x02" + _encode(fields[:9]))
    else:
        nonce, to, data = _int(fields[0]), fields[3], fields[5]
        v, r, s = _int(fields[6]), fields[7], fields[8]
        chain_id, parity = (v - 35) // 2, (v - 35) % 2
        tail: list[Rlp] = [_minimal(chain_id), b"", b""]
        digest = keccak256(_encode([*fields[:6], *tail]))
    if not isinstance(to, bytes) or not isinstance(data, bytes) or len(to) != 20:
        raise ValueError("expected a call of a contract")
    if not isinstance(r, bytes) or not isinstance(s, bytes):
        raise ValueError("malformed signature")
    sender = recover(digest, r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([parity]))
    address_bytes(sender)
    return sender, nonce, checksum_address("0x" + to.hex()), data, chain_id


def _minimal(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
