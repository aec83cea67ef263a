"""Collect every `.mlir` file under tests/filecheck as one test, run by lit."""

import gc
import os
import sys
import warnings
from pathlib import Path

import pytest
from lit.formats import ShTest
from lit.LitConfig import LitConfig
from lit.Test import Test, TestSuite
from lit.TestingConfig import TestingConfig

FILECHECK = Path(__file__).parent / "filecheck"
BIN = Path(sys.executable).parent


def pytest_collect_file(parent: pytest.Collector, file_path: Path):
    """Take the `.mlir` files of the filecheck folder."""
    if file_path.suffix == ".mlir" and file_path.is_relative_to(FILECHECK):
        return LitFile.from_parent(parent, path=file_path)
    return None


class LitFile(pytest.File):
    """A text file whose `RUN:` lines are one test."""

    def collect(self):
        yield LitItem.from_parent(self, name=self.path.stem)


class LitFailure(Exception):
    """What lit printed about a test that failed."""


class LitItem(pytest.Item):
    """One file's `RUN:` lines, with the tools of this environment."""

    def runtest(self):
        output = self.config.rootpath / "build" / "lit"
        with warnings.catch_warnings():
            # lit leaves the ends of its pipes to the garbage collector
            warnings.simplefilter("ignore", ResourceWarning)
            result = ShTest().execute(*lit_test(self.path, output))
            gc.collect()
        if result.code.isFailure or result.code.name == "UNRESOLVED":
            raise LitFailure(result.output)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style=None):
        if isinstance(excinfo.value, LitFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, 0, str(self.path.relative_to(self.config.rootpath))


def lit_test(path: Path, output: Path) -> tuple[Test, LitConfig]:
    """The lit test of one file, which writes its temporary files under `output`."""
    lit = LitConfig("lit", [], "note", False, False, [], False, False, False, None, {})
    config = TestingConfig.fromdefaults(lit)
    config.name, config.suffixes, config.test_format = "dfc", {".mlir"}, ShTest()
    config.test_source_root = str(FILECHECK)
    config.test_exec_root = str(output)
    config.environment["PATH"] = os.pathsep.join((str(BIN), os.environ["PATH"]))
    suite = TestSuite("dfc", str(FILECHECK), str(output), config)
    return Test(suite, path.relative_to(FILECHECK).parts, config), lit
