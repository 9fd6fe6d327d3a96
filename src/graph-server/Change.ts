/** The words in which a change of the drive is asked for. Times are milliseconds since the epoch. */

/** What to do when another item holds the name: @microsoft.graph.conflictBehavior. */
export type ConflictBehavior = "fail" | "rename" | "replace"

/** fileSystemInfo, the times that clients may set. */
export interface ItemTimes {
  readonly created?: number | undefined
  readonly modified?: number | undefined
}

/** Headers If-Match and If-None-Match as sent. */
export interface Conditions {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
}

/**
 * Where content goes: into an item, or under a name in a folder. `folders` are to be made on the way there, from
 * `parent` down; they come into being with the content.
 */
export type ContentTarget =
  | { readonly item: number }
  | { readonly parent: number; readonly folders?: ReadonlyArray<string>; readonly name: string }

/** When and how a change is made. */
export interface Change {
  readonly now: number
  readonly conflict: ConflictBehavior
  readonly times?: ItemTimes
  readonly conditions?: Conditions
}

/** Where an item is to be; what is left out stays. `parent` is the number of a folder. */
export interface ItemPatch {
  readonly name?: string | undefined
  readonly parent?: number | undefined
  /** Null takes it away. */
  readonly description?: string | null | undefined
}

/** What an operation that may find what it was to make has made or found. */
export interface Made<Item> {
  readonly item: Item
  readonly created: boolean
}
