/**
 * The planner: what to do about one item, from what the server has (`remote`), what the user sees (`local`) and the
 * version both were last equal at (`base`). Pure and total: for every triple there is exactly one plan, and carrying it
 * out ends with both sides equal.
 *
 * Content and existence decide first, `=` is unchanged since base, `*` changed, `-` absent:
 *
 *     remote  local   action
 *     =       =       None
 *     =       *       Upload      the edit becomes a new version of the base
 *     =       -       DeleteRemote
 *     *       =       Adopt       the server's version replaces ours
 *     *       *       Identical when the bytes are the same, else KeepBoth
 *     *       -       Restore     an edit beats a delete: bring the server's version back
 *     -       =       DeleteLocal
 *     -       *       Recreate    an edit beats a delete: create ours again
 *     -       -       None        gone on both sides, forget it
 *
 * Without a base the same table holds with every present side counted as changed: new here is Upload, new there is
 * Adopt, new on both sides under one name is Identical or KeepBoth.
 *
 * Name and folder are decided apart from content when both sides have the item: who moved it wins; when both moved
 * it to different places the local place wins, because the user looks at it and nothing is lost by it.
 */

/** One side's version of an item. */
export interface Version {
  /** Identity of the bytes: equal exactly when the bytes are (quickXorHash, or cTag where there is none). */
  readonly content: string
  /** Identity of the place: folder and name. */
  readonly place: string
}

/** Null: the item does not exist on that side. */
export type Side = Version | null

export type ContentAction =
  | "None"
  | "Upload"
  | "Adopt"
  | "DeleteRemote"
  | "DeleteLocal"
  | "Identical"
  | "KeepBoth"
  | "Restore"
  | "Recreate"

export type PlaceAction = "None" | "MoveRemote" | "MoveLocal"

export interface Plan {
  readonly content: ContentAction
  readonly place: PlaceAction
}

type Change = "same" | "changed" | "absent"

const changeOf = (side: Side, base: Side): Change => {
  if (side === null) return "absent"
  return base !== null && side.content === base.content ? "same" : "changed"
}

const table: Record<Change, Record<Change, ContentAction>> = {
  same: { same: "None", changed: "Upload", absent: "DeleteRemote" },
  changed: { same: "Adopt", changed: "KeepBoth", absent: "Restore" },
  absent: { same: "DeleteLocal", changed: "Recreate", absent: "None" }
}

const newborn = (remote: Side, local: Side): ContentAction => {
  if (remote !== null && local !== null) return remote.content === local.content ? "Identical" : "KeepBoth"
  if (remote !== null) return "Adopt"
  return local !== null ? "Upload" : "None"
}

const contentAction = (remote: Side, base: Side, local: Side): ContentAction => {
  if (base === null) return newborn(remote, local)
  const action = table[changeOf(remote, base)][changeOf(local, base)]
  return action === "KeepBoth" && remote?.content === local?.content ? "Identical" : action
}

const placeAction = (remote: Side, base: Side, local: Side): PlaceAction => {
  if (remote === null || local === null || remote.place === local.place) return "None"
  return base !== null && local.place === base.place ? "MoveLocal" : "MoveRemote"
}

export const plan = (remote: Side, base: Side, local: Side): Plan => {
  const content = contentAction(remote, base, local)
  // Two items keep their two names.
  return { content, place: content === "KeepBoth" ? "None" : placeAction(remote, base, local) }
}
