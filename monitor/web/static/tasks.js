// The tasks of one instance: for each a graph of its stages, and a list with a bar and the counts of each.

import { setBar } from "./bars.js";
import { graph } from "./graph.js";
import { count, el, foreign, line, redraw, setData, title } from "./text.js";

// Draw them into a box.
export function drawTasks(box, it) {
  redraw(box, [it.phase, it.tasks], () => {
    const parts = it.tasks.map((task) => section(task, it.phase));
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
  box.append(head);
  const drawing = graph(task.stages);
  if (drawing) {
    const frame = el("div", "graph-frame");
    frame.tabIndex = 0;
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", "Graph of stages");
    frame.append(drawing);
    box.append(frame);
  }
  box.append(task.stages.length ? list(task.stages) : el("p", "quiet", "No stages have been read of this task yet."));
  return box;
}

function list(stages) {
  const box = el("ul", "stage-list");
  for (const stage of stages) {
    const item = el("li");
    setData(item, "state", stage.running ? "busy" : stage.total && stage.terminated >= stage.total ? "done" : "idle");
    const name = foreign("stage-name", line(stage.name, 80));
    name.title = title(stage.name);
    const bar = el("i", "bar");
    setBar(bar, stage);
    const running = stage.running ? `, ${count(stage.running)} running` : "";
    const backups = stage.backups ? ` +${count(stage.backups)} backup` : "";
    const said = stage.percent === null ? (stage.status ?? "") : `${stage.percent}%`;
    const counts = `${count(stage.terminated)} of ${count(stage.total)}${running}${backups}`;
    item.append(name, el("span", "said", line(said, 24)), bar, el("span", "counts", counts));
    if (stage.depends_on.length) item.append(el("span", "reads", `reads ${stage.depends_on.join(", ")}`));
    box.append(item);
  }
  return box;
}
