// Stages as a graph: what reads from what, left to right, each box filled as far as it has come. The stages of one task
// are named by the service and read from each other; where each task is one stage, the graph is of all tasks.

import { line } from "./text.js";
import { workers } from "./bars.js";

const NS = "http://www.w3.org/2000/svg";
const [WIDE, HIGH, GAP_X, GAP_Y, EDGE] = [132, 30, 34, 10, 2];
const MOST = 60;
const SMALLEST = 0.8; // a graph that is a little too wide shrinks so far, rather than hide its end; its words stay legible

function svg(tag, attributes = {}, text = null) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  return node;
}

// How to read the stages of one task. Ids may start again in each of its jobs, so they count within their job only.
const STAGES = {
  jobOf: (stage) => /_job_?(\d+)$/.exec(stage.name)?.[1] ?? "",
  shortOf: (stage) => line(stage.name).replace(/_Stg\d+/, "").replace(/_job_?\d+$/, ""),
  phaseOf: () => "",
  says: "stages and what they read from",
};

export const graph = (stages) => draw(stages, STAGES);

// The tasks of an instance, each of which is one stage: a name is only a name.
export function graphOfTasks(tasks) {
  const phases = new Map(tasks.flatMap((task) => task.stages.map((stage) => [stage, task.phase ?? ""])));
  return draw([...phases.keys()], {
    jobOf: () => "",
    shortOf: (stage) => line(stage.name),
    phaseOf: (stage) => phases.get(stage),
    says: "tasks and what they wait for",
  });
}

// A drawing, or null where there is nothing to draw: no stage reads from another, or there are too many.
function draw(stages, { jobOf, shortOf, phaseOf, says }) {
  if (stages.length < 2 || stages.length > MOST) return null;
  const byId = new Map();
  for (const stage of stages) if (stage.id !== null) byId.set(`${jobOf(stage)}/${stage.id}`, stage);
  const reads = new Map(
    stages.map((stage) => [
      stage,
      stage.depends_on.map((id) => byId.get(`${jobOf(stage)}/${id}`)).filter((it) => it && it !== stage),
    ]),
  );
  if (![...reads.values()].some((list) => list.length)) return null;

  const depth = new Map();
  const depthOf = (stage, path = new Set()) => {
    if (depth.has(stage)) return depth.get(stage);
    if (path.has(stage)) return 0; // a circle: services make none, but names are only names
    path.add(stage);
    const value = Math.max(-1, ...reads.get(stage).map((it) => depthOf(it, path))) + 1;
    path.delete(stage);
    depth.set(stage, value);
    return value;
  };
  const columns = [];
  for (const stage of stages) (columns[depthOf(stage)] ??= []).push(stage);
  const tallest = Math.max(...columns.map((column) => column?.length ?? 0));
  const height = tallest * (HIGH + GAP_Y) - GAP_Y + 2 * EDGE;
  const width = columns.length * (WIDE + GAP_X) - GAP_X + 2 * EDGE;

  const place = new Map();
  columns.forEach((column, x) => {
    const top = (height - (column.length * (HIGH + GAP_Y) - GAP_Y)) / 2;
    column.forEach((stage, y) => place.set(stage, [EDGE + x * (WIDE + GAP_X), top + y * (HIGH + GAP_Y)]));
  });

  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "graph", role: "img" });
  root.style.minWidth = `${width * SMALLEST}px`;
  root.append(svg("title", {}, `${stages.length} ${says}`));
  for (const [stage, sources] of reads) for (const source of sources) root.append(edge(place.get(source), place.get(stage)));
  for (const stage of stages) root.append(box(stage, place.get(stage), shortOf(stage), phaseOf(stage)));
  return root;
}

function edge([x1, y1], [x2, y2]) {
  const [from, to] = [x1 + WIDE, x2];
  const middle = (from + to) / 2;
  const [a, b] = [y1 + HIGH / 2, y2 + HIGH / 2];
  return svg("path", { d: `M${from} ${a}C${middle} ${a} ${middle} ${b} ${to} ${b}`, class: "edge" });
}

function box(stage, [x, y], short, phase) {
  const total = Math.max(stage.total, 1);
  const bad = Math.min(1, stage.failed / total);
  const done = Math.min(1, stage.terminated / total);
  const busy = Math.min(1, (stage.terminated + stage.running) / total);
  const state = stage.running ? "busy" : done === 1 && stage.total ? "done" : "idle";
  const group = svg("g", { transform: `translate(${x} ${y})`, class: "node", "data-state": state });
  if (phase) group.dataset.phase = phase;
  const far = `${stage.terminated}/${stage.total}`;
  const room = Math.max(3, 15 - far.length);
  group.append(
    svg("rect", { class: "track", width: WIDE, height: HIGH, rx: 6 }),
    svg("rect", { class: "running", width: WIDE * busy, height: HIGH, rx: 6 }),
    svg("rect", { class: "ended", width: WIDE * done, height: HIGH, rx: 6 }),
    svg("rect", { class: "bad", width: WIDE * bad, height: HIGH, rx: 6 }),
    svg("rect", { class: "rim", width: WIDE, height: HIGH, rx: 6 }),
    svg("text", { x: 10, y: HIGH / 2 }, short.length > room ? `${short.slice(0, room - 1)}…` : short),
    svg("text", { x: WIDE - 10, y: HIGH / 2, class: "far" }, far),
    svg("title", {}, `${line(stage.name)}: ${workers(stage)}`),
  );
  return group;
}
