// ---- roofline: operations per byte to the right, operations per second up, both logarithmic

const ROOF = { width: 760, height: 420, left: 70, right: 20, top: 20, bottom: 46 }; // width: as wide as its place

function roofTiers() {
  const known = report.tiers.filter((tier) => tier.bytes_per_s && points.some((point) => point.operations_per_byte[tier.name]));
  known.sort((a, b) => a.bytes_per_s - b.bytes_per_s);
  return known;
}

function logScale(low, high, from, to) {
  const [a, b] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const end = b > a ? b : a + 1;
  const scale = (value) => from + ((Math.log10(value) - a) / (end - a)) * (to - from);
  scale.decades = Array.from({ length: end - a + 1 }, (_, at) => 10 ** (a + at));
  return scale;
}

function roofAxes(svg, x, y) {
  const bottom = ROOF.height - ROOF.bottom;
  for (const value of x.decades) {
    svg.append(element("line", { class: "grid", x1: x(value), x2: x(value), y1: ROOF.top, y2: bottom }));
    svg.append(element("text", { class: "soft", x: x(value), y: bottom + 16, "text-anchor": "middle" }, String(Number(value.toPrecision(1)))));
  }
  for (const value of y.decades) {
    svg.append(element("line", { class: "grid", x1: ROOF.left, x2: ROOF.width - ROOF.right, y1: y(value), y2: y(value) }));
    svg.append(element("text", { class: "soft", x: ROOF.left - 6, y: y(value) + 4, "text-anchor": "end" }, si(value, "op/s")));
  }
  svg.append(element("text", { x: (ROOF.left + ROOF.width) / 2, y: ROOF.height - 8, "text-anchor": "middle" }, "operations per byte"));
}

function roofLines(svg, x, y, tier, peaks) {
  const [low, high] = [x.decades[0], x.decades.at(-1)];
  const top = Math.max(...peaks.map((unit) => unit.peak_operations_per_s));
  const floor = Math.max(low, y.decades[0] / tier.bytes_per_s);
  const ridge = Math.min(high, top / tier.bytes_per_s);
  const slope = element("path", { class: "roof", "data-roof": tier.name, "data-value": tier.bytes_per_s,
    d: `M${x(floor)},${y(floor * tier.bytes_per_s)}L${x(ridge)},${y(ridge * tier.bytes_per_s)}` });
  svg.append(slope, element("text", { class: "soft", x: x(floor) + 16, y: y(floor * tier.bytes_per_s) - 2 }, `${tier.name} ${si(tier.bytes_per_s, "B/s")}`));
  for (const unit of peaks) {
    const peak = unit.peak_operations_per_s;
    const start = Math.max(low, Math.min(high, peak / tier.bytes_per_s));
    svg.append(element("path", { class: "roof", "data-roof": unit.name, "data-value": peak, d: `M${x(start)},${y(peak)}H${x(high)}`, style: `stroke: var(${unitHue.get(unit.name)})` }));
    svg.append(element("text", { class: "soft", x: x(high) - 4, y: y(peak) - 5, "text-anchor": "end" }, `${unit.name} ${si(peak, "op/s")}`));
  }
}

function roofPoint(svg, x, y, tier, point) {
  // a kernel that moves no byte of this tier stands at the right edge
  const intensity = point.operations_per_byte[tier.name] ?? x.decades.at(-1);
  const circle = element("circle", {
    cx: x(intensity), cy: y(point.operations_per_s), r: 5, fill: `var(${unitHue.get(unitOf(point)) ?? "--other"})`,
    "data-kernel": point.kernel, "data-x": intensity, "data-y": point.operations_per_s,
  });
  circle.append(element("title", {}, `${point.kernel} on ${point.unit}: ${si(point.operations_per_s, "op/s")} at ${Number(intensity.toPrecision(3))} operations per byte, ${si(point.seconds, "s")}, longest on ${point.slowest}`));
  svg.append(circle);
}

function roofNote(tier) {
  const none = report.kernels.length - points.length;
  const above = points.filter((point) => point.operations_per_s > 1.0001 * tier.bytes_per_s * (point.operations_per_byte[tier.name] ?? Infinity)).length;
  $("roof-note").textContent = ["The roofs are what a memory and the units reach at most; a kernel's time is the longer of its part of the critical path and of what it took one unit or link for.",
    none && `${none} kernels compute nothing and have no point.`,
    above && `${above} stand above the memory's roof: their unit is known by a rate that holds whatever their bytes.`].filter(Boolean).join(" ");
}

function drawRoofline() {
  const name = $("roof-tier").value;
  ROOF.width = Math.max(260, $("roof").clientWidth);
  const tier = report.tiers.find((each) => each.name === name);
  const peaks = report.units.filter((unit) => unit.peak_operations_per_s && points.some((point) => point.unit.split(", ").includes(unit.name)));
  const across = points.map((point) => point.operations_per_byte[name]).filter(Boolean);
  const up = [...points.map((point) => point.operations_per_s), ...peaks.map((unit) => unit.peak_operations_per_s)].filter(Boolean);
  const x = logScale(Math.min(...across), Math.max(...across, ...peaks.map((unit) => unit.peak_operations_per_s / tier.bytes_per_s)), ROOF.left, ROOF.width - ROOF.right);
  const y = logScale(Math.min(...up), Math.max(...up), ROOF.height - ROOF.bottom, ROOF.top);
  const svg = element("svg", { viewBox: `0 0 ${ROOF.width} ${ROOF.height}`, role: "img", "aria-label": "roofline" });
  roofAxes(svg, x, y);
  if (peaks.length) roofLines(svg, x, y, tier, peaks);
  const bySize = [...points].sort((a, b) => b.seconds - a.seconds);
  for (const point of bySize) roofPoint(svg, x, y, tier, point);
  $("roof").replaceChildren(svg);
  roofNote(tier);
}

function roofline() {
  const tiers = roofTiers();
  if (!tiers.length) return $("roofline").remove();
  for (const tier of tiers) $("roof-tier").append(element("option", { value: tier.name }, tier.name));
  $("roof-tier").addEventListener("change", drawRoofline);
  keys($("unit-keys"), [...unitHue].filter(([name]) => points.some((point) => unitOf(point) === name)));
  let wide = 0;
  new ResizeObserver(() => {
    if (wide === $("roof").clientWidth) return;
    wide = $("roof").clientWidth;
    requestAnimationFrame(drawRoofline);
  }).observe($("roof"));
  drawRoofline();
}
