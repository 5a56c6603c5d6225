"""leafnode.clients.authenticator: the seam that leafnode.auth fits by shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.auth.authenticator import Authenticator as RealAuthenticator
from leafnode.config.options import Authorization, Options

if TYPE_CHECKING:
    from leafnode.clients.authenticator import Authenticator


def test_the_real_authenticator_fits_the_seam() -> None:
    fits: Authenticator = RealAuthenticator(Options(authorization=Authorization(token="t")))

    assert fits.required
    assert not fits.nonce_required
