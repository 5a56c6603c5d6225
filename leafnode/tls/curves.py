"""Which curves a context agrees to: as many as this Python lets one choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.config.tls import CURVES

if TYPE_CHECKING:
    import ssl


def set_curves(context: ssl.SSLContext, preferences: tuple[str, ...]) -> None:
    """Let a context agree to these curves, by Go's names. Raises ValueError, ssl.SSLError."""
    curves = [CURVES[name] for name in preferences]
    set_groups = getattr(context, "set_groups", None)  # Python 3.15
    if curves and set_groups is not None:
        set_groups(":".join(curves))
    elif len(curves) == 1:
        context.set_ecdh_curve(curves[0])
