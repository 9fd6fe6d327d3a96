/**
 * Conflicts: the server refused a change because it knows something newer. Looks at the item, lets the planner decide
 * and records the decision. Never overwrites, never drops bytes that exist on one side only.
 */
import { Clock, Effect, Option } from "effect"
import { ContentStore } from "../content/ContentStore.ts"
import { Events } from "../events/Events.ts"
import type { DriveItem, ItemId } from "../graph/DriveItem.ts"
import { GraphClient } from "../graph/GraphClient.ts"
import type { GraphError } from "../graph/GraphError.ts"
import { conflictName, freeName, HostName } from "../tree/conflictName.ts"
import type { Ino, Item } from "../tree/Item.ts"
import { timeOf } from "../tree/journalAlgebra.ts"
import { Tree } from "../tree/Tree.ts"
import type { Side, Version } from "./planner.ts"
import { requireSameDrive } from "./sameDrive.ts"

const placeOf = (parent: ItemId | null, name: string): string => `${parent ?? ""}/${name}`

const baseContent = (item: Item): string => item.hash ?? `cTag ${item.cTag ?? ""}`

/** The server's item in the planner's terms; an unchanged cTag is unchanged content even without a hash. */
export const remoteSide = (remote: DriveItem | null, item: Item): Side => {
  if (remote === null || remote.deleted) return null
  const unchanged = remote.cTag !== null && remote.cTag === item.cTag
  const content = unchanged ? baseContent(item) : (remote.hash ?? `cTag ${remote.cTag ?? remote.eTag ?? ""}`)
  return { content, place: placeOf(remote.parentId, remote.name) }
}

/** The version local and server were last equal at; null for an item the server never had. */
export const baseSide = (item: Item, place: { readonly parent: ItemId | null; readonly name: string } | null): Side =>
  item.remoteId === null
    ? null
    : { content: baseContent(item), place: placeOf(place?.parent ?? null, place?.name ?? item.name) }

/** What the user has; `hash` of the committed content, null when it was not edited. */
export const localSide = (item: Item, parent: ItemId | null, hash: string | null): Version => ({
  content: hash ?? baseContent(item),
  place: placeOf(parent, item.name)
})

export const makeConflicts = Effect.gen(function* () {
  const graph = yield* GraphClient
  const tree = yield* Tree
  const content = yield* ContentStore
  const events = yield* Events
  const host = yield* HostName

  /** The server's item now; none when it is gone. */
  const look = (id: ItemId): Effect.Effect<Option.Option<DriveItem>, GraphError> =>
    graph.item(id).pipe(
      Effect.asSome,
      Effect.catchIf(
        (error) => error.reason._tag === "NotFound",
        () => Effect.as(sameDrive, Option.none())
      )
    )

  /** In another drive nothing of this one exists, and that says nothing about it. */
  const sameDrive = Effect.flatMap(
    Effect.suspend(() => graph.root),
    (root) => requireSameDrive(tree, root)
  )

  /** Hash and generation of the committed local content. */
  const localContent = (ino: Ino) =>
    Effect.scoped(Effect.map(content.snapshot(ino), ({ generation, hash }) => ({ generation, hash })))

  const copyName = Effect.fnUntraced(function* (item: Item) {
    const { name, parent } = item
    const isTaken = (other: string): boolean => parent !== null && tree.child(parent, other) !== undefined
    return freeName(conflictName(name, host, yield* Clock.currentTimeMillis), isTaken)
  })

  /** The local item moves aside as a new item, the server's keeps the name. */
  const keepBoth = Effect.fnUntraced(function* (item: Item, remote: DriveItem) {
    const path = tree.path(item.ino) ?? item.name
    const name = yield* copyName(item)
    yield* tree.dropUpload(item.ino)
    yield* tree.resolveConflict(item.ino, { _tag: "KeepBoth", remote, copyName: name })
    const detail = "changed here and at the server: both versions are kept"
    yield* events.publish({ _tag: "Conflict", path, copy: name, detail })
  })

  /** A name that is taken at the server: the item keeps its identity and gets another name here. */
  const stepToFreeName = Effect.fnUntraced(function* (item: Item) {
    if (item.parent === null) return
    const path = tree.path(item.ino) ?? item.name
    const name = yield* copyName(item)
    const at = yield* Clock.currentTimeMillis
    yield* tree.rename(item.ino, { parent: item.parent, name, localOnly: false, now: timeOf(at) })
    const detail = "the server has another item of this name"
    yield* events.publish({ _tag: "Conflict", path, copy: name, detail })
  })

  /** Deleted here, changed there: the server's version comes back. */
  const restore = Effect.fnUntraced(function* (item: Item, remote: DriveItem) {
    yield* tree.resolveConflict(item.ino, { _tag: "Restore", remote })
    const detail = "deleted here but changed at the server: it is back"
    yield* events.publish({ _tag: "Conflict", path: tree.path(item.ino) ?? remote.name, copy: null, detail })
  })

  /** Edited here, deleted there: it is created again. */
  const recreate = Effect.fnUntraced(function* (item: Item) {
    yield* tree.dropUpload(item.ino)
    yield* tree.resolveConflict(item.ino, { _tag: "Recreate" })
    const detail = "edited here but deleted at the server: it is created again"
    yield* events.publish({ _tag: "Conflict", path: tree.path(item.ino) ?? item.name, copy: null, detail })
  })

  /** What was written after `generation` is not known to the server and stays to be sent. */
  const identical = Effect.fnUntraced(function* (item: Item, remote: DriveItem, generation: number) {
    yield* tree.resolveConflict(item.ino, { _tag: "Identical", remote, generation })
    yield* content.uploaded(item.ino, generation)
    yield* tree.dropUpload(item.ino)
  })

  return { look, localContent, keepBoth, stepToFreeName, restore, recreate, identical }
})

export type Conflicts = Effect.Success<typeof makeConflicts>
