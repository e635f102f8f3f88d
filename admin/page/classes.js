// Classes: how busy they are, and what would help.

import { Keyed, Pen, copy, describe, make, set } from "./dom.js";
import { amount, duration, legible, rate } from "./format.js";

const curves = [["acquired", "acquired"], ["refused", "refused"], ["expired", "expired"], ["handed_off", "handed off"]];
const longest = 120; // points of a curve
const width = 120;
const height = 32;

// history is what was seen a second, by class; it outlives a visit to another view.
const history = new Map();

export function open(root) {
  const cards = new Keyed(root.querySelector(".classes"), createCard);
  return {
    title: "Classes",
    ask: () => "api/v1/classes",
    update(answer) {
      remember(answer.classes);
      cards.show(answer.classes, (c) => c.class.class, updateCard);
      root.querySelector(".empty").hidden = answer.classes.length > 0;
    },
  };
}

function remember(list) {
  const seen = new Set(list.map((c) => c.class.class));
  for (const name of history.keys()) if (!seen.has(name)) history.delete(name);
  for (const { class: c } of list) {
    if (c.acquired_per_s === undefined) continue;
    const points = history.get(c.class) ?? [];
    points.push(c);
    history.set(c.class, points.slice(-longest));
  }
}

function createCard({ class: c }) {
  const card = copy("class");
  set(card.querySelector("h3"), legible(c.class));
  const list = card.querySelector(".curves");
  for (const [name, label] of curves) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("role", "img");
    svg.pen = new Pen(svg);
    list.append(make("figure", { class: name }, svg, make("figcaption", {}, make("b"), ` ${label} a second`)));
  }
  return card;
}

function updateCard(card, { class: c, advice }) {
  const points = history.get(c.class) ?? [];
  [...card.querySelector(".curves").children].forEach((figure, i) => {
    const name = curves[i][0] + "_per_s";
    set(figure.querySelector("b"), c[name] === undefined ? "\u2026" : rate(c[name]));
    drawCurve(figure.firstElementChild, points.map((p) => p[name]), curves[i][1]);
  });
  const list = card.querySelector(".advice");
  advice.forEach((text, i) => set(list.children[i] ?? list.appendChild(make("li")), text));
  while (list.children.length > advice.length) list.lastElementChild.remove();
  describe(card.querySelector(".numbers"), numbers(c));
}

function drawCurve(svg, values, label) {
  const most = Math.max(1, ...values);
  const x = (i) => width - 1 - (values.length - 1 - i) * ((width - 2) / (longest - 1));
  const points = values.map((v, i) => `${x(i).toFixed(1)},${(height - 2 - (v / most) * (height - 5)).toFixed(1)}`);
  svg.setAttribute("aria-label", `${label} a second: at most ${rate(Math.max(0, ...values))}`);
  svg.pen.begin();
  svg.pen.draw("line", { x1: 0, x2: width, y1: height - 1, y2: height - 1, class: "rule" });
  if (points.length) {
    svg.pen.draw("polygon", { points: `${x(0).toFixed(1)},${height - 1} ${points.join(" ")} ${width - 1},${height - 1}`, class: "area" });
    svg.pen.draw("polyline", { points: points.join(" "), class: "curve" });
  }
  svg.pen.end();
}

const numbers = (c) => [
  ["held", amount(c.held)], ["queued", amount(c.queued)], ["polling", amount(c.polling)],
  ["oldest hold", c.held ? duration(c.oldest_ms) : "\u2013"],
  ["hold p50", known(c.hold_p50_ms)], ["hold p99", known(c.hold_p99_ms)],
  ["wait p50", known(c.wait_p50_ms)], ["wait p99", known(c.wait_p99_ms)],
  ["tries per grant", c.tries_per_acquisition || "\u2013"], ["idle though wanted", `${Math.round(c.idle_percent)} %`],
  ["acquired", amount(c.acquired)], ["expired", amount(c.expired)], ["released too late", amount(c.overrun)],
  ["suggested TTL", known(c.suggested_ttl_ms)],
];

const known = (ms) => (ms ? duration(ms) : "\u2013");
