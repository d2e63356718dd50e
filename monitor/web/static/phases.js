// The phases, in the order in which people look at them.

export const PHASES = ["running", "waiting", "suspended", "failed", "lost", "succeeded", "cancelled"];
export const LIVE = new Set(["waiting", "running", "suspended"]);
export const TROUBLE = new Set(["failed", "lost"]);

// Two subscriptions: what is live or in trouble is wanted whole, what ended well only so far back.
export const GROUPS = {
  live: { phases: ["waiting", "running", "suspended", "failed", "lost"], limit: 20000 },
  done: { phases: ["succeeded", "cancelled"], limit: 2000 },
};

export const groupOf = (phase) => (GROUPS.live.phases.includes(phase) ? "live" : "done");
