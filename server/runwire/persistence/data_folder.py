"""The data folder: who owns it, and where things lie in it. Floor 4; main thread, at start-up.

``serve`` and ``run --embedded`` hold a lock on ``<data>/lock``: holding it proves that every older owner is dead, which
is what recovery at start-up rests on. The kernel drops the lock with the process, however it dies.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runwire.errors import DataFolderInUse, StorageUnavailable


def token_file(data: Path) -> Path:
    """Return where the first-start token lies."""
    return data / "token"


def address_file(data: Path) -> Path:
    """Return where a running server notes its address, for commands on the same machine."""
    return data / "address"


def artifacts_folder(data: Path) -> Path:
    """Return where artifacts lie."""
    return data / "artifacts"


def files_folder(data: Path) -> Path:
    """Return where the files lie that users give to runs."""
    return data / "files"


@contextmanager
def owned_data_folder(data: Path) -> Iterator[None]:
    """Make the folder if it is missing and hold its lock.

    Raises:
        DataFolderInUse: another process holds it.
        StorageUnavailable: the folder cannot be made or written.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageUnavailable(f"cannot use the data folder {data}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataFolderInUse(
                f"another process uses the data folder {data}; talk to it with --server, or choose another with --data"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def is_owned(data: Path) -> bool:
    """Return whether some process holds the folder's lock now."""
    try:
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read (mode 0600), whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
