/** Faults by name: what the public service has been seen to do. Each says which requests it befalls by itself. */
import type { Quirks, ResyncKind } from "./Exchange.ts"
import type { Fault, PageEdit } from "./Faults.ts"
import type { FragmentRange } from "./FragmentRange.ts"

const error = (code: string, inner?: string) => ({
  error: {
    code,
    message: "A fault on purpose.",
    ...(inner === undefined ? {} : { innerError: { code: inner } })
  }
})

const api = /^\/v1\.0\//
/** What changes things one by one. */
const items = /^\/v1\.0\/(?!(\$|%24)batch|subscriptions)/
const delta = /\/delta(\(|\?|$)/
/** Only with a token that can be too old. */
const oldDelta = /\/delta(\?.*[?&]|\?|\()token=(?!'?latest|&|$)/
const upload = /^\/transfer\/(drives\/\d+\/)?upload\//
const download = /^\/transfer\/(drives\/\d+\/)?download\//
const children = /\/children(\?|$)/
/** Replies that show the item a content was put into. */
const uploaded = /\/content(\?|$)|^\/transfer\/(drives\/\d+\/)?upload\//
/** Refused by the file store as well as by the API. */
const downloaded = /\/content(\?|$)|^\/transfer\/(drives\/\d+\/)?download\//
const shown = /^\/v1\.0\/|^\/transfer\/(drives\/\d+\/)?upload\//
const search = /\/search\(/
const socketEvent = { method: "PUSH", matches: /^\/push\/socket\/event/ } as const
const anyEvent = { method: "PUSH", matches: /^\/push\/\w+\/event/ } as const

const minute = 60_000

const isLast = ({ end, total }: FragmentRange): boolean => end === total - 1

type Named = Pick<Fault, "method" | "action" | "onlyParts" | "fragment"> & { readonly matches?: RegExp }

const respond = (status: number, code: string, headers: Record<string, string> = {}, inner?: string) =>
  ({ _tag: "Respond", status, headers, body: error(code, inner) }) as const

const edit = (edit: PageEdit) => ({ _tag: "EditPage", edit }) as const
const quirk = (quirks: Quirks) => ({ _tag: "Quirk", quirks }) as const

const gone = (resync: ResyncKind): Named => ({ method: "GET", matches: oldDelta, action: quirk({ resync }) })

const service = {
  throttled: {
    matches: api,
    action: respond(429, "activityLimitReached", { "retry-after": "2" }, "throttledRequest")
  },
  throttledWithoutHeader: { matches: api, action: respond(429, "activityLimitReached") },
  throttledBatchPart: {
    onlyParts: true,
    action: respond(429, "activityLimitReached", { "retry-after": "2" }, "throttledRequest")
  },
  unavailable: { matches: api, action: respond(503, "serviceNotAvailable", { "retry-after": "30" }) },
  badGateway: { action: { _tag: "Html", status: 502 } },
  gatewayTimeout: { action: { _tag: "Html", status: 504 } },
  timeoutAfterEffect: { action: { _tag: "RespondAfter", status: 504 } },
  refusedConnection: { action: { _tag: "Refuse" } },
  lostReply: { action: { _tag: "DropReply" } },
  slow: { action: { _tag: "Delay", duration: "5 seconds" } },
  bandwidthExceeded: { matches: /\/content(\?|$)|^\/transfer\//, action: respond(509, "activityLimitReached") },
  clockAhead: { action: quirk({ skew: 5 * minute }) },
  clockBehind: { action: quirk({ skew: -5 * minute }) },
  expiredToken: { matches: api, action: respond(401, "InvalidAuthenticationToken") },
  signInRevoked: {
    method: "POST",
    matches: /\/oauth2\/v2\.0\/token/,
    action: { _tag: "Respond", status: 400, body: { error: "invalid_grant", error_codes: [50173] } }
  },
  signInUnavailable: { method: "POST", matches: /\/oauth2\/v2\.0\/token/, action: { _tag: "Html", status: 503 } }
} as const satisfies Record<string, Named>

const listings = {
  deltaGoneApply: gone("resyncApplyDifferences"),
  deltaGoneUpload: gone("resyncUploadDifferences"),
  deltaGoneChangesApply: gone("resyncChangesApplyDifferences"),
  deltaGoneChangesUpload: gone("resyncChangesUploadDifferences"),
  deltaTimeout: { method: "GET", matches: delta, action: { _tag: "Html", status: 504 } },
  deltaLag: { method: "GET", matches: delta, action: quirk({ lag: 4_000 }) },
  deltaLagLong: { method: "GET", matches: delta, action: quirk({ lag: 5 * minute }) },
  deltaShortPage: { method: "GET", matches: delta, action: quirk({ pageLimit: 7 }) },
  deltaRepeatsItem: { method: "GET", matches: delta, action: edit("repeat") },
  deltaEmptyPage: { method: "GET", matches: delta, action: edit("empty") },
  deltaChildFirst: { method: "GET", matches: delta, action: edit("reverse") },
  deltaWithoutPath: { method: "GET", matches: delta, action: edit("noPath") },
  deltaWithoutCTag: { method: "GET", matches: delta, action: edit("noCTag") },
  deltaLinkOld: { method: "GET", matches: delta, action: edit("oldLink") },
  deltaLinkBroken: { method: "GET", matches: delta, action: edit("brokenLink") },
  deltaFolderOnly: { method: "GET", matches: delta, action: edit("noDescendants") },
  childrenLoseOne: { method: "GET", matches: children, action: edit("lose") },
  childrenRepeatOne: { method: "GET", matches: children, action: edit("repeat") },
  childrenShortPage: { method: "GET", matches: children, action: quirk({ pageLimit: 1 }) },
  searchLag: { method: "GET", matches: search, action: quirk({ lag: 5 * minute }) },
  itemNotFoundYet: { method: "GET", matches: items, action: respond(404, "itemNotFound") },
  hashAbsent: { matches: shown, action: quirk({ hashDelay: minute }) },
  hashAbsentOnEmpty: { matches: shown, action: edit("noEmptyHash") },
  driveIdCase: { matches: api, action: edit("driveIdCase") },
  driveIdShort: { matches: api, action: edit("driveIdShort") }
} as const satisfies Record<string, Named>

const transfers = {
  sessionExpired: { matches: upload, action: quirk({ endsSession: true }) },
  sessionUnauthorized: { matches: upload, action: respond(401, "unauthenticated") },
  sessionConflict: { method: "PUT", matches: upload, fragment: isLast, action: quirk({ refusesCommit: true }) },
  sessionOverlap: { method: "PUT", matches: upload, action: respond(416, "invalidRange", {}, "fragmentOverlap") },
  authorizationRefused: { matches: /^\/transfer\//, action: quirk({ refusesAuthorization: true }) },
  sessionTwoRanges: { matches: upload, action: edit("twoRanges") },
  fragmentPartlyKept: { method: "PUT", matches: upload, action: { _tag: "TruncateBody", bytes: 100_000 } },
  uploadErrorAfterCommit: {
    method: "PUT",
    matches: upload,
    fragment: isLast,
    action: { _tag: "RespondAfter", status: 500 }
  },
  officeRewritten: { method: "PUT", matches: uploaded, fragment: isLast, action: quirk({ rewritesOffice: true }) },
  tagBump: { method: "PUT", matches: uploaded, fragment: isLast, action: { _tag: "BumpTag" } },
  quotaReached: { method: "POST", matches: /\/createUploadSession/, action: respond(507, "quotaLimitReached") },
  downloadExpired: { method: "GET", matches: download, action: { _tag: "Html", status: 401 } },
  downloadForbidden: { method: "GET", matches: download, action: { _tag: "Html", status: 403 } },
  downloadGone: { method: "GET", matches: download, action: respond(404, "itemNotFound") },
  downloadWhole: { method: "GET", matches: download, action: { _tag: "IgnoreRange" } },
  downloadCut: { method: "GET", matches: download, action: { _tag: "CutBody", bytes: 1000 } },
  downloadCorrupt: { method: "GET", matches: download, action: { _tag: "CorruptByte", offset: 0 } },
  downloadChanged: { method: "GET", matches: download, action: quirk({ currentContent: true }) },
  malware: {
    method: "GET",
    matches: downloaded,
    action: respond(403, "malwareDetected", { "x-virus-infected": "1" })
  },
  locked: { method: ["PUT", "PATCH", "DELETE"], matches: items, action: respond(423, "resourceLocked") },
  readOnly: {
    method: ["POST", "PUT", "PATCH", "DELETE"],
    matches: items,
    action: respond(403, "accessDenied", {}, "serviceReadOnly")
  }
} as const satisfies Record<string, Named>

const pushes = {
  pushLost: { ...anyEvent, action: { _tag: "DropReply" } },
  pushDoubled: { ...anyEvent, action: { _tag: "Repeat" } },
  pushDelayed: { ...anyEvent, action: { _tag: "Delay", duration: "5 seconds" } },
  socketClosed: { ...socketEvent, action: { _tag: "Refuse" } },
  socketRefused: { method: "PUSH", matches: /^\/push\/socket\/connect/, action: { _tag: "Refuse" } },
  socketSilent: { method: "PUSH", matches: /^\/push\/socket\/ping/, action: { _tag: "DropReply" } },
  socketShortLived: {
    method: "GET",
    matches: /\/subscriptions\/socketIo/i,
    action: quirk({ subscriptionLifetime: minute })
  }
} as const satisfies Record<string, Named>

export const faultCatalogue = { ...service, ...listings, ...transfers, ...pushes } as const

export type FaultName = keyof typeof faultCatalogue

export const isFaultName = (name: string): name is FaultName => Object.hasOwn(faultCatalogue, name)
