"""Turns a placed module into a program: functions for kernels, events between ops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xdsl.builder import Builder
from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from dfc.dialects import accel, socket, tier
from dfc.passes.analysis.branches import branch_kernels
from dfc.passes.analysis.event_order import (
    End,
    Order,
    Plan,
    Start,
    in_caller,
    region_of,
)
from dfc.passes.analysis.functions import (
    WEIGHTS,
    argument_attributes,
    callees_first,
    is_private,
    set_argument_attributes,
    update_type,
)
from dfc.passes.fabric.graph import fabric_of_kernel
from dfc.passes.fabric.kernel import FabricPlan
from dfc.passes.kernels.function import EVENT, kernel_function
from dfc.passes.kernels.plan import KernelPlan, kernel_plan
from dfc.runtime.machine import target_of


class ProgramBuilder:
    """Rewrites all functions of a module but `@weights`, which stays on tensors."""

    def __init__(self, module: ModuleOp) -> None:
        self.module = module
        self.functions = [
            function
            for function in callees_first(module)
            if function.sym_name.data != WEIGHTS
        ]
        self.names = {op.sym_name.data for op in module.ops if isinstance(op, FuncOp)}
        self.target = target_of(module)
        self.kernels: dict[Operation, KernelPlan | FabricPlan] = {}
        self.orders: dict[str, Order] = {}
        self.plans: dict[str, Plan] = {}
        self.counts: dict[str, list[int]] = {}

    def build(self) -> None:
        """Plan callees before callers, count events callers before callees, then rewrite."""
        for function in self.functions:
            self._plan(function)
        for function in reversed(self.functions):
            self._count(function)
        for function in self.functions:
            _FunctionBuilder(self, function).build()

    def _plan(self, function: FuncOp) -> None:
        name = function.sym_name.data
        steps = [
            (op, plan) for op in function.body.block.ops if (plan := self._plan_of(op))
        ]
        self.orders[name] = Order(steps, takes_events=is_private(function))
        self.plans[name] = self.orders[name].plan()
        self.counts[name] = [0] * self.plans[name].groups

    def _plan_of(self, op: Operation) -> Plan | None:
        if isinstance(op, accel.KernelOp):
            unit = fabric_of_kernel(op, self.target)
            held = None if unit is None else FabricPlan(op, unit)
            self.kernels[op] = held or kernel_plan(op)
            return self.kernels[op].plan
        if isinstance(op, tier.CopyOp | socket.ExchangeOp):
            source, target = region_of(op.source), region_of(op.target)
            starts = (Start(source, False, 0), Start(target, True, 0))
            ends = (End(source, False, (0,)), End(target, True, (0,)))
            return Plan(1, (None,), starts, ends)
        if isinstance(op, memref.LoadOp):
            return Plan(1, (), (Start(region_of(op.memref), False, 0),), ())
        if isinstance(op, scf.IfOp):
            (kernel,) = branch_kernels(op)
            plan = self._plan_of(kernel)
            assert plan is not None
            # its launches may not happen: they stand for no others on their units
            return replace(plan, units=(None,) * len(plan.units))
        if isinstance(op, CallOp) and op.callee.string_value() in self.plans:
            return in_caller(self.plans[op.callee.string_value()], op.arguments)
        return None

    def _count(self, function: FuncOp) -> None:
        """How many events each group of a callee takes: the most that any call gives."""
        name = function.sym_name.data
        for step in self.orders[name].steps:
            if not isinstance(step.op, CallOp):
                continue
            counts = self.counts[step.op.callee.string_value()]
            for group, needs in enumerate(step.needs):
                outer = step.outer[group]
                given = len(needs) + (0 if outer is None else self.counts[name][outer])
                counts[group] = max(counts[group], given)

    def unique(self, name: str) -> str:
        """A function name that the module does not have yet."""
        chosen, number = name, 1
        while chosen in self.names:
            number += 1
            chosen = f"{name}_{number}"
        self.names.add(chosen)
        return chosen


class _FunctionBuilder:
    """Rewrites one function that calls kernels."""

    def __init__(self, program: ProgramBuilder, function: FuncOp) -> None:
        self.program = program
        self.function = function
        self.name = function.sym_name.data
        self.order = program.orders[self.name]
        self.block = function.body.block
        self.groups: list[list[SSAValue]] = []
        self.events: dict[tuple[int, int], SSAValue] = {}
        self._start: SSAValue | None = None

    def build(self) -> None:
        attributes = argument_attributes(self.function)
        if is_private(self.function):
            self.groups = [
                [
                    self.block.insert_arg(EVENT, len(self.block.args))
                    for _ in range(count)
                ]
                for count in self.program.counts[self.name]
            ]
        for index, step in enumerate(self.order.steps):
            groups = [
                self._given(needs, outer)
                for needs, outer in zip(step.needs, step.outer, strict=True)
            ]
            events = self._rewrite(step.op, groups)
            self.events |= {(index, done): event for done, event in enumerate(events)}
        self._return()
        missing = len(self.block.args) - len(attributes)
        set_argument_attributes(
            self.function, [*attributes, *({} for _ in range(missing))]
        )
        update_type(self.function)

    def _given(
        self, needs: Sequence[tuple[int, int]], outer: int | None
    ) -> list[SSAValue]:
        own = [self.events[ref] for ref in needs]
        theirs = [] if outer is None or not self.groups else self.groups[outer]
        return list(dict.fromkeys([*own, *theirs]))

    def _rewrite(
        self, op: Operation, groups: Sequence[Sequence[SSAValue]]
    ) -> Sequence[SSAValue]:
        builder = Builder(InsertPoint.before(op))
        if isinstance(op, accel.KernelOp):
            return self._kernel(op, groups, builder)
        if isinstance(op, scf.IfOp):
            return self._branch(op, groups, builder)
        if isinstance(op, memref.LoadOp):
            if groups[0]:
                builder.insert(accel.WaitOp(groups[0]))
            return []
        if isinstance(op, tier.CopyOp):
            copy = builder.insert(tier.CopyOp(op.source, op.target, groups[0]))
            copy.attributes |= op.attributes
            op.detach()
            op.erase()
            return [copy.event]
        if isinstance(op, socket.ExchangeOp):
            exchange = builder.insert(op.behind(groups[0]))
            op.detach()
            op.erase()
            return [exchange.event]
        assert isinstance(op, CallOp)
        return self._call(op, groups, builder)

    def _kernel(
        self,
        op: accel.KernelOp,
        groups: Sequence[Sequence[SSAValue]],
        builder: Builder,
    ) -> Sequence[SSAValue]:
        """A call of the function that the kernel becomes."""
        name = self.program.unique(op.sym.data)
        plan, counts = self.program.kernels[op], [len(g) for g in groups]
        made = (
            plan.function(name, counts)
            if isinstance(plan, FabricPlan)
            else kernel_function(plan, name, counts)
        )
        self.program.module.body.block.add_op(made)
        operands = [*op.inputs, *op.outs, *(e for group in groups for e in group)]
        call = builder.insert(
            CallOp(made.sym_name.data, operands, made.function_type.outputs.data)
        )
        op.detach()
        op.erase()
        return call.results

    def _branch(
        self, op: scf.IfOp, groups: Sequence[Sequence[SSAValue]], builder: Builder
    ) -> Sequence[SSAValue]:
        """
        A branch that gives the events of its kernel.

        Where the kernel does not run, the function waits for what it would have started after: the
        branch's events stand for that to whatever comes behind.
        """
        (kernel,) = branch_kernels(op)
        then, other = Block(), Block()
        done = self._kernel(kernel, groups, Builder(InsertPoint.at_end(then)))
        then.add_op(scf.YieldOp(*done))
        if before := [event for group in groups for event in group]:
            other.add_op(accel.WaitOp(list(dict.fromkeys(before))))
        start = accel.StartOp()
        other.add_ops([start, scf.YieldOp(*[start.event] * len(done))])
        kinds = [EVENT] * len(done)
        made = scf.IfOp(op.cond, kinds, Region(then), Region(other))
        events = builder.insert(made).output
        op.detach()
        op.erase()
        return events

    def _call(
        self, op: CallOp, groups: Sequence[Sequence[SSAValue]], builder: Builder
    ) -> Sequence[SSAValue]:
        """A call with every group filled up to what the callee takes."""
        name = op.callee.string_value()
        events: list[SSAValue] = []
        for group, count in zip(groups, self.program.counts[name], strict=True):
            events += [*group, *(self._started() for _ in range(count - len(group)))]
        types = [EVENT] * len(self.program.orders[name].results)
        call = builder.insert(CallOp(name, [*op.arguments, *events], types))
        call.attributes |= op.attributes
        op.detach()
        op.erase()
        return call.results

    def _started(self) -> SSAValue:
        if self._start is None:
            first = self.block.first_op
            assert first is not None
            start = Builder(InsertPoint.before(first)).insert(accel.StartOp())
            self._start = start.event
        return self._start

    def _return(self) -> None:
        """A called function gives its events; an entry waits for them."""
        last = self.block.last_op
        assert isinstance(last, ReturnOp)
        builder = Builder(InsertPoint.before(last))
        if is_private(self.function):
            results = [self.events[ref] for ref in self.order.results]
            builder.insert(ReturnOp(*results))
            last.detach()
            last.erase()
        elif self.order.last:
            builder.insert(accel.WaitOp([self.events[ref] for ref in self.order.last]))
