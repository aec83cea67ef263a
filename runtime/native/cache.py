"""Machine code kept on disk, so that a second process starts without compiling."""

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

MARK = b"dfc-object-1\n"
"""How an entry begins; the digest of the rest follows."""

LIMIT = 256 << 20
"""Bytes that a folder may hold; what was not used for the longest time goes first."""

AFTER = 0.75
"""The share of the limit that is left when it was met."""


def key_of(*parts: str) -> str:
    """A name for what depends on these texts."""
    sizes = (f"{len(part)}:{part}" for part in parts)
    return sha256("".join(sizes).encode()).hexdigest()


def default_folder() -> Path:
    """Where objects are kept when nobody says where."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "dfc" / "objects"


class ObjectCache:
    """
    Files by key in one folder.

    Whatever is wrong with the folder or an entry, the code is compiled instead. Only a folder of this user
    that no one else may write to is read: its files are run. A folder of more than `limit` bytes loses
    those that were used last the longest time ago.
    """

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder = default_folder() if folder is None else folder
        self.limit = limit

    def get(self, key: str) -> bytes | None:
        """The object of a key; None where there is none, or a damaged one."""
        try:
            if not self.own():
                return None
            path = self.folder / f"{key}.o"
            data = path.read_bytes()
        except OSError:
            return None
        with suppress(OSError):
            os.utime(path)
        mark, rest = data[: len(MARK)], data[len(MARK) :]
        digest, body = rest[:32], rest[32:]
        good = mark == MARK and digest == sha256(body).digest()
        return body if good else None

    def put(self, key: str, data: bytes) -> None:
        """Keep an object, whole or not at all; nothing where it is empty or cannot be written."""
        if not data:
            return
        temporary: Path | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with NamedTemporaryFile(dir=self.folder, delete=False) as file:
                temporary = Path(file.name)
                file.write(MARK + sha256(data).digest() + data)
            temporary.replace(self.folder / f"{key}.o")
            self.shrink()
        except OSError:
            if temporary is not None:
                discard(temporary)

    def shrink(self) -> None:
        """Keep to the limit."""
        with os.scandir(self.folder) as entries:
            files = [(e.stat().st_mtime_ns, e.stat().st_size, e.path) for e in entries]
        used = sum(size for _, size, _ in files)
        if used <= self.limit:
            return
        for _, size, path in sorted(files):
            if used <= AFTER * self.limit:
                return
            discard(Path(path))
            used -= size

    def own(self) -> bool:
        """Whether the folder is this user's alone to write to."""
        found = self.folder.stat()
        return found.st_uid == os.getuid() and not found.st_mode & 0o022


def discard(path: Path) -> None:
    """Remove a file, if that can be done."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
