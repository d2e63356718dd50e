// One row of the table. It shows one instance now and another one a moment later, so it writes only what differs.

import { failedWorkers, setBars, stagesOf } from "./bars.js";
import { LIVE } from "./phases.js";
import { setTags } from "./tags.js";
import { el, foreign, fullMoment, line, moment, percent, setData, setText, setTitle, span, time, title } from "./text.js";

const beginOf = (it) => time(it.started_at) ?? time(it.created_at);

export class Row {
  constructor(columns) {
    this.key = null;
    this.node = el("div", "row");
    this.node.setAttribute("role", "row");
    this.node.tabIndex = -1;
    this.node.hidden = true;
    this.cells = Object.fromEntries(columns.map((name) => [name, el("div", `cell ${name}`)]));
    for (const cell of Object.values(this.cells)) cell.setAttribute("role", "gridcell");

    this.word = el("span", "word");
    this.name = foreign("main");
    this.project = foreign();
    this.apart = document.createTextNode("");
    this.owner = foreign();
    this.bars = el("div", "bars");
    this.bars.setAttribute("role", "img");
    this.took = el("span", "main");
    this.since = el("span", "sub");
    this.tags = el("span", "tags");
    this.said = foreign("said");

    const where = el("span", "sub");
    where.append(this.project, this.apart, this.owner);
    this.cells.phase.append(el("span", "dot"), this.word);
    this.cells.name.append(this.name, where);
    this.cells.stages.append(this.bars);
    this.cells.time.append(this.took, this.since);
    this.cells.note.append(this.tags, this.said);
    this.node.append(...Object.values(this.cells));
  }

  fill(it, now, { isLeaving, isStale }) {
    const isOld = isStale && LIVE.has(it.phase); // what has ended does not change any more
    setData(this.node, "phase", it.phase);
    setData(this.node, "partial", it.partial_failure ? "yes" : "no");
    setTitle(this.cells.phase, it.partial_failure ? failedWorkers(it) : "");
    this.node.classList.toggle("leaving", isLeaving);
    this.node.classList.toggle("old", isOld);
    setText(this.word, it.phase);
    setText(this.name, line(it.name || it.id));
    setTitle(this.cells.name, title(it.name ? `${it.name}\n${it.id}` : it.id));
    setText(this.project, line(`${it.source}/${it.project}`));
    setText(this.apart, it.owner ? " · " : "");
    setText(this.owner, line(it.owner));
    setBars(this.bars, it);
    setText(this.cells.progress, percent(it.progress));
    this.fillNote(it, isOld);
    this.fillTime(it, now);
  }

  fillNote(it, isOld) {
    setTags(this.tags, it, isOld);
    const text = noteOf(it);
    setText(this.said, line(text));
    setTitle(this.cells.note, title(text));
  }

  fillTime(it, now) {
    const began = beginOf(it);
    const ended = time(it.ended_at);
    setText(this.took, began && (ended || LIVE.has(it.phase)) ? span(((ended ?? now) - began) / 1000) : "");
    setText(this.since, ended ? `ended ${moment(ended, now)}` : began ? `since ${moment(began, now)}` : "");
    setTitle(this.cells.time, began ? fullMoment(began) : "");
  }

  tick(it, now) {
    if (LIVE.has(it.phase)) this.fillTime(it, now);
  }
}

// The one thing worth saying about an instance now.
function noteOf(it) {
  if (it.failure) {
    const { code, message } = it.failure;
    return message.includes(code) ? message : [code, message].filter(Boolean).join(" · "); // the service's own texts begin with the code
  }
  if (it.phase === "waiting" && it.queue) {
    const { position, length, reason } = it.queue;
    const place = position === null ? "" : length === null ? `queue ${position}` : `queue ${position} of ${length}`;
    return [place, reason].filter(Boolean).join(" · ");
  }
  if (it.partial_failure) return failedWorkers(it);
  if (it.contradiction) return `after its end the service said: ${it.contradiction}`;
  if (it.phase === "lost") return "the service does not know it any more";
  if (!LIVE.has(it.phase)) return "";
  const busy = stagesOf(it).filter((stage) => stage.running > 0);
  if (!busy.length) return "";
  const [first] = busy;
  const more = busy.length > 1 ? ` and ${busy.length - 1} more` : "";
  return `${first.name}: ${first.running} running, ${first.terminated} of ${first.total} done${more}`;
}
