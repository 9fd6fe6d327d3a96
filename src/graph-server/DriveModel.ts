/**
 * The drive's items and the rules of changing them: names, tags, conflicts, quota, and the order of the delta log.
 *
 * All functions are synchronous and throw `ApiError`; call them inside `attempt`. Each change is one transaction. It
 * moves the changed item to the end of the delta log, after its ancestors, whose cTags change with it: whoever reads
 * the log from start to end meets a parent before the children that came with it.
 */
import { Context, Effect, Layer } from "effect"
import {
  accessDenied,
  invalidRequest,
  itemNotFound,
  nameAlreadyExists,
  quotaLimitReached,
  resourceModified
} from "./ApiError.ts"
import type { StoredContent } from "./ContentFiles.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { checkName, freeName } from "./DriveName.ts"
import { DriveStore } from "./DriveStore.ts"
import { copyTree } from "./ItemCopies.ts"
import { type ItemRow, type ItemTable, makeItemTable } from "./ItemTable.ts"
import { type DriveKind, type ItemTags, makeItemTags } from "./ItemTags.ts"
import { type ItemVersions, makeItemVersions } from "./ItemVersions.ts"
import { makeRecycleBin } from "./RecycleBin.ts"

/** What to do when another item holds the name: @microsoft.graph.conflictBehavior. */
export type ConflictBehavior = "fail" | "rename" | "replace"

/** fileSystemInfo, the times that clients may set; milliseconds since the epoch. */
export interface ItemTimes {
  readonly created?: number | undefined
  readonly modified?: number | undefined
}

/** Headers If-Match and If-None-Match as sent. */
export interface Conditions {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
}

/** Where content goes: into an item, or under a name in a folder. */
export type ContentTarget = { readonly item: number } | { readonly parent: number; readonly name: string }

export interface Change {
  readonly now: number
  readonly conflict: ConflictBehavior
  readonly times?: ItemTimes
  readonly conditions?: Conditions
}

export interface ItemPatch {
  readonly name?: string | undefined
  readonly parent?: number | undefined
}

export interface Quota {
  readonly total: number
  readonly used: number
  readonly remaining: number
  readonly state: "normal" | "nearing" | "critical" | "exceeded"
}

export class DriveModel extends Context.Service<
  DriveModel,
  {
    readonly driveId: string
    readonly kind: DriveKind
    readonly table: ItemTable
    readonly tags: ItemTags
    readonly versions: ItemVersions
    /** The live item, or 404. */
    require(id: number): ItemRow
    /** Walks names down from an item; 404 when one is missing. */
    resolve(from: ItemRow, names: ReadonlyArray<string>): ItemRow
    /** Names from the root's child down to the item; empty for the root. */
    pathOf(row: ItemRow): ReadonlyArray<string>
    readonly quota: () => Quota
    /** 507 when `size` more bytes do not fit. */
    checkRoom(size: number): void
    /** What a put to this target would meet: the item it replaces. Throws what the put would throw. */
    checkTarget(target: ContentTarget, conflict: ConflictBehavior, conditions: Conditions): ItemRow | undefined
    createFolder(parent: number, name: string, change: Change): { readonly item: ItemRow; readonly created: boolean }
    putContent(
      target: ContentTarget,
      content: StoredContent,
      change: Change
    ): { readonly item: ItemRow; readonly created: boolean }
    update(id: number, patch: ItemPatch, change: Change): ItemRow
    /** Moves the item with everything below it to the recycle bin. */
    remove(id: number, change: Pick<Change, "now" | "conditions">): void
    /** Deletes the item for good; it may be in the recycle bin already. */
    purge(id: number, now: number): void
    /** Takes a deleted item out of the recycle bin, to where it was or to where the patch says. */
    restore(id: number, patch: ItemPatch, change: Change): ItemRow
    /** Gives a file the content of an earlier version, as a new one. */
    restoreVersion(id: number, number: number, now: number): ItemRow
    /** Copies the item with everything below it into a folder, under a name. */
    copy(id: number, parent: number, name: string, change: Change): ItemRow
  }
>()("onemount/graph-server/DriveModel") {
  static readonly layer = Layer.effect(
    DriveModel,
    Effect.gen(function* () {
      return makeModel(yield* DriveStore, yield* DriveSettings)
    })
  )
}

const makeModel = ({ db, driveId, kind }: DriveStore["Service"], settings: DriveSettings): DriveModel["Service"] => {
  const table = makeItemTable(db)
  const tags = makeItemTags(kind, driveId)
  const insertContent = db.prepare("INSERT INTO contents (id, size, hash) VALUES (?, ?, ?)")
  const versions = makeItemVersions(db, settings.versionLimit)
  const bin = makeRecycleBin(db, versions, settings.binRetention)
  const total = db.prepare<{ readonly total: string }>("SELECT value AS total FROM settings WHERE key = 'quota'")

  const require = (id: number): ItemRow => {
    const row = table.byId(id)
    if (row === undefined || row.deleted === 1) throw itemNotFound()
    return row
  }

  const requireFolder = (id: number): ItemRow => {
    const row = require(id)
    if (row.kind !== "folder") throw invalidRequest("The parent is not a folder.", "invalidPath")
    return row
  }

  const resolve = (from: ItemRow, names: ReadonlyArray<string>): ItemRow => {
    let row = from
    for (const name of names) {
      const child = table.byName(row.id, name)
      if (child === undefined) throw itemNotFound()
      row = child
    }
    return row
  }

  /** The item and what it is in, up to the root. */
  const lineage = (row: ItemRow): Array<ItemRow> => {
    const rows = [row]
    for (let at = row; at.parent !== null; rows.push(at)) at = require(at.parent)
    return rows
  }

  const pathOf = (row: ItemRow): ReadonlyArray<string> =>
    lineage(row)
      .slice(0, -1)
      .map((ancestor) => ancestor.name)
      .toReversed()

  const pathLength = (row: ItemRow): number => pathOf(row).reduce((length, name) => length + 1 + name.length, 0)

  /** Everything above and including `folder` learns that something below changed, the root first. */
  const bumpUpwards = (folder: ItemRow, sizeDelta: number): void => {
    for (const row of lineage(folder).toReversed()) table.bump(row.id, sizeDelta)
  }

  const quota = (): Quota => {
    const size = Number(total.get()?.total ?? 0)
    const used = table.root().size
    const remaining = Math.max(0, size - used)
    const state =
      remaining === 0 ? "exceeded" : remaining < size / 100 ? "critical" : remaining < size / 10 ? "nearing" : "normal"
    return { total: size, used, remaining, state }
  }

  const checkRoom = (size: number): void => {
    if (size > quota().remaining) throw quotaLimitReached()
  }

  const checkConditions = (row: ItemRow | undefined, conditions: Conditions = {}): void => {
    const { ifMatch, ifNoneMatch } = conditions
    if (ifMatch !== undefined && (row === undefined || !tags.matches(ifMatch, row))) {
      throw resourceModified(undefined, "entityTagDoesNotMatch")
    }
    if (ifNoneMatch !== undefined && row !== undefined && tags.matches(ifNoneMatch, row)) {
      throw resourceModified("The item exists already.", "entityTagDoesNotMatch")
    }
  }

  const nameFor = (parent: ItemRow, name: string, isFolder: boolean): string =>
    freeName(name, isFolder, (candidate) => table.byName(parent.id, candidate) !== undefined)

  const insert = (parent: ItemRow, item: Omit<Parameters<ItemTable["insert"]>[0], "parent">): ItemRow => {
    bumpUpwards(parent, item.size)
    const id = table.insert({ ...item, parent: parent.id })
    table.addChildren(parent.id, 1)
    return require(id)
  }

  const createFolder: DriveModel["Service"]["createFolder"] = (parentId, name, { now, conflict, times }) =>
    db.transaction(() => {
      const parent = requireFolder(parentId)
      checkName(name, pathLength(parent))
      const existing = table.byName(parent.id, name)
      if (existing !== undefined && conflict === "replace" && existing.kind === "folder") {
        return { item: existing, created: false }
      }
      if (existing !== undefined && conflict !== "rename") throw nameAlreadyExists()
      const item = insert(parent, {
        name: existing === undefined ? name : nameFor(parent, name, true),
        kind: "folder",
        size: 0,
        content: null,
        hash: null,
        fs_created: times?.created ?? now,
        fs_modified: times?.modified ?? now,
        now
      })
      return { item, created: true }
    })

  const checkTarget: DriveModel["Service"]["checkTarget"] = (target, conflict, conditions) => {
    const byId = "item" in target
    const existing = byId ? require(target.item) : table.byName(requireFolder(target.parent).id, target.name)
    checkConditions(existing, conditions)
    if (existing?.kind === "folder" && (byId || conflict !== "rename")) {
      throw nameAlreadyExists("A folder holds this name: it cannot have content.")
    }
    if (byId) return existing
    checkName(target.name, pathLength(require(target.parent)))
    if (existing !== undefined && conflict === "fail") throw nameAlreadyExists()
    return conflict === "replace" ? existing : undefined
  }

  const putContent: DriveModel["Service"]["putContent"] = (target, content, change) =>
    db.transaction(() => {
      const existing = checkTarget(target, change.conflict, change.conditions ?? {})
      checkRoom(content.size - (existing?.size ?? 0))
      bin.sweep(change.now)
      insertContent.run(content.id, content.size, content.hash)
      if (existing !== undefined) return { item: replaceContent(existing, content, change), created: false }
      if ("item" in target) throw itemNotFound()
      const parent = require(target.parent)
      const taken = table.byName(parent.id, target.name) !== undefined
      const item = insert(parent, {
        name: taken ? nameFor(parent, target.name, false) : target.name,
        kind: "file",
        size: content.size,
        content: content.id,
        hash: content.hash,
        fs_created: change.times?.created ?? change.now,
        fs_modified: change.times?.modified ?? change.now,
        now: change.now
      })
      return { item, created: true }
    })

  const replaceContent = (
    row: ItemRow,
    content: StoredContent,
    { now, times }: Pick<Change, "now" | "times">
  ): ItemRow => {
    versions.keep(row, now)
    if (row.parent !== null) bumpUpwards(require(row.parent), content.size - row.size)
    table.save(row.id, {
      ...row,
      size: content.size,
      content: content.id,
      hash: content.hash,
      etag: row.etag + 1,
      ctag: row.ctag + 1,
      modified: now,
      fs_created: times?.created ?? row.fs_created,
      // Content without times of its own gets the server's, however old the item's were.
      fs_modified: times?.modified ?? now
    })
    if (row.content !== null) versions.release(row.content, now)
    return require(row.id)
  }

  const update: DriveModel["Service"]["update"] = (id, patch, change) =>
    db.transaction(() => {
      const row = require(id)
      checkConditions(row, change.conditions)
      const placed = place(row, patch, change)
      const next: ItemRow = {
        ...row,
        ...placed,
        fs_created: change.times?.created ?? row.fs_created,
        fs_modified: change.times?.modified ?? row.fs_modified
      }
      const moved = next.parent !== row.parent
      if (
        !moved &&
        next.name === row.name &&
        next.fs_created === row.fs_created &&
        next.fs_modified === row.fs_modified
      ) {
        return row
      }
      if (row.parent !== null) bumpUpwards(require(row.parent), moved ? -row.size : 0)
      if (moved && next.parent !== null) bumpUpwards(require(next.parent), row.size)
      if (moved) {
        table.addChildren(row.parent ?? id, -1)
        table.addChildren(next.parent ?? id, 1)
      }
      table.save(id, { ...next, etag: row.etag + 1, modified: change.now })
      return require(id)
    })

  /** Where a patch puts the item, once names, cycles and collisions have been looked at. */
  const place = (row: ItemRow, patch: ItemPatch, change: Change): Pick<ItemRow, "parent" | "name"> => {
    const name = patch.name ?? row.name
    const parentId = patch.parent ?? row.parent
    if (row.parent === null || parentId === null) {
      if (name === row.name && parentId === row.parent) return row
      throw invalidRequest("The root of a drive cannot be renamed or moved.")
    }
    if (name === row.name && parentId === row.parent) return row
    const parent = requireFolder(parentId)
    if (lineage(parent).some((ancestor) => ancestor.id === row.id)) {
      throw invalidRequest("An item cannot be moved into itself or below itself.", "invalidPath")
    }
    checkName(name, pathLength(parent))
    const holder = table.byName(parent.id, name)
    if (holder === undefined || holder.id === row.id) return { parent: parentId, name }
    if (change.conflict === "rename") return { parent: parentId, name: nameFor(parent, name, row.kind === "folder") }
    if (change.conflict !== "replace" || holder.kind !== "file" || row.kind !== "file") throw nameAlreadyExists()
    bury(holder, change.now)
    return { parent: parentId, name }
  }

  const bury = (row: ItemRow, now: number): void => {
    if (row.parent !== null) {
      bumpUpwards(require(row.parent), -row.size)
      table.addChildren(row.parent, -1)
    }
    const doomed = [row]
    for (const item of doomed) {
      if (item.kind === "folder") doomed.push(...table.children(item.id, "", item.children))
      table.bury(item.id)
      bin.add(item, row.id, now)
    }
    bin.sweep(now)
  }

  const remove: DriveModel["Service"]["remove"] = (id, { now, conditions }) =>
    db.transaction(() => {
      const row = require(id)
      checkConditions(row, conditions)
      if (row.parent === null) throw accessDenied("The root of a drive cannot be deleted.")
      bury(row, now)
    })

  const purge: DriveModel["Service"]["purge"] = (id, now) =>
    db.transaction(() => {
      if (!bin.has(id)) remove(id, { now })
      bin.empty(id, now)
    })

  const restore: DriveModel["Service"]["restore"] = (id, patch, { now, conflict }) =>
    db.transaction(() => {
      const row = table.byId(id)
      if (row === undefined || !bin.has(id)) throw itemNotFound("The item is not in the recycle bin.")
      const parent = requireFolder(patch.parent ?? row.parent ?? id)
      const wanted = patch.name ?? row.name
      checkName(wanted, pathLength(parent))
      const taken = table.byName(parent.id, wanted) !== undefined
      if (taken && conflict !== "rename") throw nameAlreadyExists()
      const name = taken ? nameFor(parent, wanted, row.kind === "folder") : wanted
      bumpUpwards(parent, row.size)
      table.addChildren(parent.id, 1)
      const contents = bin.take(id)
      const rows = [...contents.keys()].map((item) => table.byId(item)).filter((item) => item !== undefined)
      const below = new Map<number | null, Array<ItemRow>>()
      for (const item of rows) below.set(item.parent, [...(below.get(item.parent) ?? []), item])
      const revived = [{ ...row, parent: parent.id, name }]
      for (const item of revived) {
        const modified = item.id === id ? now : item.modified
        table.revive(item, { ...item, content: contents.get(item.id) ?? null, modified })
        for (const child of below.get(item.id) ?? []) if (child.id !== id) revived.push({ ...child, parent: item.id })
      }
      return require(id)
    })

  const restoreVersion: DriveModel["Service"]["restoreVersion"] = (id, number, now) =>
    db.transaction(() => {
      const row = require(id)
      const { content, size, hash } = versions.require(row, number)
      return content === row.content ? row : replaceContent(row, { id: content, size, hash }, { now })
    })

  const copy: DriveModel["Service"]["copy"] = (id, parentId, wanted, { now, conflict }) =>
    db.transaction(() => {
      const [source, parent] = [require(id), requireFolder(parentId)]
      checkName(wanted, pathLength(parent))
      checkRoom(source.size)
      const holder = table.byName(parent.id, wanted)
      if (holder !== undefined && (conflict === "fail" || holder.id === id)) throw nameAlreadyExists()
      if (holder !== undefined && conflict === "replace") {
        if (holder.kind !== "file" || source.kind !== "file") throw nameAlreadyExists()
        const content = { id: source.content ?? 0, size: source.size, hash: source.hash ?? "" }
        return replaceContent(holder, content, { now })
      }
      const name = holder === undefined ? wanted : nameFor(parent, wanted, source.kind === "folder")
      return copyTree({ table, insert, lineage }, source, parent, name, now)
    })

  return DriveModel.of({
    driveId,
    kind,
    table,
    tags,
    versions,
    require,
    resolve,
    pathOf,
    quota,
    checkRoom,
    checkTarget,
    createFolder,
    putContent,
    update,
    remove,
    purge,
    restore,
    restoreVersion,
    copy
  })
}
