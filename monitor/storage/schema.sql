-- The steps from an empty file to the newest form. Step N begins at the line "-- version N" and leads there from N-1;
-- every file walks all the steps that it lacks, a new one all of them. A released step is never edited: add another.
-- Times are microseconds since 1970 in UTC. Bodies are msgpack, see core/codec.py.

-- version 1
PRAGMA application_id = 0x73746777; -- "stgw"

CREATE TABLE track (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,       -- source/project/id
    last_event INTEGER,             -- where its history ends
    body BLOB NOT NULL
);

-- The lasting events that one commit brought for one track. `seq` is the last one's; `earlier` is the row before it in
-- the history of the same track. A chain instead of an index by track: commits only append here, where an index would
-- touch another page for every track. Measured with 50,000 tracks and 100 of them with two events each in a commit,
-- in thousand tracks/s: chain 22, row per event with index 16, rows clustered by track 10, no events at all 32.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    earlier INTEGER,
    body BLOB NOT NULL
);

CREATE TABLE counter (
    last_seq INTEGER NOT NULL
);
INSERT INTO counter VALUES (0);

CREATE TABLE checkpoint (
    source TEXT NOT NULL,
    project TEXT NOT NULL,
    upto INTEGER NOT NULL,
    PRIMARY KEY (source, project)
) WITHOUT ROWID;

CREATE TABLE alert (
    number INTEGER PRIMARY KEY,     -- the order of firing
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    source TEXT NOT NULL,
    project TEXT NOT NULL,
    key TEXT,                       -- of its track; NULL for an alert about a source
    acknowledged_by TEXT,
    acknowledged_at INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX alert_of_track ON alert (key) WHERE key IS NOT NULL;
CREATE INDEX alert_by_age ON alert (at);

CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    alert INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,            -- pending, delivered, given_up
    due_at INTEGER,
    leased_until INTEGER,
    leased_by TEXT,
    claims INTEGER NOT NULL DEFAULT 0,
    attempts BLOB NOT NULL,
    UNIQUE (alert, channel)
);
-- Holds all that a claim has to look at, so that a long line of deliveries that are not due yet is passed quickly.
CREATE INDEX outbox ON delivery (channel, id, due_at, leased_until, state) WHERE state = 'pending';

-- version 2
-- One more state of a delivery: 'repeating', delivered and to be told again when due. The longest due goes first.
CREATE INDEX repeats ON delivery (channel, due_at, id, leased_until, state) WHERE state = 'repeating';
