// Server: what runs, with what settings, how much it uses, and what it has warned of.

import { Keyed, describe, make, set } from "./dom.js";
import { amount, bytes, duration, legible } from "./format.js";

export function open(root) {
  const find = (selector) => root.querySelector(selector);
  const warnings = new Keyed(find(".warnings"), createWarning);
  return {
    title: "Server",
    ask: () => "api/v1/server",
    update(doc) {
      const wrong = Object.entries(doc.wrong);
      find(".wrong").hidden = wrong.length === 0;
      set(find(".wrong"), wrong.map(([what, why]) => `${what}: ${why}`).join("; "));
      describe(find(".process"), processOf(doc));
      describe(find(".totals"), totals(doc.locks));
      describe(find(".memory"), memory(doc));
      describe(find(".connections"), connections(doc.stats));
      for (const name of ["journal", "cluster", "fills"]) {
        find("." + name).hidden = !doc[name];
        if (doc[name]) describe(find(`.${name} dl`), plain(doc[name]));
      }
      describe(find(".effect"), inEffect(doc));
      describe(find(".settings"), plain(doc.settings));
      showWarnings(warnings, doc.warnings);
    },
  };
}

// plain shows fields under their own names.
const plain = (fields) => Object.entries(fields).map(([name, value]) => [name.replaceAll("_", " "), legible(String(value))]);

const processOf = ({ stats }) => [
  ["version", stats.lockcached_version], ["speaks memcached", stats.version], ["up for", duration(stats.uptime * 1000)],
  ["process", stats.pid], ["threads", stats.threads],
  ["CPU time, user", `${Number(stats.rusage_user).toFixed(1)} s`], ["CPU time, system", `${Number(stats.rusage_system).toFixed(1)} s`],
];

const totals = (t) => [
  ["held", amount(t.held)], ["queued", amount(t.queued)], ["polling", amount(t.polling)], ["most at a time that waited", amount(t.waiters_peak)],
  ["acquired", amount(t.acquired)], ["refused", amount(t.refused)], ["handed off", amount(t.handed_off)],
  ["expired", amount(t.expired)], ["released too late", amount(t.overrun)], ["waits in vain", amount(t.wait_timeouts)],
];

const memory = ({ stats, locks, record }) => [
  ["in use, of -m", `${bytes(locks.memory_bytes)} of ${bytes(stats.limit_maxbytes)}`],
  ["items", amount(stats.curr_items)], ["bytes of items", bytes(stats.bytes)], ["evicted", amount(stats.evictions)],
  ["locks with statistics", amount(locks.stats_keys)],
  ["record of recent events", `${amount(record.locks)} locks, ${bytes(record.bytes)}`],
];

const connections = (s) => [
  ["open", `${amount(s.curr_connections)} of ${amount(s.max_connections)}`], ["since the start", amount(s.total_connections)],
  ["turned away", amount(s.rejected_connections)], ["wrong passwords", amount(s.auth_errors)],
  ["read", bytes(s.bytes_read)], ["sent", bytes(s.bytes_written)],
];

// ours begins the settings that memcached does not have: the policies, and what can be reloaded.
const ours = "batch_calls";

function inEffect({ settings, write }) {
  const names = Object.keys(settings);
  const own = names.slice(names.indexOf(ours));
  return [
    ["listens on", settings.domain_socket !== "NULL" ? settings.domain_socket : `${settings.inter} port ${settings.tcpport}`],
    ["memory limit", bytes(settings.maxbytes)], ["connections at most", amount(settings.maxconns)], ["evictions", settings.evictions],
    ["TLS", settings.ssl_enabled], ["passwords", settings.auth_enabled_ascii],
    ["this page may release locks", write ? "yes" : "no"],
    ...own.map((name) => [name.replaceAll("_", " "), legible(String(settings[name]))]),
  ];
}

function createWarning(line) {
  const item = make("li", { class: line.level }, make("time"), make("b"), make("span"));
  const at = new Date(line.time);
  item.firstElementChild.dateTime = line.time;
  set(item.firstElementChild, at.toLocaleTimeString());
  set(item.children[1], ` ${legible(line.message ?? "")} `);
  const others = Object.entries(line).filter(([name]) => !["time", "level", "message", "key"].includes(name));
  set(item.lastElementChild, others.map(([name, value]) => `${name}=${legible(typeof value === "string" ? value : JSON.stringify(value))}`).join(" "));
  return item;
}

function showWarnings(list, lines) {
  const numbered = lines.map((line, i) => ({ ...line, key: `${line.time} ${line.message} ${lines.length - i}` }));
  list.show(numbered, (line) => line.key, () => {});
  if (!lines.length) {
    if (!list.parent.nextElementSibling) list.parent.after(make("p", { class: "note" }, "None."));
  } else {
    list.parent.nextElementSibling?.remove();
  }
}
