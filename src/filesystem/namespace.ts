/**
 * Making, removing and moving entries. Every operation first waits for what it must know (listings), then checks and
 * commits without suspending in between, so that no other request can come between the check and the change; once a
 * transaction began it is not interrupted.
 */
import { Effect, Option } from "effect"
import type { Ino, Item } from "../tree/Item.ts"
import type { Tree } from "../tree/Tree.ts"
import { BoundedMap } from "../platform/BoundedMap.ts"
import { chosen } from "./attributes.ts"
import type { Directories } from "./directories.ts"
import { fromTree } from "./errors.ts"
import { FsError } from "./FsError.ts"
import { localNames, refusePath, refuseRemoteName, refuseSegment } from "./names.ts"
import { currentTime, type OpenFiles } from "./openFiles.ts"

/** renameat2(2). */
export const renameNoReplace = 1
export const renameExchange = 2

export interface Place {
  readonly parent: Ino
  readonly name: string
}

export interface Namespace {
  add(place: Place, kind: "file" | "directory", mode: number): Effect.Effect<Item, FsError>
  unlink(place: Place): Effect.Effect<void, FsError>
  rmdir(place: Place): Effect.Effect<void, FsError>
  /** Returns the item that is at `to` now. */
  rename(from: Place, to: Place, flags: number): Effect.Effect<Ino, FsError>
  /** Why the last name was refused in a directory, for people who only saw EINVAL. */
  refusal(directory: Ino): string | undefined
}

export const make = (layers: {
  readonly tree: Tree["Service"]
  readonly directories: Directories
  readonly openFiles: OpenFiles
  readonly localPatterns: ReadonlyArray<string>
}): Namespace => {
  const { tree, directories, openFiles } = layers
  const isLocalName = localNames(layers.localPatterns)
  const refusals = new BoundedMap<Ino, string>(1000)

  const staysLocal = ({ parent, name }: Place): boolean => tree.get(parent)?.localOnly === true || isLocalName(name)

  /** Whether a name may be put there, and whether what it names stays on this machine. */
  const admit = (place: Place): Effect.Effect<{ readonly localOnly: boolean }, FsError> => {
    const localOnly = staysLocal(place)
    const path = `${tree.path(place.parent) ?? ""}/${place.name}`
    const refused =
      refuseSegment(place.name) ?? (localOnly ? undefined : (refuseRemoteName(place.name) ?? refusePath(path)))
    if (refused === undefined) return Effect.succeed({ localOnly })
    refusals.set(place.parent, `${place.name}: ${refused.detail}`)
    return fail(refused.reason, refused.detail)
  }

  const add = Effect.fnUntraced(function* (
    place: Place,
    kind: "file" | "directory",
    mode: number
  ): Effect.fn.Return<Item, FsError> {
    yield* directories.writable(place.parent)
    if ((yield* directories.child(place.parent, place.name)) !== undefined) return yield* fail("Exists", place.name)
    const { localOnly } = yield* admit(place)
    const now = yield* currentTime
    const options = { name: place.name, kind, mode: chosen(mode), now, localOnly }
    const item = yield* Effect.mapError(tree.create(place.parent, options), fromTree)
    return item
  })

  const remove = Effect.fnUntraced(function* (place: Place, item: Item): Effect.fn.Return<void, FsError> {
    const now = yield* currentTime
    yield* Effect.mapError(tree.remove(item.ino, now), fromTree)
    yield* openFiles.reclaim(item)
  })

  const unlink = Effect.fnUntraced(function* (place: Place): Effect.fn.Return<void, FsError> {
    yield* directories.writable(place.parent)
    const item = yield* directories.existing(place.parent, place.name)
    if (item.kind === "directory") return yield* fail("IsDirectory", place.name)
    if (item.kind === "other") return yield* fail("NotPermitted", `${place.name} can only be removed on the web`)
    yield* remove(place, item)
  })

  const rmdir = Effect.fnUntraced(function* (place: Place): Effect.fn.Return<void, FsError> {
    yield* directories.writable(place.parent)
    const first = yield* directories.existing(place.parent, place.name)
    if (first.kind === "file") return yield* fail("NotDirectory", place.name)
    if (first.kind === "other") return yield* fail("NotPermitted", `${place.name} can only be removed on the web`)
    yield* directories.complete(first)
    // The listing may have taken long: the name must still mean the directory that was listed.
    const item = yield* directories.existing(place.parent, place.name)
    if (item.ino !== first.ino) return yield* fail("Busy", `${place.name} was replaced meanwhile`)
    if (tree.hasChildren(item.ino)) return yield* fail("NotEmpty", place.name)
    yield* remove(place, item)
  })

  /** Everything a rename must know before it may decide. */
  const learn = Effect.fnUntraced(function* (from: Place, to: Place, flags: number): Effect.fn.Return<void, FsError> {
    yield* directories.writable(from.parent)
    yield* directories.writable(to.parent)
    yield* directories.existing(from.parent, from.name)
    const target = yield* directories.child(to.parent, to.name)
    if (target?.kind === "directory" && (flags & renameExchange) === 0) yield* directories.complete(target)
  })

  const decide = Effect.fnUntraced(function* (from: Place, to: Place, flags: number): Effect.fn.Return<Ino, FsError> {
    const source = tree.child(from.parent, from.name)
    const target = tree.child(to.parent, to.name)
    if (source === undefined) return yield* fail("NotFound", from.name)
    if (source.kind === "other") return yield* fail("NotPermitted", `${from.name} can only be moved on the web`)
    if ((flags & renameExchange) !== 0) return yield* Effect.as(exchange(source, target, from, to), source.ino)
    if (target !== undefined && target.ino !== source.ino) {
      if ((flags & renameNoReplace) !== 0) return yield* fail("Exists", to.name)
      yield* replaceable(source, target)
    }
    if (target?.ino === source.ino && source.name === to.name) return source.ino
    return yield* Effect.as(move(source, target, from, to), source.ino)
  })

  /** rename(2): what may be put in the place of what. */
  const replaceable = (source: Item, target: Item): Effect.Effect<void, FsError> => {
    if (target.kind === "other") return fail("NotPermitted", `${target.name} can only be replaced on the web`)
    if (source.kind === "directory" && target.kind === "file") return fail("NotDirectory", target.name)
    if (source.kind === "file" && target.kind === "directory") return fail("IsDirectory", target.name)
    if (target.kind !== "directory") return Effect.void
    // Only when another directory took the name while its predecessor was listed.
    if (!tree.isComplete(target.ino)) return fail("Busy", `${target.name} was replaced meanwhile`)
    return tree.hasChildren(target.ino) ? fail("NotEmpty", target.name) : Effect.void
  }

  const move = Effect.fnUntraced(function* (
    source: Item,
    target: Item | undefined,
    from: Place,
    to: Place
  ): Effect.fn.Return<void, FsError> {
    // A name that is there already was accepted by the server, whatever the rules say.
    const { localOnly } = target?.name === to.name ? { localOnly: staysLocal(to) } : yield* admit(to)
    const now = yield* currentTime
    const replaced = yield* Effect.mapError(
      tree.rename(source.ino, { ...to, localOnly, now, keepsLocal: isLocalName }),
      fromTree
    )
    if (Option.isSome(replaced)) yield* openFiles.reclaim(replaced.value)
  })

  const exchange = Effect.fnUntraced(function* (
    source: Item,
    target: Item | undefined,
    from: Place,
    to: Place
  ): Effect.fn.Return<void, FsError> {
    if (target === undefined) return yield* fail("NotFound", to.name)
    if (target.kind === "other") return yield* fail("NotPermitted", `${to.name} can only be moved on the web`)
    if (source.ino === target.ino) return
    if (staysLocal(from) !== staysLocal(to)) {
      return yield* fail("InvalidArgument", "a local-only name cannot be exchanged with one the server has")
    }
    const now = yield* currentTime
    yield* Effect.mapError(tree.exchange(source.ino, target.ino, now), fromTree)
  })

  const rename = Effect.fnUntraced(function* (from: Place, to: Place, flags: number): Effect.fn.Return<Ino, FsError> {
    const known = renameNoReplace | renameExchange
    if ((flags & ~known) !== 0 || flags === known) return yield* fail("InvalidArgument", `rename flags ${flags}`)
    yield* learn(from, to, flags)
    return yield* decide(from, to, flags)
  })

  return { add, unlink, rmdir, rename, refusal: (directory) => refusals.get(directory) }
}

const fail = (reason: FsError["reason"], detail: string) => Effect.fail(new FsError({ reason, detail }))
