"""Reports for the tests of what is made of them."""

from machine_testing import parse

from dfc.runtime.report import Report
from dfc.runtime.simulator import simulate_language_model

NEAR, FAR = 'memref<1x2x1x32xf32, "sram">', 'memref<1x2x256x32xf32, "ddr">'
WEIGHT, SLOT = 'memref<4096xi8, "ddr">', 'memref<4096xi8, "sram">'
EVENT = "!accel.event"
MODEL = f"""
builtin.module attributes {{accel.target = "tiny-npu"SET}} {{
func.func private @attend(%q: {NEAR}, %s: {SLOT}, %k: {FAR}, %v: {FAR}, %p: index, %before: {EVENT}) -> {EVENT} attributes {{accel.kernel = "attend", dfc.origin = "model.layers.0:sdpa"}} {{
  %e = accel.launch on "attention" after(%before) ins(%q, %k, %v, %p, %s : {NEAR}, {FAR}, {FAR}, index, {SLOT}) outs(%q : {NEAR}) {{
  ^bb0(%qv: tensor<1x2x1x32xf32>, %kv: tensor<1x2x256x32xf32>, %vv: tensor<1x2x256x32xf32>, %pos: index, %sv: tensor<4096xi8>, %o: tensor<1x2x1x32xf32>):
    %y = attention.sdpa %qv, %kv, %vv at %pos {{causal}} : tensor<1x2x1x32xf32>, tensor<1x2x256x32xf32>, tensor<1x2x256x32xf32> -> tensor<1x2x1x32xf32>
    accel.yield %y : tensor<1x2x1x32xf32>
  }}
  func.return %e : {EVENT}
}}
func.func private @load(%w: {WEIGHT}, %s: {SLOT}, %before: {EVENT}) -> {EVENT} attributes {{accel.kernel = "load"}} {{
  %e = tier.copy %w to %s after(%before) : {WEIGHT} to {SLOT}
  func.return %e : {EVENT}
}}
func.func @prefill(%w: {WEIGHT}) {{
  %s = tier.alloc offset 256 : {SLOT}
  %start = accel.start
  %e = func.call @load(%w, %s, %start) : ({WEIGHT}, {SLOT}, {EVENT}) -> {EVENT}
  accel.wait %e
  func.return
}}
func.func @decode(%w: {WEIGHT}, %k: {FAR}, %v: {FAR}, %p: index) {{
  %s = tier.alloc offset 256 : {SLOT}
  %q = tier.alloc offset 0 : {NEAR}
  %start = accel.start
  %e = func.call @load(%w, %s, %start) : ({WEIGHT}, {SLOT}, {EVENT}) -> {EVENT}
  %f = func.call @attend(%q, %s, %k, %v, %p, %e) : ({NEAR}, {SLOT}, {FAR}, {FAR}, index, {EVENT}) -> {EVENT}
  accel.wait %f
  func.return
}}
}}
"""
"""A prompt that loads a weight; a step that loads it and then attends over the cache."""


def language_model_report(prefill: int = 4, decode: int = 3, **chosen: str) -> Report:
    """The report of the model above, with overrides of its target."""
    table = ", ".join(f'"{key}" = {value}' for key, value in chosen.items())
    extra = f", accel.target_set = {{{table}}}" if chosen else ""
    module = parse(MODEL.replace("SET", extra))
    return simulate_language_model(module, prefill=prefill, decode=decode)
