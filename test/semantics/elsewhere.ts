/** Sentences of docs/SEMANTICS.md that other suites hold: the id, and the tests by file and name. */
export interface Reference {
  readonly file: string
  readonly name: string
}

const sync = (name: string): Reference => ({ file: "test/sync/local-changes.test.ts", name })
const conflict = (name: string): Reference => ({ file: "test/sync/conflicts.test.ts", name })
const mount = (file: string, name: string): Reference => ({ file: `test/mount/${file}.test.ts`, name })
const e2e = (file: string, name: string): Reference => ({ file: `test/e2e/${file}.test.ts`, name })
const unit = (file: string, name: string): Reference => ({ file: `test/${file}.test.ts`, name })

export const elsewhere: Readonly<Record<string, ReadonlyArray<Reference>>> = {
  P1: [
    e2e("interruption", "at 20 random points of a write load: the next start has every file that was closed"),
    unit("content/recovery", "writes that were not closed are a local edit of the file as it is on the disk")
  ],
  P2: [unit("tree/MountDatabase", "brings commits to the disk, for callers at the same time together")],
  P4: [
    unit("transfer/downloads", "one corrupt byte in a small file is never seen"),
    unit("transfer/downloads", "bytes that stay corrupt are EIO and an event"),
    unit("transfer/downloads", "a version that is gone is ESTALE and asks for a poll")
  ],
  V2: [
    unit("content/writing", "of a ghost survive the download that comes later, and the result has both"),
    unit("tree/remoteChanges", "never lets the server overwrite an edit or bring back a delete unasked")
  ],
  V3: [
    conflict("edited on both sides: both are kept"),
    conflict("created on both sides, and theirs seen before ours was sent: both are kept, alike ones are one"),
    unit("contract/content", "an older version is not read and not overwritten")
  ],
  V4: [sync("a folder that got a stranger's file is not deleted")],
  V5: [
    unit("content/keeping", "spares what is open, what was changed and what was never sent"),
    unit("content/keeping", "spares what has become local-only, as in the trash: it is the only copy"),
    mount("shares", "goes when its room is needed, and not while somebody reads it")
  ],
  F2: [
    e2e("second-client", "an open handle keeps the version it was opened with"),
    mount("remote", "leave open handles the version they opened, and give new ones the new"),
    mount("shares", "has the server's new version at the next open, and its old one for who has it open")
  ],
  F3: [
    mount("writing", "appends, truncates and creates exclusively by open(2)'s flags"),
    mount("writing", "keeps random and sparse writes, across handles and across closes"),
    mount("writing", "writes through shared mappings")
  ],
  F4: [sync("an edit in the middle of a ghost fetches the rest first")],
  F5: [
    mount("namespace", "unlinks a file that is open: it stays readable and writable until the last close"),
    mount("namespace", "replaces a file that is open: the handle keeps the old content, the name has the new")
  ],
  F17: [mount("remote", "may never come: a reader that waits for bytes can be killed")],
  N12: [sync("a name the server refuses is parked with a reason, the rest goes on")],
  D2: [mount("namespace", "lists 10,000 entries once each while others come and go")],
  D4: [
    sync("two files swap their names"),
    sync("a folder and the folder in it change places"),
    sync("a folder gives its name to what was in it"),
    sync("rm -rf of a known tree")
  ],
  D7: [mount("namespace", "follows rename(2) and renameat2(2)")],
  D8: [
    unit("filesystem/Filesystem", "are listed before anything is said to be absent or empty"),
    unit("tree/localChanges", "does not take an unlisted folder for an empty one")
  ],
  D9: [
    unit("filesystem/Filesystem", "fail with what the network said, never with ENOENT"),
    unit("fuse/errno", "says what the man pages say")
  ],
  D10: [unit("filesystem/Filesystem", "of the web (packages, vaults) are listed, empty and unchangeable")],
  D11: [sync("very many deletes wait for a yes")],
  A11: [mount("writing", "moves the modification time with writes, not with reads, and keeps one that was set")],
  C1: [conflict("edited alike on both sides is no conflict")],
  C2: [
    conflict("edited on both sides: both are kept"),
    e2e("second-client", "both sides edit one file: both versions stay")
  ],
  C3: [
    conflict("edited here, deleted there: it is created again"),
    conflict("deleted here, edited there: it comes back")
  ],
  C4: [conflict("deleted here, only renamed there: it is deleted")],
  C5: [conflict("renamed here, edited there: both hold")],
  C6: [conflict("renamed to a name another client took: another name here")],
  C7: [
    unit("tree/remoteChanges", "an edit through a handle on an older version is a conflict, not an overwrite"),
    conflict("edited through a handle on an older version: both are kept")
  ],
  C8: [conflict("a server that rewrites documents is right, without a conflict or a second upload")],
  S4: [e2e("second-client", "a poll brings changes without being asked")],
  S5: [sync("a full drive parks the change and sends it when there is room")],
  E2: [mount("session", "refuses to begin changes while it drains, and finishes those that are open")],
  E3: [
    e2e("interruption", "during 20 running copies: exit 0 within the budget, nothing finished is lost"),
    mount("command-line", "a second signal forces a busy mount, and says so")
  ]
}
