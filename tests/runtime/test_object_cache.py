"""How large the folder of objects becomes, and what goes first."""

import os
from pathlib import Path

import pytest

from dfc.runtime.native.cache import LIMIT, ObjectCache

SIZE = 1000
"""Bytes of an object."""


def put(cache: ObjectCache, *keys: str) -> None:
    """Keep objects, each used a second after the one before."""
    for key in keys:
        cache.put(key, bytes(SIZE))
        age(cache, key, len(list(cache.folder.iterdir())))


def age(cache: ObjectCache, key: str, seconds: int) -> None:
    """Say when an object was used."""
    path = cache.folder / f"{key}.o"
    if path.exists():
        os.utime(path, (seconds, seconds))


def names(cache: ObjectCache) -> set[str]:
    """The keys that are there."""
    return {path.stem for path in cache.folder.iterdir()}


def test_the_oldest_objects_go_when_there_are_too_many(tmp_path: Path):
    cache = ObjectCache(tmp_path, 4 * (SIZE + 100))
    put(cache, *"abcd")
    assert names(cache) == set("abcd")
    put(cache, "e")
    assert names(cache) == set("cde")


def test_what_is_read_counts_as_used(tmp_path: Path):
    cache = ObjectCache(tmp_path, 4 * (SIZE + 100))
    put(cache, *"abcd")
    assert cache.get("a") == bytes(SIZE)
    put(cache, "e")
    assert "a" in names(cache)
    assert "b" not in names(cache)


def test_an_object_larger_than_the_limit_is_not_kept(tmp_path: Path):
    cache = ObjectCache(tmp_path, SIZE // 2)
    put(cache, "a")
    assert names(cache) == set()


def test_a_folder_that_cannot_be_changed_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cache = ObjectCache(tmp_path)
    put(cache, "a")

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.get("a") == bytes(SIZE)


def test_the_usual_limit():
    assert ObjectCache(Path("nowhere")).limit == LIMIT == 256 * 1024 * 1024
