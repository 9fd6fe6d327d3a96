/** Bearer tokens: the owner's from DIR/token, and those issued since. Issued tokens are stored as digests only. */
import { randomBytes } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { type ApiError, attempt } from "./ApiError.ts"
import { DriveStore, secretEquals, sha256 } from "./DriveStore.ts"

const digest = (text: string): string => sha256(text).toString("hex")

export class DriveTokens extends Context.Service<
  DriveTokens,
  {
    /** The owner's token; never expires. */
    readonly token: string
    /** A further token; works until `revoke`, also after a restart. */
    readonly issue: Effect.Effect<string, ApiError>
    revoke(token: string): Effect.Effect<void, ApiError>
    /** Synchronous, throws what SQLite throws: call it inside `attempt`. */
    isValid(token: string): boolean
  }
>()("onemount/graph-server/DriveTokens") {
  static readonly layer = Layer.effect(
    DriveTokens,
    Effect.map(DriveStore, ({ db, token }) => {
      const insert = db.prepare("INSERT INTO tokens VALUES (?)")
      const remove = db.prepare("DELETE FROM tokens WHERE digest = ?")
      const known = db.prepare("SELECT 1 FROM tokens WHERE digest = ?")
      return DriveTokens.of({
        token,
        issue: Effect.suspend(() => {
          const issued = randomBytes(24).toString("base64url")
          return Effect.as(
            attempt(() => insert.run(digest(issued))),
            issued
          )
        }),
        revoke: (text) => Effect.asVoid(attempt(() => remove.run(digest(text)))),
        isValid: (text) => secretEquals(text, token) || known.get(digest(text)) !== undefined
      })
    })
  )
}
