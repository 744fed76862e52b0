"""Which of several media types an Accept header likes best (RFC 9110 §12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from api.errors import ApiError

_QUALITY = re.compile(r"[01](?:\.[0-9]{0,3})?")


def choose(accept: str | None, offered: Sequence[str]) -> str:
    """Return what of `offered` is liked best, the first where that is open. Raises 406."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    liked = {media: _quality(media, ranges) for media in offered}
    best = max(offered, key=lambda media: liked[media])  # of equals the first
    if not liked[best]:
        raise ApiError("not_acceptable")
    return best


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (text.strip().lower() for text in part.split(";"))
    stated = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
    return name, min(float(stated), 1.0) if _QUALITY.fullmatch(stated) else 0.0


def _quality(media: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return what the most specific range that covers a type says of it."""
    kind = media.partition("/")[0]
    for wanted in (media, f"{kind}/*", "*/*"):
        found = [quality for name, quality in ranges if name == wanted]
        if found:
            return max(found)
    return 0.0
