/**
 * One item as the server has it, merged into the tree. A clean item becomes what the server says. A changed one is
 * merged attribute by attribute: what was not changed here follows the server and the base moves along, so that the
 * next push carries the newest eTag; only when both sides changed the content (or the server changed the content of
 * what was deleted here) nothing moves and the server's version waits as the shadow.
 */
import type { DriveItem } from "../graph/DriveItem.ts"
import { fold } from "./fold.ts"
import type { Row } from "./ItemTable.ts"
import type { Base } from "./journalAlgebra.ts"
import { sameTime } from "./journalAlgebra.ts"
import { versionOf } from "./BodyTable.ts"
import { differenceOf, isEditing, settle, type TreeState, type Tx, txTime } from "./settle.ts"
import { rootIno } from "./Item.ts"
import { TreeError } from "./TreeError.ts"
import { isOlder, kindOf, sameContent } from "./remoteView.ts"
import { insertRemote, moveTo, reattach } from "./remotePlace.ts"
import { isChanged, removeNow } from "./remoteRemoval.ts"

/** Applies a live item; one whose place is not known yet is parked. */
export const applyRemote = (state: TreeState, tx: Tx, item: DriveItem): void => {
  const { items, cursor, journal } = state
  if (item.isRoot) return applyRoot(state, tx, item)
  cursor.unpark(item.id)
  const known = items.byRemoteId(item.id)
  const remote =
    known !== undefined && item.parentId === null ? { ...item, parentId: serverFolder(state, known) } : item
  const folder = folderFor(state, tx, known, remote)
  if (folder === undefined) return cursor.park(remote)
  if (known === undefined) return isStray(state, remote) ? cursor.park(remote) : insertRemote(state, tx, folder, remote)
  if (known.seen !== cursor.enumeration()) items.seen(known.ino, cursor.enumeration())
  if (isOlder(remote.eTag, known.eTag)) return
  if (known.kind !== kindOf(remote.kind)) return changeKind(state, tx, known, folder, remote)
  const base = journal.base(known.ino)
  if (base !== undefined) return reconcile(state, tx, known, base, folder, remote)
  if (isEditing(state, known) && !sameContent(known, remote)) return keepShadow(state, tx, known, remote)
  adopt(state, tx, known, folder, remote)
}

/** On its way out again, and nobody else's: what has its name here by now must not become one with it. */
const isStray = ({ journal }: TreeState, { hash, name, parentId, size }: DriveItem): boolean =>
  journal
    .strays()
    .some(
      (stray) =>
        stray.place.parent === parentId &&
        fold(stray.place.name) === fold(name) &&
        stray.hash === hash &&
        stray.size === size
    )

const applyRoot = ({ items, cursor }: TreeState, tx: Tx, remote: DriveItem): void => {
  const root = items.get(rootIno)
  if (root === undefined) return
  if (root.remoteId !== null && root.remoteId !== remote.id) {
    const detail = "this cache belongs to another drive; use another --cache-dir for this one"
    throw new TreeError({ reason: "Storage", detail })
  }
  const { id, eTag, cTag, hash } = remote
  items.seen(rootIno, cursor.enumeration())
  if (root.remoteId === id && root.eTag === eTag) return
  items.identify(rootIno, { remoteId: id, eTag, cTag, hash })
  items.attributes(rootIno, { ...root, mtime: remote.modified, ctime: txTime(tx), btime: remote.created })
  tx.changes.push({ _tag: "Attributes", ino: rootIno })
}

const serverFolder = ({ items, journal }: TreeState, row: Row) =>
  journal.base(row.ino)?.parent ?? (row.parent === null ? null : (items.get(row.parent)?.remoteId ?? null))

/**
 * The folder the server has it in; undefined when it is not known. One that was deleted here is brought back for what
 * was moved into it. What is new in it may be our own, on its way out as well: the folder's delete finds out.
 */
const folderFor = (state: TreeState, tx: Tx, known: Row | undefined, remote: DriveItem): Row | undefined => {
  const folder = remote.parentId === null ? undefined : state.items.byRemoteId(remote.parentId)
  if (folder === undefined || folder.kind !== "directory") return undefined
  if (folder.parent !== null || known?.parent === null) return folder
  if (known === undefined) return undefined
  // Where it was before it was moved out of there here, which the server has still to hear.
  if (state.journal.base(known.ino)?.parent === folder.remoteId) return folder
  return reattach(state, tx, folder)
}

const changeKind = (state: TreeState, tx: Tx, known: Row, folder: Row, remote: DriveItem): void => {
  if (isChanged(state, known)) return keepShadow(state, tx, known, remote)
  removeNow(state, tx, known)
  if (state.items.byRemoteId(remote.id) === undefined) insertRemote(state, tx, folder, remote)
}

const keepShadow = ({ journal }: TreeState, tx: Tx, known: Row, remote: DriveItem): void => {
  if (isOlder(remote.eTag, journal.shadow(known.ino)?.eTag ?? null)) return
  journal.setShadow(known.ino, remote)
  tx.work = true
}

const adopt = (state: TreeState, tx: Tx, known: Row, folder: Row, remote: DriveItem): void => {
  const same = known.kind !== "file" || sameContent(known, remote)
  const inPlace = known.parent === folder.ino && known.name === remote.name
  const echo = same && inPlace && known.eTag !== null && known.eTag === remote.eTag
  if (!echo) {
    if (!inPlace && !moveTo(state, tx, known, folder, remote)) return
    absorb(state, tx, known, remote, same, !sameTime(known.mtime, remote.modified))
  }
  identify(state, known, remote, same)
  if (echo) return
  // The place may be kept against the server's (see moveTo): then the item has a base from now on.
  const base = state.journal.base(known.ino)
  const mtime = state.items.get(known.ino)?.mtime
  if (base !== undefined && mtime !== undefined) state.journal.setBase(known.ino, { ...base, mtime })
  settle(state, tx, known.ino)
}

const reconcile = (state: TreeState, tx: Tx, known: Row, base: Base, folder: Row, remote: DriveItem): void => {
  const { journal } = state
  const local = differenceOf(state, known)
  const same = known.kind !== "file" || sameContent(known, remote)
  const contested = !local.attached || local.edited || isEditing(state, known)
  if (!same && contested) return keepShadow(state, tx, known, remote)
  journal.dropShadow(known.ino)
  if (known.eTag === remote.eTag && base.parent === remote.parentId && base.name === remote.name) return
  if (local.attached && !local.moved && !moveTo(state, tx, known, folder, remote)) return
  const keepsTime = local.retimed || local.edited || sameTime(known.mtime, remote.modified)
  if (local.attached) absorb(state, tx, known, remote, same, !keepsTime)
  const modified = sameTime(base.mtime, remote.modified) ? base.mtime : remote.modified
  journal.setBase(known.ino, {
    parent: remote.parentId,
    name: remote.name,
    mtime: modified,
    generation: same ? base.generation : 0
  })
  identify(state, known, remote, same)
  settle(state, tx, known.ino)
}

/** Takes over size, times and content as far as they are the server's to say. */
const absorb = (state: TreeState, tx: Tx, known: Row, remote: DriveItem, same: boolean, retime: boolean): void => {
  const { items, bodies } = state
  const mtime = retime ? remote.modified : known.mtime
  const btime = sameTime(known.btime, remote.created) ? known.btime : remote.created
  const edited = known.kind === "file" && same && differenceOf(state, known).edited
  const size = edited || known.kind === "directory" ? known.size : remote.size
  if (retime || size !== known.size || btime !== known.btime || !same) {
    items.attributes(known.ino, { ...known, size, mtime, btime, ctime: txTime(tx) })
    tx.changes.push({ _tag: "Attributes", ino: known.ino })
  }
  if (same) return
  if (known.content !== null) bodies.stale(known.content)
  items.body(known.ino, null, 0)
  const { parent, name } = items.get(known.ino) ?? known
  tx.changes.push({ _tag: "Content", ino: known.ino, parent, name })
}

/** The server fills in hash and cTag when it has them and leaves them out of some answers: what is known stays. */
const identify = ({ items, bodies }: TreeState, known: Row, remote: DriveItem, same: boolean): void => {
  const identity = {
    remoteId: remote.id,
    eTag: remote.eTag ?? known.eTag,
    cTag: remote.cTag ?? (same ? known.cTag : null),
    hash: remote.hash ?? (same ? known.hash : null)
  }
  const unchanged = identity.eTag === known.eTag && identity.cTag === known.cTag && identity.hash === known.hash
  if (unchanged) return
  items.identify(known.ino, identity)
  const moved = same && known.content !== null && versionOf(identity) !== versionOf(known)
  if (moved && known.content !== null && bodies.get(known.content)?.version === versionOf(known)) {
    bodies.version(known.content, versionOf(identity))
  }
}
