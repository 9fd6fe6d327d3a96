/** Replies that scripted faults make or spoil. */
import { Effect, Stream } from "effect"
import { empty, json } from "./Call.ts"
import { ConnectionCut, type DriveResponse } from "./Exchange.ts"
import type { Json } from "./DriveItemShape.ts"
import type { FaultAction } from "./Faults.ts"

type ActionOf<Tag extends FaultAction["_tag"]> = Extract<FaultAction, { readonly _tag: Tag }>

/** A Location that starts with "/" becomes absolute under the host that the client knows. */
export const faultReply = (action: ActionOf<"Respond" | "Html">, origin: string): DriveResponse => {
  if (action._tag === "Html") {
    const page = `<html><head><title>${action.status}</title></head><body><h1>${action.status} Our services aren't available right now</h1></body></html>`
    return { status: action.status, headers: { "content-type": "text/html" }, body: Buffer.from(page) }
  }
  const { status, body, headers: given = {} } = action
  const location = given["location"]?.replace(/^\//, `${origin}/`)
  const headers = location === undefined ? given : { ...given, location }
  if (body === undefined) return empty(status, headers)
  if (typeof body !== "string") return json(status, body, headers)
  return { status, headers, body: Buffer.from(body) }
}

/** Only whole JSON replies are changed; others go through as they are. */
export const editPage = (response: DriveResponse, { edit }: ActionOf<"EditPage">, url: string): DriveResponse => {
  const { body, headers, status } = response
  if (status >= 300 || !(body instanceof Uint8Array)) return response
  if (headers["content-type"]?.startsWith("application/json") !== true) return response
  const page = JSON.parse(Buffer.from(body).toString("utf8")) as Json
  return json(status, edits[edit](page, url), headers)
}

type Edit = ActionOf<"EditPage">["edit"]

const fragmentUnit = 320 * 1024

const listOf = (page: Json): ReadonlyArray<Json> => (Array.isArray(page["value"]) ? (page["value"] as Array<Json>) : [])

const everywhere = (page: Json, change: (item: Json) => Json): Json =>
  "value" in page ? { ...page, value: listOf(page).map(change) } : change(page)

/** Every string of the page that holds the id, in any of its places. */
const respellId = (page: Json, change: (id: string) => string): Json => {
  const text = JSON.stringify(page)
  const id = /"driveId":"([^"]+)"/.exec(text)?.[1]
  return id === undefined ? page : (JSON.parse(text.replaceAll(`"${id}"`, `"${change(id)}"`)) as Json)
}

const edits: Readonly<Record<Edit, (page: Json, url: string) => Json>> = {
  repeat: (page) => {
    const items = listOf(page)
    return { ...page, value: [...items, ...items.filter((item) => !("root" in item)).slice(0, 1)] }
  },
  empty: (page, url) => {
    const { "@odata.deltaLink": _, ...rest } = page
    return { ...rest, "@odata.nextLink": url, value: [] }
  },
  reverse: (page) => ({ ...page, value: listOf(page).toReversed() }),
  lose: (page) => ({ ...page, value: listOf(page).slice(0, -1) }),
  noPath: (page) =>
    everywhere(page, (item) => {
      const { path: _, ...parentReference } = (item["parentReference"] ?? {}) as Json
      return { ...item, parentReference }
    }),
  noCTag: (page) =>
    everywhere(page, (item) => {
      const { cTag: _, ...rest } = item
      return rest
    }),
  noDescendants: (page) => {
    const gone = new Set(listOf(page).flatMap((item) => ("deleted" in item ? [item["id"]] : [])))
    const isBelow = (item: Json) => "deleted" in item && gone.has(((item["parentReference"] ?? {}) as Json)["id"])
    return { ...page, value: listOf(page).filter((item) => !isBelow(item)) }
  },
  twoRanges: (page) => {
    const [next] = Array.isArray(page["nextExpectedRanges"]) ? (page["nextExpectedRanges"] as Array<string>) : []
    const start = Number.parseInt(next ?? "", 10)
    if (Number.isNaN(start)) return page
    const middle = start + fragmentUnit
    return { ...page, nextExpectedRanges: [`${start}-${middle - 1}`, `${middle}-`] }
  },
  driveIdCase: (page) => respellId(page, (id) => (id.startsWith("b!") ? id : id.toUpperCase())),
  driveIdShort: (page) => respellId(page, (id) => id.replace(/^0+/, "")),
  oldLink: (page, url) => ("@odata.deltaLink" in page ? { ...page, "@odata.deltaLink": url } : page),
  brokenLink: (page) => {
    const link = page["@odata.deltaLink"]
    return typeof link === "string"
      ? { ...page, "@odata.deltaLink": link.replace(/token=[^&]*/, "token=broken") }
      : page
  },
  noEmptyHash: (page) =>
    everywhere(page, (item) =>
      "file" in item && item["size"] === 0 ? { ...item, file: { ...(item["file"] as Json), hashes: {} } } : item
    )
}

/** The body as it is when the connection breaks after `bytes` bytes of it. */
export const truncate = (body: Stream.Stream<Uint8Array, unknown>, bytes: number): Stream.Stream<Uint8Array, unknown> =>
  cutAfter(Stream.orDie(body), bytes)

/** The promised length stays, so that a client can notice what is missing. */
export const spoilBody = (response: DriveResponse, action: ActionOf<"CutBody" | "CorruptByte">): DriveResponse => {
  const { body } = response
  const chunks = body instanceof Uint8Array ? Stream.succeed(body) : body
  const length = body instanceof Uint8Array ? { "content-length": String(body.length) } : {}
  const spoiled = action._tag === "CutBody" ? cutAfter(chunks, action.bytes) : corruptAt(chunks, action.offset)
  return { ...response, headers: { ...length, ...response.headers }, body: spoiled }
}

type Chunks = Stream.Stream<Uint8Array, ConnectionCut>

const cutAfter = (chunks: Chunks, bytes: number): Chunks =>
  Stream.suspend(() => {
    let left = bytes
    const cut = Stream.fail(
      new ConnectionCut({ message: `The body was cut after ${bytes} bytes by a scripted fault.` })
    )
    return chunks.pipe(
      Stream.map((chunk) => {
        const kept = chunk.subarray(0, left)
        left -= kept.length
        return kept
      }),
      Stream.takeUntil(() => left === 0),
      Stream.concat(cut)
    )
  })

const corruptAt = (chunks: Chunks, offset: number): Chunks =>
  Stream.suspend(() => {
    let start = 0
    return Stream.mapEffect(chunks, (chunk) =>
      Effect.sync(() => {
        const at = offset - start
        start += chunk.length
        if (at < 0 || at >= chunk.length) return chunk
        const copy = Uint8Array.from(chunk)
        copy[at] = (copy[at] ?? 0) ^ 0xff
        return copy
      })
    )
  })
