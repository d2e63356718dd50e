// One instance at the side: everything that is known of it, and what can be done about it.

import { setBar } from "./bars.js";
import { graph } from "./graph.js";
import { LIVE } from "./phases.js";
import { count, el, foreign, fullMoment, line, moment, percent, setData, setText, span, time, title } from "./text.js";

const LONGEST_TEXT = 20000; // characters of a failure or a result that are put on the page
const DRAW_EVERY = 250; // ms

export class Panel {
  // on: {close(), owner(name)}
  constructor(root, ask, on) {
    this.root = root;
    this.ask = ask;
    this.on = on;
    this.key = null;
    this.it = null;
    this.history = [];
    this.alerts = [];
    this.timer = null;
    root.addEventListener("keydown", (event) => event.key === "Escape" && this.on.close());
  }

  path(tail = "") {
    return `api/v1/instances/${this.key.split("/").map(encodeURIComponent).join("/")}${tail}`;
  }

  open(key, known) {
    if (key === this.key) return;
    this.key = key;
    this.it = known ?? null;
    this.history = [];
    this.alerts = [];
    this.results = null;
    this.root.hidden = false;
    this.build();
    this.draw();
    this.load();
  }

  close() {
    this.key = null;
    this.it = null;
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  async load() {
    const key = this.key;
    try {
      const response = await fetch(this.path(), { cache: "no-store" });
      const body = await response.json();
      if (key !== this.key) return;
      if (!response.ok) throw new Error(body.error.message);
      this.history = body.history;
      if (!this.it) this.it = body;
      this.draw();
      await this.loadAlerts();
    } catch (error) {
      if (key === this.key) this.say(`Its history could not be read: ${error.message}`);
    }
  }

  async loadAlerts() {
    const key = this.key;
    const response = await fetch(`api/v1/alerts?limit=20&key=${encodeURIComponent(key)}`, { cache: "no-store" });
    if (!response.ok || key !== this.key) return;
    this.alerts = (await response.json()).alerts;
    this.drawAlerts();
  }

  // What the feed tells of it.
  hear(event) {
    if (event.key !== this.key) return;
    if (event.kind === "removed") this.say("It is no longer kept: what stands here is the last that was known.");
    if (event.instance) this.it = event.instance;
    if (event.kind !== "progress") this.history = [...this.history, event];
    if (event.kind === "alert") this.loadAlerts();
    this.later();
  }

  take(it) {
    if (it.key !== this.key) return;
    this.it = it;
    this.later();
  }

  later() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.draw();
    }, DRAW_EVERY);
  }

  // --- building ---

  build() {
    const close = el("button", "close", "Close");
    close.type = "button";
    close.onclick = () => this.on.close();
    this.phase = el("span", "phase");
    this.phase.append(el("span", "dot"), (this.word = el("span", "word")));
    const bar = el("div", "bar-line");
    bar.append(this.phase, (this.tags = el("span", "tags")), close);
    this.name = foreign("name");
    this.id = foreign("id");
    const heading = el("h2");
    heading.append(this.name);
    const copy = el("button", "copy", "Copy key");
    copy.type = "button";
    copy.onclick = () => this.copy(copy);
    const line_ = el("p", "key-line");
    line_.append(this.id, copy);

    this.logview = el("a", "act", "LogView");
    this.logview.href = this.path("/logview?redirect");
    this.logview.target = "_blank";
    this.logview.rel = "noopener noreferrer";
    this.getResults = el("button", "act", "Results");
    this.getResults.type = "button";
    this.getResults.onclick = () => this.showResults();
    this.stop = el("button", "act danger", "Stop");
    this.stop.type = "button";
    this.stop.onclick = () => this.confirmStop();
    const acts = el("div", "acts");
    acts.append(this.logview, this.getResults, this.stop);

    this.message = el("p", "message");
    this.message.hidden = true;
    this.message.setAttribute("role", "status");
    this.failure = el("section", "failure");
    this.facts = el("dl", "facts");
    this.tasks = el("section", "tasks");
    this.resultBox = el("section", "results");
    this.alertBox = el("section", "alerts");
    this.past = el("section", "past");
    this.body = el("div", "panel-body");
    this.body.append(acts, this.message, this.failure, this.facts, this.tasks, this.resultBox, this.alertBox, this.past);
    const top = el("div", "panel-top");
    top.append(bar, heading, line_);
    this.root.replaceChildren(top, this.body);
  }

  say(text) {
    this.message.hidden = !text;
    setText(this.message, text);
  }

  async copy(button) {
    try {
      await navigator.clipboard.writeText(this.key);
      setText(button, "Copied");
    } catch {
      getSelection().selectAllChildren(this.id); // without a secure context the person copies by hand
    }
    setTimeout(() => setText(button, "Copy key"), 1500);
  }

  // --- drawing ---

  draw() {
    const it = this.it;
    const id = this.key.split("/").slice(2).join("/");
    setText(this.id, line(this.key));
    setText(this.name, line(it?.name || id));
    this.name.title = title(it?.name || id);
    if (!it) return;
    const live = LIVE.has(it.phase);
    setData(this.root, "phase", it.phase);
    setText(this.word, it.phase);
    this.tags.replaceChildren(...it.verdicts.map((verdict) => el("span", "tag", verdict.replaceAll("_", " "))));
    this.stop.hidden = !live;
    this.getResults.hidden = it.phase !== "succeeded";
    this.drawFailure();
    this.drawFacts();
    this.drawTasks();
    this.drawPast();
  }

  tick() {
    if (this.it && LIVE.has(this.it.phase)) this.drawFacts();
  }

  drawFailure() {
    const failure = this.it.failure;
    this.failure.hidden = !failure;
    if (!failure) return;
    const top = el("p", "failure-top");
    top.append(el("strong", "", failure.code || "failed"), el("span", "tag", failure.category));
    if (failure.task) top.append(foreign("in-task", line(failure.task)));
    const text = el("pre", "", failure.message.slice(0, LONGEST_TEXT));
    text.dir = "auto";
    if (failure.message.length > LONGEST_TEXT) text.append(`… (${count(failure.message.length)} characters)`);
    this.failure.replaceChildren(top, text);
  }

  drawFacts() {
    const it = this.it;
    const now = Date.now();
    const when = (text) => (text ? [moment(time(text), now), fullMoment(time(text))] : null);
    const began = time(it.started_at) ?? time(it.created_at);
    const until = time(it.ended_at) ?? (LIVE.has(it.phase) ? now : null);
    const queue = it.queue && it.phase === "waiting" ? [it.queue.position, it.queue.length].filter((n) => n !== null).join(" of ") : "";
    const ago = (text) => (text ? [`${span((now - time(text)) / 1000)} ago`, fullMoment(time(text))] : null);
    const rows = [
      ["Owner", it.owner ? [line(it.owner), it.owner] : null],
      ["Progress", it.progress === null ? null : [percent(it.progress)]],
      ["Queue", queue ? [queue] : null],
      ["Why it waits", it.queue?.reason && it.phase === "waiting" ? [line(it.queue.reason), it.queue.reason] : null],
      ["Duration", began && until ? [span((until - began) / 1000)] : null],
      ["Submitted", when(it.created_at)],
      ["Started", when(it.started_at)],
      ["Ended", when(it.ended_at)],
      ["The service says", it.native_status ? [line(it.native_status)] : null],
      ["And then", it.contradiction ? [line(it.contradiction)] : null],
      ["Attempt", it.attempt > 1 ? [String(it.attempt)] : null],
      ["Seen", ago(it.observed_at)],
      ["Stages read", ago(it.stages_at)],
    ].filter(([, value]) => value);
    const same = this.facts.children.length === rows.length * 2;
    rows.forEach(([label, [text, whole]], n) => {
      if (!same && n === 0) this.facts.replaceChildren();
      if (!same) this.facts.append(el("dt"), foreignValue());
      const [dt, dd] = [this.facts.children[n * 2], this.facts.children[n * 2 + 1]];
      setText(dt, label);
      setText(dd.firstChild, text);
      if (whole) dd.title = title(whole);
    });
  }

  drawTasks() {
    this.tasks.replaceChildren(
      ...this.it.tasks.map((task) => {
        const box = el("section", "task");
        setData(box, "phase", task.phase ?? this.it.phase);
        const head = el("h3");
        head.append(foreign("", line(task.name)));
        const words = [task.type, task.phase ?? "", `${task.stages.length} stage${task.stages.length === 1 ? "" : "s"}`];
        head.append(el("small", "", words.filter(Boolean).map((word) => line(word, 60)).join(" · ")));
        box.append(head);
        const drawing = graph(task.stages);
        if (drawing) {
          const frame = el("div", "graph-frame");
          frame.tabIndex = 0;
          frame.setAttribute("aria-label", "Graph of stages");
          frame.append(drawing);
          box.append(frame);
        }
        if (task.stages.length) box.append(stageList(task.stages));
        else box.append(el("p", "quiet", "No stages have been read of this task yet."));
        return box;
      }),
    );
    if (!this.it.tasks.length) this.tasks.replaceChildren(el("p", "quiet", "No tasks have been read yet."));
  }

  drawAlerts() {
    this.alertBox.replaceChildren();
    if (!this.alerts.length) return;
    this.alertBox.append(el("h3", "", "Alerts"));
    for (const alert of this.alerts) {
      const item = el("div", "alert");
      const head = el("p");
      head.append(el("strong", "", line(alert.rule, 80)), ` ${moment(time(alert.at))} `, el("span", "tag", alert.severity));
      if (alert.acknowledged) head.append(" taken by ", foreign("", line(alert.acknowledged.by, 80)));
      item.append(head);
      for (const way of alert.deliveries) {
        const last = way.attempts.at(-1);
        const tries = way.attempts.length;
        const why = last?.reason ? `: ${[last.reason, last.detail].filter(Boolean).join(", ")}` : "";
        const text = `${way.channel}: ${way.state.replaceAll("_", " ")} after ${tries} ${tries === 1 ? "try" : "tries"}${why}`;
        const row = el("p", "way");
        setData(row, "state", way.state);
        row.append(foreign("", line(text)));
        item.append(row);
      }
      this.alertBox.append(item);
    }
  }

  drawPast() {
    const list = el("ol");
    for (const event of this.history.slice(-100).reverse()) {
      const item = el("li");
      setData(item, "kind", event.kind);
      setData(item, "phase", event.to ?? "");
      const at = el("time", "", moment(time(event.at)));
      at.title = fullMoment(time(event.at));
      item.append(at, foreign("", line(sentence(event))));
      list.append(item);
    }
    const parts = list.childElementCount ? [el("h3", "", "History"), list] : [];
    this.past.replaceChildren(...parts);
  }

  // --- doing ---

  async showResults() {
    setText(this.getResults, "Fetching…");
    try {
      const body = await this.request("/results");
      this.resultBox.replaceChildren(el("h3", "", "Results"));
      for (const [task, text] of Object.entries(body.results)) {
        const pre = el("pre", "", text.slice(0, LONGEST_TEXT));
        if (text.length > LONGEST_TEXT) pre.append(`… (${count(text.length)} characters)`);
        this.resultBox.append(foreign("task-name", line(task)), pre);
      }
      this.say("");
    } catch (error) {
      this.say(`The results could not be fetched: ${error.message}`);
    }
    setText(this.getResults, "Results");
  }

  confirmStop() {
    const { ask, key, it } = this;
    const name = foreign("", line(it.name || it.id, 120));
    const text = el("p");
    text.append("Ask the service to end ", name, "? What it has computed so far is lost.");
    const yes = el("button", "act danger", "Stop it");
    const no = el("button", "act", "Let it run");
    const acts = el("form", "acts");
    acts.method = "dialog";
    acts.append(no, yes);
    yes.type = no.type = "button";
    no.onclick = () => ask.close();
    yes.onclick = () => {
      ask.close();
      if (key === this.key) this.doStop();
    };
    ask.replaceChildren(el("h2", "", "Stop this instance?"), text, acts);
    ask.showModal();
    no.focus();
  }

  async doStop() {
    this.stop.disabled = true;
    this.say("Asking the service to stop it…");
    try {
      await this.request("/stop", { method: "POST" });
      this.say("The service was asked to stop it; the end will show here.");
    } catch (error) {
      this.say(`It was not stopped: ${error.message}`);
    }
    this.stop.disabled = false;
  }

  async request(tail, options = {}) {
    const response = await fetch(this.path(tail), { cache: "no-store", ...options });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error.message);
    return body;
  }
}

function foreignValue() {
  const dd = el("dd");
  dd.append(foreign());
  return dd;
}

function stageList(stages) {
  const list = el("ul", "stage-list");
  for (const stage of stages) {
    const item = el("li");
    setData(item, "state", stage.running ? "busy" : stage.total && stage.terminated >= stage.total ? "done" : "idle");
    const name = foreign("stage-name", line(stage.name, 80));
    name.title = title(stage.name);
    const bar = el("i", "bar");
    setBar(bar, stage);
    const backups = stage.backups ? ` +${count(stage.backups)} backup` : "";
    const words = `${count(stage.terminated)} of ${count(stage.total)}${stage.running ? `, ${count(stage.running)} running` : ""}${backups}`;
    const said = stage.percent === null ? (stage.status ?? "") : `${stage.percent}%`;
    item.append(name, el("span", "said", line(said, 24)), bar, el("span", "counts", words));
    if (stage.depends_on.length) item.append(el("span", "reads", `reads ${stage.depends_on.join(", ")}`));
    list.append(item);
  }
  return list;
}

function sentence(event) {
  switch (event.kind) {
    case "discovered":
      return "watched from now on";
    case "phase":
      return event.from ? `${event.from} → ${event.to}` : event.attempt > 1 ? `attempt ${event.attempt}: ${event.to}` : event.to;
    case "stage":
      return `stage ${event.stage.name} finished`;
    case "verdict":
      return `${event.verdict.replaceAll("_", " ")}${event.raised ? "" : " no more"}${event.evidence ? `: ${event.evidence}` : ""}`;
    case "alert":
      return `alert ${event.rule} (${event.severity})`;
    case "lost":
      return `${event.from} → lost: the service does not know it any more`;
    case "contradicted":
      return `after ${event.phase} the service said: ${event.said}`;
    case "removed":
      return "no longer kept";
    default:
      return event.kind;
  }
}
