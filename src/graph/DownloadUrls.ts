/**
 * Pre-authenticated download URLs, kept for a few minutes per item and content version, so that the many ranges of a
 * file cost one metadata call. The URL comes with the item's cTag, which is compared here: a URL is never handed out
 * for another version than the one asked for.
 */
import { Clock, Effect, Result } from "effect"
import { HttpClientRequest } from "effect/http"
import type { ItemId } from "./DriveItem.ts"
import { graphError } from "./failures.ts"
import { type GraphError, InvalidRequest, Malformed, PreconditionFailed } from "./GraphError.ts"
import { type DrivePaths, originOf } from "./paths.ts"
import type { Transport } from "./Transport.ts"
import { decodeDownloadable, type DownloadableItem } from "./wire.ts"

/** Pre-authenticated: a secret, never logged. */
export interface DownloadUrl {
  readonly url: string
  /** The item's size in bytes when the URL was handed out. */
  readonly size: number
}

/** PreconditionFailed when the item has another cTag by now; null accepts any. */
export interface DownloadUrls {
  /** `fresh` passes over what is kept, for when the transfer host refused it. */
  get(id: ItemId, cTag: string | null, fresh: boolean): Effect.Effect<DownloadUrl, GraphError>
}

const operation = "download"

export const makeDownloadUrls = (transport: Transport, paths: DrivePaths): DownloadUrls => {
  const { baseUrl, limits } = transport.config
  /** Insertion order is age: every entry lives equally long, so the first ones are the first to go. */
  const kept = new Map<string, DownloadUrl & { readonly until: number }>()

  const keep = (key: string, entry: DownloadUrl, now: number) => {
    kept.delete(key)
    kept.set(key, { ...entry, until: now + limits.downloadUrlLifetime })
    for (const [oldest, { until }] of kept) {
      if (kept.size <= limits.downloadUrlCapacity && until > now) break
      kept.delete(oldest)
    }
  }

  /** Content sent over plain HTTP by a server we talk to over TLS would be a downgrade. */
  const checkUrl = (url: string): Effect.Effect<string, GraphError> => {
    const origin = originOf(url)
    const downgraded = baseUrl.startsWith("https:") && origin?.startsWith("http:") === true
    return origin === undefined || downgraded
      ? graphError(operation, new Malformed({ detail: "the download URL is no absolute https URL" }))
      : Effect.succeed(url)
  }

  const redirectOf = (id: ItemId) =>
    transport.answer(
      {
        operation,
        kind: "read",
        request: HttpClientRequest.get(paths.content(id)),
        authorized: true,
        accepts: (status) => status === 302
      },
      ({ location }) => (location === null ? Result.fail("302 without a Location") : Result.succeed(location))
    )

  const lookUp = Effect.fnUntraced(function* (id: ItemId, cTag: string | null) {
    const request = HttpClientRequest.get(paths.item(id), { acceptJson: true })
    const found: DownloadableItem = yield* transport.call(
      { operation, kind: "read", request, authorized: true },
      decodeDownloadable
    )
    if (found.item.kind !== "file") {
      return yield* graphError(operation, new InvalidRequest({ code: "notAFile", detail: "the item has no content" }))
    }
    if (cTag !== null && found.item.cTag !== null && found.item.cTag !== cTag) {
      return yield* graphError(operation, new PreconditionFailed())
    }
    const url = yield* checkUrl(found.downloadUrl ?? (yield* redirectOf(id)))
    return { url, size: found.item.size }
  })

  return {
    get: Effect.fnUntraced(function* (id, cTag, fresh) {
      // Without a version there is nothing that would tell an old URL from a current one.
      if (cTag === null) return yield* lookUp(id, cTag)
      const key = `${id}\n${cTag}`
      const before = yield* Clock.currentTimeMillis
      const known = kept.get(key)
      if (!fresh && known !== undefined && known.until > before) return known
      kept.delete(key)
      const found = yield* lookUp(id, cTag)
      keep(key, found, yield* Clock.currentTimeMillis)
      return found
    })
  }
}
