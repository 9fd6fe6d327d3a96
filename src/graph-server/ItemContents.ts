/** Content coming to items: uploads, earlier versions, copies. */
import { itemNotFound, nameAlreadyExists } from "./ApiError.ts"
import type { Change, Conditions, ConflictBehavior, ContentTarget, Made } from "./Change.ts"
import type { StoredContent } from "./ContentFiles.ts"
import { checkName } from "./DriveName.ts"
import { copyTree } from "./ItemCopies.ts"
import type { ItemCreation } from "./ItemCreation.ts"
import type { ItemRow } from "./ItemTable.ts"
import type { ModelParts } from "./ModelParts.ts"

export type ItemContents = ReturnType<typeof makeItemContents>

type Stamps = Pick<Change, "now" | "times">

export const makeItemContents = (parts: ModelParts, creation: ItemCreation) => {
  const { db, kind, table, lookup, places, versions, bin, quota, precise } = parts
  const insertContent = db.prepare("INSERT INTO contents (id, size, hash, sha256, sha1) VALUES (?, ?, ?, ?, ?)")

  /** The item that the target names; undefined when there is none yet. */
  const existingAt = (target: ContentTarget): ItemRow | undefined => {
    if ("item" in target) return lookup.require(target.item)
    const parent = lookup.requireFolder(target.parent)
    return target.folders === undefined ? table.byName(parent.id, target.name) : undefined
  }

  const checkTarget = (
    target: ContentTarget,
    conflict: ConflictBehavior,
    conditions: Conditions
  ): ItemRow | undefined => {
    const byId = "item" in target
    const existing = existingAt(target)
    lookup.checkConditions(existing, conditions)
    const isFile = existing === undefined || (existing.kind === "file" && existing.facet === null)
    if (!isFile && (byId || conflict !== "rename")) {
      throw nameAlreadyExists("The item of this name cannot have content.")
    }
    if (byId) return existing
    let length = lookup.pathLength(lookup.require(target.parent))
    for (const name of [...(target.folders ?? []), target.name]) {
      checkName(name, length, kind)
      length += 1 + name.length
    }
    if (existing !== undefined && conflict === "fail") throw nameAlreadyExists()
    return conflict === "replace" ? existing : undefined
  }

  const replaceContent = (row: ItemRow, content: Omit<StoredContent, "digests">, { now, times }: Stamps): ItemRow => {
    versions.keep(row, now)
    if (row.parent !== null) places.bumpUpwards(lookup.require(row.parent), content.size - row.size)
    table.save(row.id, {
      ...row,
      size: content.size,
      content: content.id,
      hash: content.hash,
      etag: row.etag + 1,
      ctag: content.id === row.content ? row.ctag : row.ctag + 1,
      version: row.version + 1,
      modified: now,
      fs_created: times?.created === undefined ? row.fs_created : precise(times.created),
      // Content without times of its own gets the server's, however old the item's were.
      fs_modified: precise(times?.modified ?? now)
    })
    if (row.content !== null) versions.release(row.content, now)
    return lookup.require(row.id)
  }

  const putContent = (target: ContentTarget, content: StoredContent, change: Change): Made<ItemRow> =>
    db.transaction(() => {
      const existing = checkTarget(target, change.conflict, change.conditions ?? {})
      quota.checkRoom(content.size - (existing?.size ?? 0))
      bin.sweep(change.now)
      insertContent.run(content.id, content.size, content.hash, content.digests.sha256, content.digests.sha1)
      if (existing !== undefined) return { item: replaceContent(existing, content, change), created: false }
      if ("item" in target) throw itemNotFound()
      const parent = creation.ensureFolders(target.parent, target.folders ?? [], { now: change.now, conflict: "fail" })
      const taken = table.byName(parent.id, target.name) !== undefined
      const item = places.insert(parent, {
        name: taken ? lookup.nameFor(parent, target.name, false) : target.name,
        kind: "file",
        size: content.size,
        content: content.id,
        hash: content.hash,
        facet: null,
        target: null,
        fs_created: precise(change.times?.created ?? change.now),
        fs_modified: precise(change.times?.modified ?? change.now),
        now: change.now
      })
      return { item, created: true }
    })

  return {
    checkTarget,
    putContent,
    restoreVersion: (id: number, number: number, now: number): ItemRow =>
      db.transaction(() => {
        const row = lookup.require(id)
        const { content, size, hash } = versions.require(row, number)
        return number === row.version ? row : replaceContent(row, { id: content, size, hash }, { now })
      }),
    copy: (id: number, parentId: number, wanted: string, { now, conflict }: Change): ItemRow =>
      db.transaction(() => {
        const [source, parent] = [lookup.require(id), lookup.requireFolder(parentId)]
        checkName(wanted, lookup.pathLength(parent), kind)
        quota.checkRoom(source.size)
        const holder = table.byName(parent.id, wanted)
        if (holder !== undefined && (conflict === "fail" || holder.id === id)) throw nameAlreadyExists()
        if (holder !== undefined && conflict === "replace") {
          if (holder.content === null || source.content === null) throw nameAlreadyExists()
          return replaceContent(holder, { id: source.content, size: source.size, hash: source.hash ?? "" }, { now })
        }
        const name = holder === undefined ? wanted : lookup.nameFor(parent, wanted, source.kind === "folder")
        const { insert } = places
        return copyTree({ table, insert, lineage: lookup.lineage }, source, parent, name, now)
      })
  }
}
