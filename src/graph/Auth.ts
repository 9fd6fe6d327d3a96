/**
 * Bearer tokens for Graph. The client asks for one per request and reports the one that a server refused; where tokens
 * come from (a file now, a sign-in later) is the layer's business.
 */
import { Context, Effect, FileSystem, Layer, Option, Redacted, Schema } from "effect"
import { GraphError, Unauthenticated } from "./GraphError.ts"

export class Auth extends Context.Service<
  Auth,
  {
    /** The token to use now. Fails with Unauthenticated when there is none. */
    readonly token: Effect.Effect<Redacted.Redacted<string>, GraphError>
    /** The server refused `rejected`: the next `token` looks for a newer one. Without effect when it was replaced. */
    invalidate(rejected: Redacted.Redacted<string>): Effect.Effect<void>
  }
>()("onemount/graph/Auth") {
  static readonly layerToken = (token: Redacted.Redacted<string>): Layer.Layer<Auth> =>
    Layer.succeed(Auth, Auth.of({ token: Effect.succeed(token), invalidate: () => Effect.void }))

  /**
   * Token from a file: the bare token, or JSON with `access_token`. Read again when the file changes (identity, size
   * or mtime) and after a refusal, so that whoever renews it only has to replace the file.
   */
  static readonly layerFile = (path: string): Layer.Layer<Auth, never, FileSystem.FileSystem> =>
    Layer.effect(
      Auth,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        let current: { readonly stamp: string; readonly token: Redacted.Redacted<string> } | undefined
        let complained = ""

        const refuse = Effect.fnUntraced(function* (problem: string) {
          if (problem !== complained) {
            complained = problem
            yield* Effect.logWarning(
              `No usable token in ${path}: ${problem}. Put a bearer token for Microsoft Graph there, ` +
                `as plain text or as JSON with "access_token".`
            )
          }
          return yield* new GraphError({
            operation: "auth",
            status: 0,
            requestId: "",
            reason: new Unauthenticated()
          })
        })

        const stampOf = fs.stat(path).pipe(
          Effect.map((info) => {
            const mtime = Option.match(info.mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
            return `${Option.getOrElse(info.ino, () => 0n)}:${info.size}:${mtime}`
          })
        )

        const read = Effect.gen(function* () {
          const stamp = yield* stampOf
          if (current?.stamp === stamp) return current.token
          const text = yield* fs.readFileString(path)
          const token = parseToken(text)
          if (token === undefined) return yield* refuse("it holds no token")
          complained = ""
          current = { stamp, token: Redacted.make(token, { label: "bearer token" }) }
          return current.token
        }).pipe(
          Effect.catchTag("PlatformError", (error) =>
            refuse(error.reason._tag === "NotFound" ? "the file does not exist" : error.message)
          )
        )

        return Auth.of({
          token: read,
          invalidate: (rejected) =>
            Effect.sync(() => {
              if (current !== undefined && Redacted.value(current.token) === Redacted.value(rejected)) {
                current = undefined
              }
            })
        })
      })
    )
}

const TokenFile = Schema.fromJsonString(Schema.Struct({ access_token: Schema.String }))
const decodeTokenFile = Schema.decodeUnknownOption(TokenFile)

/** A header value: visible ASCII only (RFC 6750 b64token is narrower still), so that a wrong file cannot split a header. */
const parseToken = (text: string): string | undefined => {
  const trimmed = text.trim()
  const token = trimmed.startsWith("{")
    ? Option.getOrUndefined(Option.map(decodeTokenFile(trimmed), (file) => file.access_token.trim()))
    : trimmed
  return token !== undefined && /^[\x21-\x7e]+$/.test(token) ? token : undefined
}
