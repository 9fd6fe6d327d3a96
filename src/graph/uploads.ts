/**
 * Sending content: small files in one request, larger ones through an upload session. The session's URL is
 * pre-authenticated and gets no token. Nothing is repeated here after an ambiguous outcome: the session knows what it
 * holds (`uploadStatus`), and the item tells whether the last fragment was committed.
 */
import { Clock, Effect, Result } from "effect"
import { HttpBody, HttpClientRequest } from "effect/http"
import type { DriveItem } from "./DriveItem.ts"
import { graphError, sessionReason } from "./failures.ts"
import {
  type FragmentResult,
  fragmentUnit,
  type GraphClient,
  simpleUploadLimit,
  type UploadSession,
  type UploadTarget
} from "./GraphClient.ts"
import { type GraphError, InvalidRequest, Malformed, TooLarge } from "./GraphError.ts"
import { type DrivePaths, isPathSafe, originOf } from "./paths.ts"
import { parseJson, type Transport } from "./Transport.ts"
import { decodeItem, decodeSession, encodeFileSystemInfo, type SessionState } from "./wire.ts"

type Uploads = Pick<
  GraphClient["Service"],
  "putContent" | "createUploadSession" | "uploadFragment" | "uploadStatus" | "cancelUpload"
>

/** Graph, driveItem: createUploadSession: bytes of one fragment. */
const fragmentLimit = 60 * 1024 * 1024

export const invalid = (operation: string, code: string, detail: string): GraphError =>
  graphError(operation, new InvalidRequest({ code, detail }))

/** Fails with InvalidRequest for a name that no path can carry. */
export const checkName = (operation: string, name: string): Effect.Effect<void, GraphError> =>
  isPathSafe(name)
    ? Effect.void
    : invalid(operation, "invalidName", "a name is not empty, not a dot, and holds neither slash nor NUL")

const checkTarget = (operation: string, target: UploadTarget) =>
  target._tag === "New" ? checkName(operation, target.name) : Effect.void

const conditions = (target: UploadTarget) =>
  target._tag === "Existing" && target.ifMatch !== null ? { "if-match": target.ifMatch } : {}

export const makeUploads = (transport: Transport, paths: DrivePaths): Uploads => {
  const { limits } = transport.config

  const putContent: Uploads["putContent"] = Effect.fn("GraphClient.putContent")(function* (target, body) {
    const operation = "putContent"
    yield* checkTarget(operation, target)
    if (body.length > simpleUploadLimit)
      return yield* graphError(operation, new TooLarge({ code: "simpleUploadLimit" }))
    const url = paths.target(target, "content")
    const request = HttpClientRequest.put(
      target._tag === "New" ? `${url}?@microsoft.graph.conflictBehavior=fail` : url,
      { headers: conditions(target), body: HttpBody.uint8Array(body, "application/octet-stream") }
    )
    return yield* transport.call({ operation, kind: "mutation", request, authorized: true }, decodeItem)
  })

  const sessionOf = Effect.fnUntraced(function* (
    operation: string,
    url: string,
    state: SessionState,
    fallback: number
  ) {
    if (originOf(url) === undefined) {
      return yield* graphError(operation, new Malformed({ detail: "uploadUrl: Expected an absolute http(s) URL" }))
    }
    return { url, expires: state.expires ?? fallback, nextOffset: state.nextOffset } satisfies UploadSession
  })

  const createUploadSession: Uploads["createUploadSession"] = Effect.fn("GraphClient.createUploadSession")(
    function* (target, options) {
      const operation = "createUploadSession"
      yield* checkTarget(operation, target)
      if (!(options.size > 0)) return yield* invalid(operation, "emptySession", "empty files need putContent")
      const request = HttpClientRequest.post(paths.target(target, "createUploadSession"), {
        headers: conditions(target),
        body: HttpBody.jsonUnsafe({
          item: {
            "@microsoft.graph.conflictBehavior": target._tag === "New" ? "fail" : "replace",
            ...(target._tag === "New" ? { name: target.name } : {}),
            fileSystemInfo: encodeFileSystemInfo(options.fileSystemInfo),
            fileSize: options.size
          }
        })
      })
      const state = yield* transport.call({ operation, kind: "mutation", request, authorized: true }, (json) =>
        Result.filterOrFail(
          decodeSession(json),
          (state) => state.uploadUrl !== null,
          () => "uploadUrl: Missing key"
        )
      )
      const now = yield* Clock.currentTimeMillis
      return yield* sessionOf(operation, state.uploadUrl ?? "", state, now + limits.sessionLifetime)
    }
  )

  const uploadFragment: Uploads["uploadFragment"] = Effect.fn("GraphClient.uploadFragment")(function* (
    session,
    { bytes, offset, total }
  ) {
    const operation = "uploadFragment"
    const end = offset + bytes.length
    const problem = fragmentProblem(offset, bytes.length, total)
    if (problem !== null) return yield* invalid(operation, "invalidFragment", problem)
    const request = HttpClientRequest.put(session.url, {
      headers: { "content-range": `bytes ${offset}-${end - 1}/${total}` },
      body: HttpBody.uint8Array(bytes, "application/octet-stream")
    })
    return yield* transport.answer(
      { operation, kind: "mutation", request, authorized: false, refine: sessionReason },
      (answer) => Result.flatMap(parseJson(answer), decodeFragment(session, end, answer.status))
    )
  })

  const uploadStatus: Uploads["uploadStatus"] = Effect.fn("GraphClient.uploadStatus")(function* (session) {
    const operation = "uploadStatus"
    const request = HttpClientRequest.get(session.url, { acceptJson: true })
    const state = yield* transport.call(
      { operation, kind: "read", request, authorized: false, refine: sessionReason },
      decodeSession
    )
    return yield* sessionOf(operation, session.url, state, session.expires)
  })

  const cancelUpload: Uploads["cancelUpload"] = Effect.fn("GraphClient.cancelUpload")(function* (session) {
    const request = HttpClientRequest.delete(session.url)
    yield* transport
      .answer(
        { operation: "cancelUpload", kind: "mutation", request, authorized: false, refine: sessionReason },
        () => Result.void
      )
      .pipe(
        Effect.catchIf(
          (error) => error.reason._tag === "SessionGone",
          () => Effect.void
        )
      )
  })

  return { putContent, createUploadSession, uploadFragment, uploadStatus, cancelUpload }
}

/** The item of the last fragment, or where to go on. What was never sent cannot be behind the server. */
const decodeFragment =
  (session: UploadSession, end: number, status: number) =>
  (json: unknown): Result.Result<FragmentResult, string> => {
    if (status !== 202) {
      return Result.map(decodeItem(json), (item: DriveItem) => ({ _tag: "Completed", item }) as const)
    }
    return Result.flatMap(decodeSession(json), (state): Result.Result<FragmentResult, string> =>
      state.nextOffset > end
        ? Result.fail(`nextExpectedRanges: Expected at most byte ${end}`)
        : Result.succeed({
            _tag: "Accepted",
            nextOffset: state.nextOffset,
            expires: state.expires ?? session.expires
          })
    )
  }

const fragmentProblem = (offset: number, length: number, total: number): string | null => {
  if (length < 1 || length > fragmentLimit) return "a fragment has at least one byte and at most 60 MiB"
  if (offset + length > total) return "the fragment ends behind the file"
  if (offset + length < total && length % fragmentUnit !== 0) return `fragments are multiples of ${fragmentUnit} bytes`
  return null
}
