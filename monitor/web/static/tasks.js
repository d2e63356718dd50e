// The tasks of one instance: for each a graph of its stages, and a list with a bar and the counts of each. Where every
// task is one stage, all of them are one graph and one list.

import { failedOf, retriesOf, setBar } from "./bars.js";
import { graph, graphOfTasks } from "./graph.js";
import { count, el, foreign, line, redraw, setData, title } from "./text.js";

// Draw them into a box.
export function drawTasks(box, it) {
  redraw(box, [it.phase, it.tasks], () => {
    const parts = it.kind === "batchcompute" ? together(it) : it.tasks.map((task) => section(task, it.phase));
    const before = [...box.querySelectorAll(".graph-frame")].map((frame) => frame.scrollLeft);
    box.replaceChildren(...(parts.length ? parts : [el("p", "quiet", "No tasks have been read yet.")]));
    box.querySelectorAll(".graph-frame").forEach((frame, n) => (frame.scrollLeft = before[n] ?? 0));
  });
}

function section(task, phase) {
  const box = el("section", "task");
  setData(box, "phase", task.phase ?? phase);
  const head = el("h3");
  head.append(foreign("", line(task.name)));
  const words = [task.type, task.phase ?? "", `${task.stages.length} stage${task.stages.length === 1 ? "" : "s"}`];
  head.append(el("small", "", words.filter(Boolean).map((word) => line(word, 60)).join(" · ")));
  const items = task.stages.map((stage) => item(stage, stage.depends_on.length ? `reads ${stage.depends_on.join(", ")}` : ""));
  const rows = items.length ? list(items) : el("p", "quiet", "No stages have been read of this task yet.");
  box.append(head, ...framed(graph(task.stages), "Graph of stages"), rows);
  return box;
}

// Each task is a stage of its own name: to repeat that in a section for each would only take room.
function together(it) {
  if (!it.tasks.length) return [];
  const box = el("section", "task");
  setData(box, "phase", it.phase);
  const head = el("h3");
  head.append("Tasks", el("small", "", `${it.tasks.length}`));
  const items = it.tasks.flatMap((task) =>
    task.stages.map((stage) => {
      const row = item(stage, task.depends_on.length ? `after ${task.depends_on.join(", ")}` : "");
      if (task.phase) setData(row, "phase", task.phase);
      return row;
    }),
  );
  const rows = items.length ? list(items) : el("p", "quiet", "No workers have been counted of these tasks yet.");
  box.append(head, ...framed(graphOfTasks(it.tasks), "Graph of tasks"), rows);
  return [box];
}

function framed(drawing, says) {
  if (!drawing) return [];
  const frame = el("div", "graph-frame");
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", says);
  frame.append(drawing);
  return [frame];
}

function list(items) {
  const box = el("ul", "stage-list");
  box.append(...items);
  return box;
}

function item(stage, reads) {
  const row = el("li");
  setData(row, "state", stage.running ? "busy" : stage.total && stage.terminated >= stage.total ? "done" : "idle");
  const name = foreign("stage-name", line(stage.name, 80));
  name.title = title(stage.name);
  const bar = el("i", "bar");
  setBar(bar, stage);
  const running = stage.running ? `, ${count(stage.running)} running` : "";
  const backups = stage.backups ? ` +${count(stage.backups)} backup` : "";
  const said = stage.percent === null ? (stage.status ?? "") : `${stage.percent}%`;
  const counts = el("span", "counts", `${count(stage.terminated)} of ${count(stage.total)}${running}${backups}`);
  if (stage.failed) counts.append(", ", el("span", "bad", failedOf(stage)));
  if (stage.retries) counts.append(", ", el("span", "again", retriesOf(stage)));
  row.append(name, el("span", "said", line(said, 24)), bar, counts);
  if (reads) row.append(foreign("reads", line(reads)));
  return row;
}
