/**
 * Bearer and refresh tokens: the owner's from DIR/token, which serves as either and never expires, and those issued
 * since. Issued tokens are stored as digests only.
 */
import { randomBytes } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { type ApiError, attempt } from "./ApiError.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { DriveStore, secretEquals, sha256 } from "./DriveStore.ts"

const digest = (text: string): string => sha256(text).toString("hex")

/** What a sign-in or refresh gives out. */
export interface TokenGrant {
  readonly accessToken: string
  /** Undefined for a grant that cannot be renewed. */
  readonly refreshToken: string | undefined
  /** Seconds until the access token expires. */
  readonly expiresIn: number
}

export class DriveTokens extends Context.Service<
  DriveTokens,
  {
    /** The owner's token; never expires. */
    readonly token: string
    /** A further token; works until `revoke`, also after a restart. */
    readonly issue: Effect.Effect<string, ApiError>
    revoke(token: string): Effect.Effect<void, ApiError>
    /**
     * New tokens, as after a sign-in or a refresh; a refresh token only when the grant is renewable. Those issued before
     * stay valid. Throws what SQLite throws.
     */
    grant(now: number, isRenewable: boolean): TokenGrant
    /** Synchronous, throws what SQLite throws: call it inside `attempt`. */
    isValid(token: string, now: number): boolean
    isRefreshToken(token: string, now: number): boolean
  }
>()("onemount/graph-server/DriveTokens") {
  static readonly layer = Layer.effect(
    DriveTokens,
    Effect.gen(function* () {
      return makeTokens(yield* DriveStore, yield* DriveSettings)
    })
  )
}

const newToken = (): string => randomBytes(24).toString("base64url")

const makeTokens = ({ db, token }: DriveStore["Service"], settings: DriveSettings): DriveTokens["Service"] => {
  const insert = db.prepare("INSERT INTO tokens (digest, kind, expires) VALUES (?, ?, ?)")
  const remove = db.prepare("DELETE FROM tokens WHERE digest = ?")
  const expire = db.prepare("DELETE FROM tokens WHERE expires <= ?")
  const known = db.prepare("SELECT 1 FROM tokens WHERE digest = ? AND kind = ? AND (expires IS NULL OR expires > ?)")
  const isKnown = (text: string, kind: "access" | "refresh", now: number): boolean =>
    secretEquals(text, token) || known.get(digest(text), kind, now) !== undefined

  return DriveTokens.of({
    token,
    issue: attempt(() => {
      const issued = newToken()
      insert.run(digest(issued), "access", null)
      return issued
    }),
    revoke: (text) => Effect.asVoid(attempt(() => remove.run(digest(text)))),
    grant: (now, isRenewable) =>
      db.transaction(() => {
        const accessToken = newToken()
        const refreshToken = isRenewable ? newToken() : undefined
        expire.run(now)
        insert.run(digest(accessToken), "access", now + settings.accessTokenLifetime)
        if (refreshToken !== undefined) {
          insert.run(digest(refreshToken), "refresh", now + settings.refreshTokenLifetime)
        }
        return { accessToken, refreshToken, expiresIn: Math.floor(settings.accessTokenLifetime / 1000) }
      }),
    isValid: (text, now) => isKnown(text, "access", now),
    isRefreshToken: (text, now) => isKnown(text, "refresh", now)
  })
}
