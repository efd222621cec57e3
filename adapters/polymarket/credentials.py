"""Load the wallet and the API key from the environment; the only module here that reads it.

Variables: ``POLYMARKET_PRIVATE_KEY`` (hex key of the owner EOA), ``POLYMARKET_FUNDER`` (address of
the wallet that holds the funds, unless the EOA itself does), and ``POLYMARKET_API_KEY``,
``POLYMARKET_API_SECRET``, ``POLYMARKET_API_PASSPHRASE`` (without them the key is derived).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from adapters.common.errors import CredentialError
from adapters.polymarket.constants import CHAIN_ID_POLYGON, SignatureType
from adapters.polymarket.signing import ApiKey, ApiSecret, OrderSigner, SigningError

PRIVATE_KEY = "POLYMARKET_PRIVATE_KEY"
FUNDER = "POLYMARKET_FUNDER"
API_KEY = "POLYMARKET_API_KEY"
API_SECRET = "POLYMARKET_API_SECRET"  # noqa: S105 - the variable's name, not a secret
API_PASSPHRASE = "POLYMARKET_API_PASSPHRASE"  # noqa: S105 - the variable's name, not a secret


class StoredKey:
    """An API key with the secret as text, which the user stream's first frame needs."""

    __slots__ = ("key", "secret_text")

    def __init__(self, key: ApiKey, secret_text: str) -> None:
        self.key = key
        self.secret_text = secret_text

    def __repr__(self) -> str:
        return f"StoredKey({self.key!r})"


def load_signer(
    signature_type: int,
    funder: str | None = None,
    *,
    chain_id: int = CHAIN_ID_POLYGON,
    env: Mapping[str, str] | None = None,
) -> OrderSigner:
    """Return the wallet's signer.

    Raises
    ------
    CredentialError
        A variable is missing or malformed; the message names it and never shows it.
    """
    values = os.environ if env is None else env
    key = values.get(PRIVATE_KEY, "")
    if not key:
        raise CredentialError(f"{PRIVATE_KEY} is not set: it holds the wallet's private key")
    wallet = funder or values.get(FUNDER) or None
    try:
        return OrderSigner(
            key,
            signature_type=SignatureType(signature_type),
            funder=wallet,
            chain_id=chain_id,
        )
    except SigningError as exc:
        raise CredentialError(f"{PRIVATE_KEY} / {FUNDER}: {exc}") from None


def load_api_key(env: Mapping[str, str] | None = None) -> StoredKey | None:
    """Return the API key of the environment, or None when none of its variables is set.

    Raises
    ------
    CredentialError
        Some but not all of the three are set, or the secret is no base64.
    """
    values = os.environ if env is None else env
    found = {name: values.get(name, "") for name in (API_KEY, API_SECRET, API_PASSPHRASE)}
    missing = [name for name, value in found.items() if not value]
    if len(missing) == len(found):
        return None
    if missing:
        raise CredentialError(f"{', '.join(missing)} not set: set all three or none")
    try:
        secret = ApiSecret(found[API_SECRET])
    except SigningError as exc:
        raise CredentialError(f"{API_SECRET}: {exc}") from None
    return StoredKey(ApiKey(found[API_KEY], secret, found[API_PASSPHRASE]), found[API_SECRET])
