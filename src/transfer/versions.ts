/** The versions of the server that bodies hold bytes of, and are to get the rest of. */
import { Effect } from "effect"
import { ContentError } from "../content/ContentError.ts"
import type { ContentStore } from "../content/ContentStore.ts"
import type { ItemId } from "../graph/DriveItem.ts"
import type { GraphClient } from "../graph/GraphClient.ts"
import { GraphError, PreconditionFailed } from "../graph/GraphError.ts"
import type { Item } from "../tree/Item.ts"
import type { Tree } from "../tree/Tree.ts"
import type { TransferError } from "./errno.ts"
import type { Body } from "./JobQueue.ts"

/** The server version a body holds bytes of. `size` in bytes; hash and cTag are null where the server gave none. */
export interface Version {
  readonly id: ItemId
  readonly cTag: string | null
  readonly hash: string | null
  readonly size: number
}

export interface Versions {
  /** Whether the body of an item has changes that the server does not have. */
  isEdited(item: Item): boolean
  /**
   * The version missing bytes come from. An edited item's row tells the local size, so the server is asked. Stale when
   * the body is not the item's any more; a GraphError of status 412 when that version is not at the server any more.
   */
  versionOf(body: Body): Effect.Effect<Version, TransferError>
  /** Its size in bytes: clean bodies are as long as their row says, so only edited ones need the server's word. */
  sizeOf(body: Body): Effect.Effect<number, TransferError>
}

export const makeVersions = (layers: {
  readonly graph: GraphClient["Service"]
  readonly content: ContentStore["Service"]
  readonly tree: Tree["Service"]
}): Versions => {
  const { graph, content, tree } = layers

  const itemOf = (body: Body): Effect.Effect<Item, ContentError> =>
    Effect.suspend(() => {
      const item = tree.get(body.ino)
      if (item?.content === body.key) return Effect.succeed(item)
      return Effect.fail(new ContentError({ reason: "Stale", detail: `item ${body.ino} has another version now` }))
    })

  const isEdited = (item: Item): boolean =>
    content.live(item)?.modified === true || tree.intents(item.ino).some((intent) => intent.kind === "content")

  const versionOf = Effect.fnUntraced(function* (body: Body): Effect.fn.Return<Version, TransferError> {
    const item = yield* itemOf(body)
    const { remoteId: id, cTag, hash, size } = item
    if (id === null) return yield* versionGone
    if (!isEdited(item)) return { id, cTag, hash, size }
    const remote = yield* Effect.catchIf(
      graph.item(id),
      (error) => error.reason._tag === "NotFound",
      () => Effect.fail(versionGone)
    )
    const same = cTag === null ? remote.hash === hash : remote.cTag === cTag
    return same ? { id, cTag, hash: remote.hash, size: remote.size } : yield* versionGone
  })

  const sizeOf = Effect.fnUntraced(function* (body: Body): Effect.fn.Return<number, TransferError> {
    const item = yield* itemOf(body)
    return isEdited(item) ? (yield* versionOf(body)).size : item.size
  })

  return { isEdited, versionOf, sizeOf }
}

/** Also what an item gets that is not at the server any more: its missing bytes were those of a version from there. */
const versionGone = new GraphError({
  operation: "download",
  status: 412,
  requestId: "",
  reason: new PreconditionFailed({})
})
