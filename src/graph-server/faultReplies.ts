/** Replies that scripted faults make or spoil. */
import { Effect, Stream } from "effect"
import { empty, json } from "./Call.ts"
import { ConnectionCut, type DriveResponse } from "./Exchange.ts"
import type { FaultAction } from "./Faults.ts"

type ActionOf<Tag extends FaultAction["_tag"]> = Extract<FaultAction, { readonly _tag: Tag }>

export const faultReply = (action: ActionOf<"Respond" | "Html">): DriveResponse => {
  if (action._tag === "Html") {
    const page = `<html><head><title>${action.status}</title></head><body><h1>${action.status} Our services aren't available right now</h1></body></html>`
    return { status: action.status, headers: { "content-type": "text/html" }, body: Buffer.from(page) }
  }
  if (action.body === undefined) return empty(action.status, action.headers)
  if (typeof action.body !== "string") return json(action.status, action.body, action.headers)
  return { status: action.status, headers: action.headers ?? {}, body: Buffer.from(action.body) }
}

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
