/**
 * The addon as it is: numbers in, numbers out, negative errnos for failures. Everything with a type or a message is in
 * the other files of this folder.
 */
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

declare const handle: unique symbol
/** A native session. */
export interface NativeSession {
  readonly [handle]: "session"
}
/** A native content table. */
export interface NativeTable {
  readonly [handle]: "table"
}

export type MountFailure = readonly [errno: number, message: string]

export type NativeReport = readonly [
  outcome: number,
  draining: number,
  unmounting: number,
  closing: number,
  drained: number,
  abandoned: number,
  asked: string,
  reason: string
]

export interface Binding {
  mount(
    mountpoint: string,
    fsName: string,
    subtype: string,
    allowOther: boolean,
    readOnly: boolean,
    threads: number,
    queueLimit: number,
    maxTransfer: number,
    scratch: Float64Array,
    table: NativeTable,
    onRequests: () => void,
    passthrough: boolean,
    maxBackground: number,
    features: number,
    recordLimit: number,
    kernelTimeouts: number
  ): NativeSession | MountFailure
  features(session: NativeSession): number
  libfuseVersion(): string
  take(session: NativeSession, buffer: Float64Array, limit: number, attend: boolean): number
  leave(session: NativeSession): number
  notify(session: NativeSession, packed: Float64Array, count: number): number
  notified(session: NativeSession): number | Promise<number>
  bumpEpoch(session: NativeSession): number
  invalidateAttributes(session: NativeSession, nodes: Float64Array): number
  lookups(session: NativeSession, node: number): number
  retire(session: NativeSession, node: number): number
  withdraw(session: NativeSession, node: number): number
  shutdown(
    session: NativeSession,
    reason: string,
    drain: number,
    unmount: number,
    force: boolean,
    onPhase: (phase: number, before: number) => void
  ): number | Promise<NativeReport>
  proceed(session: NativeSession, unmount: number): number
  force(session: NativeSession, reason: string): number
  phase(session: NativeSession): number
  close(session: NativeSession): number
  abandon(session: NativeSession): number
  statistics(session: NativeSession, out: Float64Array): number
  passthroughRefusal(session: NativeSession): string

  replyError(session: NativeSession, id: number, errno: number): number
  replyOk(session: NativeSession, id: number, cookie: number): number
  replyEntry(session: NativeSession, id: number): number
  replyNegative(session: NativeSession, id: number, timeout: number): number
  replyAttr(session: NativeSession, id: number): number
  replyOpen(session: NativeSession, id: number): number
  replyCreate(session: NativeSession, id: number): number
  replyDirectory(
    session: NativeSession,
    id: number,
    packed: Float64Array,
    count: number,
    last: boolean,
    timeout: number
  ): number
  replyBytes(session: NativeSession, id: number, bytes: Uint8Array): number
  replySize(session: NativeSession, id: number, size: number): number
  replyStatFs(session: NativeSession, id: number): number

  createTable(
    scratch: Float64Array,
    onEvents: () => void,
    queueLimit: number,
    limits: Float64Array
  ): NativeTable | number
  disposeTable(table: NativeTable): number
  takeEvents(table: NativeTable, buffer: Float64Array, limit: number): number
  answerEvent(table: NativeTable, id: number, errno: number): number
  fill(table: NativeTable, id: number, offset: number, bytes: Uint8Array): number | Promise<number>
  truncateContent(table: NativeTable, id: number, size: number): number | Promise<number>
  allocateContent(
    table: NativeTable,
    id: number,
    mode: number,
    offset: number,
    length: number
  ): number | Promise<number>
  freezeContent(table: NativeTable, id: number): number | Promise<number | readonly [generation: number, fd: number]>
  syncContent(table: NativeTable, id: number, urgent: boolean): number | Promise<number>
  readContent(table: NativeTable, id: number, offset: number, length: number): number | Promise<number | Uint8Array>
  writeContent(table: NativeTable, id: number, offset: number, bytes: Uint8Array): number | Promise<number>

  flushContents(table: NativeTable, id: number, deadline: number): number | Promise<number | ReadonlyArray<number>>
  writeStatistics(table: NativeTable): ReadonlyArray<number>

  openContent(
    table: NativeTable,
    id: number,
    path: string,
    create: boolean,
    modified: boolean,
    validAll: boolean,
    valid: Float64Array,
    dirty: Float64Array,
    permitted: boolean
  ): number
  closeContent(table: NativeTable, id: number): number
  contentState(
    table: NativeTable,
    id: number
  ): number | readonly [valid: ReadonlyArray<number>, dirty: ReadonlyArray<number>]
  /** As `contentState`, without the ranges. */
  contentStatus(table: NativeTable, id: number): number
  missingRange(table: NativeTable, id: number, offset: number): number
  setContentTime(table: NativeTable, id: number, sec: number, nsec: number): number
  markClean(table: NativeTable, id: number, generation: number): number
  dropContent(table: NativeTable, id: number): number
  thawContent(table: NativeTable, id: number): number
  failRange(table: NativeTable, id: number, offset: number, length: number, errno: number): number

  quickXorHashFile(
    path: string,
    fd: number,
    length: number
  ): number | Promise<number | readonly [hash: string, length: number]>
  syncFile(path: string): number | Promise<number>
  ownFile(path: string): number | Promise<number>
}

const locate = (): string => {
  // A build with a sanitizer, for example.
  const chosen = process.env["FUSE_NATIVE_ADDON"]
  if (chosen !== undefined) return chosen
  // Whoever compiles wants what was compiled; a package has a prebuilt one only.
  const places = [
    new URL("../build/fuse_native.node", import.meta.url),
    new URL(`../prebuilds/${process.platform}-${process.arch}/fuse_native.node`, import.meta.url)
  ].map((url) => fileURLToPath(url))
  const found = places.find((path) => existsSync(path))
  if (found === undefined) {
    throw new Error(
      `@onemount/fuse-native is not built: looked for ${places.join(" and ")}. Run "npm run build --workspace native".`
    )
  }
  return found
}

export const binding: Binding = createRequire(import.meta.url)(locate())
