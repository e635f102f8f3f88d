// How long holds were: a histogram with a logarithmic axis of time. Holds that their TTL ended are apart: they
// would have been longer.

import { Pen, make, set } from "./dom.js";
import { duration } from "./format.js";

const height = 150;
const axis = 24;
const perOctave = 4; // bars

export function distribution(svg, key, doc) {
  const { lock } = doc;
  const ttl = lock.held && lock.ttl_ms >= 0 ? lock.age_ms + lock.ttl_ms : 0;
  const marks = [
    ["mean", lock.usual_mean_ms, "mean"], ["p90", lock.usual_p90_ms, "nine of ten end before"], ["age", lock.held ? lock.age_ms : 0, "this hold so far"],
    ["ttl", ttl, "its TTL"], ["suggested", lock.suggested_ttl_ms, "suggested TTL"],
  ];
  const bars = merge(doc.distribution);
  svg.toggleAttribute("hidden", !bars.length);
  showKey(key, bars.length ? marks : []);
  if (bars.length) draw(svg, bars, marks.filter(([, ms]) => ms > 0));
}

// merge puts the server's buckets together to bars that can be told apart.
function merge(buckets) {
  const bars = new Map();
  for (const b of buckets) {
    const at = Math.floor(Math.log2(Math.max(b.from_ms, 0.001)) * perOctave + 1e-6);
    const bar = bars.get(at) ?? { at, released: 0, censored: 0 };
    bar.released += b.released;
    bar.censored += b.censored;
    bars.set(at, bar);
  }
  return [...bars.values()];
}

function draw(svg, bars, marks) {
  const width = Math.max(240, svg.clientWidth || 400);
  const places = [...bars.map((b) => b.at), ...marks.map(([, ms]) => Math.log2(ms) * perOctave)];
  const from = Math.floor(Math.min(...places)) - 1;
  const to = Math.ceil(Math.max(...places)) + 2;
  const x = (at) => 4 + ((at - from) / (to - from)) * (width - 8);
  const most = Math.max(...bars.map((b) => b.released + b.censored));
  const y = (share) => (share / most) * (height - axis - 10);
  const pen = (svg.pen ??= new Pen(svg));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = `${height}px`;
  svg.setAttribute("aria-label", marks.map(([, ms, text]) => `${text} ${duration(ms)}`).join("; "));
  pen.begin();
  drawAxis(pen, from, to, x, width);
  for (const b of bars) {
    const left = x(b.at);
    const wide = Math.max(1, x(b.at + 1) - left - 1);
    const base = height - axis;
    pen.draw("rect", { x: left, y: base - y(b.released), width: wide, height: y(b.released), class: "released" });
    pen.draw("rect", { x: left, y: base - y(b.released) - y(b.censored), width: wide, height: y(b.censored), class: "censored" });
  }
  for (const [name, ms] of marks) {
    const at = x(Math.log2(ms) * perOctave);
    pen.draw("line", { x1: at, x2: at, y1: 2, y2: height - axis, class: "mark " + name });
  }
  pen.end();
}

function drawAxis(pen, from, to, x, width) {
  const base = height - axis;
  pen.draw("line", { x1: 4, x2: width - 4, y1: base, y2: base, class: "rule" });
  const decades = [from, to].map((at) => (at / perOctave) * Math.log10(2));
  const parts = decades[1] - decades[0] < 3 ? [1, 2, 5] : [1];
  let free = 24; // where there is room for a label
  for (let d = Math.floor(decades[0]); d <= decades[1]; d++) {
    for (const part of parts) {
      const at = x(Math.log2(part * 10 ** d) * perOctave);
      if (at < 4 || at > width - 4) continue;
      pen.draw("line", { x1: at, x2: at, y1: base, y2: base + 4, class: "rule" });
      if (at < free || at > width - 24) continue;
      pen.draw("text", { x: at, y: height - 6, "text-anchor": "middle", class: "axis" }, duration(part * 10 ** d));
      free = at + 60;
    }
  }
}

function showKey(list, marks) {
  marks.forEach(([name, ms, text], i) => {
    const item = list.children[i] ?? list.appendChild(make("li", {}, make("i"), make("span")));
    item.firstElementChild.className = "sample line " + name;
    set(item.lastElementChild, `${text} ${ms ? duration(ms) : "\u2013"}`);
  });
  while (list.children.length > marks.length) list.lastElementChild.remove();
}
