// One bar per stage: how many of its workers have failed, ended otherwise, run, and wait. A bar is one element; its parts are a gradient.

import { count, setData, title } from "./text.js";

const MOST = 48;

const share = (part, total) => Math.round(Math.min(1, Math.max(0, part / total)) * 1000) / 10;

function setShare(node, name, value) {
  const text = String(value);
  if (node.style.getPropertyValue(name) !== text) node.style.setProperty(name, text);
}

const times = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

// What went wrong in a stage, in words: empty where nothing did.
export const failedOf = (s) => (s.failed ? `${count(s.failed)} failed` : "");
export const retriesOf = (s) => (s.retries ? times(s.retries, "retry", "retries") : "");

export const workers = (s) =>
  [`${s.terminated} of ${s.total} ended`, `${s.running} running`, s.backups ? `${s.backups} backup` : "", failedOf(s), retriesOf(s)]
    .filter(Boolean)
    .join(", ");

// How many workers of an instance failed, of how many where its stages tell; empty where none did.
export function failedWorkers(it) {
  const [failed, total] = [it.failed_workers, stagesOf(it).reduce((sum, stage) => sum + stage.total, 0)];
  if (!failed) return "";
  return total >= failed ? `${count(failed)} of ${times(total, "worker", "workers")} failed` : `${times(failed, "worker", "workers")} failed`;
}

// Set one bar to a stage.
export function setBar(bar, stage) {
  const total = Math.max(stage.total, stage.terminated + stage.running, 1);
  setShare(bar, "--bad", share(stage.failed, total));
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
    setShare(bars[0], "--bad", 0);
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
