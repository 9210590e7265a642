-- Names of keys and namespaces are BYTEA: ordered by their bytes whatever the
-- database's collation is. Times and durations are µs, times since 1970.

-- The one row of what there is once per store.
CREATE TABLE trivet.store (
	id       INT2 PRIMARY KEY CHECK (id = 1),
	head     INT8 NOT NULL,             -- position of the last change that has one
	floor    INT8 NOT NULL,             -- every new version is above it
	settled  INT8 NOT NULL,             -- the floor that every statement under way has seen
	floor_at INT8 NOT NULL              -- when the floor was raised
) WITH (fillfactor = 50);

INSERT INTO trivet.store (id, head, floor, settled, floor_at) VALUES (1, 0, 0, 0, 0);

-- What the last change made of each key. A row is locked by whoever writes the
-- key. The last three columns tell what that write found.
CREATE TABLE trivet.entries (
	ns           BYTEA NOT NULL,
	key          BYTEA NOT NULL,
	version      INT8 NOT NULL,
	kind         INT2 NOT NULL,          -- 1 put, 2 delete, 3 expire; 0 while it is only a lock
	created      INT8 NOT NULL,
	updated      INT8 NOT NULL,
	expires      INT8 NOT NULL,          -- 0: never
	size         INT8 NOT NULL,          -- of the value, in bytes
	content_type TEXT NOT NULL,
	meta         TEXT NOT NULL,          -- a JSON object; empty for none
	value        BYTEA,                  -- NULL where it lies in versions only
	previous     INT8 NOT NULL,          -- the version before, 0 for none
	found        INT2 NOT NULL,          -- 0 nothing, 1 an entry, 2 a tombstone, 3 an entry that had expired
	found_size   INT8 NOT NULL,          -- of that entry
	PRIMARY KEY (ns, key)
) WITH (fillfactor = 75);

-- The only index beside the key: an update that leaves expires 0 is HOT.
CREATE INDEX entries_expires ON trivet.entries (expires) WHERE expires > 0;

-- Every version of each key, for its history. Rows are never updated.
CREATE TABLE trivet.versions (
	ns           BYTEA NOT NULL,
	key          BYTEA NOT NULL,
	version      INT8 NOT NULL,
	kind         INT2 NOT NULL,
	at           INT8 NOT NULL,
	created      INT8 NOT NULL,
	expires      INT8 NOT NULL,
	size         INT8 NOT NULL,
	content_type TEXT NOT NULL,
	meta         TEXT NOT NULL,
	value        BYTEA,
	PRIMARY KEY (ns, key, version)
);

-- Taken when a commit has all of its locks: a commit that waited for another
-- has the higher number.
CREATE SEQUENCE trivet.commits;

-- The changes of each commit to each namespace, until they have positions.
CREATE TABLE trivet.pending (
	seq      INT8 PRIMARY KEY,
	flush    BYTEA NOT NULL,            -- the commit that made them
	ns       BYTEA NOT NULL,
	at       INT8 NOT NULL,
	keys     BYTEA[] NOT NULL,          -- in the order of the changes, as the next three
	versions INT8[] NOT NULL,
	previous INT8[] NOT NULL,
	kinds    INT2[] NOT NULL,
	entries  INT8 NOT NULL,             -- how many live entries they added
	bytes    INT8 NOT NULL              -- and how many bytes of keys and values
);

-- The change log: rows of pending with their positions. The row of last = 9 and
-- three keys holds the positions 7, 8 and 9.
CREATE TABLE trivet.changes (
	ns       BYTEA NOT NULL,
	last     INT8 NOT NULL,
	flush    BYTEA NOT NULL,
	at       INT8 NOT NULL,
	keys     BYTEA[] NOT NULL,
	versions INT8[] NOT NULL,
	previous INT8[] NOT NULL,
	kinds    INT2[] NOT NULL,
	PRIMARY KEY (ns, last)
);

CREATE INDEX changes_flush ON trivet.changes (flush);

-- Settings and usage. A namespace without settings has a row from when its
-- first change got a position.
CREATE TABLE trivet.namespaces (
	name        BYTEA PRIMARY KEY,
	default_ttl INT8 NOT NULL,
	retention   INT8 NOT NULL,
	max_keys    INT8 NOT NULL,
	max_bytes   INT8 NOT NULL,
	keys        INT8 NOT NULL,
	bytes       INT8 NOT NULL,
	trimmed     INT8 NOT NULL            -- the position up to which changes have been removed
) WITH (fillfactor = 50);

-- Commits whose outcome a process may still have to ask for. Ids begin with the
-- time, so that new rows come last in the index and old ones first.
CREATE TABLE trivet.flushes (
	id BYTEA PRIMARY KEY,
	at INT8 NOT NULL
);

-- The records of named writes.
CREATE TABLE trivet.writes (
	id        BYTEA PRIMARY KEY,
	ns        BYTEA NOT NULL,
	hash      BYTEA NOT NULL,
	state     INT2 NOT NULL,             -- 0 pending, 1 applied, 2 rejected
	at        INT8 NOT NULL,
	succeeded BOOL NOT NULL,             -- of a transaction
	results   BYTEA                      -- JSON
) WITH (fillfactor = 75);

CREATE INDEX writes_at ON trivet.writes (at);

-- Who does what runs once among all processes. Times are of the database's own
-- clock.
CREATE TABLE trivet.leases (
	name    TEXT PRIMARY KEY,
	holder  BYTEA NOT NULL,
	expires INT8 NOT NULL
) WITH (fillfactor = 50);

-- The epoch of the shared cache: what was cached under another is not used.
CREATE TABLE trivet.cache_epoch (
	id           INT2 PRIMARY KEY CHECK (id = 1),
	number       INT8 NOT NULL,
	primary_name TEXT NOT NULL,          -- the state of the cache that it was raised for
	raised       INT8 NOT NULL
);

INSERT INTO trivet.cache_epoch (id, number, primary_name, raised) VALUES (1, 0, '', 0);

-- What processes said last of whether they reach the cache.
CREATE TABLE trivet.processes (
	name    TEXT PRIMARY KEY,
	reaches BOOL NOT NULL,
	seen    INT8 NOT NULL
) WITH (fillfactor = 50);
