// What is known of the instances here, and in which order they are shown.

import { GROUPS, LIVE, TROUBLE, groupOf } from "./phases.js";
import { time } from "./text.js";

const PINNED = 6; // failures that stay on top
const PINNED_FOR = 24 * 3600 * 1000; // ms
const LINGER = 8000; // ms that a row stays after it left the view, so that one sees what became of it
const MOST_DONE = 4000;

const RANK = { running: 1, suspended: 2, waiting: 3 };
const PHASE_ORDER = ["failed", "lost", "running", "suspended", "waiting", "cancelled", "succeeded"];

const endOf = (it) => time(it.ended_at) ?? time(it.phase_since) ?? time(it.created_at) ?? 0;
const beginOf = (it) => time(it.started_at) ?? time(it.created_at) ?? 0;

export class Store {
  constructor() {
    this.instances = new Map(); // key -> the newest state, as the wire has it
    this.dirty = new Set(); // keys whose row must be looked at
    this.reorder = false;
    this.leaving = new Map(); // key -> until when it lingers
    this.parts = new Map(); // group -> keys of the snapshot that is coming in
    this.totals = { live: 0, done: 0 };
    this.loaded = new Set(); // groups that have been shown whole
    this.matches = () => true;
    this.sort = "";
    this.valueOf = () => null;
  }

  // --- what the feed tells ---

  snapshot(message) {
    const group = message.id;
    if (!this.parts.has(group)) this.parts.set(group, new Set());
    const keys = this.parts.get(group);
    for (const it of message.instances) {
      keys.add(it.key);
      this.put(it);
    }
    if (!message.last) return;
    this.parts.delete(group);
    this.totals[group] = message.total;
    this.loaded.add(group);
    for (const [key, it] of this.instances) if (groupOf(it.phase) === group && !keys.has(key)) this.forget(key);
  }

  restart(group) {
    this.parts.delete(group);
  }

  event(event) {
    const it = event.instance;
    if (it) {
      if (this.instances.has(it.key) || this.matches(it)) this.put(it);
    } else if (event.kind === "removed") {
      this.forget(event.key);
    }
  }

  put(it) {
    const old = this.instances.get(it.key);
    this.instances.set(it.key, it);
    this.dirty.add(it.key);
    if (!old || this.hasMoved(old, it)) this.reorder = true;
    if (this.matches(it)) this.leaving.delete(it.key);
    else if (old && this.matches(old)) this.leaving.set(it.key, Date.now() + LINGER);
  }

  // Whether its place among the others may be another one now.
  hasMoved(old, it) {
    return (
      old.phase !== it.phase ||
      old.ended_at !== it.ended_at ||
      old.verdicts.length !== it.verdicts.length ||
      old.queue?.position !== it.queue?.position ||
      this.valueOf(old) !== this.valueOf(it)
    );
  }

  forget(key) {
    this.leaving.delete(key);
    if (this.instances.delete(key)) this.reorder = true;
  }

  // --- what the person asks for ---

  look(matches, sort) {
    this.matches = matches;
    this.sort = sort;
    this.valueOf = sort ? VALUES[sort.replace(/^-/, "")] : () => null;
    this.leaving.clear();
    this.reorder = true;
  }

  dropGroup(group) {
    this.loaded.delete(group);
    this.totals[group] = 0;
    for (const [key, it] of this.instances) if (groupOf(it.phase) === group) this.forget(key);
  }

  // --- what time does ---

  tick(now) {
    for (const [key, until] of this.leaving) if (until <= now) {
      this.leaving.delete(key);
      this.reorder = true;
    }
  }

  // The keys in the order of the rows.
  order(now) {
    this.reorder = false;
    const shown = [];
    const gone = [];
    for (const it of this.instances.values()) {
      if (this.matches(it) || this.leaving.has(it.key)) shown.push(it);
      else gone.push(it.key);
    }
    for (const key of gone) this.instances.delete(key);
    this.trim(shown);
    const sorted = this.sort ? byValue(shown, this.valueOf, this.sort.startsWith("-")) : byConcern(shown, now);
    return sorted.map((it) => it.key);
  }

  trim(shown) {
    const done = shown.filter((it) => groupOf(it.phase) === "done");
    if (done.length <= MOST_DONE) return;
    done.sort((a, b) => endOf(a) - endOf(b));
    for (const it of done.slice(0, done.length - GROUPS.done.limit)) this.instances.delete(it.key);
    const kept = shown.filter((it) => this.instances.has(it.key));
    shown.splice(0, shown.length, ...kept);
  }
}

// The newest failures first, then what is live, then what has ended, newest first.
function byConcern(instances, now) {
  const recent = instances
    .filter((it) => TROUBLE.has(it.phase) && now - endOf(it) < PINNED_FOR)
    .sort((a, b) => endOf(b) - endOf(a))
    .slice(0, PINNED);
  const pinned = new Set(recent.map((it) => it.key));
  const rows = instances.map((it) => {
    const rank = pinned.has(it.key) ? 0 : LIVE.has(it.phase) ? RANK[it.phase] : 4;
    const at = rank === 0 || rank === 4 ? -endOf(it) : rank === 3 ? (it.queue?.position ?? Infinity) : beginOf(it);
    return { it, rank: rank === 1 && it.verdicts.length ? 0.5 : rank, at };
  });
  rows.sort((a, b) => a.rank - b.rank || a.at - b.at || (a.it.key < b.it.key ? -1 : 1));
  return rows.map((row) => row.it);
}

const VALUES = {
  name: (it) => (it.name || it.id).toLowerCase(),
  phase: (it) => PHASE_ORDER.indexOf(it.phase),
  progress: (it) => it.progress ?? -1,
  began: (it) => beginOf(it),
};

function byValue(instances, valueOf, down) {
  const rows = instances.map((it) => ({ it, value: valueOf(it) }));
  const way = down ? -1 : 1;
  rows.sort((a, b) => (a.value === b.value ? (a.it.key < b.it.key ? -1 : 1) : (a.value < b.value ? -1 : 1) * way));
  return rows.map((row) => row.it);
}
