"""Compare the files of a built wheel with those of the four source folders."""

import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "compiler": "dfc",
    "dialects": "dfc/dialects",
    "passes": "dfc/passes",
    "runtime": "dfc/runtime",
}


def source_files(root: Path = ROOT) -> set[str]:
    """Every file of the source folders, under the path it has once installed."""
    return {
        f"{package}/{path.relative_to(root / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def wheel_files(wheel: Path) -> set[str]:
    """The files of a wheel, without its metadata."""
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def main(wheel: Path) -> int:
    """Print what is missing and what is too much; the exit status says if anything is."""
    wanted, found = source_files(), wheel_files(wheel)
    for name in sorted(wanted - found):
        print(f"{wheel.name} lacks {name}: add its package or its package-data")
    for name in sorted(found - wanted):
        print(f"{wheel.name} holds {name}, which no source folder has")
    return int(wanted != found)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
