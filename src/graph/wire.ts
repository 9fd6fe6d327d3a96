/**
 * JSON of the Graph as it comes: fields missing, null or unknown are tolerated, what we cannot do without is named in
 * the decoding error. Functions here turn it into the domain's forms.
 */
import { Predicate, Result, Schema, SchemaIssue, SchemaParser } from "effect"
import type { Drive, DriveItem, FileSystemInfo, ItemKind, Time, User } from "./DriveItem.ts"
import { canonicalDriveId, canonicalItemId } from "./ids.ts"
import { formatTime, Timestamp } from "./Time.ts"

const lenient = <S extends Schema.Constraint>(schema: S) => Schema.optional(Schema.NullOr(schema))
/** Facets say by their presence what an item is; what is inside changes from service to service. */
const facet = Schema.optional(Schema.Unknown)
const present = Predicate.isNotNullish

const missing = (field: string, issue: string) => ({ path: [field], issue })

const WireItem = Schema.Struct({
  id: Schema.NonEmptyString,
  name: lenient(Schema.String),
  size: lenient(Schema.Finite),
  eTag: lenient(Schema.String),
  "@odata.etag": lenient(Schema.String),
  cTag: lenient(Schema.String),
  webUrl: lenient(Schema.String),
  createdDateTime: lenient(Timestamp),
  lastModifiedDateTime: lenient(Timestamp),
  fileSystemInfo: lenient(
    Schema.Struct({ createdDateTime: lenient(Timestamp), lastModifiedDateTime: lenient(Timestamp) })
  ),
  parentReference: lenient(Schema.Struct({ id: lenient(Schema.String) })),
  file: lenient(Schema.Struct({ hashes: lenient(Schema.Struct({ quickXorHash: lenient(Schema.String) })) })),
  specialFolder: lenient(Schema.Struct({ name: lenient(Schema.String) })),
  root: facet,
  folder: facet,
  deleted: facet,
  package: facet,
  bundle: facet,
  vault: facet,
  remoteItem: facet,
  "@microsoft.graph.downloadUrl": facet
}).check(
  Schema.makeFilter((item) => {
    if (present(item.deleted)) return undefined
    if (!present(item.name) || item.name === "") return missing("name", "Missing key")
    if (/[/\0]/.test(item.name)) return missing("name", "Expected a name without slash or NUL")
    if (kindOf(item) !== "file") return undefined
    if (!present(item.size)) return missing("size", "Missing key")
    if (!Number.isSafeInteger(item.size) || item.size < 0) return missing("size", "Expected a size in bytes")
    return undefined
  })
)
type WireItem = typeof WireItem.Type

type Facets = Pick<
  WireItem,
  "package" | "bundle" | "vault" | "remoteItem" | "specialFolder" | "root" | "folder" | "file"
>

/** A package or album may carry a folder facet as well, so what cannot be opened is looked for first. */
function kindOf(item: Facets): ItemKind {
  if (present(item.package) || present(item.bundle) || present(item.vault) || present(item.remoteItem)) return "other"
  if (item.specialFolder?.name?.toLowerCase() === "vault") return "other"
  if (present(item.root) || present(item.folder)) return "folder"
  return present(item.file) ? "file" : "other"
}

const epoch: Time = { sec: 0, nsec: 0 }

/** Sizes of folders are computed lazily, may be stale or negative, and mean nothing to a filesystem. */
const sizeOf = (item: WireItem, kind: ItemKind): number =>
  kind === "folder" ? 0 : Math.max(0, Math.trunc(item.size ?? 0))

/** Empty files come with this quickXorHash, or without one. */
const hashOfNothing = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="

/** The client's own times win over the server's; items that name none (deleted, shared stubs) are at the epoch. */
const timesOf = (item: WireItem): { readonly created: Time; readonly modified: Time } => {
  const modified = item.fileSystemInfo?.lastModifiedDateTime ?? item.lastModifiedDateTime
  const created = item.fileSystemInfo?.createdDateTime ?? item.createdDateTime
  return { created: created ?? modified ?? epoch, modified: modified ?? created ?? epoch }
}

const toDriveItem = (item: WireItem): DriveItem => {
  const kind = kindOf(item)
  const parent = item.parentReference?.id
  const hash = item.file?.hashes?.quickXorHash
  return {
    id: canonicalItemId(item.id),
    name: item.name ?? "",
    kind,
    isRoot: present(item.root),
    deleted: present(item.deleted),
    parentId: present(parent) && parent !== "" ? canonicalItemId(parent) : null,
    size: sizeOf(item, kind),
    eTag: item.eTag ?? item["@odata.etag"] ?? null,
    cTag: item.cTag ?? null,
    hash: present(hash) && hash !== "" ? hash : kind === "file" && item.size === 0 ? hashOfNothing : null,
    ...timesOf(item),
    webUrl: item.webUrl ?? null
  }
}

/** Turns an answer's JSON into a value, or says which field is wrong. */
export type Decoder<A> = (json: unknown) => Result.Result<A, string>

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** Path and expectation of the first issue; never the value, which may be a secret. */
const describe = (issue: SchemaIssue.Issue): string => {
  const first = formatIssues(issue).issues[0]
  const path = (first?.path ?? []).map((part) => String(Predicate.isObject(part) ? part.key : part)).join(".")
  return `${path === "" ? "answer" : path}: ${first?.message ?? "not as expected"}`.slice(0, 200)
}

const decoder = <S extends Schema.ConstraintDecoder<unknown>, A>(schema: S, to: (wire: S["Type"]) => A): Decoder<A> => {
  const decode = SchemaParser.decodeUnknownResult(schema)
  return (json) => Result.mapBoth(decode(json), { onFailure: describe, onSuccess: to })
}

export const decodeItem: Decoder<DriveItem> = decoder(WireItem, toDriveItem)

/** An item with what is needed to read its content. */
export interface DownloadableItem {
  readonly item: DriveItem
  /** Pre-authenticated: a secret. Null when the server gave none. */
  readonly downloadUrl: string | null
}

export const decodeDownloadable: Decoder<DownloadableItem> = decoder(WireItem, (wire) => {
  const url = wire["@microsoft.graph.downloadUrl"]
  return { item: toDriveItem(wire), downloadUrl: Predicate.isString(url) && url !== "" ? url : null }
})

/** A page of children or changes, with the link it continues at. */
export interface ItemPage {
  readonly items: ReadonlyArray<DriveItem>
  readonly nextLink: string | null
  readonly deltaLink: string | null
}

const WirePage = Schema.Struct({
  value: Schema.Array(WireItem),
  "@odata.nextLink": lenient(Schema.String),
  "@odata.deltaLink": lenient(Schema.String)
})

export const decodePage: Decoder<ItemPage> = decoder(WirePage, (wire) => ({
  items: wire.value.map(toDriveItem),
  nextLink: wire["@odata.nextLink"] ?? null,
  deltaLink: wire["@odata.deltaLink"] ?? null
}))

const WireDrive = Schema.Struct({
  id: Schema.NonEmptyString,
  driveType: lenient(Schema.String),
  quota: lenient(
    Schema.Struct({ total: lenient(Schema.Finite), used: lenient(Schema.Finite), remaining: lenient(Schema.Finite) })
  )
})

/** Business sites may restrict the quota: zeros, or no `remaining`. */
const quotaOf = (wire: (typeof WireDrive.Type)["quota"]): Drive["quota"] => {
  if (!present(wire) || !present(wire.total) || wire.total <= 0) return null
  const used = wire.used ?? wire.total - (wire.remaining ?? wire.total)
  return { total: wire.total, used, remaining: Math.max(0, wire.remaining ?? wire.total - used) }
}

export const decodeDrive: Decoder<Drive> = decoder(WireDrive, (wire) => ({
  id: canonicalDriveId(wire.id),
  driveType: wire.driveType ?? "",
  quota: quotaOf(wire.quota)
}))

const WireUser = Schema.Struct({
  id: Schema.NonEmptyString,
  displayName: lenient(Schema.String),
  userPrincipalName: lenient(Schema.String)
})

export const decodeUser: Decoder<User> = decoder(WireUser, (wire) => ({
  id: wire.id,
  displayName: wire.displayName ?? "",
  userPrincipalName: wire.userPrincipalName ?? ""
}))

/** The `fileSystemInfo` facet of a request. */
export const encodeFileSystemInfo = (info: FileSystemInfo) => ({
  ...(info.created === undefined ? {} : { createdDateTime: formatTime(info.created) }),
  lastModifiedDateTime: formatTime(info.modified)
})

const millisOf = (time: Time): number => time.sec * 1000 + Math.floor(time.nsec / 1_000_000)

/** What an upload session says about itself. */
export interface SessionState {
  /** Null in status answers. */
  readonly uploadUrl: string | null
  /** Milliseconds since the epoch; null when the answer names none. */
  readonly expires: number | null
  readonly nextOffset: number
}

/** `12-`, `12-345`: first byte, and perhaps the last one. */
const expectedRange = Schema.String.check(Schema.isPattern(/^\d{1,15}-(\d{1,15})?$/))

const WireSession = Schema.Struct({
  uploadUrl: lenient(Schema.NonEmptyString),
  expirationDateTime: lenient(Timestamp),
  nextExpectedRanges: Schema.NonEmptyArray(expectedRange)
})

/** Several or closed ranges may be named: the lowest missing byte is where to go on. */
export const decodeSession: Decoder<SessionState> = decoder(WireSession, (wire) => ({
  uploadUrl: wire.uploadUrl ?? null,
  expires: present(wire.expirationDateTime) ? millisOf(wire.expirationDateTime) : null,
  nextOffset: Math.min(...wire.nextExpectedRanges.map((range) => Number.parseInt(range, 10)))
}))
