// The few words beside an instance that people must not miss.

import { el, setData } from "./text.js";

// Set a box to the tags of an instance; isOld says that its source does not answer.
export function setTags(box, it, isOld = false) {
  const tags = [
    ...(isOld ? ["stale"] : []),
    ...(it.attempt > 1 ? [`attempt ${it.attempt}`] : []),
    ...(it.partial_failure ? ["partial failure"] : []),
    ...it.verdicts.map((verdict) => verdict.replaceAll("_", " ")),
  ];
  if (box.childElementCount === tags.length && box.textContent === tags.join("")) return;
  box.replaceChildren(...tags.map(tagOf));
}

function tagOf(text) {
  const tag = el("span", "tag", text);
  setData(tag, "of", text.replace(/ \d+$/, ""));
  return tag;
}
