"""What can go wrong between us and a venue, named by what the caller should do.

::

    AdapterError
    ├── TransportError          bytes were lost; ``sent`` says whether the request may have landed
    │   ├── ConnectFailed       nothing left this machine: safe to send again
    │   ├── RequestTimeout      no answer in time: the outcome of a command is unknown
    │   └── ConnectionLost      the line broke after sending: the outcome of a command is unknown
    ├── ProtocolError           theirs: bytes that do not mean what the venue documents
    ├── UsageError              ours: a wrong argument, sequence of calls or order
    │   ├── ConfigError         a setting, named with what was found and what is allowed
    │   └── CredentialError     a key that is missing, unreadable or of the wrong type
    └── VenueRefusal            the venue answered, and the answer is no
        ├── RateLimited         not applied; ``retry_after_s`` where the venue says
        └── VenueUnavailable    5xx: a read may be repeated, a command's outcome is unknown

No message carries a header, a key or a signature.
"""

from __future__ import annotations


class AdapterError(Exception):
    """Root of everything an adapter raises on purpose."""


class TransportError(AdapterError):
    """The exchange of bytes failed.

    Attributes
    ----------
    sent : bool
        True when the request may have reached the venue.
    """

    sent = True


class ConnectFailed(TransportError):
    """No connection was made, so nothing was sent."""

    sent = False


class RequestTimeout(TransportError):
    """The venue did not answer within the time allowed for the call."""


class ConnectionLost(TransportError):
    """The connection broke, or fell silent, after it had been used."""


class ProtocolError(AdapterError):
    """The venue sent bytes that contradict its own documents."""


class UsageError(AdapterError):
    """We asked for something that must not be sent."""


class ConfigError(UsageError):
    """A setting is wrong.

    Parameters
    ----------
    field : str
        The setting, as the user spells it.
    found : object
        What was found there.
    allowed : str
        What is allowed.
    """

    def __init__(self, field: str, found: object, allowed: str) -> None:
        super().__init__(f"{field}: found {found!r}, allowed: {allowed}")
        self.field = field


class CredentialError(UsageError):
    """A credential is missing, unreadable or of the wrong kind; never quotes it."""


class VenueRefusal(AdapterError):
    """The venue refused.

    Attributes
    ----------
    status : int
        HTTP status, or 0 where the refusal came in a message.
    code : str
        The venue's machine-readable code, empty where it gave none.
    details : str
        The venue's free text, for people only: never branch on it.
    """

    def __init__(self, status: int, code: str, message: str = "", details: str = "") -> None:
        text = ": ".join(part for part in (code or message, details or message) if part)
        super().__init__(f"{status} {text}".strip())
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class RateLimited(VenueRefusal):
    """The venue's budget is used up; the request was not applied."""

    def __init__(
        self, status: int, code: str, message: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(status, code, message)
        self.retry_after_s = retry_after_s


class VenueUnavailable(VenueRefusal):
    """The venue answered 5xx: it does not know, so neither do we."""
