/** Faults by name: what the public service has been seen to do. Each says which requests it befalls by itself. */
import type { Fault } from "./Faults.ts"

const error = (code: string, inner?: string) => ({
  error: {
    code,
    message: "A fault on purpose.",
    ...(inner === undefined ? {} : { innerError: { code: inner } })
  }
})

const api = /^\/v1\.0\//
const delta = /\/delta(\(|\?|$)/
const upload = /^\/transfer\/upload\//
const download = /^\/transfer\/download\//

type Named = Pick<Fault, "method" | "action"> & { readonly matches?: RegExp }

const gone = (inner: string): Named => ({
  method: "GET",
  matches: delta,
  action: {
    _tag: "Respond",
    status: 410,
    headers: { location: "/v1.0/me/drive/root/delta" },
    body: error("resyncRequired", inner)
  }
})

const respond = (status: number, code: string, headers: Record<string, string> = {}, inner?: string) =>
  ({ _tag: "Respond", status, headers, body: error(code, inner) }) as const

export const faultCatalogue = {
  throttled: {
    matches: api,
    action: respond(429, "activityLimitReached", { "retry-after": "2" }, "throttledRequest")
  },
  throttledWithoutHeader: { matches: api, action: respond(429, "activityLimitReached") },
  unavailable: { matches: api, action: respond(503, "serviceNotAvailable", { "retry-after": "30" }) },
  badGateway: { action: { _tag: "Html", status: 502 } },
  timeoutAfterEffect: { action: { _tag: "RespondAfter", status: 504 } },
  refusedConnection: { action: { _tag: "Refuse" } },
  lostReply: { action: { _tag: "DropReply" } },
  expiredToken: { matches: api, action: respond(401, "InvalidAuthenticationToken") },
  signInRevoked: {
    method: "POST",
    matches: /\/oauth2\/v2\.0\/token/,
    action: { _tag: "Respond", status: 400, body: { error: "invalid_grant", error_codes: [50173] } }
  },
  signInUnavailable: { method: "POST", matches: /\/oauth2\/v2\.0\/token/, action: { _tag: "Html", status: 503 } },
  deltaGoneApply: gone("resyncApplyDifferences"),
  deltaGoneUpload: gone("resyncUploadDifferences"),
  deltaTimeout: { method: "GET", matches: delta, action: { _tag: "Html", status: 504 } },
  deltaRepeatsItem: { method: "GET", matches: delta, action: { _tag: "EditPage", edit: "repeat" } },
  deltaEmptyPage: { method: "GET", matches: delta, action: { _tag: "EditPage", edit: "empty" } },
  deltaChildFirst: { method: "GET", matches: delta, action: { _tag: "EditPage", edit: "reverse" } },
  deltaWithoutPath: { method: "GET", matches: delta, action: { _tag: "EditPage", edit: "noPath" } },
  hashAbsent: { method: "GET", matches: api, action: { _tag: "EditPage", edit: "noHash" } },
  childrenLoseOne: { method: "GET", matches: /\/children/, action: { _tag: "EditPage", edit: "lose" } },
  sessionExpired: { matches: upload, action: respond(404, "itemNotFound", {}, "uploadSessionNotFound") },
  sessionConflict: { method: "PUT", matches: upload, action: respond(409, "nameAlreadyExists") },
  uploadErrorAfterCommit: { method: "PUT", matches: upload, action: { _tag: "RespondAfter", status: 500 } },
  quotaReached: {
    method: "POST",
    matches: /\/createUploadSession/,
    action: respond(507, "quotaLimitReached")
  },
  downloadExpired: { method: "GET", matches: download, action: { _tag: "Html", status: 401 } },
  downloadWhole: { method: "GET", matches: download, action: { _tag: "IgnoreRange" } },
  downloadCut: { method: "GET", matches: download, action: { _tag: "CutBody", bytes: 1000 } },
  downloadCorrupt: { method: "GET", matches: download, action: { _tag: "CorruptByte", offset: 0 } },
  malware: { method: "GET", matches: /\/content/, action: respond(403, "malwareDetected") },
  locked: { method: "PATCH", matches: api, action: respond(423, "resourceLocked") },
  readOnly: { method: "PUT", matches: /\/content/, action: respond(403, "accessDenied", {}, "serviceReadOnly") }
} as const satisfies Record<string, Named>

export type FaultName = keyof typeof faultCatalogue

export const isFaultName = (name: string): name is FaultName => Object.hasOwn(faultCatalogue, name)
