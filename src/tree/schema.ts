/**
 * The tables of a mount's database, as migrations: never edited once released, only appended to.
 *
 * items: what the user sees; `parent` is 0 for the root and NULL for detached items. bases: the server's side of items
 * that differ from it, present exactly while such an item has intents. shadows: newer server versions of those.
 * intents: the journal. parked: server items whose parent is not known yet, and deletions that wait for the end of
 * their enumeration. contents: file bodies (written by the content store). totals: counters kept by triggers.
 */
import type { Migration } from "../platform/Sqlite.ts"

/** "ONEM" in ASCII. */
export const applicationId = 0x4f4e454d

const items = `
CREATE TABLE items (
  ino INTEGER PRIMARY KEY AUTOINCREMENT,
  parent INTEGER,
  name TEXT NOT NULL,
  folded TEXT NOT NULL,
  kind INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
  size INTEGER NOT NULL DEFAULT 0,
  mtime_sec INTEGER NOT NULL, mtime_nsec INTEGER NOT NULL,
  ctime_sec INTEGER NOT NULL, ctime_nsec INTEGER NOT NULL,
  btime_sec INTEGER NOT NULL, btime_nsec INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  remote_id TEXT, etag TEXT, ctag TEXT, hash TEXT,
  content INTEGER,
  generation INTEGER NOT NULL DEFAULT 0,
  local_only INTEGER NOT NULL DEFAULT 0,
  complete INTEGER NOT NULL DEFAULT 0,
  forgotten INTEGER NOT NULL DEFAULT 0,
  seen INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX items_name ON items (parent, folded) WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX items_remote ON items (remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX items_parent ON items (parent) WHERE parent IS NOT NULL;
CREATE INDEX items_folders ON items (parent) WHERE kind = 1 AND parent IS NOT NULL;
CREATE INDEX items_detached ON items (ino) WHERE parent IS NULL;
INSERT INTO items (ino, parent, name, folded, kind, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec, btime_sec, btime_nsec, mode)
  VALUES (1, 0, '', '', 1, 0, 0, 0, 0, 0, 0, 493);
`

const journal = `
CREATE TABLE bases (
  ino INTEGER PRIMARY KEY,
  parent TEXT,
  name TEXT NOT NULL,
  folded TEXT NOT NULL,
  mtime_sec INTEGER NOT NULL, mtime_nsec INTEGER NOT NULL,
  generation INTEGER NOT NULL
) STRICT;
CREATE INDEX bases_place ON bases (parent, folded);
CREATE TABLE shadows (ino INTEGER PRIMARY KEY, item TEXT NOT NULL) STRICT;
CREATE TABLE intents (
  ino INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 4),
  seq INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  parked INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (ino, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX intents_seq ON intents (seq);
CREATE INDEX intents_due ON intents (not_before) WHERE parked = 0;
CREATE INDEX intents_age ON intents (created_at);
CREATE TABLE uploads (
  ino INTEGER PRIMARY KEY,
  generation INTEGER NOT NULL,
  url TEXT NOT NULL,
  expires INTEGER NOT NULL,
  hash TEXT NOT NULL,
  size INTEGER NOT NULL
) STRICT;
CREATE TABLE xattrs (ino INTEGER NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (ino, name)) STRICT, WITHOUT ROWID;
`

const remote = `
CREATE TABLE parked (
  id TEXT PRIMARY KEY,
  parent_id TEXT,
  deleted INTEGER NOT NULL,
  item TEXT NOT NULL
) STRICT;
CREATE INDEX parked_parent ON parked (parent_id) WHERE deleted = 0;
CREATE INDEX parked_deleted ON parked (id) WHERE deleted = 1;
CREATE TABLE cursor (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  link TEXT,
  enumerated INTEGER NOT NULL,
  applied_at INTEGER,
  enumeration INTEGER NOT NULL,
  enumerating INTEGER NOT NULL
) STRICT;
INSERT INTO cursor VALUES (1, NULL, 0, NULL, 0, 0);
`

const contents = `
CREATE TABLE contents (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  ino INTEGER NOT NULL,
  version TEXT,
  size INTEGER NOT NULL,
  mtime_sec INTEGER NOT NULL, mtime_nsec INTEGER NOT NULL,
  generation INTEGER NOT NULL DEFAULT 0,
  valid BLOB,
  dirty BLOB,
  complete INTEGER NOT NULL DEFAULT 0,
  editing INTEGER NOT NULL DEFAULT 0,
  stale INTEGER NOT NULL DEFAULT 0,
  verified INTEGER NOT NULL DEFAULT 0,
  disk_bytes INTEGER NOT NULL DEFAULT 0,
  last_used INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX contents_ino ON contents (ino);
CREATE INDEX contents_used ON contents (last_used);
CREATE INDEX contents_stale ON contents (key) WHERE stale = 1;
CREATE INDEX contents_editing ON contents (key) WHERE editing = 1;
`

const totals = `
CREATE TABLE totals (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  files INTEGER NOT NULL, directories INTEGER NOT NULL, others INTEGER NOT NULL,
  intents INTEGER NOT NULL, parked INTEGER NOT NULL, bytes INTEGER NOT NULL, deletes INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0, 0);
CREATE TRIGGER items_added AFTER INSERT ON items WHEN NEW.parent > 0 BEGIN
  UPDATE totals SET files = files + (NEW.kind = 0), directories = directories + (NEW.kind = 1), others = others + (NEW.kind = 2);
END;
CREATE TRIGGER items_deleted AFTER DELETE ON items WHEN OLD.parent > 0 BEGIN
  UPDATE totals SET files = files - (OLD.kind = 0), directories = directories - (OLD.kind = 1), others = others - (OLD.kind = 2);
END;
CREATE TRIGGER items_detached AFTER UPDATE OF parent ON items WHEN OLD.parent > 0 AND NEW.parent IS NULL BEGIN
  UPDATE totals SET files = files - (OLD.kind = 0), directories = directories - (OLD.kind = 1), others = others - (OLD.kind = 2);
END;
CREATE TRIGGER items_attached AFTER UPDATE OF parent ON items WHEN OLD.parent IS NULL AND NEW.parent > 0 BEGIN
  UPDATE totals SET files = files + (NEW.kind = 0), directories = directories + (NEW.kind = 1), others = others + (NEW.kind = 2);
END;
CREATE TRIGGER intents_added AFTER INSERT ON intents BEGIN
  UPDATE totals SET intents = intents + 1, parked = parked + NEW.parked, bytes = bytes + NEW.bytes, deletes = deletes + (NEW.kind = 4);
END;
CREATE TRIGGER intents_deleted AFTER DELETE ON intents BEGIN
  UPDATE totals SET intents = intents - 1, parked = parked - OLD.parked, bytes = bytes - OLD.bytes, deletes = deletes - (OLD.kind = 4);
END;
CREATE TRIGGER intents_changed AFTER UPDATE OF parked, bytes ON intents BEGIN
  UPDATE totals SET parked = parked + NEW.parked - OLD.parked, bytes = bytes + NEW.bytes - OLD.bytes;
END;
`

/**
 * The push loop finds the next intent of a lane (0 changes, 1 uploads) by index, however many others there are. `waits`
 * is set on creations and moves whose folder is not at the server yet; triggers keep it as folders come and go there.
 */
const lanes = `
ALTER TABLE intents ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
UPDATE intents SET lane = kind = 2 OR (kind = 0 AND (SELECT items.kind FROM items WHERE items.ino = intents.ino) = 0);
UPDATE intents SET waits = 1 WHERE kind IN (0, 1) AND NOT EXISTS (SELECT 1 FROM items JOIN items AS parents
  ON parents.ino = items.parent WHERE items.ino = intents.ino AND parents.remote_id IS NOT NULL);
DROP INDEX intents_due;
CREATE INDEX intents_ready ON intents (lane, not_before, seq) WHERE parked = 0 AND waits = 0;
CREATE TRIGGER items_arrived AFTER UPDATE OF remote_id ON items
  WHEN NEW.kind = 1 AND (OLD.remote_id IS NULL) <> (NEW.remote_id IS NULL) BEGIN
  UPDATE intents SET waits = NEW.remote_id IS NULL
    WHERE kind IN (0, 1) AND ino IN (SELECT ino FROM items WHERE parent = NEW.ino);
END;
CREATE TRIGGER items_placed AFTER UPDATE OF parent ON items WHEN OLD.parent IS NOT NEW.parent BEGIN
  UPDATE intents SET waits = NOT EXISTS (SELECT 1 FROM items WHERE ino = NEW.parent AND remote_id IS NOT NULL)
    WHERE ino = NEW.ino AND kind IN (0, 1);
END;
`

/**
 * Where new files are sent to, and those that nobody has here any more although it is not known whether they arrived.
 */
const places = `
ALTER TABLE uploads ADD COLUMN parent TEXT;
ALTER TABLE uploads ADD COLUMN name TEXT;
CREATE TABLE strays (
  ino INTEGER PRIMARY KEY,
  parent TEXT NOT NULL,
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  size INTEGER NOT NULL
) STRICT;
`

export const migrations: ReadonlyArray<Migration> = [items + journal + remote + contents + totals, lanes, places]
