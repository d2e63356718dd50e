// One question before something is done that cannot be undone. Enter does the harmless thing.

import { el } from "./text.js";

// Ask in the dialog `ask`; then() is called if the person agrees.
export function confirm(ask, { heading, text, yes, no }, then) {
  const agree = el("button", "act danger", yes);
  const leave = el("button", "act", no);
  agree.type = leave.type = "button";
  leave.onclick = () => ask.close();
  agree.onclick = () => {
    ask.close();
    then();
  };
  const acts = el("form", "acts");
  acts.method = "dialog";
  acts.append(leave, agree);
  ask.replaceChildren(el("h2", "", heading), text, acts);
  ask.showModal();
  leave.focus();
}
