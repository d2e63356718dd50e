// What has happened to one instance: its history, and the alerts that told of it.

import { el, foreign, fullMoment, line, moment, setData, time } from "./text.js";

const MOST = 100;
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

export function drawHistory(box, events) {
  const list = el("ol");
  for (const event of events.slice(-MOST).reverse()) {
    const item = el("li");
    setData(item, "kind", event.kind);
    setData(item, "phase", event.to ?? "");
    const at = el("time", "", moment(time(event.at)));
    at.title = fullMoment(time(event.at));
    item.append(at, foreign("", line(sentence(event))));
    list.append(item);
  }
  box.replaceChildren(...(list.childElementCount ? [el("h3", "", "History"), list] : []));
}

function sentence(event) {
  switch (event.kind) {
    case "discovered":
      return "watched from now on";
    case "phase":
      if (event.attempt > 1 && (!event.from || ENDED.has(event.from))) return `attempt ${event.attempt}: ${event.to}`;
      return event.from ? `${event.from} → ${event.to}` : event.to;
    case "stage":
      return `stage ${event.stage.name} finished`;
    case "verdict":
      return `${event.verdict.replaceAll("_", " ")}${event.raised ? "" : " no more"}${event.evidence ? `: ${event.evidence}` : ""}`;
    case "partial_failure":
      return `succeeded, though ${event.failed_workers}${event.workers === null ? "" : ` of ${event.workers}`} workers failed`;
    case "alert":
      return `alert ${event.rule} (${event.severity})`;
    case "lost":
      return `${event.from} → lost: ${event.why || "the service does not know it any more"}`;
    case "contradicted":
      return `after ${event.phase} the service said: ${event.said}`;
    case "removed":
      return "no longer kept";
    default:
      return event.kind;
  }
}

// take(alert) is called when the person takes charge of one.
export function drawAlerts(box, alerts, take) {
  const boxes = alerts.map((alert) => alertBox(alert, take));
  box.replaceChildren(...(boxes.length ? [el("h3", "", "Alerts"), ...boxes] : []));
}

function alertBox(alert, take) {
  const box = el("div", "alert");
  const head = el("p");
  head.append(el("strong", "", line(alert.rule, 80)), ` ${moment(time(alert.at))} `, el("span", "tag", alert.severity));
  if (alert.attempt > 1) head.append(` attempt ${alert.attempt} `);
  if (alert.acknowledged) head.append(" taken by ", foreign("", line(alert.acknowledged.by, 80)));
  else {
    const button = el("button", "act", "Acknowledge");
    button.type = "button";
    button.onclick = () => take(alert);
    head.append(button);
  }
  box.append(head);
  for (const way of alert.deliveries) {
    const last = way.attempts.at(-1);
    const tries = `${way.attempts.length} ${way.attempts.length === 1 ? "try" : "tries"}`;
    const why = last?.reason ? `: ${[last.reason, last.detail].filter(Boolean).join(", ")}` : "";
    const row = el("p", "way");
    setData(row, "state", way.state);
    row.append(foreign("", line(`${way.channel}: ${way.state.replaceAll("_", " ")} after ${tries}${why}`)));
    box.append(row);
  }
  return box;
}
