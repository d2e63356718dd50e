// The live table: a fixed handful of rows that are moved and refilled, however many instances there are.

import { Row } from "./row.js";
import { count, el, setText } from "./text.js";

const SPARE = 6; // rows kept above and below what is seen
const ORDER_EVERY = 500; // ms between two new orders
const HELD_FOR = 4000; // ms that the order holds still after the pointer or a key was used in the table
const COLUMNS = [
  ["phase", "Phase", "phase"],
  ["name", "Instance", "name"],
  ["stages", "Stages", ""],
  ["progress", "Progress", "progress"],
  ["time", "Time", "began"],
  ["note", "", ""],
];

export class Table {
  // on: {open(key), sort(word), seen(keys)}
  constructor(root, store, on) {
    this.root = root;
    this.store = store;
    this.on = on;
    this.keys = [];
    this.places = new Map();
    this.rows = [];
    this.focused = null;
    this.opened = null;
    this.usedAt = 0;
    this.orderedAt = 0;
    this.inSight = 0; // rows
    this.stale = new Set(); // source/project that do not answer: what stands here of them may be wrong by now
    this.build();
  }

  build() {
    this.head = el("div", "head");
    this.head.setAttribute("role", "row");
    for (const [name, label, sort] of COLUMNS) {
      const cell = el("div", `cell ${name}`);
      cell.setAttribute("role", "columnheader");
      if (sort) {
        const button = el("button", "sort", label);
        button.type = "button";
        button.onclick = () => this.on.sort(sort);
        cell.dataset.sort = sort;
        cell.append(button);
      } else setText(cell, label);
      this.head.append(cell);
    }
    this.body = el("div", "body");
    this.body.setAttribute("role", "rowgroup");
    this.space = el("div", "space");
    this.body.append(this.space);
    this.empty = el("p", "empty");
    this.empty.hidden = true;
    this.note = el("p", "cutoff");
    this.note.hidden = true;
    const grid = el("div", "grid");
    grid.setAttribute("role", "grid");
    grid.setAttribute("aria-label", "Instances");
    grid.append(this.head, this.body);
    this.grid = grid;
    this.root.append(grid, this.empty, this.note);

    this.body.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.body.addEventListener("pointermove", () => (this.usedAt = Date.now()), { passive: true });
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.body.addEventListener("keydown", (event) => this.pressed(event));
    this.body.tabIndex = 0;
    this.body.addEventListener("focus", () => this.focus(this.focused ?? this.keys[this.first()]));
    new ResizeObserver(() => this.fit()).observe(this.body);
  }

  get height() {
    return (this.rowHeight ??= parseFloat(getComputedStyle(this.root).getPropertyValue("--row")) || 48);
  }

  // Where the first row in sight is. Read once for a drawing, before anything is written: each look after a write
  // would cost a layout.
  first() {
    return Math.max(0, Math.floor(this.body.scrollTop / this.height));
  }

  fit() {
    this.rowHeight = undefined;
    this.inSight = Math.ceil(this.body.clientHeight / this.height);
    const wanted = this.inSight + 2 * SPARE;
    while (this.rows.length > wanted) this.rows.pop().node.remove();
    while (this.rows.length < wanted) this.rows.push(this.addRow());
    this.space.style.height = `${this.keys.length * this.height}px`;
    this.place();
  }

  addRow() {
    const row = new Row(COLUMNS.map(([name]) => name));
    this.body.append(row.node);
    return row;
  }

  fill(row, now) {
    const it = this.store.instances.get(row.key);
    if (!it) return;
    row.fill(it, now, { isLeaving: this.store.leaving.has(it.key), isStale: this.stale.has(`${it.source}/${it.project}`) });
  }

  // --- drawing ---

  // Take over what changed; returns in how many ms to come again, or 0.
  draw(now) {
    const dirty = this.store.dirty;
    let again = 0;
    if (this.store.reorder) {
      const held = now - this.usedAt < HELD_FOR && this.keys.length > 0;
      const wait = Math.max(this.orderedAt + ORDER_EVERY - now, held ? this.usedAt + HELD_FOR - now : 0);
      if (wait > 0) again = wait;
      else this.reorder(now);
    }
    for (const row of this.rows) if (row.key !== null && dirty.has(row.key)) this.fill(row, now);
    dirty.clear();
    return again;
  }

  // The person asked for another view: nothing holds the order.
  release() {
    this.usedAt = 0;
    this.orderedAt = 0;
  }

  reorder(now) {
    this.orderedAt = now;
    this.keys = this.store.order(now);
    this.places = new Map(this.keys.map((key, n) => [key, n]));
    this.space.style.height = `${this.keys.length * this.height}px`;
    this.grid.setAttribute("aria-rowcount", String(this.keys.length + 1));
    this.place();
  }

  // Bind rows to places: a row that shows a key in sight keeps it, the others take what came into sight.
  place() {
    const first = this.first();
    const from = Math.max(0, first - SPARE);
    const keys = this.keys.slice(from, from + this.rows.length);
    const wanted = new Set(keys);
    const bound = new Map();
    const free = [];
    for (const row of this.rows) {
      if (row.key !== null && wanted.has(row.key) && !bound.has(row.key)) bound.set(row.key, row);
      else free.push(row);
    }
    const now = Date.now();
    keys.forEach((key, n) => {
      const row = bound.get(key) ?? free.pop();
      if (row.key !== key) {
        row.node.classList.remove("moving"); // another instance's bars do not glide into this one's
        row.key = key;
        row.node.dataset.key = key;
        this.fill(row, now);
      }
      row.node.hidden = false;
      const top = `translateY(${(from + n) * this.height}px)`;
      if (row.node.style.transform !== top) row.node.style.transform = top;
      row.node.setAttribute("aria-rowindex", String(from + n + 2));
      row.node.classList.toggle("odd", (from + n) % 2 === 1);
    });
    for (const row of free) {
      row.key = null;
      row.node.hidden = true;
      delete row.node.dataset.key;
    }
    this.markFocus();
    this.on.seen(this.keys.slice(first, first + this.inSight + 1));
  }

  scrolled() {
    this.usedAt = Date.now();
    if (this.scrolling) return;
    this.scrolling = requestAnimationFrame(() => {
      this.scrolling = 0;
      this.place();
    });
  }

  // These projects do not answer.
  mark(stale) {
    if ([...stale].join() === [...this.stale].join()) return;
    this.stale = new Set(stale);
    for (const row of this.rows) if (row.key !== null) this.fill(row, Date.now());
  }

  // Each second: what ticks in the rows that are seen.
  tick(now) {
    for (const row of this.rows) {
      const it = row.key === null ? null : this.store.instances.get(row.key);
      row.node.classList.toggle("moving", Boolean(it)); // from now on its bars glide
      if (it) row.tick(it, now);
    }
  }

  showSort(sort) {
    for (const cell of this.head.children) {
      if (!cell.dataset.sort) continue;
      const mine = sort.replace(/^-/, "") === cell.dataset.sort;
      cell.setAttribute("aria-sort", mine ? (sort.startsWith("-") ? "descending" : "ascending") : "none");
    }
  }

  // --- moving and opening ---

  open(key) {
    this.opened = key;
    for (const row of this.rows) row.node.setAttribute("aria-selected", String(row.key === key && key !== null));
  }

  clicked(event) {
    const node = event.target.closest(".row");
    if (!node || !node.dataset.key || String(getSelection())) return;
    this.focus(node.dataset.key, false);
    this.on.open(node.dataset.key);
  }

  pressed(event) {
    const page = Math.max(1, this.inSight - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    this.usedAt = Date.now();
    if (event.key === "Enter" && this.focused) {
      event.preventDefault();
      this.on.open(this.focused);
    } else if (event.key in steps) {
      event.preventDefault();
      const here = this.places.get(this.focused) ?? 0;
      const there = Math.min(this.keys.length - 1, Math.max(0, here + steps[event.key]));
      this.focus(this.keys[there]);
    }
  }

  // Focus goes with the key, not with the element, which may be another row's a moment later.
  focus(key, reveal = true) {
    if (key === undefined || key === null) return;
    this.focused = key;
    const top = (this.places.get(key) ?? 0) * this.height;
    if (reveal) {
      if (top < this.body.scrollTop) this.body.scrollTop = top;
      const low = top + this.height - this.body.clientHeight;
      if (low > this.body.scrollTop) this.body.scrollTop = low;
    }
    this.place();
    const row = this.rows.find((it) => it.key === key);
    if (row) row.node.focus({ preventScroll: true });
  }

  markFocus() {
    for (const row of this.rows) {
      const mine = row.key !== null && row.key === this.focused;
      row.node.tabIndex = mine ? 0 : -1;
      row.node.setAttribute("aria-selected", String(row.key !== null && row.key === this.opened));
    }
    this.body.tabIndex = this.rows.some((row) => row.node.tabIndex === 0) ? -1 : 0;
  }

  say(text, action = null) {
    this.empty.hidden = !text;
    this.empty.replaceChildren(text);
    if (action) this.empty.append(action);
  }

  cutoff(shown, total) {
    this.note.hidden = shown >= total;
    if (shown < total) setText(this.note, `The newest ${count(shown)} of ${count(total)}: search or filter for older ones.`);
  }
}
