// Now: the locks that are held or wanted.

import { Keyed, copy, set } from "./dom.js";
import { amount, duration, grows, legible, owner } from "./format.js";

const firstRows = 200;
const mostRows = 1000;

let text = ""; // what is searched for, also after another view

export function open(root, _, poll) {
  const view = {
    title: "Locks",
    limit: firstRows,
    list: [],
    ask: () => `api/v1/locks?limit=${view.limit}&q=${encodeURIComponent(text)}`,
  };
  const body = root.querySelector("tbody");
  const rows = new Keyed(body, createRow);
  const seen = new Set(); // rows that are on the screen: only they move between two answers
  const watch = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) seen.add(target);
      else seen.delete(target);
    }
  });
  const search = root.querySelector("#search");
  const more = root.querySelector(".more");
  const empty = root.querySelector(".empty");

  search.value = text;
  search.addEventListener("input", () => {
    text = search.value;
    view.limit = firstRows;
    poll();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") body.querySelector("a")?.focus();
  });
  root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  more.querySelector("button").addEventListener("click", () => {
    view.limit = Math.min(mostRows, view.limit * 2);
    poll();
  });
  body.addEventListener("keydown", moveFocus);

  // While somebody points at a row it must not jump away: known rows stay where they are, new ones come
  // last, and those that have gone are shown as gone.
  const held = () => body.matches(":hover") || body.contains(document.activeElement);
  const show = () => {
    const list = held() ? keepOrder([...rows.known.keys()], view.list) : view.list;
    rows.show(list, (lock) => lock.id, (row, lock) => updateRow(row, lock));
    for (const row of seen) if (!row.isConnected) seen.delete(row);
    for (const row of body.children) watch.observe(row);
  };
  body.addEventListener("pointerleave", () => show());

  view.update = (answer) => {
    view.list = answer.locks;
    show();
    const t = answer.totals;
    set(root.querySelector(".sum"), `${amount(t.held)} held, ${amount(t.queued)} queued, ${amount(t.polling)} polling` +
      (t.settling_ms > 0 ? `; no lock is granted for another ${duration(t.settling_ms)} (--settle)` : ""));
    empty.hidden = answer.locks.length > 0;
    root.querySelector("table").hidden = answer.locks.length === 0 && rows.known.size === 0;
    set(empty, text ? "No lock that is held or wanted has that in its key or class." : "No lock is held or wanted.");
    more.hidden = !answer.more;
    set(more.firstElementChild, `These are the ${amount(answer.locks.length)} most wanted. Search to see others.`);
    more.querySelector("button").hidden = view.limit >= mostRows;
  };
  view.refused = (why) => {
    empty.hidden = false;
    set(empty, why);
  };
  view.tick = (ms) => {
    for (const row of seen) if (row.lock?.held) updateAge(row, row.lock, grows(row.lock, ms));
  };
  view.close = () => watch.disconnect();
  return view;
}

// keepOrder returns the new list in the old order.
function keepOrder(order, list) {
  const byID = new Map(list.map((lock) => [lock.id, lock]));
  const old = order.map((id) => byID.get(id) ?? { id, gone: true });
  const known = new Set(order);
  return [...old, ...list.filter((lock) => !known.has(lock.id))];
}

function createRow(lock) {
  const row = copy("now-row");
  row.parts = {};
  for (const name of ["owner", "line", "retry", "token", "left", "bar", "fill", "mean", "p90", "ttl"]) {
    row.parts[name] = row.querySelector("." + name);
  }
  row.parts.note = row.querySelector(".age span");
  const link = row.querySelector("a");
  link.href = "#lock/" + lock.id;
  set(link, legible(lock.key));
  set(row.querySelector("small"), legible(lock.class));
  return row;
}

function updateRow(row, lock) {
  row.lock = lock;
  row.classList.toggle("gone", !!lock.gone);
  if (lock.gone) return;
  row.classList.toggle("wanted", lock.waiters > 0);
  const { parts } = row;
  const closed = lock.delay_ms > 0 ? "closed (--lock-delay)" : lock.settling_ms > 0 ? "closed (--settle)" : "\u2013";
  set(parts.owner, lock.held ? owner(lock.owner) : closed);
  set(parts.line, line(lock));
  set(parts.retry, lock.retry_ms ? duration(lock.retry_ms) : "\u2013");
  set(parts.token, lock.held ? lock.token : "\u2013");
  updateAge(row, lock, 0);
}

const line = (lock) => [lock.queued && `${amount(lock.queued)} queued`, lock.polling && `${amount(lock.polling)} polling`]
  .filter(Boolean).join(", ") || "nobody";

// updateAge moves the bar. ms is how old the answer is.
function updateAge({ parts }, lock, ms) {
  const { bar, note, left } = parts;
  bar.hidden = !lock.held;
  if (!lock.held) {
    set(note, "free");
    set(left, lock.delay_ms ? duration(lock.delay_ms) : "\u2013");
    return;
  }
  const dial = dialOf(lock, ms);
  set(left, lock.ttl_ms < 0 ? "no end" : duration(Math.max(0, lock.ttl_ms - ms)));
  set(note, dial.text);
  bar.className = "bar " + dial.level;
  for (const name of ["fill", "mean", "p90", "ttl"]) {
    const mark = parts[name];
    const at = dial[name];
    mark.hidden = at === undefined;
    if (at !== undefined) mark.style.setProperty(name === "fill" ? "width" : "left", `${(100 * Math.min(1, at)).toFixed(2)}%`);
  }
  if (bar.title !== dial.title) {
    bar.title = dial.title;
    bar.setAttribute("aria-label", dial.title);
  }
}

// dialOf is the timer of the washing machine: where the age, the mean, the 90th percentile and the TTL stand
// on the bar, as parts of its length.
export function dialOf(lock, ms) {
  const age = lock.age_ms + ms;
  const ttl = lock.ttl_ms < 0 ? Infinity : lock.age_ms + lock.ttl_ms;
  const { usual_mean_ms: mean, usual_p90_ms: p90 } = lock;
  let end = 1.25 * Math.max(mean, p90, age);
  if (ttl < 4 * end) end = Math.max(ttl, age); // else the TTL would squeeze all others
  const dial = { fill: age / end, level: "good" };
  if (mean) dial.mean = mean / end;
  if (p90) dial.p90 = p90 / end;
  if (ttl <= end) dial.ttl = ttl / end;
  if (p90 && age > p90) dial.level = "late";
  if (age > 0.9 * ttl && (!mean || age > mean)) dial.level = "bad";
  dial.text = duration(age) + (mean ? ` of usually ${duration(mean)}` : "");
  dial.title = `age ${duration(lock.age_ms)}` +
    (mean ? `; mean hold ${duration(mean)}` : "; nothing is known of earlier holds") +
    (p90 ? `; nine of ten end before ${duration(p90)}` : "") +
    (ttl === Infinity ? "; no TTL" : `; TTL ${duration(ttl)}`);
  return dial;
}

// moveFocus goes from row to row with the arrow keys.
function moveFocus(event) {
  const row = event.target.closest("tr");
  const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
  if (!next) return;
  event.preventDefault();
  next.querySelector("a").focus();
}
