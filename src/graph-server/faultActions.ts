/** What a fault does to the request it befalls. */
import { Effect } from "effect"
import { ConnectionCut, type DriveRequest, type DriveResponse, type HeaderRecord } from "./Exchange.ts"
import { editPage, faultReply, spoilBody, truncate } from "./faultReplies.ts"
import type { FaultHit } from "./Faults.ts"

/** What the drive does about requests. */
interface Drive {
  answer(request: DriveRequest): Effect.Effect<DriveResponse>
  /** Gives the item that a reply shows another eTag. */
  bumpTag(body: Uint8Array): Effect.Effect<void>
}

const cut = (what: string) => Effect.fail(new ConnectionCut({ message: `${what} by a scripted fault.` }))

export const withFault = (
  hit: FaultHit | undefined,
  request: DriveRequest,
  { answer, bumpTag }: Drive
): Effect.Effect<DriveResponse, ConnectionCut> => {
  const answered = answer(request)
  if (hit === undefined) return answered
  const { action, released } = hit
  switch (action._tag) {
    case "Respond":
    case "Html":
      return Effect.succeed(faultReply(action, request.origin))
    case "Refuse":
      return cut("The connection was refused")
    case "DropReply":
      return Effect.andThen(answered, cut("The reply was dropped"))
    case "RespondAfter":
      return Effect.as(answered, faultReply({ _tag: "Html", status: action.status }, request.origin))
    case "IgnoreRange":
      return answer({ ...request, headers: withoutRange(request.headers) })
    case "EditPage":
      return Effect.map(answered, (response) => editPage(response, action, request.origin + request.url))
    case "Quirk":
      return answer({ ...request, quirks: { ...request.quirks, ...action.quirks } })
    case "TruncateBody": {
      const body = truncate(request.body, action.bytes)
      const kept = answer({ ...request, body, quirks: { ...request.quirks, keepsPart: true } })
      return Effect.andThen(kept, cut("The request was cut"))
    }
    case "BumpTag":
      return Effect.tap(answered, ({ status, headers, body }) => {
        const isJson = headers["content-type"]?.startsWith("application/json") === true
        return status < 300 && isJson && body instanceof Uint8Array ? bumpTag(body) : Effect.void
      })
    case "Repeat":
      return Effect.andThen(answered, answered)
    case "Delay":
      return Effect.delay(answered, action.duration)
    case "Hang":
      return Effect.andThen(released, answered)
    case "CutBody":
    case "CorruptByte":
      return Effect.map(answered, (response) => spoilBody(response, action))
  }
}

const withoutRange = (headers: HeaderRecord): HeaderRecord =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name !== "range"))
