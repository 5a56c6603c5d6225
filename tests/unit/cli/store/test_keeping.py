"""leafnode.cli.store.keeping: verify, backup, restore, compact as they are typed."""

import json
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from leafnode.cli.store import keeping
from leafnode.cli.store.command import run
from leafnode.store.schema import FILE_NAME
from tests.sim.committer import open_store
from tests.sim.stored import SHORT, fill, remove


def typed(*words: object) -> int:
    return run([str(word) for word in words], "leafnode")


def messages(directory: Path) -> int:
    world = open_store(directory, SHORT)
    (record,) = world.store.streams()
    count = record.store.state().msgs
    world.close()
    return count


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def break_one(path: Path) -> None:
    conn = sqlite3.connect(path)
    conn.execute("UPDATE m1_1 SET body=x'00' WHERE seq=3")
    conn.commit()
    conn.close()


def test_verify_says_ok_and_how_much(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path)
    remove(tmp_path, 3, 5, 6)

    assert typed("verify", "-s", tmp_path) == 0

    assert capsys.readouterr().out == (
        "A S: ok, 17 messages in 3 segments\n"
        "  3 sequences hold no message: 3, 5-6\n"
        "file: ok\n"
    )  # fmt: skip


def test_verify_of_damage_has_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    break_one(fill(tmp_path))

    assert typed("verify", "-s", tmp_path) == 1
    assert "  ! the checksum of message 3 does not hold" in capsys.readouterr().out

    assert typed("verify", "-s", tmp_path, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found[0]["problems"][0] == "the checksum of message 3 does not hold"


def test_a_backup_of_an_open_store_comes_back(tmp_path: Path) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup.db"
    fill(store)
    world = open_store(store, SHORT)

    assert typed("backup", "-s", store, backup) == 0
    world.close()
    assert typed("restore", "-s", tmp_path / "new", backup) == 0

    assert messages(tmp_path / "new") == 20
    assert backup.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == {"store", "backup.db", "new"}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_backup_replaces_only_when_told_and_never_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = fill(tmp_path / "store")
    target = tmp_path / "backup.db"
    target.write_text("old")

    assert typed("backup", "-s", path.parent, target) == 1
    assert target.read_text() == "old"
    assert typed("backup", "-s", path.parent, target, "--force") == 0
    assert typed("backup", "-s", path.parent, path, "--force") == 1

    assert "is the store itself" in capsys.readouterr().err
    assert typed("verify", "-s", target) == 0


def test_a_damaged_store_makes_no_backup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    break_one(fill(tmp_path / "store"))

    assert typed("backup", "-s", tmp_path / "store", tmp_path / "backup.db") == 1

    assert "stream S is damaged, nothing was kept" in capsys.readouterr().err
    assert names(tmp_path) == {"store"}


def test_restore_keeps_off_a_running_server_and_a_store_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup.db"
    fill(store)
    assert typed("backup", "-s", store, backup) == 0
    remove(store, 1, 2)
    capsys.readouterr()

    world = open_store(store, SHORT)
    assert typed("restore", "-s", store, backup, "--force") == 1
    world.close()
    assert capsys.readouterr().err.endswith("a server uses this store: stop it first\n")

    assert typed("restore", "-s", store, backup) == 1
    assert capsys.readouterr().err.endswith("exists; --force replaces it\n")
    assert messages(store) == 18


def test_a_replaced_store_is_kept_and_its_log_goes(tmp_path: Path) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup.db"
    fill(store)
    assert typed("backup", "-s", store, backup) == 0
    # As after a SIGKILL: what was removed is in the log only.
    world = open_store(store, SHORT)
    world.store.streams()[0].store.remove([1, 2])
    world.settle()
    crashed = tmp_path / "crashed"
    shutil.copytree(store, crashed)
    world.close()
    assert (crashed / f"{FILE_NAME}-wal").stat().st_size

    assert typed("restore", "-s", crashed, backup, "--force") == 0

    assert f"{FILE_NAME}-wal" not in names(crashed)
    assert messages(crashed) == 20
    (crashed / f"{FILE_NAME}.replaced").rename(crashed / FILE_NAME)
    assert messages(crashed) == 18


def crashed(tmp_path: Path) -> Path:
    """A store after a SIGKILL: that messages 1 and 2 were removed is in its log only."""
    fill(tmp_path / "open")
    world = open_store(tmp_path / "open", SHORT)
    world.store.streams()[0].store.remove([1, 2])
    world.settle()
    shutil.copytree(tmp_path / "open", tmp_path / "crashed")
    world.close()
    return tmp_path / "crashed" / FILE_NAME


@pytest.mark.parametrize("what", ["missing", "empty", "garbage"])
def test_a_log_without_its_store_is_kept_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    fill(tmp_path / "other", messages=5)
    assert typed("backup", "-s", tmp_path / "other", tmp_path / "backup.db") == 0
    path = crashed(tmp_path)
    log, whole = path.with_name(f"{FILE_NAME}-wal"), path.read_bytes()
    lost = log.read_bytes()
    path.unlink() if what == "missing" else path.write_bytes(b"" if what == "empty" else b"x" * 99)

    assert typed("restore", "-s", path.parent, tmp_path / "backup.db") == 1
    assert log.read_bytes() == lost
    assert capsys.readouterr().err.endswith(
        "is missing, but leafnode.db-wal is there; --force keeps that aside\n"
        if what == "missing"
        else "exists; --force replaces it\n"
    )
    assert typed("restore", "-s", path.parent, tmp_path / "backup.db", "--force") == 0
    assert messages(path.parent) == 5
    assert typed("verify", "-s", path.parent) == 0

    kept = path.with_name(f"{FILE_NAME}.replaced-wal")
    assert kept.read_bytes() == lost
    path.write_bytes(whole)
    kept.rename(log)
    assert messages(path.parent) == 18


def test_a_second_log_that_is_kept_aside_does_not_replace_the_first(tmp_path: Path) -> None:
    path, backup = fill(tmp_path / "store"), tmp_path / "backup.db"
    assert typed("backup", "-s", path.parent, backup) == 0
    for number in range(2):
        path.unlink()
        path.with_name(f"{FILE_NAME}-wal").write_bytes(b"%d" % number)
        assert typed("restore", "-s", path.parent, backup, "--force") == 0

    kept = [path.with_name(f"{FILE_NAME}.replaced{one}-wal") for one in ("", ".2")]
    assert [one.read_bytes() for one in kept] == [b"0", b"1"]


@pytest.mark.parametrize("name", [FILE_NAME, "missing.db"])
def test_a_backup_is_not_put_beside_anothers_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    fill(tmp_path / "source", messages=5)
    path = crashed(tmp_path)
    path.with_name("missing.db-wal").write_bytes(b"log")
    before = names(path.parent)

    assert typed("backup", "-s", tmp_path / "source", path.with_name(name), "--force") == 1

    assert capsys.readouterr().err.endswith(f"changes of it are in {name}-wal\n")
    assert names(path.parent) == before
    assert messages(path.parent) == 18


def test_a_backup_is_not_put_in_a_running_servers_place_but_may_be_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "source", messages=5)
    fill(tmp_path / "store")
    world = open_store(tmp_path / "store", SHORT)

    words = ("backup", "-s", tmp_path / "source", "--force")
    assert typed(*words, tmp_path / "store" / FILE_NAME) == 1
    assert capsys.readouterr().err.endswith("a server uses this store: stop it first\n")
    assert typed(*words, tmp_path / "store" / "backup.db") == 0
    world.close()

    assert messages(tmp_path / "store") == 20


def test_restore_leaves_nothing_beside_its_backup(tmp_path: Path) -> None:
    store = tmp_path / "store"
    fill(store)
    assert typed("backup", "-s", store, tmp_path / "backup.db") == 0
    assert typed("restore", "-s", store, tmp_path / "backup.db", "--force") == 0

    replaced = store / f"{FILE_NAME}.replaced"
    assert typed("restore", "-s", store, replaced, "--force") == 0

    assert not [name for name in names(store) if name.endswith(("-wal", "-shm"))]


def test_a_restore_that_is_in_place_is_told_as_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup.db"
    fill(store)
    assert typed("backup", "-s", store, backup) == 0
    monkeypatch.setattr(keeping, "sync_directory", lambda _: signal.raise_signal(signal.SIGINT))

    assert typed("restore", "-s", tmp_path / "new", backup) == 0

    assert "restored" in capsys.readouterr().out
    assert messages(tmp_path / "new") == 20


def test_each_replaced_store_is_kept(tmp_path: Path) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup.db"
    path = fill(store)
    assert typed("backup", "-s", store, backup) == 0
    olds = []
    for _ in range(3):
        olds.append(path.read_bytes())
        assert typed("restore", "-s", store, backup, "--force") == 0
        path.write_bytes(b"garbage %d" % len(olds))

    kept = [f"{FILE_NAME}.replaced{suffix}" for suffix in ("", ".2", ".3")]
    assert [(store / name).read_bytes() for name in kept] == olds


def test_restore_replaces_a_store_that_cannot_even_be_opened(tmp_path: Path) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup.db"
    path = fill(store)
    assert typed("backup", "-s", store, backup) == 0
    path.write_bytes(b"garbage")
    path.with_name(path.name + "-wal").write_bytes(b"garbage")

    assert typed("restore", "-s", store, backup, "--force") == 0

    assert messages(store) == 20


def test_a_command_removes_what_one_that_was_killed_has_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = fill(tmp_path)
    for made in (".restored", ".compacted", ".compacted-journal"):
        path.with_name(path.name + made).write_bytes(b"half")

    assert typed("compact", "-s", tmp_path) == 0

    assert not [name for name in names(tmp_path) if ".restored" in name or ".compacted" in name]
    assert messages(tmp_path) == 20
    assert len(caplog.records) == 1


def test_what_a_killed_command_has_left_is_no_backup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = fill(tmp_path)
    half = path.with_name(path.name + ".restored")
    half.write_bytes(path.read_bytes())

    assert typed("restore", "-s", tmp_path, half, "--force") == 1

    assert "is not a backup" in capsys.readouterr().err
    assert messages(tmp_path) == 20


def test_restore_that_is_refused_leaves_no_directory(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    backup.write_bytes(b"no store")

    assert typed("restore", "-s", tmp_path / "new" / "leafnode.db", backup) == 1
    assert not (tmp_path / "new").exists()

    (tmp_path / "mine").mkdir()
    assert typed("restore", "-s", tmp_path / "mine", backup) == 1
    assert (tmp_path / "mine").exists()


def test_a_backup_brings_along_nothing_that_is_not_leafnodes(tmp_path: Path) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup.db"
    conn = sqlite3.connect(fill(store))
    conn.execute("CREATE TRIGGER t AFTER INSERT ON subject BEGIN DELETE FROM segment; END")
    conn.close()

    assert typed("backup", "-s", store, backup) == 0
    assert typed("restore", "-s", tmp_path / "new", backup) == 0

    assert messages(tmp_path / "new") == 20


@pytest.mark.parametrize("what", ["damaged", "no store", "with a log", "with a trigger"])
def test_restore_of_what_is_no_sound_backup_leaves_everything(tmp_path: Path, what: str) -> None:
    store, backup = tmp_path / "store", tmp_path / "backup.db"
    fill(store)
    assert typed("backup", "-s", store, backup) == 0
    if what == "damaged":
        break_one(backup)
    elif what == "no store":
        backup.write_bytes(b"SQLite format 3\0" + bytes(4096))
    elif what == "with a trigger":
        conn = sqlite3.connect(backup)
        conn.execute("CREATE TRIGGER t AFTER INSERT ON subject BEGIN DELETE FROM segment; END")
        conn.close()
    else:
        (tmp_path / "backup.db-wal").write_bytes(b"x")
    before = names(store)

    assert typed("restore", "-s", store, backup, "--force") == 1
    assert typed("restore", "-s", tmp_path / "new", backup) == 1

    assert names(store) == before
    assert messages(store) == 20
    assert not (tmp_path / "new" / FILE_NAME).exists()


def test_compact_gives_back_room_and_keeps_off_a_running_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = fill(tmp_path, 3000)
    remove(tmp_path, *range(2, 3000, 2))
    before = path.stat().st_size
    world = open_store(tmp_path, SHORT)
    assert typed("compact", "-s", tmp_path) == 1
    world.close()

    assert typed("compact", "-s", tmp_path) == 0

    assert path.stat().st_size < before
    assert messages(tmp_path) == 1501
    assert names(tmp_path) <= {FILE_NAME, "leafnode.lock", "leafnode.reserve"}


def test_compact_of_a_damaged_store_leaves_it(tmp_path: Path) -> None:
    path = fill(tmp_path)
    break_one(path)
    before = path.read_bytes()

    assert typed("compact", "-s", tmp_path) == 1

    assert path.read_bytes() == before


def test_a_full_disk_is_seen_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path)
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: full)

    assert typed("backup", "-s", tmp_path, tmp_path / "b.db") == 1

    assert "has 1000 B free" in capsys.readouterr().err


def test_what_is_left_of_a_deleted_stream_is_checked_and_called_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = fill(tmp_path)
    with sqlite3.connect(path) as conn:
        conn.execute("UPDATE stream SET name='S..1'")
    conn.close()

    typed("verify", "-s", tmp_path)
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("A S: ")
    assert "deleted: this is left of it" in line

    typed("verify", "-s", tmp_path, "--json")
    found = json.loads(capsys.readouterr().out)[0]
    assert (found["stream"], found["deleted"]) == ("S", True)
