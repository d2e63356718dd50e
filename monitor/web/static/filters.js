// What is looked at, and in which order. It all stands in the address, so that a view can be shared and survives a reload.

import { PHASES } from "./phases.js";

const LISTS = ["phase", "source", "project", "owner"];
const SORTS = ["name", "phase", "progress", "began"];

export function read(search = location.search) {
  const query = new URLSearchParams(search);
  const words = (name) => [...new Set(query.getAll(name).flatMap((text) => text.split(",")).filter(Boolean))];
  const view = Object.fromEntries(LISTS.map((name) => [name, words(name)]));
  view.phase = view.phase.filter((phase) => PHASES.includes(phase));
  view.q = query.get("q") || "";
  const sort = query.get("sort") || "";
  view.sort = SORTS.includes(sort.replace(/^-/, "")) ? sort : "";
  view.open = query.get("open") || "";
  return view;
}

export function address(view) {
  const query = new URLSearchParams();
  for (const name of LISTS) for (const word of view[name]) query.append(name, word);
  for (const name of ["q", "sort", "open"]) if (view[name]) query.set(name, view[name]);
  const text = query.toString();
  return text ? `?${text}` : location.pathname;
}

// What the daemon is asked for; phases are added for each subscription.
export function asked(view) {
  const filter = {};
  for (const name of ["source", "project", "owner"]) if (view[name].length) filter[name] = view[name];
  if (view.q) filter.q = view.q;
  return filter;
}

// The same decision as the daemon's, for what is here already.
export function matcher(view) {
  const q = view.q.toLowerCase();
  const has = (list, word) => list.length === 0 || list.includes(word);
  return (it) =>
    has(view.phase, it.phase) &&
    has(view.source, it.source) &&
    has(view.project, it.project) &&
    has(view.owner, it.owner) &&
    (!q || [it.id, it.name, it.owner].some((text) => text.toLowerCase().includes(q)));
}

export const isNarrowed = (view) => Boolean(view.q) || LISTS.some((name) => view[name].length > 0);

export const toggled = (list, word) => (list.includes(word) ? list.filter((it) => it !== word) : [...list, word]);
