"""How a download says under which name it wants to be saved."""

from __future__ import annotations

from urllib.parse import quote


def attachment(filename: str) -> str:
    """Return a Content-Disposition under which a browser saves and never shows (RFC 6266).

    ASCII only: the name itself stands percent-encoded behind `filename*`.
    """
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
