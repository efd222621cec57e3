"""JSON-RPC of the chain, as far as an account needs it: read, estimate, send, wait."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from adapters.common.errors import ProtocolError, VenueRefusal
from adapters.common.transport import HttpRequest, HttpTransport
from adapters.polymarket.redemption import Call, Fees, sign_transaction
from adapters.polymarket.signing import OrderSigner

_GAS_MARGIN: Final = 5
_RECEIPT_POLLS: Final = 120
_RECEIPT_WAIT_S: Final = 1.0


class ChainClient:
    """Talks to one node.

    Parameters
    ----------
    url : str
        Address of the node's JSON-RPC.
    """

    def __init__(self, url: str, transport: HttpTransport, *, timeout_s: float = 20.0) -> None:
        self._url = url
        self._transport = transport
        self._timeout_s = timeout_s
        self._id = 0

    async def _ask(self, method: str, *params: object) -> Any:  # noqa: ANN401 - decoded JSON
        self._id += 1
        body = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": list(params)}
        response = await self._transport.send(
            HttpRequest(
                "POST",
                self._url,
                {"Content-Type": "application/json"},
                msgspec.json.encode(body),
                self._timeout_s,
            )
        )
        try:
            reply = msgspec.json.decode(response.body)
        except msgspec.MsgspecError as exc:
            raise ProtocolError(f"chain node, {method}: HTTP {response.status}, no JSON") from exc
        error = reply.get("error") if isinstance(reply, dict) else None
        if error or not isinstance(reply, dict):
            text = error.get("message", "") if isinstance(error, dict) else str(error)
            raise VenueRefusal(response.status, "CHAIN", f"{method}: {text[:200]}")
        return reply.get("result")

    async def read(self, call: Call) -> int:
        """Return the number a view call answers."""
        arguments = {"to": call.to, "data": "0x" + call.data.hex()}
        return int(await self._ask("eth_call", arguments, "latest") or "0x0", 16)

    async def native_balance(self, address: str) -> int:
        """Return the gas token in wei."""
        return int(await self._ask("eth_getBalance", address, "latest"), 16)

    async def send(self, signer: OrderSigner, call: Call) -> str:
        """Sign one call with the EOA, send it, wait for the receipt; return its hash.

        Raises
        ------
        VenueRefusal
            When the node refuses it, or the chain reverts it.
        ProtocolError
            When no receipt comes in two minutes: look the hash up before doing it again.
        """
        nonce = int(await self._ask("eth_getTransactionCount", signer.address, "pending"), 16)
        price = int(await self._ask("eth_gasPrice"), 16)
        arguments = {"from": signer.address, "to": call.to, "data": "0x" + call.data.hex()}
        gas = int(await self._ask("eth_estimateGas", arguments), 16)
        fees = Fees(2 * price, price, gas + gas // _GAS_MARGIN)
        raw, tx_hash = sign_transaction(signer, call, nonce=nonce, fees=fees)
        await self._ask("eth_sendRawTransaction", "0x" + raw.hex())
        for _ in range(_RECEIPT_POLLS):
            receipt = await self._ask("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                if int(receipt.get("status", "0x1"), 16) != 1:
                    raise VenueRefusal(200, "REVERTED", f"{call.what}: reverted in {tx_hash}")
                return tx_hash
            await asyncio.sleep(_RECEIPT_WAIT_S)
        raise ProtocolError(f"{call.what}: no receipt of {tx_hash} after two minutes")
