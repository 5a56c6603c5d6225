"""leafnode.server.account_draft: what was built and is not to hold leaves nothing behind."""

from __future__ import annotations

from leafnode.config.account_options import AccountOptions, ServiceExport, ServiceImport
from tests.sim.clients import ClientWorld


def test_a_draft_that_is_given_up_takes_its_sleeping_subscriptions_along() -> None:
    accounts = ClientWorld().server.account_set
    importer = AccountOptions("I", service_imports=(ServiceImport("E", "q"),))
    accounts.update(AccountOptions("E", service_exports=(ServiceExport("q"),)), AccountOptions("I"))
    before = accounts.account("I").sublist.count
    draft = accounts._draft_of({"I": importer})
    for _ in accounts._fill(draft):
        pass
    assert accounts.account("I").sublist.count == before + 1

    draft.give_up()

    assert accounts.account("I").sublist.count == before
