// The page: which view is open, and when it asks the server.

import { copyAll, set } from "./dom.js";
import { duration } from "./format.js";
import * as now from "./now.js";
import * as lock from "./lock.js";
import * as classes from "./classes.js";
import * as server from "./server.js";

// A view has open(root, argument), which returns { title, ask(), update(answer, status), tick(ms) }: what to
// ask the server for, what to do with the answer, and what to do a few times a second, with the time since
// the answer.
const views = { now, lock, classes, server };

const pollEvery = 1000; // ms
const retryEvery = 2000;
const tickEvery = 200;
const giveUpAfter = 8000;

const root = document.getElementById("view");
const state = document.getElementById("state");

let view; // the open one
let timer; // of the next question
let asked; // aborts the present one
let answered = 0; // when the last answer came
let shows = false; // the open view has had an answer
let trouble = ""; // since then

function open() {
  const [name, argument] = location.hash.slice(1).split("/", 2);
  const known = Object.hasOwn(views, name) ? name : "now";
  view?.close?.();
  root.className = known;
  root.replaceChildren(copyAll(known));
  shows = false;
  root.setAttribute("aria-busy", "true");
  view = views[known].open(root, argument, poll);
  document.title = `${view.title} \u2013 lockcached`;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.hash === "#" + known || (known === "lock" && link.hash === "#now");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  poll();
}

// poll asks now, and again after a while. A hidden page asks nothing.
async function poll() {
  clearTimeout(timer);
  asked?.abort();
  if (document.hidden) return;
  const mine = (asked = new AbortController());
  const late = setTimeout(() => mine.abort(new Error("no answer")), giveUpAfter);
  let wait = pollEvery;
  try {
    const answer = await fetch(view.ask(), { cache: "no-store", signal: mine.signal });
    const body = await answer.json();
    if (mine !== asked) return;
    answered = performance.now();
    trouble = answer.ok ? "" : body.error;
    if (answer.ok) {
      view.update(body);
      shows = true;
      root.setAttribute("aria-busy", "false");
    } else {
      view.refused?.(body.error);
    }
  } catch (error) {
    if (mine !== asked) return;
    trouble = "not reachable";
    wait = retryEvery;
  } finally {
    clearTimeout(late);
  }
  sayState();
  timer = setTimeout(poll, wait);
}

// sayState shows whether what is seen is the present.
function sayState() {
  const since = answered && trouble === "not reachable" ? " for " + duration(performance.now() - answered) : "";
  state.className = trouble ? "trouble" : "live";
  set(state, trouble ? trouble + since : "live");
  document.body.classList.toggle("stale", trouble === "not reachable");
}

setInterval(() => {
  if (document.hidden) return;
  if (trouble) sayState();
  else if (shows) view.tick?.(performance.now() - answered);
}, tickEvery);

document.addEventListener("visibilitychange", poll);
addEventListener("hashchange", () => {
  open();
  root.focus({ preventScroll: true });
  scrollTo(0, 0);
});
addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea, select");
  if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
  if (event.key === "/") {
    const search = document.getElementById("search");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
open();
