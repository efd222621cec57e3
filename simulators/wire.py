"""The type of decoded JSON, which has any shape until it is checked."""

from typing import Any

type Json = Any
