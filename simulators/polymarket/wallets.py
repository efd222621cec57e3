"""CREATE2 addresses of the venue's wallets, so that official clients classify test accounts.

Factories and init-code pieces are public chain constants; the formulas are EIP-1014's.
"""

from __future__ import annotations

from simulators.polymarket.keccak import address_bytes, checksum_address, keccak256, word

PROXY_FACTORY = "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
PROXY_IMPLEMENTATION = "0x44e999d5c2F66Ef0861317f9A4805AC2e90aEB4f"
SAFE_FACTORY = "0xaacFeEa03eb1561C4e67d661e40682Bd20E3541b"
SAFE_INIT_CODE_HASH = "2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf"
DEPOSIT_FACTORY = "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07"
DEPOSIT_BEACON = "0x7A18EDfe055488A3128f01F563e5B479D92ffc3a"

EOA, PROXY, SAFE, DEPOSIT = 0, 1, 2, 3

_PROXY_CODE = (
    "3d3d606380380380913d393d73{factory}5af4602a57600080fd5b602d8060366000396000f3"
    "363d3d373d3d3d363d73{implementation}5af43d82803e903d91602b57fd5bf352e831dd"
    + "00" * 31
    + "20"
    + "00" * 32
)
_BEACON_HEAD = 0x6100523D8160233D3973
_BEACON_TAIL = bytes.fromhex(
    "60195155f3363d3d373d3d363d602036600436635c60da"
    "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c"
    "b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
)


def create2(factory: str, salt: bytes, init_code_hash: bytes) -> str:
    """Return the EIP-1014 address."""
    packed = b"\xff" + address_bytes(factory) + salt + init_code_hash
    return checksum_address("0x" + keccak256(packed)[12:].hex())


def proxy_wallet(owner: str) -> str:
    """Return the proxy wallet (signature type 1) of an owner."""
    code = _PROXY_CODE.format(
        factory=PROXY_FACTORY[2:].lower(), implementation=PROXY_IMPLEMENTATION[2:].lower()
    )
    return create2(PROXY_FACTORY, keccak256(address_bytes(owner)), keccak256(bytes.fromhex(code)))


def safe_wallet(owner: str) -> str:
    """Return the Gnosis safe (signature type 2) of an owner."""
    return create2(SAFE_FACTORY, keccak256(word(owner)), bytes.fromhex(SAFE_INIT_CODE_HASH))


def deposit_wallet(owner: str) -> str:
    """Return the beacon deposit wallet (signature type 3) of an owner."""
    args = word(DEPOSIT_FACTORY) + word(owner)
    head = (_BEACON_HEAD + (len(args) << 56)).to_bytes(10, "big")
    code = head + address_bytes(DEPOSIT_BEACON) + _BEACON_TAIL + args
    return create2(DEPOSIT_FACTORY, keccak256(args), keccak256(code))


def wallet_for(owner: str, signature_type: int) -> str:
    """Return the address that holds the funds of an owner under a signature type."""
    makers = {PROXY: proxy_wallet, SAFE: safe_wallet, DEPOSIT: deposit_wallet}
    make = makers.get(signature_type)
    return make(owner) if make is not None else checksum_address(owner)
