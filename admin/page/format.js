// Numbers and keys as people read them.

const steps = [
  [86400000, "d", 3600000, "h"],
  [3600000, "h", 60000, "min"],
  [60000, "min", 1000, "s"],
];

// duration is a time in milliseconds as people write it: 0.4 ms, 12 ms, 3.2 s, 4 min 10 s.
export function duration(ms) {
  if (ms < 0) return "no end";
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59950) return `${(ms / 1000).toFixed(1)} s`;
  for (const [unit, name, part, partName] of steps) {
    if (ms < unit) continue;
    const rest = Math.floor((ms % unit) / part);
    return `${Math.floor(ms / unit)} ${name}` + (rest ? ` ${rest} ${partName}` : "");
  }
  return `${Math.round(ms / 1000)} s`;
}

// amount groups the digits of a number: 12 345.
export const amount = (n) => Number(n).toLocaleString("en", { maximumFractionDigits: 1 }).replaceAll(",", "\u202f");

// rate is a number of events a second.
export const rate = (n) => (n >= 100 ? amount(Math.round(n)) : String(Math.round(n * 10) / 10));

// bytes is a number of bytes.
export function bytes(n) {
  if (n < 1024) return `${n} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    n /= 1024;
    if (n < 1000 || unit === "GB") return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${unit}`;
  }
}

// Characters that are not seen, or that turn the direction of what follows them.
const unseen = /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\uffff]/g;

// legible shows a key with every character in it.
export const legible = (text) => text.replace(unseen, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

// grows is how much older the hold of a lock is, some time after an answer. One that is usually over soon
// may have ended meanwhile, so it stays as it was seen.
export const grows = (lock, ms) => (lock.age_ms > 1000 || lock.usual_mean_ms > 2000 ? ms : 0);

// owner shows the name of a holder, which the protocol writes with %XX.
export function owner(text) {
  if (!text || text === "-") return "\u2013";
  try {
    return legible(decodeURIComponent(text));
  } catch {
    return text; // bytes that are no UTF-8
  }
}
