/**
 * Extended attributes: `user.onemount.*` tells what the mount knows about an item, is read-only and not listed: what
 * copies attributes along would carry it to where it is not true, and fail where it is refused. Every other `user.*`
 * attribute is kept on this machine. The namespaces of the kernel (`security.`, `system.`, `trusted.`) are
 * not supported, so that POSIX ACLs and capabilities are refused instead of pretended.
 */
import { ContentId, type ContentState } from "@onemount/fuse-native"
import { Effect } from "effect"
import type { ContentStore } from "../content/ContentStore.ts"
import type { Ino, Item } from "../tree/Item.ts"
import { itemState, type StateFacts } from "../tree/itemState.ts"
import type { Tree } from "../tree/Tree.ts"
import type { Directories } from "./directories.ts"
import { fromContent, fromTree } from "./errors.ts"
import { FsError } from "./FsError.ts"
import { currentTime } from "./openFiles.ts"

/** xattr(7): XATTR_SIZE_MAX and XATTR_NAME_MAX. */
const maxValue = 65_536
const maxName = 255
/** setxattr(2). */
const flagCreate = 1
const flagReplace = 2
const reserved = "user.onemount."
const stateName = `${reserved}state`

export interface Xattrs {
  get(ino: Ino, name: string): Effect.Effect<Uint8Array, FsError>
  list(ino: Ino): Effect.Effect<ReadonlyArray<string>, FsError>
  set(ino: Ino, name: string, value: Uint8Array, flags: number): Effect.Effect<void, FsError>
  remove(ino: Ino, name: string): Effect.Effect<void, FsError>
}

export const make = (layers: {
  readonly tree: Tree["Service"]
  readonly content: ContentStore["Service"]
  readonly directories: Directories
  readonly refusal: (directory: Ino) => string | undefined
}): Xattrs => {
  const { tree, content, directories } = layers

  /** How much of the body is here; a closed one is opened for the question. */
  const body = (item: Item): Effect.Effect<StateFacts["body"], FsError> => {
    if (item.content === null) return Effect.succeed(null)
    const live = content.table.state(ContentId(item.content))
    if (live !== undefined) return Effect.succeed(factsOf(live))
    return Effect.acquireUseRelease(
      Effect.mapError(content.open(item.ino), fromContent),
      (opened) => {
        const state = content.table.state(opened.content)
        return Effect.succeed(state === undefined ? null : factsOf(state))
      },
      (opened) => content.release(opened.content)
    )
  }

  const state = (item: Item): Effect.Effect<string, FsError> =>
    Effect.map(body(item), (facts) =>
      itemState(item, {
        intents: tree.intents(item.ino),
        shadowed: tree.shadow(item.ino) !== undefined,
        body: facts
      })
    )

  const error = (item: Item): string | undefined =>
    tree.intents(item.ino).find((intent) => intent.lastError !== null)?.lastError ?? layers.refusal(item.ino)

  /** Undefined where an item has no such thing: the attribute does not exist then. */
  const derived: Record<string, (item: Item) => string | undefined> = {
    [`${reserved}id`]: (item) => item.remoteId ?? undefined,
    [`${reserved}hash`]: (item) => item.hash ?? undefined,
    [`${reserved}local`]: (item) => (item.localOnly ? "true" : undefined),
    [`${reserved}error`]: error
  }

  /** Refuses names that are not a `user.*` attribute's. */
  const namespace = (name: string): Effect.Effect<void, FsError> => {
    if (!name.startsWith("user.")) return fail("NotSupported", name)
    return name === "user." ? fail("InvalidArgument", "the attribute has no name") : Effect.void
  }

  const get = Effect.fnUntraced(function* (ino: Ino, name: string): Effect.fn.Return<Uint8Array, FsError> {
    yield* namespace(name)
    const item = yield* directories.item(ino)
    if (name === stateName) return Buffer.from(yield* state(item))
    const derive = Object.hasOwn(derived, name) ? derived[name] : undefined
    const text = derive?.(item)
    const value = text === undefined ? tree.getXattr(ino, name) : Buffer.from(text)
    return value ?? (yield* fail("NoAttribute", name))
  })

  const list = Effect.fnUntraced(function* (ino: Ino): Effect.fn.Return<ReadonlyArray<string>, FsError> {
    yield* directories.item(ino)
    return tree.listXattrs(ino)
  })

  /** Refuses names that are not a person's to change. */
  const changeable = Effect.fnUntraced(function* (ino: Ino, name: string): Effect.fn.Return<void, FsError> {
    yield* namespace(name)
    if (name.startsWith(reserved)) return yield* fail("NotPermitted", `${name} is read-only`)
    if (Buffer.byteLength(name) > maxName) return yield* fail("InvalidArgument", "attribute name too long")
    yield* directories.item(ino)
  })

  const set = Effect.fnUntraced(function* (
    ino: Ino,
    name: string,
    value: Uint8Array,
    flags: number
  ): Effect.fn.Return<void, FsError> {
    yield* changeable(ino, name)
    if (value.byteLength > maxValue) return yield* fail("NoSpace", `${name}: at most ${maxValue} bytes`)
    const exists = tree.getXattr(ino, name) !== undefined
    if (exists && (flags & flagCreate) !== 0) return yield* fail("Exists", name)
    if (!exists && (flags & flagReplace) !== 0) return yield* fail("NoAttribute", name)
    yield* Effect.mapError(tree.setXattr(ino, name, value, yield* currentTime), fromTree)
  })

  const remove = Effect.fnUntraced(function* (ino: Ino, name: string): Effect.fn.Return<void, FsError> {
    yield* changeable(ino, name)
    const removed = yield* Effect.mapError(tree.removeXattr(ino, name, yield* currentTime), fromTree)
    if (!removed) return yield* fail("NoAttribute", name)
  })

  return { get, list, set, remove }
}

const factsOf = ({ complete, modified, waiters }: ContentState): StateFacts["body"] => ({
  complete,
  dirty: modified,
  hydrating: waiters > 0,
  failed: false
})

const fail = (reason: FsError["reason"], detail: string) => Effect.fail(new FsError({ reason, detail }))
