/**
 * Content at the server: new files and new versions of known ones. The transfer sends the bytes, here is decided what
 * they replace and what a refusal means.
 *
 * A new file appears at the server with its content, in one step: its create and its first content go together.
 */
import { Effect, Option } from "effect"
import { ContentStore } from "../content/ContentStore.ts"
import { Events } from "../events/Events.ts"
import type { DriveItem, ItemId } from "../graph/DriveItem.ts"
import { GraphClient, type UploadTarget } from "../graph/GraphClient.ts"
import type { GraphError } from "../graph/GraphError.ts"
import { untilAnswered } from "../transfer/doubt.ts"
import { Transfers, type Uploaded } from "../transfer/Transfers.ts"
import type { Item } from "../tree/Item.ts"
import type { Stray } from "../tree/Journal.ts"
import { Tree } from "../tree/Tree.ts"
import { baseSide, type Conflicts, localSide, remoteSide } from "./conflicts.ts"
import type { SyncError } from "./pause.ts"
import { done, later, isNameTaken, isNotFound, isPreconditionFailed, type Outcome } from "./placement.ts"
import { plan } from "./planner.ts"

/** Times an upload is repeated because something else about the item changed at the server. */
const attempts = 3
/** No content has it. */
const noGeneration = -1

export const makeContents = Effect.fnUntraced(function* (conflicts: Conflicts) {
  const graph = yield* GraphClient
  const tree = yield* Tree
  const content = yield* ContentStore
  const transfers = yield* Transfers
  const events = yield* Events

  /** A file the server does not have yet. */
  const createFile = Effect.fnUntraced(function* (item: Item, parent: ItemId): Effect.fn.Return<Outcome, SyncError> {
    const target: UploadTarget = { _tag: "New", parent, name: item.name }
    const uploaded = yield* Effect.result(transfers.upload(item.ino, target))
    if (uploaded._tag === "Success") return yield* record(item, uploaded.success, true)
    if (!isNameTaken(uploaded.failure)) return yield* uploaded.failure
    const holder = yield* graph.child(parent, item.name)
    if (Option.isNone(holder)) return later("the name became free just now")
    const known = tree.byRemoteId(holder.value.id)
    if (known !== undefined && known.ino !== item.ino) return later(`waits until ${known.name} gives up the name`)
    return yield* decide(item, holder.value)
  })

  /**
   * A new version of a file the server has. Without an eTag the two never were equal (both made a file of this name, or
   * the edit was of an older version): what the server has is looked at before anything is sent.
   */
  const replaceFile = Effect.fnUntraced(function* (item: Item, id: ItemId): Effect.fn.Return<Outcome, SyncError> {
    let ifMatch = item.eTag
    // What is compared is all of the file.
    if (ifMatch === null) yield* transfers.hydrate(item.ino)
    for (let attempt = 1; ; attempt++) {
      if (ifMatch !== null) {
        const uploaded = yield* Effect.result(transfers.upload(item.ino, { _tag: "Existing", id, ifMatch }))
        if (uploaded._tag === "Success") return yield* record(item, uploaded.success, false)
        const error = uploaded.failure
        if (isBaseLost(error) || !(isPreconditionFailed(error) || isNotFound(error))) return yield* error
      }
      const remote = Option.getOrNull(yield* conflicts.look(id))
      const unchanged = remote !== null && remoteSide(remote, item)?.content === baseSide(item, null)?.content
      if (!unchanged || attempt >= attempts) return yield* decide(item, remote)
      ifMatch = remote.eTag
    }
  })

  /** Local content against what the server has instead. */
  const decide = Effect.fnUntraced(function* (
    item: Item,
    remote: DriveItem | null
  ): Effect.fn.Return<Outcome, SyncError> {
    const { generation, hash } = yield* conflicts.localContent(item.ino)
    const local = localSide(item, null, hash)
    const base = baseSide(item, null)
    const action = plan(remote === null ? null : newSide(remote, item), base, local).content
    if (remote === null) yield* conflicts.recreate(item)
    else if (action === "Identical") yield* conflicts.identical(item, remote, generation)
    else if (action === "Upload") return later("the item keeps changing at the server")
    else yield* conflicts.keepBoth(item, remote)
    return done
  })

  /** The server has it: the answer becomes the base, also where the server made something else of what was sent. */
  const record = Effect.fnUntraced(function* (
    item: Item,
    uploaded: Uploaded,
    isNew: boolean
  ): Effect.fn.Return<Outcome, SyncError> {
    const { generation, item: remote, sentHash, sentSize } = uploaded
    const rewritten = remote.hash !== null && remote.hash !== sentHash
    const sent = rewritten ? { ...remote, hash: sentHash, size: sentSize, cTag: `sent ${generation}` } : remote
    if (!isNew && isPassedOn(item, remote)) return yield* passOn(item, sent)
    if (tree.get(item.ino) === undefined) {
      if (isNew) yield* withdraw(remote)
      return yield* Effect.as(tree.dropUpload(item.ino), done)
    }
    if (isNew) yield* tree.confirm(item.ino, "create", 0, sent)
    // Took over another item's identity meanwhile: what was created is not its content's place any more.
    if (isNew && tree.get(item.ino)?.remoteId !== remote.id) return yield* Effect.as(tree.dropUpload(item.ino), done)
    yield* tree.confirm(item.ino, "content", generation, sent)
    yield* content.uploaded(item.ino, generation)
    yield* tree.dropUpload(item.ino)
    if (rewritten) yield* tree.applyItem(remote)
    yield* events.publish({ _tag: "Uploaded", ino: item.ino, name: item.name, bytes: sentSize })
    return done
  })

  /** Another file took the item's place, and its identity, while the upload ran. */
  const isPassedOn = (item: Item, remote: DriveItem): boolean => {
    const owner = tree.byRemoteId(remote.id)
    return owner !== undefined && owner.ino !== item.ino
  }

  /** What was sent is the base of what the one has who took the place: it is a newer version, not somebody else's. */
  const passOn = Effect.fnUntraced(function* (item: Item, sent: DriveItem): Effect.fn.Return<Outcome, SyncError> {
    const owner = tree.byRemoteId(sent.id)
    if (owner !== undefined && tree.intents(owner.ino).length > 0) {
      yield* tree.confirm(owner.ino, "content", noGeneration, sent)
    }
    yield* tree.dropUpload(item.ino)
    return done
  })

  /** Deleted here before the server's answer came: only what was made just now goes, nobody else's change of it. */
  const withdraw = (remote: DriveItem) =>
    Effect.catchIf(untilAnswered(graph.delete(remote.id, remote.eTag)), isPreconditionFailed, () => Effect.void)

  /** What arrived of a file that was removed here before anybody knew; it stays when somebody changed it since. */
  const settleStray = Effect.fnUntraced(function* ({ hash, ino, place, size }: Stray) {
    const found = Option.getOrNull(yield* graph.child(place.parent, place.name))
    if (found?.kind === "file" && found.hash === hash && found.size === size) {
      const known = tree.byRemoteId(found.id)
      if (known === undefined || tree.intents(known.ino).length === 0) yield* withdraw(found)
    }
    yield* tree.dropUpload(ino)
  })

  return { createFile, replaceFile, settleStray }
})

export type Contents = Effect.Success<ReturnType<typeof makeContents>>

/** A folder under our name is never the same as a file, whatever its tags are. */
const newSide = (remote: DriveItem, item: Item) =>
  remote.kind === "file" ? remoteSide(remote, item) : { content: `folder ${remote.id}`, place: "" }

/** An edit of a file whose missing parts the server does not have any more: only a person can say what to keep. */
export const isBaseLost = (error: SyncError): error is GraphError =>
  error._tag === "GraphError" && error.operation === "download" && (isPreconditionFailed(error) || isNotFound(error))

export const baseLostReason =
  "the version this file was edited from is gone at the server, parts of it that were never read are lost: save the file again completely"
