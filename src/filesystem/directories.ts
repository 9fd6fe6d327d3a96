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
  /** As `child`; a name that is not there and too long to be made is NameTooLong (the server may have longer ones). */
  possible(parent: Ino, name: string): Effect.Effect<Item | undefined, FsError>
  /** As `possible`, NotFound instead of undefined. */
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
    return found === undefined ? stale(ino) : Effect.succeed(found)
  }

  const directory = (ino: Ino): Effect.Effect<Item, FsError> => {
    const found = tree.get(ino)
    if (found === undefined) return stale(ino)
    if (found.kind === "file") return fail("NotDirectory", found.name)
    // Not NotFound: that would be said of a name in it, and the kernel might keep it.
    return found.parent === null ? fail("Stale", `${found.name} was removed`) : Effect.succeed(found)
  }

  const writable = (ino: Ino): Effect.Effect<Item, FsError> =>
    Effect.filterOrElse(
      directory(ino),
      ({ kind }) => kind !== "other",
      ({ name }) => fail("AccessDenied", `${name} can only be changed on the web`)
    )

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

  /** Asked before almost every change, so what the tree knows costs no fiber's step more than it has to. */
  const child = (parent: Ino, name: string): Effect.Effect<Item | undefined, FsError> =>
    Effect.flatMap(directory(parent), (found) => {
      const known = tree.child(parent, name)
      if (known !== undefined || found.kind === "other" || tree.isComplete(parent)) return Effect.succeed(known)
      return Effect.map(complete(found), () => tree.child(parent, name))
    })

  const possible = (parent: Ino, name: string): Effect.Effect<Item | undefined, FsError> =>
    Effect.filterOrElse(
      child(parent, name),
      (found) => found !== undefined || Buffer.byteLength(name) <= maxNameLength,
      () => fail("NameTooLong", name)
    )

  const existing = (parent: Ino, name: string): Effect.Effect<Item, FsError> =>
    Effect.filterOrElse(
      possible(parent, name),
      (found): found is Item => found !== undefined,
      () => fail("NotFound", name)
    )

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

  return { item, directory, writable, complete, child, possible, existing, children }
}

const stale = (ino: Ino) => fail("Stale", `inode ${ino} does not exist any more`)

const fail = (reason: FsError["reason"], detail: string) => Effect.fail(new FsError({ reason, detail }))
