/**
 * The vocabulary of the binding: what the kernel asks (`Request`), what may be answered (`Entry`, `Attr`, ...)
 * and what a file body looks like to the data plane (`ContentOptions`, `ContentState`).
 *
 * Node ids name inodes towards the kernel and live as long as its lookup count; inode numbers (`Attr.ino`) are what
 * `stat` shows and are the caller's own. Content ids name file bodies: the binding answers reads and writes of an open
 * file from its body's backing file and only asks upwards for ranges that are not there yet.
 */

import type { FeatureSwitches } from "./features.ts"

declare const brand: unique symbol
type Branded<Name extends string> = number & { readonly [brand]: Name }

/** Kernel node id, 1 is the root. Below 2^53. Never reused by a well-behaved filesystem. */
export type NodeId = Branded<"NodeId">
/** Identifies one pending request; each is answered exactly once. */
export type RequestId = Branded<"RequestId">
/** File handle, chosen by the filesystem in its reply to `open` or `create`. */
export type HandleId = Branded<"HandleId">
/** File body, chosen by the filesystem when it opens one. */
export type ContentId = Branded<"ContentId">

export const NodeId = (value: number): NodeId => value as NodeId
export const RequestId = (value: number): RequestId => value as RequestId
export const HandleId = (value: number): HandleId => value as HandleId
export const ContentId = (value: number): ContentId => value as ContentId

export const rootNodeId: NodeId = NodeId(1)

/** A point in time with the kernel's resolution. `nsec` is 0..999_999_999. */
export interface Time {
  readonly sec: number
  readonly nsec: number
}

/** Who asks. `pid` is 0 for requests the kernel makes on its own behalf (write-back, read-ahead). */
export interface Caller {
  readonly uid: number
  readonly gid: number
  readonly pid: number
  readonly umask: number
}

/** What `stat` shows. `blocks` counts 512-byte units. */
export interface Attr {
  readonly ino: number
  readonly size: number
  readonly blocks: number
  readonly atime: Time
  readonly mtime: Time
  readonly ctime: Time
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly blksize: number
}

/** Answer to `lookup`, `mkdir`, `mknod`, `create`. Timeouts in seconds; node id 0 with a timeout is a negative entry. */
export interface Entry {
  readonly nodeId: NodeId
  readonly generation: number
  readonly attr: Attr
  readonly attrTimeout: number
  readonly entryTimeout: number
  /**
   * Of a new entry (mknod, mkdir, create, link): its `DirEntry.offset`. With it, a listing that the binding knows goes on
   * being answered natively; without it, the listing is asked for again.
   */
  readonly cookie?: number
}

/** Answer to `open` and `create`. Without `content` every `read` of the handle goes up to the filesystem. */
export interface OpenReply {
  readonly handle: HandleId
  readonly content?: ContentId
  /** Keep the kernel's page cache of this inode (FOPEN_KEEP_CACHE). */
  readonly keepCache: boolean
  /** Bypass the page cache (FOPEN_DIRECT_IO). */
  readonly directIo?: boolean
  /**
   * The kernel may read and write the content's backing file itself, without a request (FOPEN_PASSTHROUGH). Done where
   * the session can and all of the content is here; default false. Vouch for the bytes: nobody looks at them any more.
   */
  readonly passthrough?: boolean
  /**
   * The binding may answer further opens of this node for reading by itself, with the same content, until `withdraw`.
   * Only of a handle with `content` that was opened for reading, and once per node until it was withdrawn. Such handles
   * are the binding's own: their ids are 2^52 and more, and no `release` comes for them.
   */
  readonly shareable?: boolean
}

/** One entry of a directory page. `offset` is the cookie that continues after it. `entry` only in readdirplus pages. */
export interface DirEntry {
  readonly name: string
  readonly ino: number
  /** File type bits of the mode (S_IFMT). */
  readonly type: number
  readonly offset: number
  readonly entry?: Entry
}

/**
 * What a directory page says about the directory beyond its entries: that they are all there is between the page's offset
 * and its last entry, in ascending order of their offsets. The binding then answers these pages natively.
 */
export interface ListingPart {
  /** Nothing comes after them. */
  readonly last: boolean
  /** How long that may be repeated, in seconds, unless the directory is changed or invalidated. */
  readonly timeout: number
}

export interface StatFs {
  readonly bsize: number
  readonly frsize: number
  readonly blocks: number
  readonly bfree: number
  readonly bavail: number
  readonly files: number
  readonly ffree: number
  readonly favail: number
  readonly namemax: number
}

interface Pending {
  readonly id: RequestId
  readonly caller: Caller
}

interface OnNode extends Pending {
  readonly node: NodeId
}

interface OnName extends Pending {
  readonly parent: NodeId
  readonly name: string
}

/** `"now"` asks for the server's clock, as utimensat's UTIME_NOW. */
export type TimeArgument = Time | "now"

export interface SetAttrRequest extends OnNode {
  readonly op: "setattr"
  readonly handle: HandleId | undefined
  readonly mode: number | undefined
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly size: number | undefined
  readonly atime: TimeArgument | undefined
  readonly mtime: TimeArgument | undefined
}

/**
 * What crosses to JavaScript. `forget`, `release`, `drained`, `cancel` and `closed` take no reply; every other request is answered
 * exactly once through the session's `reply...` methods.
 */
export type Request =
  | (OnName & { readonly op: "lookup" })
  /** The kernel holds none of these nodes any more; before an id is forgotten or used anew, `Session.retire` it. */
  | { readonly op: "forget"; readonly nodes: ReadonlyArray<NodeId> }
  | (OnNode & { readonly op: "getattr"; readonly handle: HandleId | undefined })
  | SetAttrRequest
  | (OnNode & { readonly op: "readlink" })
  | (OnName & { readonly op: "mknod"; readonly mode: number; readonly rdev: number })
  | (OnName & { readonly op: "mkdir"; readonly mode: number })
  | (OnName & { readonly op: "unlink" })
  | (OnName & { readonly op: "rmdir" })
  | (OnName & { readonly op: "symlink"; readonly target: string })
  | (OnName & { readonly op: "link"; readonly node: NodeId })
  | (OnName & {
      readonly op: "rename"
      readonly newParent: NodeId
      readonly newName: string
      /** RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4 (renameat2(2)). */
      readonly flags: number
    })
  | (OnNode & { readonly op: "open"; readonly flags: number })
  | (OnName & { readonly op: "create"; readonly mode: number; readonly flags: number })
  /** Only for handles without content, see `OpenReply.content`. */
  | (OnNode & { readonly op: "read"; readonly handle: HandleId; readonly offset: number; readonly size: number })
  /** close(2) of a handle whose content changed since the last flush or fsync; unchanged ones are answered natively. */
  | (OnNode & { readonly op: "flush"; readonly handle: HandleId; readonly content: ContentId })
  | (OnNode & {
      readonly op: "fsync"
      readonly handle: HandleId
      readonly content: ContentId | undefined
      readonly dataOnly: boolean
    })
  /** The last reference to the handle is gone; the binding has detached it from its content already. */
  | {
      readonly op: "release"
      readonly node: NodeId
      readonly handle: HandleId
      readonly content: ContentId | undefined
    }
  /** The last handle of a share that was withdrawn is gone; nothing of the content is attached through it any more. */
  | { readonly op: "drained"; readonly node: NodeId; readonly content: ContentId }
  | (OnNode & {
      readonly op: "readdir"
      /** Cookie of the last entry the kernel has, 0 at the start. */
      readonly offset: number
      /** Room in bytes for the packed page. */
      readonly size: number
      readonly plus: boolean
    })
  | (OnNode & { readonly op: "fsyncdir" })
  | (OnNode & { readonly op: "statfs" })
  | (OnNode & { readonly op: "setxattr"; readonly name: string; readonly value: Uint8Array; readonly flags: number })
  | (OnNode & { readonly op: "getxattr"; readonly name: string; readonly size: number })
  | (OnNode & { readonly op: "listxattr"; readonly size: number })
  | (OnNode & { readonly op: "removexattr"; readonly name: string })
  | (OnNode & { readonly op: "access"; readonly mask: number })
  | (OnNode & {
      readonly op: "fallocate"
      readonly handle: HandleId
      readonly content: ContentId | undefined
      readonly mode: number
      readonly offset: number
      readonly length: number
    })
  /** The kernel interrupted a request that is still pending (FUSE_INTERRUPT after the fatal-signal rule). */
  | { readonly op: "cancel"; readonly target: RequestId }
  /** The connection ended: unmounted from outside or aborted. The last record of a session. */
  | { readonly op: "closed"; readonly reason: string }

/** What a content table asks of JavaScript. */
export type ContentEvent =
  /**
   * A write is about to make a clean content dirty and waits. Answered by `ContentTable.replyDirty`: 0 once the change
   * is on record, or the errno that the writer gets.
   */
  | { readonly op: "dirty"; readonly id: RequestId; readonly content: ContentId }
  /**
   * A write found the disk full and waits; it may need so many bytes. Answered by `ContentTable.replySpace`: 0 has it
   * tried again, up to three times; an errno is what the writer gets. Waiting has a limit, and it is yours to set.
   */
  | { readonly op: "space"; readonly id: RequestId; readonly content: ContentId; readonly bytes: number }
  /**
   * Readers wait for [offset, offset+length) of a content. Answered by `fill` and `failRange`. A range that was asked
   * for is not asked for again until it was filled or failed. `sequential` is the length of the sequential run that
   * led here in bytes, 0 for a random read. `ahead` says that the reader waits for earlier bytes of the same handle, so
   * that this is the kernel's read-ahead and nobody is blocked by it yet; such events have the low lane.
   */
  | {
      readonly op: "fetch"
      readonly content: ContentId
      readonly offset: number
      readonly length: number
      readonly sequential: number
      readonly ahead: boolean
    }

export type Op = Request["op"]

export interface MountOptions {
  readonly mountpoint: string
  /** Source shown in /proc/self/mountinfo. */
  readonly fsName: string
  /** Shown as `fuse.<subtype>`. */
  readonly subtype: string
  readonly allowOther?: boolean
  readonly readOnly?: boolean
  /**
   * Loop threads, 1..16, default 4. Two of them read the device; the others join for files and for what JavaScript
   * answers.
   */
  readonly threads?: number
  /** Requests that may wait for JavaScript before the loop stops reading the device, 1..100_000, default 1000. */
  readonly queueLimit?: number
  /** Largest write and read in bytes, 4096..1 MiB, default 1 MiB. */
  readonly maxTransfer?: number
  /** Agree with the kernel on passthrough where it and our privileges allow it (`OpenReply.passthrough`), default true. */
  readonly passthrough?: boolean
  /** Background requests (read-ahead, asynchronous direct I/O) the kernel may have out at a time, 1..1000, default 64. */
  readonly maxBackground?: number
  /** Switches features on or off; what the kernel does not have stays off (`Session.features`). */
  readonly features?: FeatureSwitches
  /** Names and nodes that the binding keeps for its own answers, 1000..100_000_000, default 400,000: about 80 MiB. */
  readonly recordLimit?: number
  /**
   * Longest entry and attribute timeout that the kernel is told, in seconds; default: those of the replies. What the
   * binding answers natively holds as long as the replies say.
   */
  readonly kernelTimeouts?: number
}

/** Byte ranges as alternating start, end pairs in ascending order, half open, never touching each other. */
export type Extents = ReadonlyArray<number>

export interface ContentOptions {
  /** Backing file, opened read-write by the binding and created (0600) when `create` is set. */
  readonly path: string
  readonly create?: boolean
  readonly size: number
  readonly mtime: Time
  /** Which bytes are present. `"all"` is [0, size). */
  readonly valid: Extents | "all"
  /** Ranges changed locally and not at the server yet; they are part of `valid`. */
  readonly dirty?: Extents
  /** Starts as changed: writes do not raise a `dirty` request again. */
  readonly modified?: boolean
  /** The first write goes ahead without a `dirty` event, until `markClean`: its caller has recorded it already. */
  readonly permitted?: boolean
  /** Continues counting here; every write or truncate adds one. */
  readonly generation: number
}

/** A content without its ranges: cheap, whatever their number. */
export interface ContentStatus {
  readonly size: number
  readonly mtime: Time
  /** mtime was moved by a write or truncate since the content was opened or `setContentTime` was called. */
  readonly mtimeMoved: boolean
  readonly generation: number
  readonly modified: boolean
  readonly complete: boolean
  /** Handles attached. */
  readonly handles: number
  /** Parked readers. */
  readonly waiters: number
  readonly frozen: boolean
  /** Handles that the kernel serves from the backing file itself. */
  readonly passing: number
  /**
   * Those of them that may write. While there are any, `size` and `mtime` follow the file, and the content does not become
   * clean; after a forced unmount they stay counted, because programs may go on writing to the file.
   */
  readonly outsideWriters: number
}

export interface ContentState extends ContentStatus {
  readonly valid: Extents
  readonly dirty: Extents
}

export interface Invalidation {
  /** Drop a dentry (positive or negative) so that the next access asks again. */
  readonly kind: "entry"
  readonly parent: NodeId
  readonly name: string
}
export interface DeleteNotice {
  /** Drop a dentry and tell inotify watchers it was deleted. */
  readonly kind: "delete"
  readonly parent: NodeId
  readonly child: NodeId
  readonly name: string
}
export interface InodeInvalidation {
  /** Drop attributes and, unless `attributesOnly`, cached pages of [offset, offset+length); length 0 is to the end. */
  readonly kind: "inode"
  readonly node: NodeId
  readonly attributesOnly?: boolean
  readonly offset?: number
  readonly length?: number
}
export interface Expiration {
  /** Ask again at the next access, but keep the dentry while it is in use (FUSE_EXPIRE_ONLY, Linux 6.2); before, as `entry`. */
  readonly kind: "expire"
  readonly parent: NodeId
  readonly name: string
}
export interface Store {
  /** Put up to 1 MiB of bytes into the page cache of an inode the kernel holds; beyond its size they enlarge it. */
  readonly kind: "store"
  readonly node: NodeId
  readonly offset: number
  readonly bytes: Uint8Array
}
export type Notification = Invalidation | DeleteNotice | InodeInvalidation | Expiration | Store

export interface UnmountOptions {
  /** How long a busy mount is retried before everything parked is failed and the mount is forced, in ms. */
  readonly deadline: number
  /** Skip the polite part. */
  readonly force?: boolean
}

/** Never back. `draining` serves reads and refuses new changes with EBUSY. */
export type Phase = "running" | "draining" | "unmounting" | "closed"

export interface ShutdownOptions {
  /** For people: who or what asked. */
  readonly reason?: string
  /** Longest `draining` in ms, default 0: until `unmount` is called or the time is over. */
  readonly drain?: number
  /** How long a busy mount is asked politely in ms, default 0; counted from the beginning of `unmounting`. */
  readonly unmount?: number
  /** Nothing waits for anybody. */
  readonly force?: boolean
  /** Called on this thread, in order. */
  readonly onEvent?: (event: ShutdownEvent) => void
}

export type ShutdownEvent =
  | { readonly type: "begin"; readonly reason: string }
  /** `phase` was entered; the one before took `before` ms. */
  | { readonly type: "phase"; readonly phase: Phase; readonly before: number }
  | { readonly type: "complete"; readonly report: UnmountReport }

export interface UnmountReport {
  /** `graceful`: plain unmount. `forced`: MNT_FORCE and MNT_DETACH (or fusermount3 -u -z) were needed. `gone`: was not mounted any more. */
  readonly outcome: "graceful" | "forced" | "gone"
  /** Why the end was asked for. */
  readonly asked: string
  /** How it came: `unmounted`, `busy until the deadline`, ... */
  readonly reason: string
  readonly durationMs: number
  /** Milliseconds of each phase; `closing` is from the end of the mount to the end of the last thread. */
  readonly phases: { readonly draining: number; readonly unmounting: number; readonly closing: number }
  /** False: the drain was ended by its deadline, by force, or with the connection. */
  readonly drained: boolean
  /** Requests that were failed to get out. */
  readonly abandoned: number
}

/**
 * Latencies from the request's arrival to its answer, in microseconds. Percentiles come from buckets and are off by at
 * most 1/16 (6.25 %); counts and maxima are exact.
 */
export interface OpStats {
  readonly count: number
  readonly errors: number
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
}

/** What the binding answered from what it knows, and what it had to ask for. */
export interface NativeStats {
  readonly lookupHits: number
  readonly lookupMisses: number
  readonly attributeHits: number
  readonly attributeMisses: number
  readonly listingHits: number
  readonly listingMisses: number
  /** Replies that came too late to be kept: what they say was invalidated since. */
  readonly refusedFills: number
  /** Records that went for want of room. */
  readonly evicted: number
  /** Nodes and names that are known. */
  readonly records: number
  readonly opens: number
  /** Contents that are shared now. */
  readonly shares: number
  /** Nodes the kernel holds. */
  readonly held: number
}

/** How many requests wait for JavaScript in a lane, and how many waited at most. */
export interface LaneStats {
  readonly now: number
  readonly max: number
}

/** Counters since the mount. Reading them stops nobody, so they may be a request or two apart from each other. */
export interface SessionStats {
  readonly uptimeMs: number
  /** Waiting for JavaScript, in all lanes together. */
  readonly queued: number
  readonly queuedMax: number
  readonly lanes: { readonly high: LaneStats; readonly normal: LaneStats; readonly low: LaneStats }
  /** Not answered yet: queued, being handled, or parked natively. */
  readonly pending: number
  /** Handed to JavaScript. */
  readonly dispatched: number
  /** Answered by JavaScript. */
  readonly completed: number
  /** Answers with an errno, native ones included. */
  readonly errors: number
  /** Replies to ids that were unknown or answered before. */
  readonly strayReplies: number
  readonly contents: number
  readonly handles: number
  readonly waiters: number
  readonly notifications: number
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly bytesFilled: number
  readonly native: NativeStats
  /** By request name, natively answered ones included. */
  readonly ops: Readonly<Record<string, OpStats>>
  /** Negotiated with the kernel. */
  readonly capabilities: Readonly<Record<string, boolean>>
}
