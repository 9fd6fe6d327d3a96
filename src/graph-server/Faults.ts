/**
 * Faults on purpose: tests say which requests shall go wrong, and how. A fault waits for a request that matches, is used
 * up after `times` of them, and the first fault that was injected goes first.
 */
import { Context, Deferred, type Duration, Effect, Layer } from "effect"
import type { DriveRequest, HeaderRecord, Quirks } from "./Exchange.ts"
import { type FragmentRange, parseFragmentRange } from "./FragmentRange.ts"
import { Weather } from "./Weather.ts"

export type PageEdit =
  | "repeat"
  | "empty"
  | "reverse"
  | "lose"
  | "noPath"
  | "noEmptyHash"
  | "noCTag"
  | "noDescendants"
  | "oldLink"
  | "brokenLink"
  | "twoRanges"
  | "driveIdCase"
  | "driveIdShort"

/** What goes wrong. */
export type FaultAction =
  /** Answers without doing anything. A body that is no string is sent as JSON. */
  | {
      readonly _tag: "Respond"
      readonly status: number
      readonly headers?: HeaderRecord
      readonly body?: string | Readonly<Record<string, unknown>>
    }
  /** Answers with the HTML page of a gateway, without doing anything. */
  | { readonly _tag: "Html"; readonly status: number }
  /** Cuts the connection before anything is done. */
  | { readonly _tag: "Refuse" }
  /** Does what was asked and cuts the connection before the reply. */
  | { readonly _tag: "DropReply" }
  /** Cuts the connection after `bytes` bytes of the reply's body. */
  | { readonly _tag: "CutBody"; readonly bytes: number }
  /** Flips all bits of the byte at `offset` of the reply's body. */
  | { readonly _tag: "CorruptByte"; readonly offset: number }
  /** Does what was asked and answers with this instead, as a gateway's HTML page. */
  | { readonly _tag: "RespondAfter"; readonly status: number }
  /** Answers as if the request had no Range. */
  | { readonly _tag: "IgnoreRange" }
  /**
   * Changes a JSON page: `repeat` shows its first item but the root again at the end, `empty` shows nothing and links to
   * the same page, `reverse` turns the order round, `lose` leaves out the last item, `noPath` and `noCTag` leave out
   * properties, `noEmptyHash` the hashes of empty files, `noDescendants` what was deleted with the folder it was in;
   * `oldLink` gives the link that was asked for as the next one, `brokenLink` one with a token that is none, `twoRanges`
   * splits what an upload session expects next, `driveIdCase` and `driveIdShort` write the drive's id in other ways.
   */
  | { readonly _tag: "EditPage"; readonly edit: PageEdit }
  /** Changes what the drive does with this one request. */
  | { readonly _tag: "Quirk"; readonly quirks: Quirks }
  /** The request's body ends after `bytes` bytes, and the connection with it; the drive keeps what arrived. */
  | { readonly _tag: "TruncateBody"; readonly bytes: number }
  /** Does what was asked; the item in the reply has another eTag right after it. */
  | { readonly _tag: "BumpTag" }
  /** A push is sent twice. */
  | { readonly _tag: "Repeat" }
  /** Goes on after a while. */
  | { readonly _tag: "Delay"; readonly duration: Duration.Input }
  /** Goes on when the fault is released. */
  | { readonly _tag: "Hang" }

/** Which requests shall go wrong, and how. */
export interface Fault {
  /** What the request log calls it; default the tag of its action. */
  readonly name?: string
  /** Upper case, one or several; any method when absent. */
  readonly method?: string | ReadonlyArray<string>
  /** Looks at the raw path with its query; any path when absent. */
  readonly matches?: RegExp | ((url: string) => boolean)
  /** Of upload fragments, only those for which this holds. */
  readonly fragment?: (range: FragmentRange) => boolean
  /** Only parts of a batch. */
  readonly onlyParts?: boolean
  /** How many requests it befalls. Default 1. */
  readonly times?: number
  /** How many matching requests it lets pass before. Default 0. */
  readonly skip?: number
  /** The share of matching requests it befalls, from 0 to 1, drawn from the drive's seed. Default 1. */
  readonly rate?: number
  readonly action: FaultAction
}

/** A fault at work. */
export interface InjectedFault {
  /** Requests it has befallen so far. */
  readonly hits: Effect.Effect<number>
  /** Succeeds with the first request it befalls. */
  readonly firstHit: Effect.Effect<void>
  /** Lets hanging requests go on, now and in future. */
  readonly release: Effect.Effect<void>
  /** Takes back what is left of it, and releases. */
  readonly cancel: Effect.Effect<void>
}

/** A fault that befalls one request. `released` is what `Hang` waits for. */
export interface FaultHit {
  readonly name: string
  readonly action: FaultAction
  readonly released: Effect.Effect<void>
}

export class Faults extends Context.Service<
  Faults,
  {
    inject(fault: Fault): Effect.Effect<InjectedFault>
    /** Cancels all of them. */
    readonly clear: Effect.Effect<void>
    /** The fault for this request, counted as used. */
    take(request: DriveRequest): FaultHit | undefined
  }
>()("onemount/graph-server/Faults") {
  static readonly layer = Layer.effect(
    Faults,
    Effect.map(Weather, ({ random }) => makeFaults(random))
  )
}

interface Armed {
  readonly fault: Fault
  left: number
  skip: number
  hits: number
  readonly hit: Deferred.Deferred<void>
  readonly gate: Deferred.Deferred<void>
}

const hasMethod = ({ method }: Fault, request: DriveRequest): boolean =>
  method === undefined || (typeof method === "string" ? method === request.method : method.includes(request.method))

const hasFragment = ({ fragment }: Fault, { headers }: DriveRequest): boolean => {
  const range = fragment === undefined ? undefined : parseFragmentRange(headers["content-range"])
  return range === undefined || fragment === undefined || fragment(range)
}

const applies = ({ fault, left }: Armed, request: DriveRequest): boolean => {
  if (left === 0 || !hasMethod(fault, request) || !hasFragment(fault, request)) return false
  if (fault.onlyParts === true && request.isPart !== true) return false
  // Pushes are no requests: only what is made for them befalls them.
  if (request.method === "PUSH" && fault.method !== "PUSH") return false
  if (fault.matches === undefined) return true
  return typeof fault.matches === "function" ? fault.matches(request.url) : fault.matches.test(request.url)
}

const makeFaults = (random: () => number): Faults["Service"] => {
  const armed = new Set<Armed>()
  const cancel = (entry: Armed) =>
    Effect.sync(() => {
      entry.left = 0
      armed.delete(entry)
      Deferred.doneUnsafe(entry.gate, Effect.void)
    })
  return Faults.of({
    inject: (fault) =>
      Effect.sync(() => {
        const entry: Armed = {
          fault,
          left: fault.times ?? 1,
          skip: fault.skip ?? 0,
          hits: 0,
          hit: Deferred.makeUnsafe<void>(),
          gate: Deferred.makeUnsafe<void>()
        }
        armed.add(entry)
        return {
          hits: Effect.sync(() => entry.hits),
          firstHit: Deferred.await(entry.hit),
          release: Effect.asVoid(Deferred.succeed(entry.gate, undefined)),
          cancel: cancel(entry)
        }
      }),
    clear: Effect.suspend(() => Effect.forEach([...armed], cancel, { discard: true })),
    take: (request) => {
      for (const entry of armed) {
        if (!applies(entry, request) || entry.skip-- > 0) continue
        if (entry.fault.rate !== undefined && random() >= entry.fault.rate) continue
        entry.left--
        entry.hits++
        if (entry.left === 0) armed.delete(entry)
        Deferred.doneUnsafe(entry.hit, Effect.void)
        const { action, name = action._tag } = entry.fault
        return { name, action, released: Deferred.await(entry.gate) }
      }
      return undefined
    }
  })
}
