"""leafnode.store.copy: a copy is of one moment, whatever is written meanwhile."""

from pathlib import Path
from random import Random

import pytest

from leafnode.errors import StoreError
from leafnode.store.api import StoredMsg
from leafnode.store.copy import ROUNDS_MAX, copy_store, drop_dead
from leafnode.store.inspect import Inspection
from leafnode.store.schema import FILE_NAME
from leafnode.store.verify import verify
from tests.sim.committer import open_store
from tests.sim.stored import SHORT, fill, remove

Content = dict[tuple[str, str], tuple[int, list[StoredMsg], list[str]]]


def content(path: Path) -> Content:
    """Everything that clients could notice, of a store without a fault."""
    with Inspection(path) as inspection:
        problems = [one.problems for one in verify(inspection) if one is not None and one.problems]
        assert problems == []
        return {
            (seen.stream.account, seen.stream.name): (
                seen.stream.index.last_seq,
                [one for messages in inspection.messages(seen, []) for one in messages],
                sorted(seen.stream.consumers),
            )
            for seen in inspection.streams()
        }


def no_step(_: int) -> None:
    pass


def test_a_copy_holds_what_the_store_holds_and_a_server_opens_it(tmp_path: Path) -> None:
    path = fill(tmp_path / "store")
    remove(path.parent, 2, 11)
    (tmp_path / "copy").mkdir()
    target = tmp_path / "copy" / FILE_NAME
    steps: list[int] = []

    copy_store(path, target, steps.append)

    assert content(target) == content(path)
    assert steps == [3, 3, 3]
    assert target.stat().st_mode & 0o777 == 0o600
    world = open_store(target.parent, SHORT)
    (record,) = world.store.streams()
    assert record.store.append(b"s.1", 0, b"", 0) == 21
    world.close()


@pytest.mark.parametrize("run", range(30))
def test_it_holds_beside_a_server_that_changes_everything(
    tmp_path: Path, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every step of the first round something else happens to the store."""
    monkeypatch.setattr("leafnode.store.copy.FEW_ROWS", 0)
    random = Random(run)
    path = fill(tmp_path / "store", 60)
    world = open_store(path.parent, SHORT)

    def change(_: int) -> None:
        nonlocal world
        for _ in range(random.randint(0, 4)):
            records = world.store.streams()
            store = random.choice(records).store if records else None
            what = random.choice(("append", "append", "remove", "purge", "again", "reopen", "new"))
            if what == "append" and store is not None:
                for _ in range(random.randint(1, 20)):
                    store.append(b"s.%d" % random.randint(0, 5), 0, b"body", 0)
            elif what == "remove" and store is not None:
                last = store.last_seq()
                store.remove(random.sample(range(1, last + 1), random.randint(0, last)))
            elif what == "purge" and store is not None:
                store.remove_below(random.randint(1, store.last_seq() + 2))
            elif what == "again" and records:  # another stream, and after `reopen` of the same id
                world.store.delete_stream("A", records[0].name)
            elif what == "new" and len(records) < 3:
                name = f"N{random.randint(0, 10**9)}"
                world.store.create_stream("A", name, b"{}", random.randint(1, 9), 1)
            elif what == "reopen":
                world.close()
                world = open_store(path.parent, SHORT)
            world.settle()

    copy_store(path, tmp_path / "copy.db", change)
    world.settle()
    copied, now = content(tmp_path / "copy.db"), content(path)
    world.close()

    assert copied == now


def test_a_writer_that_never_rests_does_not_keep_it_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leafnode.store.copy.FEW_ROWS", -1)
    rounds: list[int] = []
    monkeypatch.setattr("leafnode.store.copy._Copy.round", lambda copy: rounds.append(1) or 1)

    copy_store(fill(tmp_path), tmp_path / "copy.db", no_step)

    assert len(rounds) == ROUNDS_MAX
    assert content(tmp_path / "copy.db") == content(tmp_path / FILE_NAME)


def test_a_target_that_exists_and_a_source_that_is_no_store_are_refused(tmp_path: Path) -> None:
    path = fill(tmp_path)
    with pytest.raises(StoreError, match="File exists"):
        copy_store(path, path, no_step)
    with pytest.raises(StoreError, match="nothing"):
        copy_store(tmp_path / "nothing", tmp_path / "copy.db", no_step)


def test_what_was_removed_is_no_longer_in_the_file(tmp_path: Path) -> None:
    path = fill(tmp_path / "store", 60)
    secret = b"=cmd()"
    remove(path.parent, *range(3, 61, 6), 1, 60)
    before = content(path)
    assert secret in path.read_bytes()
    copy_store(path, tmp_path / "copy.db", no_step)
    steps: list[int] = []

    dropped = drop_dead(tmp_path / "copy.db", steps.append)

    assert dropped == 12
    assert content(tmp_path / "copy.db") == before
    assert secret not in (tmp_path / "copy.db").read_bytes()
    assert steps == [1]


def test_a_stream_without_messages_keeps_its_sequences(tmp_path: Path) -> None:
    path = fill(tmp_path / "store")
    remove(path.parent, *range(1, 21))
    (tmp_path / "copy").mkdir()
    target = tmp_path / "copy" / FILE_NAME
    copy_store(path, target, no_step)

    drop_dead(target, no_step)

    world = open_store(target.parent, SHORT)
    (record,) = world.store.streams()
    assert record.store.append(b"s.1", 0, b"", 0) == 21
    world.close()
