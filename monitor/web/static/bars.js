// One bar per stage: how many of its workers have ended, run, and wait. A bar is one element; its parts are a gradient.

import { setData, title } from "./text.js";

const MOST = 48;

const share = (part, total) => Math.round(Math.min(1, Math.max(0, part / total)) * 1000) / 10;

function setShare(node, name, value) {
  const text = String(value);
  if (node.style.getPropertyValue(name) !== text) node.style.setProperty(name, text);
}

export const workers = (s) => `${s.terminated} of ${s.total} ended, ${s.running} running${s.backups ? `, ${s.backups} backup` : ""}`;

// Set one bar to a stage.
export function setBar(bar, stage) {
  const total = Math.max(stage.total, stage.terminated + stage.running, 1);
  setShare(bar, "--done", share(stage.terminated, total));
  setShare(bar, "--busy", share(stage.terminated + stage.running, total));
  setShare(bar, "--size", (1 + Math.log10(total)).toFixed(2));
  setData(bar, "backups", stage.backups ? "yes" : "no");
}

export const stagesOf = (it) => it.tasks.flatMap((task) => task.stages);

// Set a row's bars to an instance; where no stages are known, one bar stands for its progress.
export function setBars(box, it) {
  const stages = stagesOf(it);
  const shown = stages.slice(0, MOST);
  const overall = !stages.length && it.progress !== null;
  const wanted = shown.length || (overall ? 1 : 0);
  while (box.childElementCount > wanted) box.lastElementChild.remove();
  while (box.childElementCount < wanted) box.append(Object.assign(document.createElement("i"), { className: "bar" }));
  const bars = box.children;
  shown.forEach((stage, n) => setBar(bars[n], stage));
  if (overall) {
    setShare(bars[0], "--done", share(it.progress, 1));
    setShare(bars[0], "--busy", share(it.progress, 1));
    setShare(bars[0], "--size", 1);
    setData(bars[0], "backups", "no");
  }
  setData(box, "more", stages.length > MOST ? `+${stages.length - MOST}` : "");
  const words = stages.slice(0, 12).map((stage) => `${title(stage.name)}: ${workers(stage)}`);
  if (stages.length > 12) words.push(`and ${stages.length - 12} more stages`);
  const text = words.join("\n");
  if (box.title !== text) {
    box.title = text;
    box.setAttribute("aria-label", text ? `${stages.length} stages. ${text}` : "no stages known");
  }
}
