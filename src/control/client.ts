/**
 * Calls a running mount over its socket. Every call has a limit: a daemon that does not answer is an error, not a
 * reason to hang.
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Effect, Layer, Schema, type Scope, type Stream } from "effect"
import { RpcClient, RpcSerialization } from "effect/rpc"
import { RpcClientError } from "effect/rpc/RpcClientError"
import { type ControlError, ControlRpcs, type Event, type Status, type Unsynced } from "./protocol.ts"
import type { Entry } from "./registry.ts"

/** A running mount that could not be asked. */
export class DaemonError extends Schema.TaggedError<DaemonError>()("DaemonError", {
  /** `Unreachable`: the connection failed. `Silent`: no answer within the limit. */
  reason: Schema.Literals(["Unreachable", "Silent"]),
  message: Schema.String
}) {}

/** Longest wait for an answer that needs no network, in milliseconds. */
const answerLimit = 5000

/** The calls of `ControlRpcs`; those with one answer have a limit. */
export interface Client {
  readonly status: Effect.Effect<Status, DaemonError>
  /** `timeout` in milliseconds; see protocol. */
  sync(request: {
    readonly path: string
    readonly wait: boolean
    readonly timeout: number
    readonly allowDeletes: boolean
  }): Effect.Effect<ReadonlyArray<Unsynced>, DaemonError | ControlError>
  unmount(force: boolean): Effect.Effect<void, DaemonError>
  readonly events: Stream.Stream<Event, RpcClientError>
}

/** One connection for the life of the scope. */
export const connect = Effect.fn("control.connect")(function* (
  entry: Entry
): Effect.fn.Return<Client, DaemonError, Scope.Scope> {
  const protocol = RpcClient.layerProtocolSocket().pipe(
    Layer.provide([NodeSocket.layerNet({ path: entry.socket }), RpcSerialization.layerNdjson])
  )
  const context = yield* Layer.build(protocol).pipe(Effect.mapError((error) => unreachable(entry, error.message)))
  const rpc = yield* RpcClient.make(ControlRpcs, { disableTracing: true }).pipe(Effect.provideContext(context))

  const limited =
    (limit: number) =>
    <A, E>(call: Effect.Effect<A, E | RpcClientError>): Effect.Effect<A, Exclude<E, RpcClientError> | DaemonError> =>
      call.pipe(
        Effect.mapError((error) =>
          error instanceof RpcClientError ? unreachable(entry, error.message) : (error as Exclude<E, RpcClientError>)
        ),
        Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(silent(entry, limit)) })
      )

  return {
    status: limited(answerLimit)(rpc.Status()),
    sync: (request) => limited(request.timeout + answerLimit)(rpc.Sync(request)),
    unmount: (force) => limited(answerLimit)(rpc.Unmount({ force })),
    events: rpc.Events()
  }
})

const who = (entry: Entry): string => `the daemon of ${entry.mountpoint} (process ${entry.pid})`

const unreachable = (entry: Entry, detail: string): DaemonError =>
  new DaemonError({ reason: "Unreachable", message: `${who(entry)} cannot be reached: ${detail}` })

const silent = (entry: Entry, limit: number): DaemonError =>
  new DaemonError({
    reason: "Silent",
    message:
      `${who(entry)} did not answer within ${limit / 1000} s. ` +
      `See its log; \`kill ${entry.pid}\` ends it in order, a second time at once.`
  })
