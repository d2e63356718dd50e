// Take charge of an alert: whoever has not said who they are is asked, once for this browser.

import { el, foreign, line } from "./text.js";

const MINE = "stagewatch.name";
const LONGEST_NAME = 200; // characters that the daemon takes

// Ask in the dialog `ask`, then tell the daemon; done(error) is called when it has answered, error is null if it took it.
export function takeCharge(ask, alert, done) {
  const name = el("input");
  name.id = "by";
  name.required = true;
  name.maxLength = LONGEST_NAME;
  name.autocomplete = "name";
  name.value = localStorage.getItem(MINE) ?? "";
  const label = el("label", "", "Your name");
  label.htmlFor = name.id;
  const text = el("p");
  text.append("Others will see that you look after ", foreign("", line(alert.rule, 80)), ". Whoever was first stays.");
  const no = el("button", "act", "Cancel");
  no.type = "button";
  no.onclick = () => ask.close();
  const yes = el("button", "act", "I take it");
  const form = el("form");
  const acts = el("div", "acts");
  acts.append(no, yes);
  form.append(label, name, acts);
  form.onsubmit = (event) => {
    event.preventDefault();
    const by = name.value.trim();
    if (!by) return;
    localStorage.setItem(MINE, by);
    ask.close();
    send(alert.id, by).then(() => done(null), done);
  };
  ask.replaceChildren(el("h2", "", "Acknowledge this alert?"), text, form);
  ask.showModal();
  (name.value ? yes : name).focus();
}

async function send(id, by) {
  const response = await fetch(`api/v1/alerts/${encodeURIComponent(id)}/ack`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ by }),
    cache: "no-store",
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
}
