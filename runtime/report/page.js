"use strict";
// The page reads one JSON object: the report as `dfc simulate --json` prints it, where its kernels
// stand under the roofs, and the spans of the run. Nothing is worked out here but positions.

const { report, points, timeline } = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const tick = report.latency_s / Math.max(report.cycles, 1);
const HUES = 8;
const SHARES = 10;

// ---- words and numbers

const thousands = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const percent = (share) => `${(100 * share).toFixed(1)}%`;

function si(value, unit) {
  if (value === 0) return `0 ${unit}`;
  const steps = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"]];
  const [scale, prefix] = steps.find(([size]) => Math.abs(value) >= size * 0.99995) ?? steps.at(-1);
  return `${Number((value / scale).toPrecision(4))} ${prefix}${unit}`;
}

function bytes(value) {
  const at = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(value, 1)) / 10)));
  return `${Number((value / 2 ** (10 * at)).toPrecision(4))} ${["B", "KiB", "MiB", "GiB", "TiB"][at]}`;
}

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "line", "path", "circle", "text", "title", "rect"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The longest kernels have hues of their own, the others share one.
const hue = new Map(
  [...report.kernels].sort((a, b) => b.cycles - a.cycles).slice(0, HUES).map((kernel, at) => [kernel.name, `--c${at}`]),
);
const unitHue = new Map(report.units.map((unit, at) => [unit.name, `--c${at % HUES}`]));
const kernelHue = (name) => hue.get(name) ?? "--other";
const unitOf = (point) => point.unit.split(", ")[0];

function keys(list, entries) {
  for (const [name, variable] of entries) {
    list.append(element("li", {}, element("i", { style: `background: var(${variable})` }), name));
  }
}

// ---- figures

function figures() {
  const last = report.steps.length ? report.steps.at(-1) : null;
  const found = [
    ["time to first token", report.ttft_s, (v) => si(v, "s")],
    ["decode", report.decode_tokens_per_s, (v) => `${Number(v.toPrecision(4))} tok/s`],
    ["latency", report.latency_s, (v) => si(v, "s")],
    ["cycles", report.cycles, thousands.format],
    ["energy", report.energy_j, (v) => si(v, "J")],
    ["energy per token", report.tokens_per_j && 1 / report.tokens_per_j, (v) => si(v, "J")],
    ["set by assumed numbers", report.assumed_share, percent],
    ["set by calibrated numbers", report.calibrated_share, percent],
  ];
  for (const [name, value, shown] of found) {
    if (value === undefined || value === null) continue;
    const tile = element("div", { class: "tile", "data-name": name, "data-value": value });
    tile.append(element("b", {}, shown(value)), element("span", { class: "soft" }, name));
    $("figures").append(tile);
  }
  $("title").textContent = report.target;
  const tokens = report.prefill_tokens ? `prompt of ${report.prefill_tokens} tokens` : "";
  const steps = last ? `${report.steps.length} decode steps, the last at context ${last.context}` : "";
  $("subtitle").textContent = [tokens, steps].filter(Boolean).join(", ") || "one call";
}

// ---- shares: bars of a whole

function shares(section, parts, total, shown) {
  const sorted = Object.entries(parts).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const small = element("details", {}, element("summary", { class: "soft" }, sorted.length - SHARES === 1 ? "1 smaller one" : `${sorted.length - SHARES} smaller ones`));
  sorted.forEach(([name, amount], at) => {
    const share = amount / (total || 1);
    const row = element("div", { class: "share", "data-name": name, "data-value": amount });
    const fill = element("div", { style: `width: ${100 * share}%` });
    row.append(element("span", {}, name), element("div", { class: "track" }, fill));
    row.append(element("span", {}, `${shown(amount)} · ${percent(share)}`));
    (at < SHARES ? section : small).append(row);
  });
  if (sorted.length > SHARES) section.append(small);
  if (!sorted.length) section.append(element("p", { class: "soft" }, "nothing"));
}

// ---- tables that sort

function table(section, columns, rows) {
  if (!rows.length) return section.remove();
  const body = element("tbody");
  const head = element("tr");
  const numeric = columns.map((_, at) => rows.every((row) => typeof row[at] === "number"));
  const fill = () => {
    body.replaceChildren(...rows.map((row) => element("tr", {}, ...row.map((cell, at) => {
      const text = typeof cell === "number" ? (Number.isInteger(cell) ? thousands.format(cell) : String(Number(cell.toPrecision(6)))) : cell;
      const attributes = { class: numeric[at] ? "number" : "words" };
      if (text.length > 40) attributes.title = text;
      if (numeric[at]) attributes["data-value"] = cell;
      return element("td", attributes, text);
    }))));
  };
  columns.forEach((name, at) => {
    const cell = element("th", { class: numeric[at] ? "number" : "words", "aria-sort": "none" });
    const button = element("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      const down = cell.getAttribute("aria-sort") !== "descending";
      for (const other of head.children) other.setAttribute("aria-sort", "none");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (numeric[at] ? a[at] - b[at] : String(a[at]).localeCompare(String(b[at])));
      rows.sort((a, b) => (down ? -order(a, b) : order(a, b)));
      fill();
    });
    cell.append(button);
    head.append(cell);
  });
  fill();
  section.append(element("div", { class: "rows" }, element("table", {}, element("thead", {}, head), body)));
}

function tables() {
  const tiers = report.tiers.map((tier) => tier.name).filter((name) => report.kernels.some((kernel) => kernel.tiers[name]));
  const moved = (kernel, tier) => (kernel.tiers[tier] ? kernel.tiers[tier].read_bytes + kernel.tiers[tier].written_bytes : 0);
  const stalls = (kernel) => Object.entries(kernel.stalls).slice(0, 3).map(([cause, n]) => `${cause} ${percent(n / Math.max(kernel.cycles, 1))}`).join(", ");
  table(
    $("kernels"),
    ["kernel", "unit", "calls", "cycles", "time %", "operations", "energy, J", ...tiers.map((name) => `${name} bytes`), "stalled by", "origin"],
    report.kernels.map((kernel) => [
      kernel.name, kernel.unit, kernel.calls, kernel.cycles, Number(((100 * kernel.cycles) / Math.max(report.cycles, 1)).toFixed(2)),
      kernel.operations, kernel.energy_j, ...tiers.map((name) => moved(kernel, name)), stalls(kernel), kernel.origin,
    ]),
  );
  const row = (kind) => (unit) => [kind, unit.name, unit.busy_cycles, Number((100 * unit.utilisation).toFixed(2)),
    unit.peak_operations_per_s ? si(unit.peak_operations_per_s, "op/s") : unit.peak_bytes_per_s ? si(unit.peak_bytes_per_s, "B/s") : ""];
  table($("resources"), ["kind", "name", "busy cycles", "busy %", "at most"], [...report.units.map(row("unit")), ...report.links.map(row("link"))]);
  table($("tiers"), ["name", "capacity, bytes", "peak bytes", "bytes read", "bytes written"],
    report.tiers.map((tier) => [tier.name, tier.capacity_bytes, tier.peak_bytes, tier.read_bytes, tier.written_bytes]));
  table($("fifos"), ["kernel", "name", "depth", "peak occupancy", "starved cycles", "blocked cycles"],
    report.fifos.map((fifo) => [fifo.kernel, fifo.name, fifo.depth ?? "no limit", fifo.peak_occupancy, fifo.stalls.starved ?? 0, fifo.stalls.blocked ?? 0]));
  table($("steps"), ["context", "cycles", "latency, s", "energy, J"], report.steps.map((step) => [step.context, step.cycles, step.latency_s, step.energy_j]));
  for (const note of report.notes) $("notes").append(element("p", {}, note));
  if (!report.notes.length) $("notes").remove();
}

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const set = (name) => { document.documentElement.dataset.theme = name; };
  set(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => { set(dark.matches ? "dark" : "light"); });
  $("theme").addEventListener("click", () => {
    set(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    drawTimeline();
  });
}
