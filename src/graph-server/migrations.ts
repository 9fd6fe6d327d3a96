/**
 * The schema of drive.db.
 *
 * `items.change` is the delta log: every change gives the item the next number of one counter, so the rows in the order
 * of `change` are "what happened, latest state only". A deleted item stays as a row with deleted = 1. Times are
 * milliseconds since the epoch. `size` of a folder is the sum of what is below it; its `ctag` counts changes below it.
 */
import { randomBytes } from "node:crypto"
import type { Database, Migration } from "../platform/Sqlite.ts"

const tables = `
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE contents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  size INTEGER NOT NULL,
  hash TEXT NOT NULL,
  retired INTEGER
) STRICT;
CREATE INDEX contents_retired ON contents (retired) WHERE retired IS NOT NULL;

CREATE TABLE items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  parent INTEGER REFERENCES items (id),
  name TEXT NOT NULL,
  folded TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('file', 'folder')),
  size INTEGER NOT NULL,
  children INTEGER NOT NULL,
  content INTEGER REFERENCES contents (id),
  hash TEXT,
  etag INTEGER NOT NULL,
  ctag INTEGER NOT NULL,
  created INTEGER NOT NULL,
  modified INTEGER NOT NULL,
  fs_created INTEGER NOT NULL,
  fs_modified INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  change INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX items_name ON items (parent, folded) WHERE deleted = 0;
CREATE UNIQUE INDEX items_change ON items (change);
CREATE INDEX items_content ON items (content) WHERE content IS NOT NULL;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  content INTEGER NOT NULL,
  item INTEGER,
  parent INTEGER,
  name TEXT,
  conflict TEXT NOT NULL,
  if_match TEXT,
  fs_created INTEGER,
  fs_modified INTEGER,
  total INTEGER,
  received INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (digest TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
`

/** Personal drives of 1 TB, as in a Microsoft 365 subscription. */
const defaultQuota = 1024 ** 4

const rootNumber = 101

const seed = (db: Database): void => {
  const setting = db.prepare("INSERT INTO settings (key, value) VALUES (?, ?)")
  // A leading zero would be dropped by parts of the real service; ids made here do not need that quirk.
  setting.run("drive_id", `6${randomBytes(8).toString("hex").slice(1)}`)
  setting.run("secret", randomBytes(32).toString("hex"))
  setting.run("quota", String(defaultQuota))
  setting.run("delta_epoch", "1")
  const columns = "id, parent, name, folded, kind, size, children, content, hash, etag, ctag"
  db.exec(
    `INSERT INTO items (${columns}, created, modified, fs_created, fs_modified, deleted, change)
     SELECT ${rootNumber}, NULL, 'root', 'ROOT', 'folder', 0, 0, NULL, NULL, 1, 1, now, now, now, now, 0, 1
     FROM (SELECT unixepoch() * 1000 AS now)`
  )
}

export const migrations: ReadonlyArray<Migration> = [
  (db) => {
    db.exec(tables)
    seed(db)
  },
  // Tokens of sign-ins: "access" or "refresh", with an expiry unless they were issued by hand.
  `ALTER TABLE tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'access';
   ALTER TABLE tokens ADD COLUMN expires INTEGER`,
  // Earlier contents of files, and the recycle bin: `top` is the item that was deleted, `item` went with it.
  `CREATE TABLE versions (
     item INTEGER NOT NULL REFERENCES items (id),
     number INTEGER NOT NULL,
     content INTEGER NOT NULL REFERENCES contents (id),
     size INTEGER NOT NULL,
     hash TEXT NOT NULL,
     modified INTEGER NOT NULL,
     PRIMARY KEY (item, number)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX versions_content ON versions (content);
   CREATE TABLE recycled (
     item INTEGER PRIMARY KEY REFERENCES items (id),
     top INTEGER NOT NULL,
     content INTEGER REFERENCES contents (id),
     at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX recycled_top ON recycled (top);
   CREATE INDEX recycled_content ON recycled (content) WHERE content IS NOT NULL;
   CREATE INDEX recycled_at ON recycled (at)`,
  `CREATE TABLE permissions (
     id TEXT PRIMARY KEY,
     item INTEGER NOT NULL REFERENCES items (id),
     type TEXT,
     scope TEXT,
     roles TEXT NOT NULL,
     email TEXT
   ) STRICT;
   CREATE INDEX permissions_item ON permissions (item)`,
  // A content that is worked out from this key instead of being stored.
  `ALTER TABLE contents ADD COLUMN derived INTEGER`,
  // Shortcuts, packages and the vault; where items were moved from, for delta below a folder; sessions that wait for a
  // commit or make folders; webhooks.
  `ALTER TABLE items ADD COLUMN facet TEXT CHECK (facet IN ('shortcut', 'package', 'vault'));
   ALTER TABLE items ADD COLUMN target TEXT;
   CREATE TABLE moves (change INTEGER PRIMARY KEY, item INTEGER NOT NULL, parent INTEGER NOT NULL) STRICT;
   ALTER TABLE sessions ADD COLUMN if_none_match TEXT;
   ALTER TABLE sessions ADD COLUMN folders TEXT;
   ALTER TABLE sessions ADD COLUMN deferred INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE webhooks (
     id TEXT PRIMARY KEY,
     resource TEXT NOT NULL,
     url TEXT NOT NULL,
     client_state TEXT,
     expires INTEGER NOT NULL
   ) STRICT`,
  // Hashes besides quickXorHash, in upper-case hex; null while nobody has worked them out.
  `ALTER TABLE contents ADD COLUMN sha256 TEXT;
   ALTER TABLE contents ADD COLUMN sha1 TEXT`,
  // Versions counted contents only, as cTags of files do, before they counted times as well.
  `ALTER TABLE items ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
   UPDATE items SET version = ctag WHERE kind = 'file' AND ctag > 1`,
  // Descriptions of items; links and permissions that end, and links with a password.
  `ALTER TABLE items ADD COLUMN description TEXT;
   ALTER TABLE permissions ADD COLUMN expires INTEGER;
   ALTER TABLE permissions ADD COLUMN has_password INTEGER NOT NULL DEFAULT 0`
]
