/** The tree service over the mount's database: reads as they are, every mutation one transaction. */
import { Clock, Effect, Option, PubSub, Queue, Semaphore } from "effect"
import { Events } from "../events/Events.ts"
import { fromCause } from "../platform/SqliteError.ts"
import type { Database } from "../platform/Sqlite.ts"
import { makeRemoteApplier } from "./applyPage.ts"
import { makeBodyTable } from "./BodyTable.ts"
import { resolveConflict } from "./conflictOutcomes.ts"
import { HostName } from "./conflictName.ts"
import { makeCursorTable } from "./CursorTable.ts"
import { makeFlushToDisk } from "./flushToDisk.ts"
import { rootIno } from "./Item.ts"
import type { ItemTable } from "./ItemTable.ts"
import { milliseconds } from "./journalAlgebra.ts"
import { makeJournalTable } from "./JournalTable.ts"
import * as Local from "./localChanges.ts"
import { MountDatabase } from "./MountDatabase.ts"
import * as Push from "./pushOutcomes.ts"
import { applyRemote } from "./remoteItem.ts"
import { beginDeletion, finishRemoval } from "./remoteRemoval.ts"
import { exchange, rename } from "./rename.ts"
import { newTx, purge, type TreeState, type Tx } from "./settle.ts"
import type { Tree, TreeChange } from "./Tree.ts"
import { TreeError } from "./TreeError.ts"
import { makeQueries } from "./treeQueries.ts"
import { makeXattrTable } from "./XattrTable.ts"

/** Batches of changes a subscriber may lag behind before publishing waits for it. */
const changesCapacity = 1_024

export const makeTree = Effect.gen(function* () {
  const { db, items: table } = yield* MountDatabase
  const events = yield* Events
  const state = makeState(db, table, yield* HostName)
  const { items, journal, cursor, xattrs } = state
  const queries = makeQueries(state)
  const changes = yield* PubSub.bounded<ReadonlyArray<TreeChange>>(changesCapacity)
  const work = yield* Queue.sliding<void>(1)
  const flushToDisk = yield* makeFlushToDisk(db)
  const onePage = yield* Semaphore.make(1)

  /** What a committed transaction has to tell; not interruptible, or the kernel would never hear of it. */
  const announce = Effect.fnUntraced(function* (tx: Tx) {
    if (tx.work) Queue.offerUnsafe(work, undefined)
    if (tx.changes.length > 0) yield* PubSub.publish(changes, tx.changes)
    for (const { ino, was, detail } of tx.conflicts) {
      const copy = queries.path(ino) ?? null
      const path = copy === null ? was : copy.slice(0, copy.lastIndexOf("/") + 1) + was
      yield* events.publish({ _tag: "Conflict", path, copy, detail })
    }
  })

  const transactAt = <A>(now: number, f: (tx: Tx) => A): Effect.Effect<A, TreeError> =>
    Effect.uninterruptible(Effect.flatMap(commit(state, now, f), ({ value, tx }) => Effect.as(announce(tx), value)))
  const transact = <A>(f: (tx: Tx) => A): Effect.Effect<A, TreeError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => transactAt(now, f))

  let lastLocalChange = Number.NEGATIVE_INFINITY
  const changeAt = <A>(now: number, f: (tx: Tx) => A): Effect.Effect<A, TreeError> =>
    Effect.suspend(() => {
      lastLocalChange = now
      return transactAt(now, f)
    })
  const change = <A>(f: (tx: Tx) => A): Effect.Effect<A, TreeError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => changeAt(now, f))

  yield* purgeLeftovers(state, transact)
  const remote = makeRemoteApplier(state, transact)

  const reads: Pick<Tree["Service"], Reads> = {
    get: items.get,
    child: items.child,
    children: items.children,
    hasChildren: items.hasChildren,
    subdirectories: items.subdirectories,
    byRemoteId: items.byRemoteId,
    counts: journal.counts,
    cursor: cursor.read,
    intents: journal.intents,
    summary: journal.summary,
    parkedReasons: journal.parkedReasons,
    shadow: journal.shadow,
    readyIntents: journal.ready,
    pendingDeletes: journal.pendingDeletes,
    nextDue: journal.nextDue,
    isLeft: journal.isLeft,
    lastLocalChange: () => lastLocalChange,
    upload: journal.upload,
    strays: journal.strays,
    getXattr: xattrs.get,
    listXattrs: xattrs.list,
    ...queries
  }

  const local: Pick<Tree["Service"], LocalChanges> = {
    create: (parent, options) => changeAt(milliseconds(options.now), (tx) => Local.create(state, tx, parent, options)),
    setAttributes: (ino, change) =>
      changeAt(milliseconds(change.now), (tx) => Local.setAttributes(state, tx, ino, change)),
    remove: (ino, now) => changeAt(milliseconds(now), (tx) => Local.remove(state, tx, ino, now)),
    rename: (ino, to) => changeAt(milliseconds(to.now), (tx) => Option.fromNullishOr(rename(state, tx, ino, to))),
    exchange: (a, b, now) => changeAt(milliseconds(now), (tx) => exchange(state, tx, a, b, now)),
    beginEdit: (ino, content) => change(() => Local.beginEdit(state, ino, content)),
    endEdit: (ino, content) => transact((tx) => Local.endEdit(state, tx, ino, content)),
    commitContent: (ino, body, timing) =>
      changeAt(timing.now, (tx) => Local.commitContent(state, tx, ino, body, timing)),
    forget: (ino) => transact(() => Local.forget(state, ino)),
    setXattr: (ino, name, value, now) =>
      transact((tx) => {
        Local.setAttributes(state, tx, ino, { now })
        xattrs.set(ino, name, value)
      }),
    removeXattr: (ino, name, now) =>
      transact((tx) => {
        const removed = xattrs.remove(ino, name)
        if (removed) Local.setAttributes(state, tx, ino, { now })
        return removed
      }),
    flushToDisk
  }

  const pushed: Pick<Tree["Service"], Pushed> = {
    expedite: (ino) =>
      transact((tx) => {
        tx.work = true
        if (ino === rootIno) return journal.allDueAt(tx.now)
        for (const intent of queries.intentsBelow(ino)) {
          if (!intent.parked && intent.notBefore > tx.now) journal.dueAt(intent.ino, intent.kind, tx.now)
        }
      }),
    confirm: (ino, kind, generation, answer) =>
      transact((tx) => {
        Push.confirm(state, tx, ino, kind, generation, answer)
        tx.work = true
      }),
    postpone: (ino, kind, notBefore, error) =>
      transact((tx) => {
        tx.work = journal.failed(ino, kind, notBefore, error, false)
      }),
    park: (ino, kind, error) => transact((tx) => void journal.failed(ino, kind, tx.now, error, true)),
    unpark: (ino) =>
      transact((tx) => {
        journal.unpark(ino)
        tx.work = true
      }),
    resolveConflict: (ino, outcome) => transact((tx) => resolveConflict(state, tx, ino, outcome)),
    saveUpload: (progress) => transact(() => journal.saveUpload(progress)),
    dropUpload: (ino) => transact(() => journal.dropUpload(ino))
  }

  return {
    ...reads,
    ...local,
    ...pushed,
    applyPage: (page) => onePage.withPermit(remote.page(page)),
    beginEnumeration: transact(() => cursor.begin()),
    applyChildren: remote.children,
    applyItem: remote.item,
    changes,
    work
  } satisfies Tree["Service"]
})

type Reads =
  | "get"
  | "child"
  | "children"
  | "hasChildren"
  | "subdirectories"
  | "byRemoteId"
  | "path"
  | "resolve"
  | "isComplete"
  | "counts"
  | "cursor"
  | "intents"
  | "summary"
  | "parkedReasons"
  | "shadow"
  | "readyIntents"
  | "intentsBelow"
  | "pendingDeletes"
  | "nextDue"
  | "isLeft"
  | "lastLocalChange"
  | "remoteHolder"
  | "upload"
  | "strays"
  | "getXattr"
  | "listXattrs"
type LocalChanges =
  | "create"
  | "setAttributes"
  | "remove"
  | "rename"
  | "exchange"
  | "beginEdit"
  | "endEdit"
  | "commitContent"
  | "forget"
  | "setXattr"
  | "removeXattr"
  | "flushToDisk"
type Pushed = "expedite" | "confirm" | "postpone" | "park" | "unpark" | "resolveConflict" | "saveUpload" | "dropUpload"

const makeState = (db: Database, items: ItemTable, host: string): TreeState => ({
  db,
  host,
  items,
  journal: makeJournalTable(db, items),
  bodies: makeBodyTable(db),
  cursor: makeCursorTable(db),
  xattrs: makeXattrTable(db)
})

/** One transaction; a refusal (TreeError) or a fault of the database rolls all of it back. */
const commit = <A>(
  state: TreeState,
  now: number,
  f: (tx: Tx) => A
): Effect.Effect<{ readonly value: A; readonly tx: Tx }, TreeError> =>
  Effect.suspend(() => {
    const tx = newTx(now)
    try {
      const value = state.db.transaction(() => {
        const result = f(tx)
        applyWaitingShadows(state, tx)
        return result
      })
      return Effect.succeed({ value, tx })
    } catch (cause) {
      return cause instanceof TreeError ? Effect.fail(cause) : fault(state.db, cause)
    }
  })

const fault = (db: Database, cause: unknown): Effect.Effect<never, TreeError> => {
  const error = fromCause(db.path, cause)
  if (error === undefined) return Effect.die(cause)
  return Effect.fail(new TreeError({ reason: error.reason === "Full" ? "NoSpace" : "Storage", detail: error.message }))
}

/** Items without a change of their own any more become what the server said meanwhile. */
const applyWaitingShadows = (state: TreeState, tx: Tx): void => {
  for (let ino = tx.cleaned.pop(); ino !== undefined; ino = tx.cleaned.pop()) {
    const shadow = state.journal.shadow(ino)
    if (shadow === undefined || state.journal.has(ino)) continue
    state.journal.dropShadow(ino)
    if (!shadow.deleted) applyRemote(state, tx, shadow)
    else {
      const removal = beginDeletion(state, tx, shadow)
      if (removal !== undefined) finishRemoval(state, tx, removal)
    }
  }
}

/** At a start nobody holds a handle: detached rows that have nothing to tell the server go. */
const purgeLeftovers = Effect.fnUntraced(function* (
  state: TreeState,
  transact: <A>(f: (tx: Tx) => A) => Effect.Effect<A, TreeError>
) {
  const { items } = state
  const purgeSome = transact(() => {
    const leftovers = items.leftovers(200)
    for (const row of leftovers) purge(state, row.ino)
    return leftovers.length
  })
  while ((yield* purgeSome) > 0) yield* Effect.yieldNow
  yield* transact(() => items.forgetDetached())
})
