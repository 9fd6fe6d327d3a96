/**
 * Bearer tokens for Graph. The client asks for one per request and reports the one that a server refused; where tokens
 * come from (a file now, a sign-in later) is the layer's business.
 */
import { Clock, Context, Effect, FileSystem, Layer, Option, Redacted, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { GraphError, Unauthenticated } from "./GraphError.ts"

/** Time between two looks at a token file, in milliseconds: a request costs less than looking before each. */
const lookInterval = 1_000

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
   * or mtime; looked at once a second) and after a refusal, so that whoever renews it only has to replace the file.
   */
  static readonly layerFile = (path: string): Layer.Layer<Auth, never, FileSystem.FileSystem> =>
    Layer.effect(
      Auth,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        let current: { readonly stamp: string; readonly token: Redacted.Redacted<string> } | undefined
        /** Milliseconds since the epoch. */
        let lookedAt = 0
        let complained = ""

        const refuse = Effect.fnUntraced(function* ({ message }: TokenFileError) {
          if (message !== complained) {
            complained = message
            yield* Effect.logWarning(message)
          }
          return yield* new GraphError({
            operation: "auth",
            status: 0,
            requestId: "",
            reason: new Unauthenticated()
          })
        })

        const stampOf = fs.stat(path).pipe(
          Effect.mapError((error) => unreadable(path, error)),
          Effect.map((info) => {
            const mtime = Option.match(info.mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
            return `${Option.getOrElse(info.ino, () => 0n)}:${info.size}:${mtime}`
          })
        )

        const read = Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          if (current !== undefined && Math.abs(now - lookedAt) < lookInterval) return current.token
          const stamp = yield* stampOf
          lookedAt = now
          if (current?.stamp === stamp) return current.token
          const token = yield* readTokenFile(path)
          complained = ""
          current = { stamp, token }
          return token
        }).pipe(Effect.provideService(FileSystem.FileSystem, fs), Effect.catchTag("TokenFileError", refuse))

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

/** No token can be had from a file: it is missing, unreadable or holds something else. */
export class TokenFileError extends Schema.TaggedError<TokenFileError>()("TokenFileError", {
  path: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return (
      `no usable token in ${this.path}: ${this.problem}. Put a bearer token for Microsoft Graph there, ` +
      `as plain text or as JSON with "access_token"`
    )
  }
}

const unreadable = (path: string, error: PlatformError): TokenFileError => {
  const problems: Readonly<Record<string, string>> = {
    NotFound: "the file does not exist",
    PermissionDenied: "the file may not be read",
    BadResource: "it is not a file"
  }
  return new TokenFileError({ path, problem: problems[error.reason._tag] ?? error.message })
}

/** The token in a file as it is now. */
export const readTokenFile = Effect.fn("Auth.readTokenFile")(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(fs.readFileString(path), (error) => unreadable(path, error))
  const token = parseToken(text)
  if (token === undefined) return yield* new TokenFileError({ path, problem: "it holds no token" })
  return Redacted.make(token, { label: "bearer token" })
})

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
