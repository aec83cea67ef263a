"""The code of a pool of threads: who takes which part of a job, and how its threads wait."""

SPINS, YIELDS = 20_000, 2_000
"""Looks at the job, and calls of the system to let others run, before a thread sleeps."""

LAST = 2**31 - 1
"""The number of a job before they begin again."""

SLEEPING = 24
"""The word of the state that counts the threads that sleep."""

STATE = 32
"""Words of the state: the word of the job, the chunks done, the job's fields and the sleepers, each in a cache line of its own."""

CODE = (
    """
func.func @take(%state: !llvm.ptr, %number: i64, %index: i64) {
  %closed = arith.constant 4294967295 : i64
  %bits = arith.constant 32 : i64
  %one = arith.constant 1 : i64
  %done = llvm.getelementptr %state[8] : (!llvm.ptr) -> !llvm.ptr, i64
  cf.br ^look
^look:
  %word = llvm.load %state atomic acquire {alignment = 8 : i64} : !llvm.ptr -> i64
  %job = arith.shrui %word, %bits : i64
  %same = arith.cmpi eq, %job, %number : i64
  cf.cond_br %same, ^fields, ^exit
^fields:
  %chunk = arith.andi %word, %closed : i64
  %p0 = llvm.getelementptr %state[16] : (!llvm.ptr) -> !llvm.ptr, i64
  %p1 = llvm.getelementptr %state[17] : (!llvm.ptr) -> !llvm.ptr, i64
  %p2 = llvm.getelementptr %state[18] : (!llvm.ptr) -> !llvm.ptr, i64
  %p3 = llvm.getelementptr %state[19] : (!llvm.ptr) -> !llvm.ptr, i64
  %p4 = llvm.getelementptr %state[20] : (!llvm.ptr) -> !llvm.ptr, i64
  %p5 = llvm.getelementptr %state[21] : (!llvm.ptr) -> !llvm.ptr, i64
  %address = llvm.load %p0 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %arguments = llvm.load %p1 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %parts = llvm.load %p2 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %size = llvm.load %p3 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %chunks = llvm.load %p4 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %threads = llvm.load %p5 atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %left = arith.cmpi ult, %chunk, %chunks : i64
  %mine = arith.cmpi ult, %index, %threads : i64
  %work = arith.andi %left, %mine : i1
  cf.cond_br %work, ^try, ^exit
^try:
  %next = arith.addi %word, %one : i64
  %pair = llvm.cmpxchg %state, %word, %next seq_cst seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
  %taken = llvm.extractvalue %pair[1] : !llvm.struct<(i64, i1)>
  cf.cond_br %taken, ^call, ^look
^call:
  %first = arith.muli %chunk, %size : i64
  %after = arith.addi %first, %size : i64
  %end = arith.minsi %after, %parts : i64
  %function = llvm.inttoptr %address : i64 to !llvm.ptr
  llvm.call %function(%arguments, %first, %end) : !llvm.ptr, (i64, i64, i64) -> ()
  %count = llvm.atomicrmw add %done, %one seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
  cf.br ^look
^exit:
  func.return
}

func.func @lead(%state: !llvm.ptr, %number: i64, %yield: i64, %address: i64, %arguments: i64, %parts: i64, %size: i64, %chunks: i64, %threads: i64) {
  %none = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %bits = arith.constant 32 : i64
  %spins = arith.constant SPINS : i64
  %open = arith.shli %number, %bits : i64
  %done = llvm.getelementptr %state[8] : (!llvm.ptr) -> !llvm.ptr, i64
  %p0 = llvm.getelementptr %state[16] : (!llvm.ptr) -> !llvm.ptr, i64
  %p1 = llvm.getelementptr %state[17] : (!llvm.ptr) -> !llvm.ptr, i64
  %p2 = llvm.getelementptr %state[18] : (!llvm.ptr) -> !llvm.ptr, i64
  %p3 = llvm.getelementptr %state[19] : (!llvm.ptr) -> !llvm.ptr, i64
  %p4 = llvm.getelementptr %state[20] : (!llvm.ptr) -> !llvm.ptr, i64
  %p5 = llvm.getelementptr %state[21] : (!llvm.ptr) -> !llvm.ptr, i64
  llvm.store %address, %p0 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %arguments, %p1 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %parts, %p2 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %size, %p3 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %chunks, %p4 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %threads, %p5 atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %none, %done atomic monotonic {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store %open, %state atomic release {alignment = 8 : i64} : i64, !llvm.ptr
  func.call @take(%state, %number, %none) : (!llvm.ptr, i64, i64) -> ()
  cf.br ^look(%none : i64)
^look(%times: i64):
  %count = llvm.load %done atomic acquire {alignment = 8 : i64} : !llvm.ptr -> i64
  %more = arith.cmpi ult, %count, %chunks : i64
  cf.cond_br %more, ^wait, ^exit
^wait:
  %again = arith.addi %times, %one : i64
  %spin = arith.cmpi ult, %times, %spins : i64
  cf.cond_br %spin, ^look(%again : i64), ^give
^give:
  %function = llvm.inttoptr %yield : i64 to !llvm.ptr
  %ignored = llvm.call %function() : !llvm.ptr, () -> i32
  cf.br ^look(%again : i64)
^exit:
  func.return
}

func.func @sequence(%state: !llvm.ptr, %yield: i64, %calls: !llvm.ptr, %base: i64, %start: i64, %end: i64, %shared: i64, %woken: i64) -> i64 {
  %none = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %words = arith.constant 6 : i64
  %bits = arith.constant 32 : i64
  %closed = arith.constant 4294967295 : i64
  %last = arith.constant LAST : i64
  %asleep = llvm.getelementptr %state[SLEEPING] : (!llvm.ptr) -> !llvm.ptr, i64
  cf.br ^next(%start, %woken : i64, i64)
^next(%at: i64, %awake: i64):
  %more = arith.cmpi ult, %at, %end : i64
  cf.cond_br %more, ^call, ^exit(%end : i64)
^call:
  %place = arith.muli %at, %words : i64
  %p0 = llvm.getelementptr %calls[%place] : (!llvm.ptr, i64) -> !llvm.ptr, i64
  %p1 = llvm.getelementptr %p0[1] : (!llvm.ptr) -> !llvm.ptr, i64
  %p2 = llvm.getelementptr %p0[2] : (!llvm.ptr) -> !llvm.ptr, i64
  %p3 = llvm.getelementptr %p0[3] : (!llvm.ptr) -> !llvm.ptr, i64
  %p4 = llvm.getelementptr %p0[4] : (!llvm.ptr) -> !llvm.ptr, i64
  %p5 = llvm.getelementptr %p0[5] : (!llvm.ptr) -> !llvm.ptr, i64
  %address = llvm.load %p0 : !llvm.ptr -> i64
  %offset = llvm.load %p1 : !llvm.ptr -> i64
  %parts = llvm.load %p2 : !llvm.ptr -> i64
  %size = llvm.load %p3 : !llvm.ptr -> i64
  %chunks = llvm.load %p4 : !llvm.ptr -> i64
  %threads = llvm.load %p5 : !llvm.ptr -> i64
  %arguments = arith.addi %base, %offset : i64
  %after = arith.addi %at, %one : i64
  %several = arith.cmpi ugt, %threads, %one : i64
  %pool = arith.cmpi ne, %shared, %none : i64
  %share = arith.andi %several, %pool : i1
  cf.cond_br %share, ^shut, ^alone
^alone:
  %function = llvm.inttoptr %address : i64 to !llvm.ptr
  llvm.call %function(%arguments, %none, %parts) : !llvm.ptr, (i64, i64, i64) -> ()
  cf.br ^next(%after, %none : i64, i64)
^shut:
  %word = llvm.load %state atomic monotonic {alignment = 8 : i64} : !llvm.ptr -> i64
  %before = arith.shrui %word, %bits : i64
  %turn = arith.remui %before, %last : i64
  %new = arith.addi %turn, %one : i64
  %again = arith.cmpi ne, %awake, %none : i64
  %number = arith.select %again, %before, %new : i64
  %high = arith.shli %number, %bits : i64
  %full = arith.ori %high, %closed : i64
  %old = llvm.atomicrmw xchg %state, %full seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
  llvm.fence seq_cst
  %count = llvm.load %asleep atomic seq_cst {alignment = 8 : i64} : !llvm.ptr -> i64
  %some = arith.cmpi ne, %count, %none : i64
  %unknown = arith.cmpi eq, %awake, %none : i64
  %wake = arith.andi %some, %unknown : i1
  cf.cond_br %wake, ^exit(%at : i64), ^open
^open:
  func.call @lead(%state, %number, %yield, %address, %arguments, %parts, %size, %chunks, %threads) : (!llvm.ptr, i64, i64, i64, i64, i64, i64, i64, i64) -> ()
  cf.br ^next(%after, %none : i64, i64)
^exit(%reached: i64):
  func.return %reached : i64
}

func.func @work(%state: !llvm.ptr, %seen: i64, %index: i64, %yield: i64, %slept: i64) -> i64 {
  %none = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %bits = arith.constant 32 : i64
  %closed = arith.constant 4294967295 : i64
  %spins = arith.constant SPINS : i64
  %most = arith.constant LOOKS : i64
  %asleep = llvm.getelementptr %state[SLEEPING] : (!llvm.ptr) -> !llvm.ptr, i64
  %up = llvm.atomicrmw sub %asleep, %slept seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
  cf.br ^look(%seen, %none : i64, i64)
^look(%last: i64, %times: i64):
  %word = llvm.load %state atomic acquire {alignment = 8 : i64} : !llvm.ptr -> i64
  %number = arith.shrui %word, %bits : i64
  %chunk = arith.andi %word, %closed : i64
  %new = arith.cmpi ne, %number, %last : i64
  %open = arith.cmpi ne, %chunk, %closed : i64
  %job = arith.andi %new, %open : i1
  cf.cond_br %job, ^take, ^wait
^take:
  func.call @take(%state, %number, %index) : (!llvm.ptr, i64, i64) -> ()
  cf.br ^look(%number, %none : i64, i64)
^wait:
  %again = arith.addi %times, %one : i64
  %spin = arith.cmpi ult, %times, %spins : i64
  cf.cond_br %spin, ^look(%last, %again : i64, i64), ^give
^give:
  %function = llvm.inttoptr %yield : i64 to !llvm.ptr
  %ignored = llvm.call %function() : !llvm.ptr, () -> i32
  %stay = arith.cmpi ult, %times, %most : i64
  cf.cond_br %stay, ^look(%last, %again : i64, i64), ^sleep
^sleep:
  %down = llvm.atomicrmw add %asleep, %one seq_cst {alignment = 8 : i64} : !llvm.ptr, i64
  func.return %last : i64
}
""".replace("SPINS", str(SPINS))
    .replace("LOOKS", str(SPINS + YIELDS))
    .replace("LAST", str(LAST))
    .replace("SLEEPING", str(SLEEPING))
)
"""
`take` does chunks of the job of a number; `lead` opens a job, does so and waits for the rest; `sequence` does calls one after the
other, alone or as jobs, and gives the number of those done; `work` is a thread's life between sleeps.

The first word of the state is the number of the job in its upper half and the next chunk in the lower. A chunk
is taken by raising the word from the very value that was read before the fields of the job: whoever has read fields of
another job finds the word changed. While fields are written the lower half is full, which is no chunk.

A call is six words: the function, where its arguments begin behind `base`, its parts, those of a chunk, the chunks, the threads. Without
`shared` all run alone. Before a job is opened its number is there, shut; where threads sleep then, `sequence` returns, and is called
again with `woken` when they have been notified: they find the new number and do not sleep on.
"""
