// The dashboard: wires the feed to the store, the store to the page, and the page to the address.

import { Feed } from "./feed.js";
import { address, asked, isNarrowed, matcher, read, toggled } from "./filters.js";
import { Freshness } from "./freshness.js";
import { Panel } from "./panel.js";
import { GROUPS, LIVE, PHASES } from "./phases.js";
import { Store } from "./store.js";
import { Table } from "./table.js";
import { count, el, foreign, line, setData, setText } from "./text.js";

const TYPING = 250; // ms of quiet before the daemon is asked anew
const LOOKING = 600; // ms that rows stand still before their stages are asked for
const WATCHED = 40; // rows; the daemon allows 50 for a connection

const $ = (id) => document.getElementById(id);
let view = read();
let projects = [];
let sight = [];

const store = new Store();
const table = new Table($("table"), store, {
  open: (key) => show({ open: key === view.open ? "" : key }),
  sort: (word) => show({ sort: view.sort === word ? `-${word}` : view.sort === `-${word}` ? "" : word }),
  seen: (keys) => {
    sight = keys;
    lookLater();
  },
});
const panel = new Panel($("panel"), $("ask"), {
  close: () => show({ open: "" }),
  open: (key) => show({ open: key }),
  find: (key) => store.instances.get(key),
});
const freshness = new Freshness($("sources"), $("connection"), $("alarm"), {
  projects: (list) => {
    projects = list;
    drawCounts();
    drawProjects();
  },
  answered: () => feed.hurry(),
  source: (name) => show({ source: toggled(view.source, name) }),
  stale: (isStale, isLost, places) => {
    table.mark(places);
    document.body.classList.toggle("stale", isLost);
    document.title = `${isStale ? "⚠ " : ""}Stagewatch`;
  },
});
const feed = new Feed({
  snapshot(message) {
    freshness.heard();
    if (message.id in GROUPS) store.snapshot(message);
    else for (const it of message.instances) store.put(it);
    for (const it of message.instances) panel.take(it);
    if (message.last && message.id in GROUPS) table.release();
    wake();
  },
  event({ event }) {
    freshness.heard();
    if (event.kind === "source") freshness.ask();
    store.event(event);
    panel.hear(event);
    wake();
  },
  resync: (message) => store.restart(message.id),
  trouble: (message) => console.warn("the daemon refused a frame:", message.message),
  state: (name, retryAt) => {
    if (name === "live") for (const group of Object.keys(GROUPS)) store.restart(group);
    freshness.state(name, retryAt);
  },
});

// --- drawing: once a frame, however much happened ---

let frame = 0;
let timer = null;

function wake() {
  frame ||= requestAnimationFrame(draw);
}

function draw() {
  frame = 0;
  const again = table.draw(Date.now());
  clearTimeout(timer);
  if (again) timer = setTimeout(wake, again);
  drawEmpty();
}

function drawEmpty() {
  if (table.keys.length || !wantedGroups().every((group) => store.loaded.has(group))) {
    table.say(table.keys.length || freshness.feed.name === "live" ? "" : "Waiting for the daemon…");
  } else if (isNarrowed(view)) {
    const clear = el("button", "act", "Clear all filters");
    clear.type = "button";
    clear.onclick = () => show({ phase: [], source: [], project: [], owner: [], q: "" });
    table.say("Nothing matches these filters.", clear);
  } else table.say("Nothing is watched yet. Instances appear here as soon as a source lists them.");
  const shown = [...store.instances.values()].length;
  const total = wantedGroups().reduce((sum, group) => sum + Math.max(0, store.totals[group] - GROUPS[group].limit), 0);
  table.cutoff(shown, shown + total);
}

function drawCounts() {
  const sums = Object.fromEntries(PHASES.map((phase) => [phase, 0]));
  for (const it of projects) {
    if (view.source.length && !view.source.includes(it.source)) continue;
    if (view.project.length && !view.project.includes(it.project)) continue;
    for (const phase of PHASES) sums[phase] += it.instances[phase];
  }
  for (const phase of PHASES) {
    const button = phaseButtons.get(phase);
    setText(button.lastElementChild, count(sums[phase]));
    setData(button, "none", sums[phase] ? "no" : "yes");
    button.setAttribute("aria-pressed", String(view.phase.includes(phase)));
  }
}

const phaseButtons = new Map(
  PHASES.map((phase) => {
    const button = el("button", "chip");
    button.type = "button";
    button.dataset.phase = phase;
    button.append(el("span", "dot"), el("span", "word", phase), el("b", "", "–"));
    button.onclick = () => show({ phase: toggled(view.phase, phase) });
    const item = el("li");
    item.append(button);
    $("phases").append(item);
    return [phase, button];
  }),
);

function drawProjects() {
  const select = $("project");
  const names = [...new Set([...projects.map((it) => it.project), ...view.project])].sort();
  const wanted = ["", ...names];
  const now = [...select.options].map((option) => option.value);
  if (wanted.join("\n") !== now.join("\n"))
    select.replaceChildren(...wanted.map((name) => new Option(name ? line(name, 60) : "All projects", name)));
  select.value = view.project[0] ?? "";
}

// --- the view ---

function wantedGroups() {
  return Object.keys(GROUPS).filter((group) => phasesOf(group).length);
}

function phasesOf(group) {
  const { phases } = GROUPS[group];
  return view.phase.length ? phases.filter((phase) => view.phase.includes(phase)) : phases;
}

const requests = new Map();

// Ask the daemon for what the view needs; what it has been asked already is not asked again.
function ask() {
  for (const group of Object.keys(GROUPS)) {
    const phases = phasesOf(group);
    const request = { filter: { ...asked(view), phase: phases }, limit: GROUPS[group].limit };
    const text = phases.length ? JSON.stringify(request) : "";
    if (requests.get(group) === text) continue;
    requests.set(group, text);
    store.restart(group);
    if (text) feed.subscribe(group, request);
    else {
      feed.unsubscribe(group);
      store.dropGroup(group);
    }
  }
}

let typing = null;

function show(change, { push = true } = {}) {
  const before = view;
  view = { ...view, ...change };
  if (push && address(view) !== address(before)) {
    const typed = "q" in change;
    history[typed ? "replaceState" : "pushState"](null, "", address(view));
  }
  store.look(matcher(view), view.sort);
  table.release();
  table.showSort(view.sort);
  freshness.chosen = view.source;
  clearTimeout(typing);
  if ("q" in change && push) typing = setTimeout(ask, TYPING);
  else ask();
  if ($("q").value !== view.q) $("q").value = view.q;
  drawOwner();
  drawCounts();
  drawProjects();
  showPanel();
  freshness.tick();
  wake();
}

function drawOwner() {
  const chip = $("owner");
  chip.hidden = !view.owner.length;
  if (view.owner.length) chip.replaceChildren("owner ", foreign("", line(view.owner.join(", "), 60)), el("b", "", "×"));
}

function showPanel() {
  const known = store.instances.get(view.open);
  document.body.classList.toggle("with-panel", Boolean(view.open));
  if (view.open.split("/").length >= 3) panel.open(view.open, known);
  else panel.close();
  table.open(view.open || null);
  lookLater();
}

// --- attention: the stages of what somebody looks at are read first ---

let looking = null;

function lookLater() {
  looking ??= setTimeout(() => {
    looking = null;
    look();
  }, LOOKING);
}

function look() {
  const keys = sight.filter((key) => LIVE.has(store.instances.get(key)?.phase));
  if (view.open) keys.unshift(view.open);
  const wanted = [...new Set(keys)].slice(0, WATCHED);
  const text = wanted.slice().sort().join("\n");
  if (requests.get("look") === text) return;
  requests.set("look", text);
  if (wanted.length && !document.hidden) feed.subscribe("look", { filter: { key: wanted }, detail: true }, { resume: true });
  else feed.unsubscribe("look");
}

// --- the person ---

$("q").oninput = () => show({ q: $("q").value });
$("project").onchange = () => show({ project: $("project").value ? [$("project").value] : [] });
$("owner").onclick = () => show({ owner: [] });
addEventListener("popstate", () => show(read(), { push: false }));
addEventListener("keydown", (event) => {
  const typed = event.target.closest?.("input, select, textarea, dialog");
  if (event.key === "/" && !typed && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("q").select();
    $("q").focus();
  } else if (event.key === "Escape" && event.target === $("q")) show({ q: "" });
  else if (event.key === "Escape" && view.open && !typed) show({ open: "" });
});
document.addEventListener("visibilitychange", () => {
  requests.delete("look");
  lookLater();
  wake();
});

setInterval(() => {
  const now = Date.now();
  store.tick(now);
  table.tick(now);
  panel.tick();
  if (store.reorder) wake();
}, 1000);

show({}, { push: false });
feed.connect();
freshness.start();
