// One instance at the side: everything that is known of it, and what can be done about it.

import { takeCharge } from "./acknowledge.js";
import { failedWorkers } from "./bars.js";
import { confirm } from "./confirm.js";
import { drawAlerts, drawHistory } from "./past.js";
import { LIVE } from "./phases.js";
import { drawSteps, logview, path } from "./steps.js";
import { setTags } from "./tags.js";
import { drawTasks } from "./tasks.js";
import { count, el, foreign, fullMoment, line, moment, percent, redraw, setData, setText, span, time, title } from "./text.js";

const LONGEST_TEXT = 20000; // characters of a failure or a result that are put on the page
const MOST_EVENTS = 200;
const DRAW_EVERY = 250; // ms
const RESTARTABLE = new Set(["failed", "cancelled"]); // by a service that can do it at all

export class Panel {
  // on: {close(), open(key), find(key)}
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
    return path(this.key, tail);
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
    drawAlerts(this.alertBox, this.alerts, (alert) => this.takeCharge(alert));
  }

  // What the feed tells of it.
  hear(event) {
    if (event.key !== this.key) {
      if (this.it?.children.some((child) => child.key === event.key)) this.later();
      return;
    }
    if (event.kind === "removed") this.say("It is no longer kept: what stands here is the last that was known.");
    if (event.instance) this.it = event.instance;
    if (event.kind !== "progress") this.history = [...this.history, event].slice(-MOST_EVENTS);
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

    this.logview = logview(el("a", "act", "LogView"), this.key);
    this.getResults = el("button", "act", "Results");
    this.getResults.type = "button";
    this.getResults.onclick = () => this.showResults();
    this.stop = el("button", "act danger", "Stop");
    this.stop.type = "button";
    this.stop.onclick = () => this.confirmStop();
    this.again = el("button", "act", "Run again");
    this.again.type = "button";
    this.again.onclick = () => this.wish(this.again, "restart", "run it again.", "It does not run again");
    const acts = el("div", "acts");
    acts.append(this.logview, this.getResults, this.again, this.stop);

    this.message = el("p", "message");
    this.message.hidden = true;
    this.message.setAttribute("role", "status");
    this.failure = el("section", "failure");
    this.facts = el("dl", "facts");
    this.steps = el("section", "steps");
    this.tasks = el("section", "tasks");
    this.resultBox = el("section", "results");
    this.alertBox = el("section", "alerts");
    this.past = el("section", "past");
    this.body = el("div", "panel-body");
    this.body.append(acts, this.message, this.failure, this.facts, this.steps, this.tasks, this.resultBox, this.alertBox, this.past);
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
    setData(this.root, "partial", it.partial_failure ? "yes" : "no");
    setText(this.word, it.phase);
    setTags(this.tags, it);
    this.logview.hidden = it.kind === "batchcompute"; // which has no such page
    this.stop.hidden = !live;
    this.getResults.hidden = it.phase !== "succeeded";
    this.again.hidden = !(it.kind === "batchcompute" && RESTARTABLE.has(it.phase));
    this.drawFailure();
    this.drawFacts();
    drawSteps(this.steps, it, this.on.find, this.on.open);
    drawTasks(this.tasks, it);
    const last = this.history.at(-1);
    redraw(this.past, [this.history.length, last?.kind, last?.at], () => drawHistory(this.past, this.history));
  }

  tick() {
    if (this.it && LIVE.has(this.it.phase)) this.drawFacts();
  }

  drawFailure() {
    const failure = this.it.failure;
    this.failure.hidden = !failure;
    redraw(this.failure, failure, () => failure && this.fillFailure(failure));
  }

  fillFailure(failure) {
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
      ["Failures", it.failed_workers ? [failedWorkers(it)] : null],
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
    const { key, it } = this;
    const name = foreign("", line(it.name || it.id, 120));
    const text = el("p");
    text.append("Ask the service to end ", name, "? What it has computed so far is lost.");
    confirm(this.ask, { heading: "Stop this instance?", text, yes: "Stop it", no: "Let it run" }, () => {
      if (key === this.key) this.wish(this.stop, "stop", "stop it; the end will show here.", "It was not stopped");
    });
  }

  // Have the daemon pass a wish to the service.
  async wish(button, verb, what, refused) {
    button.disabled = true;
    this.say("Asking the service…");
    try {
      await this.request(`/${verb}`, { method: "POST" });
      this.say(`The service was asked to ${what}`);
    } catch (error) {
      this.say(`${refused}: ${error.message}`);
    }
    button.disabled = false;
  }

  takeCharge(alert) {
    const key = this.key;
    takeCharge(this.ask, alert, (error) => {
      if (key !== this.key) return;
      this.say(error ? `It was not acknowledged: ${error.message}` : "");
      this.loadAlerts();
    });
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
