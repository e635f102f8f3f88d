// One lock: who has it, what happened lately, how long it is usually held, and who waits.

import { Keyed, copy, describe, make, set } from "./dom.js";
import { amount, duration, grows, legible, owner } from "./format.js";
import { Timeline, windows } from "./timeline.js";
import { distribution } from "./distribution.js";

export function open(root, id, poll) {
  const view = { title: "One lock", ask: () => "api/v1/lock?id=" + encodeURIComponent(id), doc: null };
  const find = (selector) => root.querySelector(selector);
  const timeline = new Timeline(find(".timeline"));
  const line = new Keyed(find(".queue"), () => make("li", {}, make("b"), make("span")));
  const release = find(".release");
  const [timelineNote, distributionNote, lineNote] = root.querySelectorAll("section .note");

  chooseWindow(find(".windows"), timeline);
  mayWrite().then((may) => (view.write = may));
  release.firstElementChild.addEventListener("click", () => askToRelease(view.doc.lock, poll, find(".outlook")));

  view.update = (doc) => {
    const { lock } = (view.doc = doc);
    view.title = legible(lock.key);
    document.title = `${view.title} \u2013 lockcached`;
    set(find("h2"), legible(lock.key));
    release.hidden = !view.write;
    release.firstElementChild.disabled = !lock.held;
    timeline.update(doc);
    set(timelineNote, timeline.note());
    distribution(find(".distribution"), find(".key"), doc);
    set(distributionNote, distributionText(doc));
    line.show(doc.line.map((w, i) => ({ ...w, i })), (w) => w.i, showWaiter);
    set(lineNote, lineText(lock, doc.line.length));
    describe(find(".numbers"), numbers(lock));
    timeline.begin();
    view.tick(0);
  };
  view.tick = (ms) => {
    const older = grows(view.doc.lock, ms);
    set(find(".holder"), holderText(view.doc, older));
    set(find(".outlook"), outlookText(view.doc, older));
  };
  const resized = new ResizeObserver(() => view.doc && timeline.update(view.doc));
  resized.observe(find(".timeline"));
  view.close = () => {
    resized.disconnect();
    timeline.close();
  };
  return view;
}

// chooseWindow offers how much time the timeline shows.
function chooseWindow(group, timeline) {
  for (const [label, ms] of windows) {
    const button = make("button", { type: "button", "aria-pressed": String(ms === timeline.chosen) }, label);
    button.addEventListener("click", () => {
      timeline.choose(ms);
      for (const other of group.children) other.setAttribute("aria-pressed", String(other === button));
    });
    group.append(button);
  }
}

// mayWrite asks the server once whether locks may be released here.
async function mayWrite() {
  try {
    return (await (await fetch("api/v1/server", { cache: "no-store" })).json()).write;
  } catch {
    return false;
  }
}

function holderText({ lock, idle_ms }, ms) {
  if (lock.held) {
    const left = lock.ttl_ms < 0 ? "without a TTL" : `TTL ends in ${duration(Math.max(0, lock.ttl_ms - ms))}`;
    return `${owner(lock.owner)} has it for ${duration(lock.age_ms + ms)}; ${left}; token ${lock.token}`;
  }
  if (lock.delay_ms > 0) return `Nobody has it: it stays closed for ${duration(lock.delay_ms)} after an expiry (--lock-delay).`;
  if (lock.settling_ms > 0) return `Nobody has it: no lock is granted for ${duration(lock.settling_ms)} after the start (--settle).`;
  if (idle_ms > 0) return `Nobody has it, although somebody waits: for ${duration(idle_ms + ms)}.`;
  return lock.acquired + lock.refused > 0 ? "Nobody has it." : "Nobody has it, and nothing is known of its past.";
}

// outlookText says where the present hold stands, and when the server expects it to end.
function outlookText({ lock, usual_of }, ms) {
  if (usual_of === "nothing") return lock.held ? "Nothing is known of earlier holds." : "";
  const whose = usual_of === "class" ? "Locks of its class are" : "It is";
  const usual = `${whose} usually held for ${duration(lock.usual_mean_ms)}` +
    (lock.usual_p90_ms ? `; nine of ten holds end before ${duration(lock.usual_p90_ms)}.` : ".");
  if (!lock.held || !lock.left_ms) return usual;
  const left = lock.left_ms - ms;
  const most = lock.left_most_ms - ms;
  const within = most > 0 ? `; of ten like it, nine end within ${duration(most)}` : "";
  return `${usual} This one should end ${left > 0 ? "in about " + duration(left) : "at any moment"}${within}.`;
}

function distributionText({ lock, usual_of, distribution: bars }) {
  if (!bars.length) return "No hold has ended yet.";
  const whose = usual_of === "class" ? "The holds of its class; there are few of its own." : "Its own holds, the recent ones above all.";
  return whose + (lock.censored_count ? ` ${amount(lock.censored_count)} were ended by their TTL.` : "");
}

function showWaiter(item, w) {
  set(item.firstElementChild, w.owner ? owner(w.owner) : "not known by name");
  const next = w.state === "polling" && w.retry_ms ? `, expected back in ${duration(w.retry_ms)}` : "";
  set(item.lastElementChild, ` ${w.state} for ${duration(w.age_ms)}${next}`);
}

function lineText(lock, shown) {
  if (!lock.waiters) return "Nobody waits.";
  const all = `${amount(lock.queued)} queued, ${amount(lock.polling)} polling.`;
  return shown < lock.waiters ? `${all} These are the first ${amount(shown)}.` : all;
}

const known = (ms) => (ms ? duration(ms) : "\u2013");

const numbers = (lock) => [
  ["acquired", amount(lock.acquired)], ["refused", amount(lock.refused)], ["handed off", amount(lock.handed_off)],
  ["released", amount(lock.released)], ["expired", amount(lock.expired)], ["released too late", amount(lock.overrun)],
  ["renewed", amount(lock.renewed)], ["waits in vain", amount(lock.wait_timeouts)], ["withdrawn", amount(lock.withdrawn)],
  ["hold: mean", known(lock.hold_mean_ms)], ["hold: deviation", known(lock.hold_stddev_ms)],
  ["hold: p50", known(lock.hold_p50_ms)], ["hold: p90", known(lock.hold_p90_ms)], ["hold: p99", known(lock.hold_p99_ms)],
  ["hold: longest", known(lock.hold_max_ms)], ["ended by TTL: longest", known(lock.censored_max_ms)],
  ["wait: mean", known(lock.wait_mean_ms)], ["wait: p50", known(lock.wait_p50_ms)], ["wait: p99", known(lock.wait_p99_ms)],
  ["idle though wanted: mean", known(lock.gap_mean_ms)],
  ["suggested TTL", known(lock.suggested_ttl_ms)], ["ask again in", known(lock.retry_ms)],
];

// askToRelease releases the lock by its token, if the answer to the question is yes.
function askToRelease(lock, poll, note) {
  const dialog = copy("question");
  set(dialog.querySelector("p"), `${legible(lock.key)}, held by ${owner(lock.owner)} for ${duration(lock.age_ms)}, token ${lock.token}`);
  dialog.addEventListener("close", async () => {
    dialog.remove();
    if (dialog.returnValue !== "yes") return;
    const answer = await fetch("api/v1/release", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ id: lock.id, token: lock.token }),
    });
    if (!answer.ok) alert((await answer.json()).error);
    poll();
  });
  document.body.append(dialog);
  dialog.showModal();
}
