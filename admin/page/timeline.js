// The timeline of one lock, as in docs/img/timeline.png, but live: a row for each client, and one for the
// lock. The newest is at the right edge, and all of it moves to the left.

import { Pen } from "./dom.js";
import { duration, owner } from "./format.js";

// windows are how much time can be shown; 0 is as much as is useful.
export const windows = [["auto", 0], ["10 s", 10000], ["1 min", 60000], ["5 min", 300000]];

const autoWindows = [2000, 5000, 10000, 30000, 60000, 120000, 300000];
const autoHolds = 25; // so many should be seen
const mostRows = 12;
const rowHeight = 24;
const axisHeight = 26;
const comesIn = 1000; // ms, as long as it takes until the next answer

export class Timeline {
  constructor(svg) {
    this.svg = svg;
    this.chosen = 0;
    this.rows = []; // names, in the order in which they are shown
    this.most = 0; // rows at a time
    const pen = new Pen(svg);
    pen.begin();
    const defs = pen.draw("defs", {});
    const def = new Pen(defs);
    def.begin();
    this.clip = new Pen(def.draw("clipPath", { id: "plot" }));
    const hatch = new Pen(def.draw("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }));
    hatch.begin();
    hatch.draw("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" });
    this.frame = new Pen(pen.draw("g", {}));
    const clipped = new Pen(pen.draw("g", { "clip-path": "url(#plot)" }));
    clipped.begin();
    this.moving = clipped.draw("g", {});
    this.shapes = new Pen(this.moving);
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)");
  }

  choose(ms) {
    this.chosen = ms;
    if (this.doc) this.update(this.doc);
  }

  // span is how many milliseconds are shown.
  span() {
    if (this.chosen) return this.chosen;
    const { holds, tries, lock } = this.doc;
    const first = holds[Math.max(0, holds.length - autoHolds)];
    const need = Math.max(first ? first.ago_ms : 0, holds.length ? 0 : Math.max(0, ...tries.map((t) => t.ago_ms)), lock.age_ms / 20);
    return autoWindows.find((w) => w >= need) ?? autoWindows.at(-1);
  }

  update(doc) {
    this.doc = doc;
    const span = this.span();
    const width = Math.max(280, this.svg.clientWidth || 600);
    const left = Math.min(150, Math.max(84, width * 0.2));
    this.scale = (width - left - 4) / span;
    const x = (ago) => width - 4 - ago * this.scale;
    this.chooseRows(span);
    this.most = Math.max(this.most, this.rows.length); // what is below must not move up again
    const height = (this.most + 1) * rowHeight + axisHeight;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.style.height = `${height}px`;
    this.svg.setAttribute("aria-label", `Timeline: ${doc.holds.length} holds and ${doc.tries.length} tries are recorded`);
    this.clip.begin();
    this.clip.draw("rect", { x: left, y: 0, width: width - left - 4, height });
    this.clip.end();
    this.drawFrame(left, width, height, span);
    this.shapes.begin();
    this.drawWaits(x, span);
    this.drawHolds(x, span);
    this.drawTries(x, span);
    this.shapes.end();
  }

  // chooseRows keeps the rows of those who were seen in the time shown, and where they are.
  chooseRows(span) {
    const { holds, tries, line } = this.doc;
    const latest = new Map();
    const see = (name, ago) => {
      if (ago <= span && !(latest.get(name) < ago)) latest.set(name, ago);
    };
    for (const h of holds) see(h.owner, h.ending ? h.ago_ms - h.took_ms : 0);
    for (const t of tries) see(t.owner, t.ago_ms);
    for (const w of line) if (w.owner) see(w.owner, 0);
    const chosen = [...latest].sort((a, b) => a[1] - b[1]).slice(0, mostRows).map(([name]) => name);
    const kept = this.rows.filter((name) => chosen.includes(name));
    this.rows = [...kept, ...chosen.filter((name) => !kept.includes(name))];
    this.left = latest.size - this.rows.length;
  }

  drawFrame(left, width, height, span) {
    const pen = this.frame;
    pen.begin();
    const chars = Math.floor((left - 12) / 7);
    const names = this.rows.map(owner);
    names[this.most] = "lock";
    names.forEach((name, i) => {
      const y = i * rowHeight;
      pen.draw("line", { x1: left, x2: width - 4, y1: y + rowHeight, y2: y + rowHeight, class: "rule" });
      const shown = name.length > chars ? name.slice(0, chars - 1) + "\u2026" : name;
      pen.draw("text", { x: left - 8, y: y + 16, "text-anchor": "end", class: i === this.most ? "strong" : "" }, shown);
    });
    const ticks = width < 500 ? 2 : 5;
    for (let i = 0; i <= ticks; i++) {
      const ago = (span * i) / ticks;
      const at = width - 4 - ago * this.scale;
      pen.draw("line", { x1: at, x2: at, y1: 0, y2: height - axisHeight + 5, class: "rule" });
      const anchor = i === 0 ? "end" : i === ticks ? "start" : "middle";
      pen.draw("text", { x: at, y: height - 6, "text-anchor": anchor, class: "axis" }, i === 0 ? "now" : `\u2212${duration(ago)}`);
    }
    pen.end();
  }

  // y is the top of the row of a client, -1 if it has none.
  y(name) {
    const row = this.rows.indexOf(name);
    return row < 0 ? -1 : row * rowHeight;
  }

  // box draws a piece of time in a row.
  box(y, from, to, kind, x) {
    this.shapes.draw("rect", { x: x(from), y: y + 4, width: Math.max(1.5, x(to) - x(from)), height: rowHeight - 8, class: kind });
  }

  drawHolds(x, span) {
    const { holds, lock, idle_ms } = this.doc;
    const bottom = this.most * rowHeight;
    for (const h of holds) {
      const end = h.ago_ms - h.took_ms;
      if (end > span) continue;
      if (h.gap_ms) this.box(bottom, h.ago_ms + h.gap_ms, h.ago_ms, "idle", x);
      const kind = "hold " + (h.ending || "open");
      if (this.y(h.owner) >= 0) this.box(this.y(h.owner), h.ago_ms, end, kind, x);
      this.box(bottom, h.ago_ms, end, kind, x);
    }
    if (!lock.held && idle_ms > 0) this.box(bottom, idle_ms, 0, "idle", x);
  }

  line(name, from, to, x) {
    if (this.y(name) < 0) return;
    const y = this.y(name) + rowHeight / 2;
    this.shapes.draw("line", { x1: x(from), x2: x(to), y1: y, y2: y, class: "wait" });
  }

  drawWaits(x, span) {
    const { holds, tries, line } = this.doc;
    for (const h of holds) if (h.wait_ms && h.ago_ms <= span) this.line(h.owner, h.ago_ms + h.wait_ms, h.ago_ms, x);
    for (const t of tries) if (t.wait_ms && t.ago_ms <= span) this.line(t.owner, t.ago_ms + t.wait_ms, t.ago_ms, x);
    for (const w of line) if (w.owner) this.line(w.owner, w.age_ms, 0, x);
  }

  drawTries(x, span) {
    for (const t of this.doc.tries) {
      const y = this.y(t.owner);
      if (y < 0 || t.ago_ms > span || t.what === "gave_up") continue;
      this.shapes.draw("circle", { cx: x(t.ago_ms), cy: y + rowHeight / 2, r: 3.5, class: "try " + t.what });
    }
  }

  // begin lets an answer come in from the right within the time until the next one. So what is seen is that
  // much late, but never has to be taken back.
  begin() {
    this.began = performance.now();
    if (!this.moves && !this.reduced.matches) this.move();
  }

  move() {
    const late = Math.max(0, comesIn - (performance.now() - this.began));
    this.moving.setAttribute("transform", `translate(${(late * this.scale).toFixed(2)} 0)`);
    this.moves = late > 0 ? requestAnimationFrame(() => this.move()) : 0;
  }

  close() {
    cancelAnimationFrame(this.moves);
  }

  note() {
    const { holds, tries } = this.doc;
    if (!holds.length && !tries.length) return "A lock is recorded from the first time that somebody has to wait for it.";
    const others = this.left > 0 ? `${this.left} more clients were seen in this time. ` : "";
    const first = Math.max(0, ...holds.map((h) => h.ago_ms), ...tries.map((t) => t.ago_ms));
    return `${others}The record goes back ${duration(first)}.`;
  }
}
