"""The commands that look after a store: verify, backup, restore, compact.

What they write gets its name when it was verified and is on disk; what it replaces stays beside it
where it was somebody's only copy. Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import contextlib
import os
import shutil
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from leafnode import limits
from leafnode.cli import shown
from leafnode.cli.running import hold_off_interrupts
from leafnode.cli.store import options, output
from leafnode.cli.store.place import alone, find, give_to_owner
from leafnode.durable import sync_directory
from leafnode.errors import StoreCorrupt, StoreError
from leafnode.store import schema
from leafnode.store.copy import copy_store, drop_dead, sync_file
from leafnode.store.inspect import Inspection
from leafnode.store.leftovers import COMPACTED, RESTORED
from leafnode.store.lock import LOCK_NAME
from leafnode.store.verify import Verdict, segments
from leafnode.store.verify import verify as verified
from leafnode.store.wal import has_log, log_path

if TYPE_CHECKING:
    from collections.abc import Iterator

REPLACED: Final = ".replaced"  # what restore --force puts behind the old file's name


@click.command()
@options.place
@options.as_json
def verify(store: str | None, config: str | None, *, json_: bool) -> int:
    """Check all checksums, indexes and pages; the exit status is 1 when something is wrong.

    Sequences without a message are told and are no fault: limits and removals leave them.
    """
    with Inspection(find(store, config)) as inspection:
        verdicts = _verdicts(inspection)
    if json_:
        shown.say(shown.as_json([_as_dict(one) for one in verdicts]))
    else:
        for verdict in verdicts:
            shown.say(_as_text(verdict))
    return int(any(verdict.problems for verdict in verdicts))


@click.command(
    epilog="""\b
Example:
  leafnode store backup -c /etc/leafnode/leafnode.conf /mnt/usb/leafnode.db

The server may run, and is not held up. The copy is of one moment, holds every message that was
acknowledged before, is verified, and only then gets its name."""
)
@options.place
@options.force("Replace the target.")
@click.argument("target")
def backup(store: str | None, config: str | None, target: str, *, force: bool) -> None:
    """Write a copy of the store to the file TARGET."""
    source, path = find(store, config), Path(target)
    if path.exists() and source.exists() and path.samefile(source):
        raise StoreError(f"{path}: is the store itself")
    with _of_no_server(path), output.new_file(path, force=force) as partial:
        _need_room(source, partial)
        with shown.progress("copying") as step:
            copy_store(source, partial, step)
        verdicts = _must_be_intact(partial)
    _report("backed up", path, verdicts)


@click.command(
    epilog="""\b
Example:
  systemctl stop leafnode
  leafnode store restore -s /var/lib/leafnode /mnt/usb/leafnode.db"""
)
@options.place
@options.force(f"Replace the store that is there; it is kept as leafnode.db{REPLACED}.")
@click.argument("backup_file", metavar="BACKUP")
def restore(store: str | None, config: str | None, backup_file: str, *, force: bool) -> None:
    """Make the store out of the file BACKUP. The server must be stopped."""
    source, path = Path(backup_file), _place_for(store, config)
    if not source.is_file():
        raise StoreError(f"{source}: is no file")
    if has_log(source):
        raise StoreError(f"{source}: is not a backup: changes of it are in {log_path(source).name}")
    unfinished = [path.with_name(path.name + made) for made in (RESTORED, COMPACTED)]
    if any(one.exists() and one.samefile(source) for one in unfinished):
        raise StoreError(f"{source}: is not a backup: a command that was killed has left it")
    with _directory(path.parent), alone(path):
        if path.exists() and not force:
            raise StoreError(f"{path}: exists; --force replaces it")
        if has_log(path) and not force:
            log = log_path(path).name
            raise StoreError(f"{path}: is missing, but {log} is there; --force keeps that aside")
        if path.exists() and path.samefile(source):
            raise StoreError(f"{source}: is the store itself")
        with _beside(path, RESTORED) as new, _without_log(source):
            _need_room(source, new)
            _copy_file(source, new)
            verdicts = _must_be_intact(new)
            _put_in_place(new, path, keep=True)
    _report("restored", path, verdicts)


@click.command(
    epilog="""\b
Removed messages stay in the file until their segment is rewritten, and pages that are free stay in
it. This writes a new file without them, which erases them as far as the disk does."""
)
@options.place
def compact(store: str | None, config: str | None) -> None:
    """Give back the room of what was removed. The server must be stopped."""
    path = find(store, config)
    with alone(path):
        with Inspection(path) as inspection:
            before = _file_bytes(inspection)
        with _beside(path, COMPACTED) as new:
            _need_room(path, new)
            with shown.progress("copying") as step:
                copy_store(path, new, step)
            with shown.progress("removing") as step:
                dropped = drop_dead(new, step)
            verdicts = _must_be_intact(new)
            _put_in_place(new, path, keep=False)
    after = path.stat().st_size
    became = f"{shown.size(before)} became {shown.size(after)}"
    _report(f"compacted, {dropped} removed rows dropped, {became}", path, verdicts)


def _verdicts(inspection: Inspection) -> list[Verdict]:
    verdicts = []
    count = segments(inspection)
    with shown.progress("verifying", count) as step:
        for verdict in verified(inspection):
            if verdict is None:
                step(count)
            else:
                verdicts.append(verdict)
    return verdicts


def _must_be_intact(path: Path) -> list[Verdict]:
    with Inspection(path) as inspection:
        verdicts = _verdicts(inspection)
    for verdict in verdicts:
        if verdict.problems:
            where = f"stream {verdict.stream}" if verdict.stream else "the file"
            problem = f"{where} is damaged, nothing was kept: {verdict.problems[0]}"
            raise StoreCorrupt(f"{path}: {problem}")
    return verdicts


def _as_dict(verdict: Verdict) -> dict[str, Any]:
    return {
        "account": verdict.account,
        "stream": verdict.name,
        "deleted": verdict.is_deleted,
        "segments": verdict.segments,
        "messages": verdict.messages,
        "removed_rows": verdict.removed,
        "missing": verdict.missing,
        "gaps": verdict.gaps,
        "problems": verdict.problems,
        "more_problems": verdict.more_problems,
        "unseen": verdict.unseen,
    }


def _as_text(verdict: Verdict) -> str:
    name = f"{verdict.account} {verdict.name}" if verdict.stream else "file"
    how = shown.bad("damaged") if verdict.problems else shown.good("ok")
    lines = [f"{shown.printable(name)}: {how}"]
    if verdict.stream:
        lines[0] += f", {verdict.messages} messages in {verdict.segments} segments"
    if verdict.is_deleted:
        lines[0] += " (deleted: this is left of it, and goes when the server runs)"
    if verdict.missing:
        ranges = ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in verdict.gaps)
        lines.append(f"  {verdict.missing} sequences hold no message: {ranges}")
    lines += [f"  {shown.bad('!')} {shown.printable(problem)}" for problem in verdict.problems]
    if verdict.more_problems:
        lines.append(f"  and {verdict.more_problems} more")
    if verdict.unseen:
        lines.append(f"  {verdict.unseen}")
    return "\n".join(lines)


def _place_for(store: str | None, config: str | None) -> Path:
    """Return where a store is to be, also when there is no directory yet."""
    path = find(store, config)
    return path if path.name == schema.FILE_NAME else path / schema.FILE_NAME


def _need_room(source: Path, target: Path) -> None:
    """Refuse before a server's disk is full. Raises StoreError."""
    with Inspection(source) as inspection:
        needed = _file_bytes(inspection) + limits.STORE_RESERVE_BYTES
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise StoreError(
            f"{target.parent}: has {shown.size(free)} free, {shown.size(needed)} are needed"
        )


def _file_bytes(inspection: Inspection) -> int:
    (pages,) = inspection.conn.execute("PRAGMA page_count").fetchone()
    (page_size,) = inspection.conn.execute("PRAGMA page_size").fetchone()
    return int(pages * page_size)


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as reading, _created(target) as writing:
        shutil.copyfileobj(reading, writing, limits.MIB)
    sync_file(target)


@contextlib.contextmanager
def _created(path: Path) -> Iterator[Any]:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        yield file


@contextlib.contextmanager
def _directory(directory: Path) -> Iterator[None]:
    """Have the directory of a store; one that was made for nothing goes."""
    is_new = not directory.exists()
    schema.prepare_directory(directory)
    try:
        yield
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                (directory / LOCK_NAME).unlink(missing_ok=True)
                directory.rmdir()
        raise


@contextlib.contextmanager
def _beside(path: Path, suffix: str) -> Iterator[Path]:
    """Give the name of a file to make; whatever is left of it in the end goes."""
    new = path.with_name(path.name + suffix)
    new.unlink(missing_ok=True)
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)
        _drop_log(new)


@contextlib.contextmanager
def _without_log(source: Path) -> Iterator[None]:
    """Drop the empty log that SQLite makes beside a file that is only read."""
    log = log_path(source)
    was_there = log.exists()
    try:
        yield
    finally:
        if not was_there and log.exists() and not log.stat().st_size:
            _drop_log(source)


@contextlib.contextmanager
def _of_no_server(path: Path) -> Iterator[None]:
    """Refuse to put a file beside a log, which SQLite would take for its own, or where a server
    makes one.
    """
    is_place = path.name == schema.FILE_NAME and path.with_name(LOCK_NAME).exists()
    with alone(path) if is_place else contextlib.nullcontext():
        if has_log(path):
            log = log_path(path).name
            raise StoreError(f"{path}: is a store's, not a backup's: changes of it are in {log}")
        yield


def _put_in_place(new: Path, path: Path, *, keep: bool) -> None:
    """Let the new file be the store. At no moment is there one with another's log, or none where
    there was one.
    """
    if path.exists():
        with contextlib.suppress(StoreError):  # a damaged one may be replaced, too
            schema.ensure_file(path)  # SQLite drops the log of what is no database
            schema.open_writer(path).close()  # the last to close brings its log over
    hold_off_interrupts()
    if keep:
        _keep(path)
    _drop_log(path)
    give_to_owner(new, of=path if path.exists() else path.parent)
    new.replace(path)
    sync_directory(path.parent)


def _keep(path: Path) -> None:
    """Give the old file a second name that no other has, and take along a log that was not brought
    over.
    """
    for number in count(1):
        suffix = REPLACED if number == 1 else f"{REPLACED}.{number}"
        kept = path.with_name(path.name + suffix)
        if kept.exists() or log_path(kept).exists():
            continue
        if path.exists():
            kept.hardlink_to(path)
        if has_log(path):
            log_path(path).rename(log_path(kept))
        return


def _drop_log(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _report(what: str, path: Path, verdicts: list[Verdict]) -> None:
    messages = sum(verdict.messages for verdict in verdicts)
    streams = sum(bool(verdict.stream) for verdict in verdicts)
    size = shown.size(path.stat().st_size)
    shown.say(f"{path}: {what}: {streams} streams, {messages} messages, {size}, verified")


COMMANDS: Final = (verify, backup, restore, compact)
