/**
 * Finding entries. A directory whose children are not all known is listed first, with a limit: absence is only
 * reported of directories that are complete, so that there is no false ENOENT and no false emptiness.
 */
import { Effect } from "effect"
import type { Sync } from "../sync/Sync.ts"
import type { Ino, Item } from "../tree/Item.ts"
import type { Tree } from "../tree/Tree.ts"
import { fromListing } from "./errors.ts"
import { FsError } from "./FsError.ts"
import type { FilesystemConfig } from "./FilesystemConfig.ts"
import { maxNameLength } from "./names.ts"

export interface Directories {
  /** The item of an inode number the caller still holds; Stale when it is gone for good. */
  item(ino: Ino): Effect.Effect<Item, FsError>
  /** A directory that is still linked, packages and vaults included. */
  directory(ino: Ino): Effect.Effect<Item, FsError>
  /** A directory in which entries may be made and removed. */
  writable(ino: Ino): Effect.Effect<Item, FsError>
  /** Waits until all children are known. */
  complete(directory: Item): Effect.Effect<void, FsError>
  /** The entry of that name, exact before folded; undefined only when it certainly is not there. */
  child(parent: Ino, name: string): Effect.Effect<Item | undefined, FsError>
  /** As `child`, NotFound instead of undefined. */
  existing(parent: Ino, name: string): Effect.Effect<Item, FsError>
  children(directory: Ino, after: number, limit: number): Effect.Effect<ReadonlyArray<Item>, FsError>
}

export const make = (layers: {
  readonly tree: Tree["Service"]
  readonly sync: Sync["Service"]
  readonly config: FilesystemConfig
}): Directories => {
  const { tree, sync, config } = layers

  const item = (ino: Ino): Effect.Effect<Item, FsError> => {
    const found = tree.get(ino)
    return found === undefined ? fail("Stale", `inode ${ino} does not exist any more`) : Effect.succeed(found)
  }

  const directory = Effect.fnUntraced(function* (ino: Ino): Effect.fn.Return<Item, FsError> {
    const found = yield* item(ino)
    if (found.kind === "file") return yield* fail("NotDirectory", found.name)
    // Not NotFound: that would be said of a name in it, and the kernel might keep it.
    if (found.parent === null) return yield* fail("Stale", `${found.name} was removed`)
    return found
  })

  const writable = Effect.fnUntraced(function* (ino: Ino): Effect.fn.Return<Item, FsError> {
    const found = yield* directory(ino)
    if (found.kind === "other") return yield* fail("AccessDenied", `${found.name} can only be changed on the web`)
    return found
  })

  const load = (found: Item) =>
    sync.loadChildren(found.ino).pipe(
      Effect.mapError(fromListing),
      Effect.timeoutOrElse({
        duration: config.listTimeout,
        orElse: () => fail("TimedOut", `no listing of ${found.name} within ${config.listTimeout} ms`)
      }),
      // The only wait for the network in this folder, and before anything was changed: it may always be given up.
      Effect.interruptible
    )

  const complete = Effect.fnUntraced(function* (found: Item): Effect.fn.Return<void, FsError> {
    if (found.kind === "other" || tree.isComplete(found.ino)) return
    yield* load(found)
    const now = tree.get(found.ino)
    if (now === undefined || now.parent === null) {
      return yield* fail("Stale", `${found.name} was removed while it was listed`)
    }
    if (!tree.isComplete(found.ino)) return yield* fail("Io", `the listing of ${found.name} was not complete`)
  })

  const child = Effect.fnUntraced(function* (parent: Ino, name: string): Effect.fn.Return<Item | undefined, FsError> {
    const found = yield* directory(parent)
    const known = tree.child(parent, name)
    if (known !== undefined) return known
    if (found.kind === "other" || tree.isComplete(parent)) return undefined
    yield* complete(found)
    return tree.child(parent, name)
  })

  const existing = Effect.fnUntraced(function* (parent: Ino, name: string): Effect.fn.Return<Item, FsError> {
    const found = yield* child(parent, name)
    if (found !== undefined) return found
    // Longer names may come from the server; one that is not there is refused as Linux would.
    return yield* Buffer.byteLength(name) > maxNameLength ? fail("NameTooLong", name) : fail("NotFound", name)
  })

  const children = Effect.fnUntraced(function* (
    ino: Ino,
    after: number,
    limit: number
  ): Effect.fn.Return<ReadonlyArray<Item>, FsError> {
    const found = yield* item(ino)
    if (found.kind === "file") return yield* fail("NotDirectory", found.name)
    // An open directory that was removed lists as empty, as on every Linux filesystem.
    if (found.kind === "other" || found.parent === null) return []
    yield* complete(found)
    return tree.children(ino, after, limit)
  })

  return { item, directory, writable, complete, child, existing, children }
}

const fail = (reason: FsError["reason"], detail: string) => Effect.fail(new FsError({ reason, detail }))
