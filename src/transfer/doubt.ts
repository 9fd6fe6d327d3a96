/** Questions about changes whose replies were lost, and which nothing but the fiber that sent them remembers. */
import { Effect, Schedule } from "effect"
import type { GraphError } from "../graph/GraphError.ts"
import type { Ino } from "../tree/Item.ts"
import type { Tree } from "../tree/Tree.ts"

/** Between two attempts, in milliseconds. */
const pause = 5_000

/** Nobody has the item here any more, and no delete at the server is on record: its journal is empty. */
export const isGone = (tree: Tree["Service"], ino: Ino): boolean => {
  const item = tree.get(ino)
  return item === undefined || (item.parent === null && item.remoteId === null)
}

const isOut = (error: GraphError): boolean => error.offline || error.reason._tag === "Unauthenticated"

/**
 * Asks what became of the creation of an item until the server answers: the item may be renamed or removed here
 * meanwhile, and then a later attempt would ask for another name, or nobody would ask. Of an item that is gone here a
 * failing server is asked on as well; otherwise its failure ends the attempt, and the next one asks again.
 */
export const askUntilHeard = <A>(
  tree: Tree["Service"],
  ino: Ino,
  question: Effect.Effect<A, GraphError>
): Effect.Effect<A, GraphError> =>
  Effect.retry(question, {
    while: (error) => isOut(error) || (error.transient && isGone(tree, ino)),
    schedule: Schedule.spaced(pause)
  })

/** Repeats what takes a creation back that nobody wants any more, until the server has an answer to it. */
export const untilAnswered = <A>(taking: Effect.Effect<A, GraphError>): Effect.Effect<A, GraphError> =>
  Effect.retry(taking, { while: (error) => isOut(error) || error.transient, schedule: Schedule.spaced(pause) })
