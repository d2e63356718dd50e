// Words and numbers for people. Everything that came from outside goes through textContent, never through markup.

export function el(tag, className = "", text = null) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null) node.textContent = text;
  return node;
}

// Text of others: isolated, so that right-to-left marks in it do not turn what stands around it.
export function foreign(className = "", text = null) {
  const node = el("bdi", className, text);
  node.dir = "auto";
  return node;
}

// The page is touched only where it changes: comparing is a hundred times cheaper than a layout.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setTitle(node, text) {
  if (node.title !== text) node.title = text;
}

export function setData(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

const drawn = new WeakMap();

// Draw a part anew only if what it shows has changed: a person may have scrolled or selected in it.
export function redraw(node, value, draw) {
  const text = JSON.stringify(value);
  if (drawn.get(node) === text) return;
  drawn.set(node, text);
  draw();
}

const LONGEST_SHOWN = 400; // more characters than fit any line
const LONGEST_TITLE = 2000;

const cut = (text, longest) => (text.length > longest ? text.slice(0, longest - 1) + "…" : text);

// One line of at most so many characters. What has no shape of its own gets one.
export function line(text, longest = LONGEST_SHOWN) {
  return cut(text, longest)
    .replace(/\r\n|[\r\n]/g, " ↵ ")
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
}

// The same for what shows when one points at it, where lines may break.
export const title = (text) => cut(text, LONGEST_TITLE).replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, "\ufffd");

const whole = new Intl.NumberFormat("en");
export const count = (n) => whole.format(n);

export function percent(share) {
  if (share === null || share === undefined) return "";
  const points = Math.floor(share * 1000) / 10;
  return points >= 10 || points === 0 ? `${Math.floor(points)}%` : `${points.toFixed(1)}%`;
}

// 42 s, 7 m 03 s, 3 h 12 m, 5 d 04 h: two units say enough.
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} m`;
  return `${Math.floor(s / 86400)} d ${two(Math.floor((s % 86400) / 3600))} h`;
}

const clockOf = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayOf = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const momentOf = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", year: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});

const clock = (ms) => clockOf.format(ms);

// 10:13:49 today, 19 May 10:13 on another day.
export function moment(ms, now = Date.now()) {
  if (new Date(ms).toDateString() === new Date(now).toDateString()) return clock(ms);
  return `${dayOf.format(ms)} ${clock(ms).slice(0, 5)}`;
}

export const fullMoment = (ms) => momentOf.format(ms);

export const time = (text) => (text ? Date.parse(text) : null);
