// How old what is shown is. The one rule: a screen that is not fresh must not look fresh, whatever broke.

import { el, foreign, line, setData, setText, setTitle, span, title } from "./text.js";

const ASK_EVERY = 3000; // ms
const ANSWER_WITHIN = 5000;
const SILENCE = 10000; // ms without any answer: then nothing here is believed
const NAP = 5000; // ms between two ticks that should be one second apart: the tab slept
const OLD_AFTER = 60; // seconds, until the source's own rhythm is known
const OLD_AT_LEAST = 30;
const MISSED_SWEEPS = 3;

export class Freshness {
  // on: {projects(list), answered(), source(name), stale(isAnythingOld, isConnectionLost, places that do not answer)}
  constructor(box, connection, alarm, on) {
    this.box = box;
    this.connection = connection;
    this.alarm = alarm;
    this.on = on;
    this.projects = [];
    this.answeredAt = 0;
    this.heardAt = 0;
    this.tickedAt = Date.now();
    this.feed = { name: "connecting", retryAt: 0 };
    this.rhythm = new Map(); // place -> {swept, seconds}: how far apart its sweeps are
    this.chosen = [];
    this.old = [];
    this.badges = new Map();
    this.timer = null;
    this.startedAt = Date.now();
  }

  start() {
    this.ask();
    setInterval(() => this.tick(), 1000);
    document.addEventListener("visibilitychange", () => document.hidden || this.wake());
    addEventListener("pageshow", () => this.wake());
    addEventListener("online", () => this.wake());
  }

  wake() {
    this.tick();
    this.ask();
  }

  async ask() {
    clearTimeout(this.timer);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const response = await fetch("api/v1/sources", { signal: AbortSignal.timeout(ANSWER_WITHIN), cache: "no-store" });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { sources } = await response.json();
      this.take(sources);
    } catch {
      // no answer: the age of the last one goes on growing, and says so
    }
    if (turn === this.turn) this.timer = setTimeout(() => this.ask(), ASK_EVERY);
    this.tick();
  }

  take(sources) {
    this.answeredAt = Date.now();
    this.projects = sources;
    for (const it of sources) {
      const place = `${it.source}/${it.project}`;
      const known = this.rhythm.get(place);
      if (!it.swept_at || known?.swept === it.swept_at) continue;
      const seconds = known ? (Date.parse(it.swept_at) - Date.parse(known.swept)) / 1000 : null;
      this.rhythm.set(place, { swept: it.swept_at, seconds });
    }
    this.on.projects(sources);
    this.on.answered();
  }

  heard() {
    this.heardAt = Date.now();
  }

  state(name, retryAt = 0) {
    this.feed = { name, retryAt };
    if (name === "live") this.heard();
    this.tick();
  }

  tick() {
    const now = Date.now();
    const slept = now - this.tickedAt > NAP;
    this.tickedAt = now;
    const since = Math.max(this.answeredAt, this.startedAt);
    const silent = now - since > SILENCE || (slept && now - since > NAP);
    const ok = this.feed.name === "live" && !silent;
    const wait = this.feed.retryAt > now ? `, next try in ${Math.ceil((this.feed.retryAt - now) / 1000)} s` : "";
    const word = ok ? "live" : this.feed.name === "connecting" && !this.answeredAt ? "connecting" : "not live";
    setData(this.connection, "state", ok ? "live" : word === "connecting" ? "connecting" : "lost");
    setText(this.connection, word);

    const last = Math.max(this.answeredAt, this.heardAt);
    const age = last ? `what you see is ${span((now - last) / 1000)} old` : "nothing has come yet";
    const old = this.badgesAt(now);
    let text = "";
    if (word === "not live") text = `No connection to the daemon: ${age}${wait}.`;
    else if (old.length) text = `No fresh data: ${old.join("; ")}.`;
    this.alarm.hidden = !text;
    setText(this.alarm, text);
    this.on.stale(Boolean(text), word === "not live", this.old);
  }

  // Draw the badges; return a sentence for each source that is too old to be believed.
  badgesAt(now) {
    const passed = (now - this.answeredAt) / 1000;
    const bySource = new Map();
    for (const it of this.projects) {
      if (!bySource.has(it.source)) bySource.set(it.source, []);
      const age = it.age_seconds === null ? null : it.age_seconds + passed;
      const beat = this.rhythm.get(`${it.source}/${it.project}`)?.seconds;
      const limit = beat ? Math.max(OLD_AT_LEAST, MISSED_SWEEPS * beat) : OLD_AFTER;
      bySource.get(it.source).push({ ...it, age, isOld: it.asked && (!it.up || (age !== null && age > limit)) });
    }
    const said = [];
    this.old = [...bySource.values()].flat().filter((it) => it.isOld).map((it) => `${it.source}/${it.project}`);
    for (const [name, projects] of bySource) {
      const aged = projects.filter((it) => it.age !== null).map((it) => it.age);
      const oldest = aged.length ? Math.max(...aged) : null;
      const down = projects.filter((it) => !it.up);
      const old = projects.filter((it) => it.isOld);
      const asked = projects[0].asked; // else lines come when somebody runs something: silence is no fault
      const state = old.length ? "old" : oldest === null && asked ? "new" : "fresh";
      const badge = this.badge(name);
      setData(badge, "state", state);
      badge.setAttribute("aria-pressed", String(this.chosen.includes(name)));
      const words = oldest === null ? (down.length ? "no data" : asked ? "first sweep" : "quiet") : span(oldest);
      setText(badge.querySelector(".age"), down.length ? `${words} · ${line(down[0].reason ?? "down", 40)}` : words);
      setTitle(badge, projects.map(sentence).join("\n"));
      if (old.length) {
        const why = down.length && down[0].detail ? `: ${line(down[0].detail, 160)}` : "";
        said.push(`${line(name, 60)} has not answered for ${oldest === null ? "as long as we know" : span(oldest)}${why}`);
      }
    }
    for (const [name, badge] of this.badges) if (!bySource.has(name)) {
      badge.parentElement.remove();
      this.badges.delete(name);
    }
    return said;
  }

  badge(name) {
    let badge = this.badges.get(name);
    if (!badge) {
      badge = el("button", "badge");
      badge.type = "button";
      badge.append(el("span", "pulse"), foreign("source", line(name, 60)), el("span", "age"));
      badge.onclick = () => this.on.source(name);
      const item = el("li");
      item.append(badge);
      this.box.append(item);
      this.badges.set(name, badge);
    }
    return badge;
  }
}

function sentence(it) {
  const never = it.asked ? "not swept yet" : "nothing runs that was heard of";
  const age = it.age === null ? never : `${it.asked ? "swept" : "last heard of"} ${span(it.age)} ago`;
  return title(`${it.project}: ${age}${it.up ? "" : `, down: ${it.reason} ${it.detail ?? ""}`}`);
}
