"""Raw frames on disk: what the venue said, byte for byte, and when we heard it.

One JSON line per frame inside a zstd stream: ``[ts_init_ns, stream, payload]``; ``payload`` is
text where the bytes are UTF-8, else ``{"b64": …}``. A file cut short by a crash still reads up
to its last complete block.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import zstandard

from adapters.common.errors import ProtocolError


class Frame(NamedTuple):
    """One frame as received."""

    ts_init_ns: int
    stream: str
    payload: bytes


class FrameTap:
    """Append frames to one file.

    Parameters
    ----------
    path : Path
        Made, with its folder, if absent; an existing file gets a further zstd stream.
    flush_bytes : int, default 65536
        Raw bytes after which a block is completed, so a crash loses no more than this.
    """

    def __init__(self, path: Path, *, flush_bytes: int = 65_536) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._writer = zstandard.ZstdCompressor(level=3).stream_writer(self._file)
        self._encoder = msgspec.json.Encoder()
        self._flush_bytes = flush_bytes
        self._unflushed = 0

    def write(self, ts_init_ns: int, stream: str, payload: bytes) -> None:
        """Append one frame."""
        try:
            body: str | dict[str, str] = payload.decode()
        except UnicodeDecodeError:
            body = {"b64": base64.b64encode(payload).decode()}
        line = self._encoder.encode((ts_init_ns, stream, body)) + b"\n"
        self._writer.write(line)
        self._unflushed += len(line)
        if self._unflushed >= self._flush_bytes:
            self._writer.flush(zstandard.FLUSH_BLOCK)
            self._file.flush()
            self._unflushed = 0

    def close(self) -> None:
        """Complete the stream and close the file."""
        if not self._file.closed:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_frames(path: Path) -> Iterator[Frame]:
    """Yield the frames of a tap file in order.

    Raises
    ------
    ProtocolError
        A line is not a frame; the message names file and line. A cut-off end is no error.
    """
    decoder = msgspec.json.Decoder(tuple[int, str, str | dict[str, str]])
    for number, line in enumerate(_lines(path), start=1):
        try:
            ts_init_ns, stream, body = decoder.decode(line)
        except msgspec.MsgspecError as exc:
            raise ProtocolError(f"{path}, line {number}: not a frame ({exc})") from exc
        payload = body.encode() if isinstance(body, str) else base64.b64decode(body["b64"])
        yield Frame(ts_init_ns, stream, payload)


def _lines(path: Path) -> Iterator[bytes]:
    """Yield complete lines; what a crash cut off after the last newline is left out."""
    rest = b""
    with (
        path.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader,
    ):
        while True:
            try:
                chunk = reader.read(1 << 16)
            except zstandard.ZstdError:
                return
            if not chunk:
                return
            *complete, rest = (rest + chunk).split(b"\n")
            yield from complete
