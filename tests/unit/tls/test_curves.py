"""leafnode.tls.curves: Go's names of curves, as far as this Python can choose."""

from __future__ import annotations

import ssl

import pytest

from leafnode.tls.curves import set_curves


class Context:
    """Keeps what is asked of it; one of Python 3.15 can choose several."""

    def __init__(self, *, several: bool) -> None:
        self.groups = ""
        if several:
            self.set_groups = self._set

    def _set(self, groups: str) -> None:
        self.groups = groups

    def set_ecdh_curve(self, name: str) -> None:
        self.groups = f"only {name}"


@pytest.mark.parametrize(
    ("several", "names", "expected"),
    [
        (True, ("CurveP256", "X25519"), "prime256v1:X25519"),
        (True, ("CurveP384",), "secp384r1"),
        (True, (), ""),
        (False, ("CurveP384",), "only secp384r1"),
        (False, ("CurveP256", "X25519"), ""),  # those of OpenSSL
        (False, (), ""),
    ],
)
def test_as_many_are_chosen_as_can_be(several: bool, names: tuple[str, ...], expected: str) -> None:
    context = Context(several=several)

    set_curves(context, names)

    assert context.groups == expected


def test_openssl_knows_them_by_these_names() -> None:
    for name in ("CurveP256", "CurveP384", "CurveP521"):
        set_curves(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), (name,))
