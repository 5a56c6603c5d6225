"""leafnode.auth.account_drafts: what an account is to be, among those that are known."""

from __future__ import annotations

from msgspec.structs import replace

from leafnode.auth.account_claims import Exporter, account_options
from leafnode.auth.account_drafts import bare, changed_by, draft_of
from leafnode.auth.claims import AccountClaims, ExportClaim, ImportClaim
from leafnode.auth.known_accounts import LoadedAccount
from leafnode.auth.trust import Trust
from leafnode.slices import finish

TRUST = Trust(frozenset({"O"}))


def loaded(name: str, *, token_req: bool = False, imports_from: str = "") -> LoadedAccount:
    """An account that exports a stream, or imports one."""
    export = ExportClaim(subject="s", type="stream", token_req=token_req)
    wanted = ImportClaim(subject="s", account=imports_from, type="stream")
    imports = (wanted,) if imports_from else ()
    claims = AccountClaims(
        sub=name, iss="O", nats=replace(bare(name), exports=(export,), imports=imports)
    )
    return LoadedAccount(claims, "", Exporter(claims), account_options(claims))


def imported(*others: LoadedAccount) -> list[str]:
    """From whom an account may import that wants to import from E."""
    importer = loaded("I", imports_from="E")
    known = {one.claims.sub: one for one in (importer, *others)}

    draft = finish(draft_of(importer, known, TRUST, 0))

    assert draft.account is importer
    assert changed_by({"I": draft}) == [draft.options]
    importer.options = draft.options
    assert changed_by({"I": draft}) == []
    return [one.account for one in draft.options.stream_imports]


def test_an_account_imports_from_whom_is_known_and_lets_it() -> None:
    exporter = loaded("E")

    assert imported(exporter) == ["E"]
    assert imported(loaded("E", token_req=True)) == []
    assert imported() == []
    exporter.removed = True
    assert imported(exporter) == []


def test_of_an_account_without_a_jwt_its_own_key_signs_users() -> None:
    assert bare("A").signing_keys == ("A",)
    assert bare("A").limits.wildcards
