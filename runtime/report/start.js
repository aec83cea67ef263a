// ---- everything, once

theme();
figures();
startTimeline();
shares($("parts"), report.parts, report.cycles, thousands.format);
shares($("energy"), report.energy_parts_j, report.energy_j, (joules) => si(joules, "J"));
roofline();
tables();
