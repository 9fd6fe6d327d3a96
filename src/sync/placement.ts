/**
 * Namespace changes at the server: folders created, items moved, times set, items deleted. Each ends with the
 * server's answer in the tree, or with an error and the intent untouched.
 *
 * Every change carries the version it was made on. A newer version at the server never refuses a move or new times,
 * which merge with whatever else changed there; it does refuse a delete when the content changed. Changes can be
 * repeated: what a lost reply already did is recognised, not done again.
 */
import { Effect, Option, Stream } from "effect"
import { type DriveItem, ItemId } from "../graph/DriveItem.ts"
import { GraphClient } from "../graph/GraphClient.ts"
import type { GraphError } from "../graph/GraphError.ts"
import { askUntilHeard, isGone, untilAnswered } from "../transfer/doubt.ts"
import type { Ino, Item } from "../tree/Item.ts"
import type { Intent } from "../tree/Journal.ts"
import { Tree } from "../tree/Tree.ts"
import { baseSide, type Conflicts, localSide, remoteSide } from "./conflicts.ts"
import type { SyncError } from "./pause.ts"
import { plan } from "./planner.ts"

/** Times a change is repeated against a version that moved on in between. */
const attempts = 3

/** What a change came to. `Later`: something else has to happen first, a poll of what changed meanwhile above all. */
export type Outcome = { readonly _tag: "Done" } | { readonly _tag: "Later"; readonly why: string }
export const done: Outcome = { _tag: "Done" }
export const later = (why: string): Outcome => ({ _tag: "Later", why })

const hasReason = (tag: GraphError["reason"]["_tag"]) => (error: SyncError) =>
  error._tag === "GraphError" && error.reason._tag === tag

export const isNotFound = hasReason("NotFound")
export const isNameTaken = hasReason("NameExists")
export const isPreconditionFailed = hasReason("PreconditionFailed")

export const makePlacement = Effect.fnUntraced(function* (conflicts: Conflicts) {
  const graph = yield* GraphClient
  const tree = yield* Tree

  const parentIdOf = (item: Item): ItemId | null =>
    item.parent === null ? null : (tree.get(item.parent)?.remoteId ?? null)

  /** Creates a folder, or adopts the one the server has under that name. */
  const createFolder = Effect.fnUntraced(function* (item: Item, parent: ItemId): Effect.fn.Return<Outcome, SyncError> {
    const created = yield* Effect.result(graph.createFolder(parent, item.name, { modified: item.mtime }))
    if (created._tag === "Success") {
      if (isGone(tree, item.ino)) yield* withdraw(created.success)
      else yield* tree.confirm(item.ino, "create", 0, created.success)
      return done
    }
    const error = created.failure
    if (!error.ambiguous && !isNameTaken(error)) return yield* error
    const holder = yield* askUntilHeard(tree, item.ino, graph.child(parent, item.name))
    if (Option.isNone(holder)) return yield* error
    if (isGone(tree, item.ino)) {
      if (error.ambiguous && holder.value.kind === "folder") yield* withdraw(holder.value)
      return done
    }
    const known = tree.byRemoteId(holder.value.id)
    const isOurs = known === undefined || (error.ambiguous && isUntouched(known))
    if (!isOurs) return later(`waits until ${known.name} gives up the name`)
    if (holder.value.kind === "folder") yield* tree.confirm(item.ino, "create", 0, holder.value)
    else yield* conflicts.keepBoth(item, holder.value)
    return done
  })

  /** Perhaps what was just created, seen under its first name by the delta. */
  const isUntouched = ({ ino }: Item): boolean => tree.intents(ino).length === 0 && !tree.hasChildren(ino)

  /** Deleted here before the server's answer came: it goes again as long as nobody uses it. */
  const withdraw = (folder: DriveItem) =>
    untilAnswered(
      Effect.gen(function* () {
        if (Option.isSome(yield* firstChild(folder.id))) return
        yield* graph.delete(folder.id, folder.eTag)
      })
    ).pipe(
      Effect.catchIf(
        (error) => isPreconditionFailed(error) || isNotFound(error),
        () => Effect.void
      )
    )

  /** PATCH with the base's eTag, then with the one the server has now. */
  const update = Effect.fnUntraced(function* (
    id: ItemId,
    patch: Parameters<GraphClient["Service"]["update"]>[1],
    base: string | null
  ): Effect.fn.Return<DriveItem, GraphError> {
    let eTag = base
    for (let attempt = 1; ; attempt++) {
      const updated = yield* Effect.result(graph.update(id, patch, eTag))
      if (updated._tag === "Success") return updated.success
      if (!isPreconditionFailed(updated.failure) || attempt >= attempts) return yield* updated.failure
      eTag = (yield* graph.item(id)).eTag
    }
  })

  const move = Effect.fnUntraced(function* (
    intent: Intent,
    item: Item,
    id: ItemId
  ): Effect.fn.Return<Outcome, SyncError> {
    const parent = parentIdOf(item)
    if (parent === null) return later("waits until its folder exists at the server")
    const moved = yield* Effect.result(update(id, { name: item.name, parent }, item.eTag))
    if (moved._tag === "Success") {
      yield* tree.confirm(item.ino, "move", intent.generation, moved.success)
      return done
    }
    if (isNotFound(moved.failure)) return yield* vanished(item, id)
    if (!isNameTaken(moved.failure)) return yield* moved.failure
    return yield* nameIsTaken(item, parent)
  })

  /** Another item has the name: if it is one we know, its own change comes first; a stranger's item keeps the name. */
  const nameIsTaken = Effect.fnUntraced(function* (item: Item, parent: ItemId): Effect.fn.Return<Outcome, SyncError> {
    const holder = yield* graph.child(parent, item.name)
    if (Option.isNone(holder)) return later("the name became free just now")
    const known = tree.byRemoteId(holder.value.id)
    if (known !== undefined) return later(`waits until ${known.name} gives up the name`)
    yield* conflicts.stepToFreeName(item)
    return done
  })

  /** The item, or the folder it was to go to, is gone at the server although it was only moved or touched here. */
  const vanished = Effect.fnUntraced(function* (item: Item, id: ItemId): Effect.fn.Return<Outcome, SyncError> {
    if (Option.isSome(yield* conflicts.look(id))) return later("waits until its folder is at the server again")
    const local = localSide(item, parentIdOf(item), isEdited(item.ino) ? "edited" : null)
    const { content } = plan(null, baseSide(item, null), local)
    if (content === "Recreate" || item.kind === "directory") yield* conflicts.recreate(item)
    else yield* accept(item)
    return done
  })

  /** The server's deletion waits as the shadow until the item has no intents; as if the server had taken them. */
  const accept = Effect.fnUntraced(function* (item: Item) {
    yield* tree.applyItem(tombstone(item))
    const taken: DriveItem = { ...tombstone(item), name: item.name, parentId: parentIdOf(item), deleted: false }
    for (const { kind, generation } of tree.intents(item.ino)) yield* tree.confirm(item.ino, kind, generation, taken)
  })

  const isEdited = (ino: Ino): boolean => tree.intents(ino).some(({ kind }) => kind === "content")

  const setTimes = Effect.fnUntraced(function* (
    intent: Intent,
    item: Item,
    id: ItemId
  ): Effect.fn.Return<Outcome, SyncError> {
    const updated = yield* Effect.result(update(id, { fileSystemInfo: { modified: item.mtime } }, item.eTag))
    if (updated._tag === "Failure") {
      if (isNotFound(updated.failure)) return yield* vanished(item, id)
      return yield* updated.failure
    }
    yield* tree.confirm(item.ino, "times", intent.generation, updated.success)
    return done
  })

  /** A folder goes only when a fresh listing of it is empty: what others put there is not ours to delete. */
  const remove = Effect.fnUntraced(function* (
    intent: Intent,
    item: Item,
    id: ItemId
  ): Effect.fn.Return<Outcome, SyncError> {
    let eTag = item.eTag
    for (let attempt = 1; ; attempt++) {
      if (item.kind === "directory") {
        const inside = yield* Effect.catchIf(firstChild(id), isNotFound, () => Effect.succeedNone)
        if (Option.isSome(inside)) return yield* folderInUse(item, id, inside.value)
      }
      // Without an eTag it never was equal to what the server has, and nobody here has seen that.
      const deleted = eTag === null ? undefined : yield* Effect.result(graph.delete(id, eTag))
      if (deleted?._tag === "Success") break
      if (deleted !== undefined && !isPreconditionFailed(deleted.failure)) return yield* deleted.failure
      if (attempt >= attempts) return later("the item keeps changing at the server")
      const remote = yield* conflicts.look(id)
      if (Option.isNone(remote)) break
      if (isChanged(item, remote.value) && !isSent(item, remote.value)) {
        yield* conflicts.restore(item, remote.value)
        return done
      }
      eTag = remote.value.eTag
    }
    yield* tree.confirm(item.ino, "delete", intent.generation, null)
    return done
  })

  /** Our own version of it, whose answer was lost. */
  const isSent = ({ ino }: Item, { hash, size }: DriveItem): boolean => {
    const sent = tree.upload(ino)
    return sent !== undefined && sent.hash === hash && sent.size === size
  }

  const firstChild = (id: ItemId) => Stream.runHead(graph.children(id))

  const folderInUse = Effect.fnUntraced(function* (
    item: Item,
    id: ItemId,
    child: DriveItem
  ): Effect.fn.Return<Outcome, SyncError> {
    const known = tree.byRemoteId(child.id)
    if (known !== undefined && tree.intents(known.ino).length > 0) {
      return later(`waits until ${child.name} is deleted or moved`)
    }
    // Its own delete may have gone through since the listing, and then nothing here knows it any more.
    const inside = yield* conflicts.look(child.id)
    if (Option.isNone(inside)) return later(`waits for a listing without ${child.name}`)
    yield* conflicts.restore(item, yield* graph.item(id))
    // The delta kept it back for as long as its folder was gone here.
    yield* tree.applyItem(inside.value)
    return done
  })

  /** Gives up its name at the server for an item that needs it first; its own move, or delete, comes later. */
  const stepAside = Effect.fnUntraced(function* (item: Item, id: ItemId): Effect.fn.Return<void, SyncError> {
    const updated = yield* Effect.result(update(id, { name: asideName(item) }, item.eTag))
    if (updated._tag === "Success") yield* tree.applyItem(updated.success)
    else if (!isNotFound(updated.failure)) return yield* updated.failure
    else if (item.parent === null) yield* tree.confirm(item.ino, "delete", 0, null)
    else yield* vanished(item, id)
  })

  return { createFolder, move, setTimes, remove, stepAside, parentIdOf }
})

export type Placement = Effect.Success<ReturnType<typeof makePlacement>>

/** Folders have no content of their own; an empty one may go whatever else changed about it. */
const isChanged = (item: Item, remote: DriveItem): boolean =>
  item.kind !== "directory" && plan(remoteSide(remote, item), baseSide(item, null), null).content === "Restore"

/** A name nobody else uses, recognisable should it ever stay. */
const asideName = (item: Item): string => `onemount-${item.ino}-moving${extensionOf(item.name)}`

const extensionOf = (name: string): string => {
  const dot = name.lastIndexOf(".")
  return dot > 0 && name.length - dot <= 32 ? name.slice(dot) : ""
}

/** How delta says that an item is gone. */
const tombstone = (item: Item): DriveItem => ({
  id: item.remoteId ?? ItemId(""),
  name: "",
  kind: item.kind === "directory" ? "folder" : "file",
  isRoot: false,
  deleted: true,
  parentId: null,
  size: 0,
  eTag: null,
  cTag: null,
  hash: null,
  created: item.btime,
  modified: item.mtime,
  webUrl: null
})
