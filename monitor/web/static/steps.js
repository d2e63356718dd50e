// Instances that belong together: the steps of a workflow, each with its LogView, and on a step the way back.

import { el, foreign, line, percent, redraw, setData } from "./text.js";

export function path(key, tail = "") {
  return `api/v1/instances/${key.split("/").map(encodeURIComponent).join("/")}${tail}`;
}

export function logview(link, key) {
  link.href = path(key, "/logview?redirect");
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

// Draw them into a box. find(key) gives the newest that the page knows of one; open(key) shows it.
export function drawSteps(box, it, find, open) {
  const steps = it.children.map((child) => {
    const newest = find(child.key) ?? child;
    return [child.key, child.step, newest.phase, newest.progress];
  });
  box.hidden = !steps.length && !it.parent;
  redraw(box, [it.parent, it.step, steps], () => {
    const above = it.parent ? [back(it, open)] : [];
    if (!steps.length) return box.replaceChildren(...above);
    const head = el("h3", "", "Steps");
    head.append(el("small", "", `${steps.length}`));
    const list = el("ul", "step-list");
    list.append(...steps.map((step) => item(step, open)));
    box.replaceChildren(...above, head, list);
  });
}

function back(it, open) {
  const text = el("p", "quiet");
  text.append("Step ", foreign("", line(it.step || it.id, 120)), " of ", way(it.parent, it.parent.split("/").slice(2).join("/"), open));
  return text;
}

function item([key, step, phase, progress], open) {
  const row = el("li");
  setData(row, "phase", phase);
  const state = el("span", "phase");
  state.append(el("span", "dot"), el("span", "word", phase));
  const far = phase === "succeeded" ? "" : percent(progress);
  row.append(way(key, step || key.split("/").slice(2).join("/"), open), state, el("span", "said", far), logview(el("a", "", "LogView"), key));
  return row;
}

function way(key, name, open) {
  const link = el("button", "way-to");
  link.type = "button";
  link.title = key;
  link.append(foreign("", line(name, 120)));
  link.onclick = () => open(key);
  return link;
}
