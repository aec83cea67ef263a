// ---- time line: a lane per unit and link, a curve per memory and of the power, all over the same stretch of ticks

const LANE = 24, CURVE = 62, AXIS = 24, CALLS = 20;
const canvas = $("lanes");
const view = { from: 0, to: 1 };
let lanes = [];

function timeText(ticks) {
  return si(ticks * tick, "s");
}

function gutter() {
  return canvas.clientWidth < 560 ? 86 : 130;
}

function layout() {
  // spans of each lane by start, so that the first one in view is found by halving
  lanes = timeline.resources.map((name) => ({ name, spans: [] }));
  timeline.start.forEach((_, at) => lanes[timeline.resource[at]].spans.push(at));
  for (const lane of lanes) lane.spans.sort((a, b) => timeline.start[a] - timeline.start[b]);
  const height = curves().length * CURVE;
  canvas.style.height = `${AXIS + CALLS + lanes.length * LANE + height + 4}px`;
}

function curves() {
  // [name, [ticks, values], what the highest is called, what it is a part of]
  const memories = Object.entries(timeline.occupancy).map(([name, points]) => {
    const tier = report.tiers.find((each) => each.name === name);
    const most = highest(points);
    return [name, points, bytes(most), tier ? `${percent(most / tier.capacity_bytes)} of ${bytes(tier.capacity_bytes)} at most` : ""];
  });
  const mean = report.latency_s ? report.energy_j / report.latency_s : 0;
  return [...memories, ["power", timeline.power, si(highest(timeline.power), "W"), `${si(mean, "W")} on average`]];
}

function highest([, values]) {
  return values.reduce((a, b) => Math.max(a, b), 0);
}

function toX(at) {
  const left = gutter();
  return left + ((at - view.from) / (view.to - view.from)) * (canvas.clientWidth - left);
}

function toTick(x) {
  const left = gutter();
  return view.from + ((x - left) / (canvas.clientWidth - left)) * (view.to - view.from);
}

function firstAfter(length, isAfter) {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isAfter(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function drawTimeline() {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name);
  pen.scale(ratio, ratio);
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  drawAxis(pen, color);
  drawCalls(pen, color);
  let drawn = 0;
  lanes.forEach((lane, at) => { drawn += drawLane(pen, color, lane, AXIS + CALLS + at * LANE); });
  curves().forEach((curve, at) => drawCurve(pen, color, curve, AXIS + CALLS + lanes.length * LANE + at * CURVE));
  Object.assign(canvas.dataset, { from: view.from, to: view.to, drawn });
  // with branches on data the figures are means over both ways, and the time line is of the one without fall-backs
  const way = timeline.cycles === report.cycles ? "" : ", without fall-backs: the figures are means over calls with and without";
  $("range").textContent = `${timeText(view.from)} to ${timeText(view.to)} of ${timeText(timeline.cycles)}${way}`;
}

function drawAxis(pen, color) {
  const rough = (view.to - view.from) * tick / Math.max(2, canvas.clientWidth / 130);
  const scale = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((n) => n * scale >= rough) * scale;
  pen.strokeStyle = color("--line");
  pen.fillStyle = color("--soft");
  for (let at = Math.ceil((view.from * tick) / step); at * step <= view.to * tick; at++) {
    const x = toX((at * step) / tick);
    pen.beginPath();
    pen.moveTo(x, AXIS - 6);
    pen.lineTo(x, canvas.clientHeight);
    pen.stroke();
    if (x < canvas.clientWidth - 40) pen.fillText(si(Number((at * step).toPrecision(6)), "s"), x + 3, AXIS / 2);
  }
}

function label(pen, color, text, y, room) {
  pen.fillStyle = color("--ink");
  const left = gutter();
  let shown = text;
  while (shown.length > 3 && pen.measureText(shown).width > left - 8) shown = `${shown.slice(0, -2)}…`;
  pen.fillText(shown, 0, y + room / 2);
}

function clip(pen, y, height, draw) {
  pen.save();
  pen.beginPath();
  pen.rect(gutter(), y, canvas.clientWidth, height);
  pen.clip();
  draw();
  pen.restore();
}

function drawCalls(pen, color) {
  label(pen, color, "calls", AXIS, CALLS);
  clip(pen, AXIS, CALLS, () => {
    for (const [name, start, end, recorded] of timeline.calls) {
      if (end < view.from || start > view.to) continue;
      const x = toX(start), width = toX(end) - x;
      pen.fillStyle = color("--box");
      pen.fillRect(x, AXIS + 2, Math.max(width - 1, 0.5), CALLS - 4);
      pen.fillStyle = color(recorded ? "--ink" : "--soft");
      if (pen.measureText(name).width < width - 6) pen.fillText(name, Math.max(x, gutter()) + 3, AXIS + CALLS / 2);
    }
  });
}

function drawLane(pen, color, lane, y) {
  label(pen, color, lane.name.replace(/^unit\./, ""), y, LANE);
  const { start, length, busy, kernel } = timeline;
  let drawn = 0;
  clip(pen, y, LANE, () => {
    const first = Math.max(0, firstAfter(lane.spans.length, (at) => start[lane.spans[at]] + length[lane.spans[at]] >= view.from));
    let edge = -1;
    for (let at = first; at < lane.spans.length; at++) {
      const span = lane.spans[at];
      if (start[span] > view.to) break;
      const x = toX(start[span]), end = toX(start[span] + length[span]);
      if (end < edge + 0.4) continue; // narrower than a pixel, and one was drawn there
      edge = Math.max(end, x + 0.6);
      drawn++;
      // as high as it is busy: several ops together leave gaps between them
      const height = (LANE - 6) * Math.max(0.12, length[span] ? busy[span] / length[span] : 1);
      pen.fillStyle = color(kernelHue(timeline.kernels[kernel[span]]));
      pen.fillRect(x, y + LANE - 3 - height, Math.max(edge - x - (edge - x > 3 ? 0.7 : 0), 0.6), height);
      const name = timeline.kernels[kernel[span]];
      if (end - x > 40 && height > 14 && pen.measureText(name).width < end - x - 6) {
        pen.fillStyle = color("--card");
        pen.fillText(name, Math.max(x, gutter()) + 3, y + LANE / 2);
      }
    }
  });
  return drawn;
}

function drawCurve(pen, color, [name, points, topText, note], y) {
  const [ticks, sizes] = points;
  const most = highest(points) || 1;
  const top = y + 8, bottom = y + CURVE - 6;
  const level = (size) => bottom - (size / most) * (bottom - top);
  label(pen, color, name, y, CURVE - 16);
  pen.fillStyle = color("--soft");
  pen.fillText(topText, 0, y + CURVE / 2 + 12);
  clip(pen, y, CURVE, () => {
    const first = Math.max(0, firstAfter(ticks.length, (at) => ticks[at] > view.from) - 1);
    pen.beginPath();
    pen.moveTo(toX(Math.max(ticks[first] ?? 0, view.from)), bottom);
    let last = 0;
    for (let at = first; at < ticks.length && ticks[at] <= view.to; at++) {
      const x = Math.max(toX(ticks[at]), gutter());
      pen.lineTo(x, level(last));
      last = sizes[at];
      pen.lineTo(x, level(last));
    }
    const end = toX(Math.min(view.to, timeline.cycles));
    pen.lineTo(end, level(last));
    pen.lineTo(end, bottom);
    pen.globalAlpha = 0.35;
    pen.fillStyle = color("--c7");
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = color("--c7");
    pen.stroke();
    pen.fillStyle = color("--soft");
    pen.fillText(note, gutter() + 6, bottom - 8);
  });
}

// ---- moving and zooming

function show(from, to) {
  const least = Math.min(10, timeline.cycles);
  const size = Math.min(Math.max(to - from, least), Math.max(timeline.cycles, 1));
  const start = Math.min(Math.max(from + (to - from - size) / 2, 0), Math.max(timeline.cycles, 1) - size);
  Object.assign(view, { from: start, to: start + size });
  requestAnimationFrame(drawTimeline);
}

function zoom(factor, at = (view.from + view.to) / 2) {
  show(at - (at - view.from) * factor, at + (view.to - at) * factor);
}

function spanAt(x, y) {
  const lane = lanes[Math.floor((y - AXIS - CALLS) / LANE)];
  if (!lane || x < gutter() || y < AXIS + CALLS) return null;
  const at = toTick(x), slack = toTick(x + 2) - at;
  const next = firstAfter(lane.spans.length, (place) => timeline.start[lane.spans[place]] > at + slack);
  const span = lane.spans[next - 1];
  return span !== undefined && timeline.start[span] + timeline.length[span] >= at - slack ? span : null;
}

function describe(span) {
  const { start, length, busy, ops, kernel, name, resource } = timeline;
  const what = ops[span] === 1 ? timeline.names[name[span]] : `${thousands.format(ops[span])} ops (${timeline.names[name[span]]})`;
  const taken = busy[span] === length[span] ? "" : `, taken for ${thousands.format(busy[span])} of them`;
  return `${timeline.resources[resource[span]]} · ${timeline.kernels[kernel[span]] || "several kernels"} · ${what} · from ${timeText(start[span])} for ${timeText(length[span])}: ${thousands.format(length[span])} cycles${taken}`;
}

function pointers() {
  const down = new Map();
  let spread = 0;
  const local = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    down.set(event.pointerId, event.offsetX);
    canvas.setPointerCapture(event.pointerId);
    spread = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (before === undefined) {
      const span = spanAt(...local(event));
      if (span !== null) $("span").textContent = describe(span);
      return;
    }
    down.set(event.pointerId, event.offsetX);
    if (down.size === 1) {
      const moved = toTick(before) - toTick(event.offsetX);
      show(view.from + moved, view.to + moved);
    } else if (down.size === 2) {
      const [a, b] = [...down.values()];
      const now = Math.max(20, Math.abs(a - b));
      if (spread) zoom(spread / now, toTick((a + b) / 2));
      spread = now;
    }
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => {
      down.delete(event.pointerId);
      const span = spanAt(...local(event));
      if (span !== null) $("span").textContent = describe(span);
    });
  }
  canvas.addEventListener("dblclick", (event) => zoom(0.4, toTick(event.offsetX)));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(Math.exp(event.deltaY / 300), toTick(event.offsetX));
  }, { passive: false });
}

function startTimeline() {
  if (!timeline) return $("timeline").remove();
  layout();
  pointers();
  const size = () => view.to - view.from;
  const by = { in: () => zoom(0.5), out: () => zoom(2), fit: () => show(0, timeline.cycles) };
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", by[button.dataset.zoom]);
  const pressed = { "+": by.in, "=": by.in, "-": by.out, 0: by.fit, ArrowLeft: () => show(view.from - size() / 5, view.to - size() / 5), ArrowRight: () => show(view.from + size() / 5, view.to + size() / 5) };
  canvas.addEventListener("keydown", (event) => {
    if (!pressed[event.key]) return;
    event.preventDefault();
    pressed[event.key]();
  });
  keys($("kernel-keys"), [...hue].concat(report.kernels.length > HUES ? [["other kernels", "--other"]] : []));
  new ResizeObserver(() => requestAnimationFrame(drawTimeline)).observe(canvas);
  show(0, timeline.cycles);
}
