"""The host engine's parts, alone and together, in use that is not kind to them."""

import mmap
import os
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import Mock, patch

import numpy as np
import pytest
from native_testing import PACKINGS, call, kernel, product_text, random_product
from pass_testing import parse

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import run
from dfc.runtime.native import jit, threads
from dfc.runtime.native.bandwidth import PAGE, Bandwidth, exclusive_or, measure
from dfc.runtime.native.cache import MARK, ObjectCache, default_folder, key_of
from dfc.runtime.native.cpu import NEEDS, choose_isa, flags
from dfc.runtime.native.memory import HUGE, huge_bytes
from dfc.runtime.native.objects import UnknownObject, load_object
from dfc.runtime.native.pool_code import LAST

TEXT = """
func.func @f(%arguments: !llvm.ptr, %first: i64, %end: i64) {
  %five = arith.constant 5 : i64
  llvm.store %five, %arguments : i64, !llvm.ptr
  func.return
}
"""
KINDS = {"f": "(!llvm.ptr, i64, i64) -> ()"}
SHAPE = (3, 200, 70)
X86 = os.uname().machine == "x86_64"


def result_of(code: jit.Native) -> int:
    """What `TEXT` writes."""
    word = np.zeros(1, np.int64)
    threads.run(code.addresses[0], word.ctypes.data, 1, 1)
    return int(word[0])


# processor


def test_the_fastest_that_the_processor_has_is_chosen():
    every = frozenset().union(*NEEDS.values())
    assert choose_isa(has=every) == "avx512-vbmi"
    assert choose_isa(has=every - {"avx512vbmi"}) == "avx512-vnni"
    assert choose_isa(has=every - {"avx512_vnni"}) == "avx2"
    assert choose_isa(has=every - {"avx512bw"}) == "avx2"
    assert (
        choose_isa(has=frozenset({"avx512f", "avx512bw", "avx512_vnni"}))
        == "avx512-vnni"
    )
    assert choose_isa(has=frozenset({"asimd"})) == "portable"
    assert choose_isa("avx2", every) == "avx2"
    assert choose_isa("portable", frozenset()) == "portable"


def test_what_the_processor_lacks_is_refused():
    message = "expected a processor with avx512_vnni for avx512-vnni, got one without"
    with pytest.raises(ExecutionError, match=message):
        choose_isa("avx512-vnni", frozenset({"avx512f", "avx512bw"}))
    with pytest.raises(
        ExecutionError, match="of avx512-vbmi, avx512-vnni, avx2, portable, got 'sse'"
    ):
        choose_isa("sse")


def test_a_kernel_for_another_processor_is_not_compiled():
    module = parse(product_text(SHAPE, PACKINGS[0]))
    with (
        patch("dfc.runtime.native.cpu.flags", return_value=frozenset({"avx2"})),
        patch("dfc.runtime.native.kernel.native") as compile_,
        pytest.raises(ExecutionError, match="expected a processor with f16c for avx2"),
    ):
        kernel(module, "avx2")
    assert not compile_.called


def test_flags_are_those_of_the_first_processor(tmp_path: Path):
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: x: y\nflags\t\t: sse avx2\n\nflags\t\t: other\n")
    assert flags(info) == {"sse", "avx2"}
    info = tmp_path / "arm"
    info.write_text("Features\t: fp asimd\n")
    assert flags(info) == {"fp", "asimd"}
    assert flags(tmp_path / "none") == frozenset()


# objects on disk


@pytest.mark.skipif(not X86, reason="objects are loaded on x86-64 only")
def test_a_second_time_nothing_is_compiled(tmp_path: Path):
    cache = ObjectCache(tmp_path / "a" / "b")
    assert result_of(jit.native(TEXT, KINDS, cache)) == 5
    with patch.object(jit, "compiled", side_effect=AssertionError):
        assert result_of(jit.native(TEXT, KINDS, cache)) == 5


@pytest.mark.skipif(not X86, reason="objects are loaded on x86-64 only")
def test_a_kernel_from_the_cache_computes_the_same(tmp_path: Path):
    # constants of vectors stand in sections of their own
    cache = ObjectCache(tmp_path)
    module = parse(product_text(SHAPE, PACKINGS[0]))
    inputs = list(random_product(SHAPE, PACKINGS[0], seed=1))
    (expected,) = call(kernel(module, "portable", cache), module, inputs)
    with patch.object(jit, "compiled", side_effect=AssertionError):
        (found,) = call(kernel(module, "portable", cache), module, inputs)
    np.testing.assert_array_equal(found, expected)


def test_the_key_depends_on_text_types_level_flags_and_versions():
    cache = ObjectCache(Path("nowhere"))
    keys: list[str] = []

    def note(_: ObjectCache, key: str) -> None:
        keys.append(key)

    nothing_made = patch.multiple(jit, compiled=Mock(), object_of=Mock())
    nothing_kept = patch.multiple(ObjectCache, get=note, put=Mock())
    with nothing_made, nothing_kept:
        jit.native(TEXT, KINDS, cache)
        jit.native(TEXT, KINDS, cache)
        jit.native(TEXT.replace("5", "6"), KINDS, cache)
        with patch.object(jit, "flags", return_value=frozenset({"sse"})):
            jit.native(TEXT, KINDS, cache)
        with patch.object(jit, "version", return_value="0"):
            jit.native(TEXT, KINDS, cache)
        jit.native(TEXT, {"f": "(!llvm.ptr, i64) -> ()"}, cache)
        with patch.object(jit, "ADDRESSES", "another_table"):
            jit.native(TEXT, KINDS, cache)
        with patch.object(jit, "LEVEL", 2):
            jit.native(TEXT, KINDS, cache)
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(keys) - 1 == 7


def test_keys_tell_texts_apart_where_they_are_cut():
    assert key_of("ab", "c") != key_of("a", "bc")


@pytest.mark.parametrize("damage", ["short", "flipped", "empty", "foreign", "not code"])
def test_a_damaged_entry_is_compiled_again(tmp_path: Path, damage: str):
    cache = ObjectCache(tmp_path)
    jit.native(TEXT, KINDS, cache)
    (entry,) = tmp_path.glob("*.o")
    data = entry.read_bytes()
    entry.write_bytes(
        {
            "short": data[:-9],
            "flipped": data[:-1] + bytes([data[-1] ^ 1]),
            "empty": b"",
            "foreign": b"x" * len(data),
            "not code": data[:0],
        }[damage]
    )
    if damage == "not code":
        cache.put(entry.stem, b"whole, but no object")
    assert (cache.get(entry.stem) is None) == (damage != "not code")
    assert result_of(jit.native(TEXT, KINDS, cache)) == 5
    assert entry.read_bytes()[: len(MARK)] == MARK
    assert result_of(jit.native(TEXT, KINDS, cache)) == 5


@pytest.mark.parametrize("cut", [3, 30, 70, 200, 500])
def test_half_an_object_is_no_object(tmp_path: Path, cut: int):
    code = jit.compiled(TEXT, KINDS)
    with pytest.raises(UnknownObject):
        load_object(jit.object_of(code.holder)[:cut])


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert result_of(jit.native(TEXT, KINDS, ObjectCache(tmp_path / "file" / "x"))) == 5


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path):
    with patch.object(Path, "replace", side_effect=OSError(28, "no space left")):
        assert result_of(jit.native(TEXT, KINDS, ObjectCache(tmp_path))) == 5
    assert not list(tmp_path.iterdir())


def test_no_place_for_the_object_is_done_without(tmp_path: Path):
    with patch.object(jit.tempfile, "TemporaryDirectory", side_effect=OSError):
        assert result_of(jit.native(TEXT, KINDS, ObjectCache(tmp_path))) == 5
    assert not list(tmp_path.iterdir())


def test_a_folder_that_others_write_to_is_not_trusted(tmp_path: Path):
    cache = ObjectCache(tmp_path)
    cache.put("a", b"code")
    assert cache.get("a") == b"code"
    tmp_path.chmod(0o777)
    assert cache.get("a") is None


def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/dfc/objects")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache/dfc/objects"


# memory


@pytest.mark.parametrize("size", [0, 1, HUGE, HUGE + 1])
@pytest.mark.parametrize("refused", [False, True])
def test_huge_pages_are_asked_for_and_may_be_refused(size: int, refused: bool):
    class Refusing(mmap.mmap):
        def madvise(self, *_: int) -> None:
            raise OSError(22, "invalid argument")

    with patch("mmap.mmap", Refusing if refused else mmap.mmap):
        found = huge_bytes(size)
    assert found.size == size
    assert found.ctypes.data % HUGE == 0 or not size
    assert not found.any()
    found.fill(1)
    assert found.sum() == size


def test_memory_goes_with_its_last_view():
    view = huge_bytes(1000)[5:10]
    view[:] = 3
    assert view.sum() == 15


# bandwidth


@pytest.mark.parametrize("count", [1, 2])
def test_every_word_is_read(count: int):
    memory = huge_bytes(300 * PAGE)
    memory[:] = np.random.default_rng(0).integers(0, 256, memory.size)
    result = np.zeros(1, np.int64)
    exclusive_or(memory, result, count)
    assert result[0] == np.bitwise_xor.reduce(memory.view(np.int64))


def test_bandwidth_is_the_best_of_several_reads():
    found = Bandwidth((2e9, 4e9, 3e9))
    assert (found.best, found.spread) == (4e9, 0.25)
    found = measure(size=1 << 20, reads=3)
    assert len(found.reads) == 3
    assert found.best > 0


# threads


@pytest.fixture(scope="module")
def layer():
    """A product, its kernel, inputs and result."""
    module = parse(product_text(SHAPE, PACKINGS[0]))
    inputs = list(random_product(SHAPE, PACKINGS[0], seed=4))
    return kernel(module, "portable"), module, inputs, run(module, "f", inputs)[0]


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_any_number_of_threads_gives_the_same(layer, count: int):
    made, module, inputs, expected = layer
    for _ in range(20):
        np.testing.assert_array_equal(call(made, module, inputs, count)[0], expected)


def test_many_python_threads_call_at_once(layer):
    made, module, inputs, expected = layer
    wrong: list[int] = []

    def calls(number: int) -> None:
        for _ in range(50):
            if not np.array_equal(call(made, module, inputs, 2)[0], expected):
                wrong.append(number)

    callers = [threading.Thread(target=calls, args=(n,)) for n in range(8)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    assert not wrong


def test_a_pool_at_work_is_not_waited_for(layer):
    made, module, inputs, expected = layer
    with threads.OWNER.get().busy:
        np.testing.assert_array_equal(call(made, module, inputs, 2)[0], expected)


def test_threads_that_sleep_are_woken(layer):
    made, module, inputs, expected = layer
    call(made, module, inputs, 3)
    pool = threads.OWNER.get()
    for _ in range(2000):
        if pool.sleeping == len(pool.threads):
            break
        threading.Event().wait(0.005)
    assert pool.sleeping == len(pool.threads)
    np.testing.assert_array_equal(call(made, module, inputs, 3)[0], expected)


def test_numbers_of_jobs_begin_again(layer):
    made, module, inputs, expected = layer
    call(made, module, inputs, 2)
    threads.OWNER.get().state[0] = (LAST - 1) << 32 | 0xFFFFFFFF  # shut
    for _ in range(4):
        np.testing.assert_array_equal(call(made, module, inputs, 2)[0], expected)
    assert threads.OWNER.get().number == 3


def test_every_part_is_done_once():
    # the parts that a call works on, counted by the kernel of this test
    text = """
    func.func @f(%arguments: !llvm.ptr, %first: i64, %end: i64) {
      %one = arith.constant 1 : i64
      %table = llvm.load %arguments : !llvm.ptr -> !llvm.ptr
      scf.for %at = %first to %end step %one : i64 {
        %here = llvm.getelementptr %table[%at] : (!llvm.ptr, i64) -> !llvm.ptr, i64
        %old = llvm.atomicrmw add %here, %one seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
      }
      func.return
    }"""
    code = jit.native(text, KINDS)
    for parts in (1, 4, 5, 33, 1000):
        for count in (1, 2, 3, 7):
            counts = np.zeros(parts + 8, np.int64)
            table = np.array([counts.ctypes.data], np.int64)
            threads.run(code.addresses[0], table.ctypes.data, parts, count)
            assert (counts[:parts] == 1).all()
            assert not counts[parts:].any()


def test_calls_run_one_after_the_other_on_awake_and_sleeping_threads():
    # each call doubles a number per part and adds one: another order, or a part done twice, gives another number
    text = """
    func.func @f(%arguments: !llvm.ptr, %first: i64, %end: i64) {
      %one = arith.constant 1 : i64
      %table = llvm.load %arguments : !llvm.ptr -> !llvm.ptr
      %more = llvm.getelementptr %arguments[1] : (!llvm.ptr) -> !llvm.ptr, i64
      %added = llvm.load %more : !llvm.ptr -> i64
      scf.for %at = %first to %end step %one : i64 {
        %here = llvm.getelementptr %table[%at] : (!llvm.ptr, i64) -> !llvm.ptr, i64
        %old = llvm.load %here : !llvm.ptr -> i64
        %twice = arith.addi %old, %old : i64
        %new = arith.addi %twice, %added : i64
        llvm.store %new, %here : i64, !llvm.ptr
      }
      func.return
    }"""
    code = jit.native(text, KINDS)
    counts = np.zeros(64, np.int64)
    table = np.array(
        [word for n in range(4) for word in (counts.ctypes.data, n)], np.int64
    )
    steps = [(code.addresses[0], 16 * n, 64, 1 + n % 3) for n in range(4)]
    calls = threads.Calls(steps)
    pool = threads.OWNER.get()
    for _ in range(3):
        counts[:] = 0
        calls.run(table.ctypes.data)
        assert (counts == ((0 * 2 + 1) * 2 + 2) * 2 + 3).all()
        for _ in range(2000):
            if pool.sleeping == len(pool.threads):
                break
            threading.Event().wait(0.005)
        assert pool.sleeping == len(pool.threads) > 0
    counts[:] = 0
    with pool.busy:
        calls.run(table.ctypes.data)
    assert (counts == 11).all()


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_child_of_a_fork_has_threads_of_its_own(layer):
    made, module, inputs, expected = layer
    call(made, module, inputs, 2)
    child = os.fork()
    if not child:
        good = np.array_equal(call(made, module, inputs, 2)[0], expected)
        alone = len(threads.OWNER.get().threads) == 1
        os._exit(0 if good and alone else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(call(made, module, inputs, 2)[0], expected)


def test_a_process_with_threads_ends():
    code = (
        "from dfc.runtime.native.bandwidth import measure\n"
        "measure(size=1 << 22, reads=3, threads=3)"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=120, check=False)
    assert done.returncode == 0


def test_a_pool_that_is_closed_gets_no_more_jobs(
    layer, monkeypatch: pytest.MonkeyPatch
):
    """A Python thread that calls kernels as the process ends does not keep the pool's threads at work."""
    owner = threads.Owner()
    monkeypatch.setattr(threads, "OWNER", owner)
    made, module, inputs, expected = layer
    np.testing.assert_array_equal(call(made, module, inputs, 2)[0], expected)
    pool = owner.get()
    pool.close()
    assert not any(thread.is_alive() for thread in pool.threads)
    number = pool.number
    assert number > 0
    np.testing.assert_array_equal(call(made, module, inputs, 2)[0], expected)
    assert pool.number == number


def test_threads_that_the_system_refuses_are_done_without(
    layer, monkeypatch: pytest.MonkeyPatch
):
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    owner = threads.Owner()
    monkeypatch.setattr(threads, "OWNER", owner)
    made, module, inputs, expected = layer
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        np.testing.assert_array_equal(call(made, module, inputs, 3)[0], expected)
    assert not owner.get().threads
    np.testing.assert_array_equal(call(made, module, inputs, 3)[0], expected)
    assert len(owner.get().threads) == 2
    owner.get().close()
