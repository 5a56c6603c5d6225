"""leafnode.cli.store.place: which file is meant, and the lock."""

from pathlib import Path

import pytest

from leafnode.cli.store.place import alone, find, give_to_owner
from leafnode.errors import ConfigError, StoreError
from leafnode.store.schema import FILE_NAME
from tests.sim.committer import open_store
from tests.sim.stored import SHORT, fill


def test_a_directory_a_file_and_a_configuration_name_a_store(tmp_path: Path) -> None:
    config = tmp_path / "l.conf"
    config.write_text(f'jetstream {{ store_dir: "{tmp_path}/js" }}')

    assert find(str(tmp_path), None) == tmp_path / FILE_NAME
    assert find(str(tmp_path / "backup.db"), None) == tmp_path / "backup.db"
    assert find(None, str(config)) == tmp_path / "js" / FILE_NAME


def test_a_configuration_without_a_store_and_one_that_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "l.conf"
    config.write_text("port: 4222")
    with pytest.raises(StoreError, match="has no jetstream block"):
        find(None, str(config))

    config.write_text("port: x")
    with pytest.raises(ConfigError, match=r"l\.conf:1:"):
        find(None, str(config))


def test_a_server_and_what_wants_to_be_alone_keep_each_other_out(tmp_path: Path) -> None:
    path = fill(tmp_path)
    with alone(path), pytest.raises(StoreError, match="another process uses this store"):
        open_store(tmp_path, SHORT)

    world = open_store(tmp_path, SHORT)
    with pytest.raises(StoreError, match="a server uses this store: stop it first"), alone(path):
        pass
    world.close()


def test_what_root_makes_belongs_to_the_store_s_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[object, int, int]] = []
    monkeypatch.setattr("os.chown", lambda *what: given.append(what))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    give_to_owner(tmp_path / "x", of=tmp_path)
    assert given == []

    monkeypatch.setattr("os.geteuid", lambda: 0)
    give_to_owner(tmp_path / "x", of=tmp_path)

    owner = tmp_path.stat()
    assert given == [(tmp_path / "x", owner.st_uid, owner.st_gid)]
