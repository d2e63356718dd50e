// The live feed: one websocket, or server-sent events where websockets do not get through. It comes back by itself,
// and resumes where it was.

const FIRST_WAIT = 500; // ms
const LONGEST_WAIT = 15000;
const SILENT_FAILURES = 2; // websockets that never said hello, before the other way is tried

export class Feed {
  // on: {snapshot(message), event(message), resync(message), trouble(message), state(name, retryAt)}
  constructor(on) {
    this.on = on;
    this.subscriptions = new Map(); // id -> {request, done: its snapshot has come to the end}
    this.epoch = null;
    this.seq = 0;
    this.wait = FIRST_WAIT;
    this.silent = 0;
    this.timer = null;
    this.link = null;
    this.isOpen = false;
  }

  // Subscribe, or change what is subscribed to under this id. `resume`: nothing may have been missed, so no snapshot.
  subscribe(id, request, { resume = false } = {}) {
    this.subscriptions.set(id, { request, done: resume });
    if (this.isOpen) this.link.ask(id, request, resume ? this.place() : null);
  }

  unsubscribe(id) {
    if (this.subscriptions.delete(id) && this.isOpen) this.link.drop(id);
  }

  place() {
    return this.epoch === null ? null : { epoch: this.epoch, seq: this.seq };
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = null;
    this.drop();
    this.on.state("connecting");
    const make = this.silent >= SILENT_FAILURES && this.silent % 2 === 0 ? eventLink : socketLink;
    const link = make();
    this.link = link;
    link.onmessage = (message) => link === this.link && this.hear(message);
    link.onend = () => link === this.link && this.lost();
  }

  drop() {
    const old = this.link;
    this.link = null;
    this.isOpen = false;
    if (old) old.close();
  }

  lost() {
    if (!this.isOpen) this.silent += 1;
    this.drop();
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.timer = setTimeout(() => this.connect(), wait);
    this.on.state("lost", Date.now() + wait);
  }

  // The answer of the daemon has come by another way, or the tab woke up: do not wait any longer.
  hurry() {
    if (this.timer !== null) this.connect();
  }

  hear(message) {
    switch (message.type) {
      case "hello":
        this.opened(message);
        break;
      case "snapshot":
        if (message.last) {
          this.reached(message.seq);
          const known = this.subscriptions.get(message.id);
          if (known) known.done = true;
        }
        this.on.snapshot(message);
        break;
      case "event":
        this.reached(message.seq);
        this.on.event(message);
        break;
      case "resync":
        this.on.resync(message);
        break;
      default:
        this.on.trouble(message);
    }
  }

  reached(seq) {
    this.seq = Math.max(this.seq, seq);
  }

  opened(hello) {
    const place = this.link.resumes && hello.epoch === this.epoch ? this.place() : null;
    this.epoch = hello.epoch;
    if (!place) this.seq = 0;
    this.wait = FIRST_WAIT;
    this.silent = 0;
    this.isOpen = true;
    // Those that resume go first and together: the daemon then tells what was missed in one go.
    const all = [...this.subscriptions];
    for (const [id, it] of all) if (place && it.done) this.link.ask(id, it.request, place);
    for (const [id, it] of all) if (!(place && it.done)) this.link.ask(id, it.request, null);
    this.on.state("live");
  }
}

function socketLink() {
  const url = new URL("api/v1/feed", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = "";
  const socket = new WebSocket(url);
  const say = (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
  const link = {
    resumes: true,
    ask: (id, request, after) => say({ type: "subscribe", id, ...request, ...(after ? { after } : {}) }),
    drop: (id) => say({ type: "unsubscribe", id }),
    close: () => socket.close(),
  };
  socket.onmessage = (frame) => link.onmessage(JSON.parse(frame.data));
  socket.onclose = () => link.onend();
  return link;
}

// One stream per subscription: this protocol cannot ask. Streams are not in step with one another, so after an
// interruption everything is shown afresh. Subscriptions with detail are left out: browsers allow few streams.
function eventLink() {
  const streams = new Map();
  const link = {
    resumes: false,
    ask(id, request) {
      if (request.detail) return;
      link.drop(id);
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(request.filter || {}))
        for (const word of [value].flat()) query.append(name, word);
      if (request.limit) query.set("limit", request.limit);
      streams.set(id, open(query, (message) => {
        if (message.type !== "hello") link.onmessage({ ...message, id });
      }));
    },
    drop(id) {
      streams.get(id)?.close();
      streams.delete(id);
    },
    close() {
      for (const id of [...streams.keys()]) link.drop(id);
    },
  };
  function open(query, hear) {
    const url = new URL("api/v1/events", document.baseURI);
    url.search = query;
    const stream = new EventSource(url);
    stream.onmessage = (event) => hear(JSON.parse(event.data));
    stream.onerror = () => link.onend();
    return stream;
  }
  // A stream that asks for nothing says whether this way is open at all.
  streams.set("", open(new URLSearchParams({ key: "-", limit: "1" }), (message) => {
    if (message.type === "hello") link.onmessage(message);
  }));
  return link;
}
