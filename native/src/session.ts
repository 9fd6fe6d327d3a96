import { binding } from "./binding.ts"
import type { NativeSession } from "./binding.ts"
import { RecordBuffer } from "./decode.ts"
import { Packer, putAttrReply, putOpen, putPlacedEntry, putStatFs, scratchLength } from "./encode.ts"
import { ContentTable } from "./content-table.ts"
import { failure, InvalidArgument, packing, replyFailure } from "./errors.ts"
import { type Features, featuresOf } from "./features.ts"
import { mountNative } from "./mounting.ts"
import { phaseOf, reportOf } from "./shutdown.ts"
import { decodeStatistics, statisticsLength } from "./statistics.ts"
import type {
  Attr,
  DirEntry,
  Entry,
  ListingPart,
  Notification,
  OpenReply,
  Phase,
  Request,
  RequestId,
  SessionStats,
  ShutdownOptions,
  StatFs,
  MountOptions,
  NodeId,
  UnmountOptions,
  UnmountReport
} from "./types.ts"
import {
  checkBytes,
  checkErrno,
  checkFunction,
  checkInteger,
  checkMountOptions,
  checkShutdownOptions,
  checkUnmountOptions
} from "./validate.ts"

/** Room for a batch; the largest record is an extended attribute's value (64 KiB). */
const batchWords = 32 * 1024
const largestBatch = 256
/** Of one turn of the event loop, in milliseconds. */
const longestTurn = 2

/** Sessions that are mounted: kept alive here, and detached when the process exits. */
const mounted = new Set<Session>()

/**
 * One mounted filesystem. Every kernel request that `take` returns has to be answered exactly once with a `reply...`
 * of its kind. A reply of another kind, or with a value that is out of range, throws InvalidArgument and leaves the
 * request pending; a reply to an unknown or answered request throws StrayReply, is counted and has no other effect; a
 * reply after the session has ended throws Ended. All methods belong to the thread that mounted.
 */
export class Session {
  /** Absolute, without symbolic links as far as the caller resolved them. */
  readonly mountpoint: string
  /** Serves the open files; kept alive by the session. */
  readonly contents: ContentTable
  readonly #native: NativeSession
  readonly #scratch: Float64Array
  readonly #records = new RecordBuffer(batchWords)
  readonly #packer = new Packer()
  readonly #statistics = new Float64Array(statisticsLength)
  #ending: Promise<UnmountReport> | undefined

  static #abandonAll(this: void): void {
    for (const session of mounted) binding.abandon(session.#native)
  }

  private constructor(native: NativeSession, scratch: Float64Array, contents: ContentTable, mountpoint: string) {
    this.contents = contents
    this.#native = native
    this.#scratch = scratch
    this.mountpoint = mountpoint
  }

  /**
   * Mounts and serves open files from `contents`, which outlives the session and may serve several. `onRequests` is
   * called on this thread when requests begin to wait; drain them with `take`. It does not keep the process alive. Throws FuseError: ENOENT, ENOTDIR, EBUSY (the mountpoint is or is inside a mount of this
   * process), ENOTCONN (a dead mount is in the way), EPERM, EACCES, EINVAL.
   */
  static mount(options: MountOptions, contents: ContentTable, onRequests: () => void): Session {
    const checked = checkMountOptions(options)
    const table = ContentTable.native(contents)
    if (table === undefined) throw new InvalidArgument("mount", "contents has to be a ContentTable")
    checkFunction("mount", "onRequests", onRequests)
    const scratch = new Float64Array(scratchLength)
    const native = mountNative(checked, table, scratch, onRequests)
    const session = new Session(native, scratch, contents, checked.mountpoint)
    if (mounted.size === 0) process.on("exit", Session.#abandonAll)
    mounted.add(session)
    return session
  }

  /**
   * Removes up to `limit` (1..256, default 256) waiting requests. Empty when none wait; when more wait than were taken,
   * `onRequests` is called again. Cancels come first. The others share a batch by lanes, 8 : 4 : 1 for metadata and
   * reads, changes, and what nobody waits for (forget, release); requests for the same node keep their order.
   */
  take(limit: number = largestBatch): ReadonlyArray<Request> {
    const most = checkInteger("take", "limit", limit, 1, largestBatch)
    return this.#records.requests(binding.take(this.#native, this.#records.numbers, most, false))
  }

  /**
   * Takes and hands out until nothing comes any more, for at most 2 ms or the batch that is under way then; call it from
   * `onRequests`, which is called again when more wait. Cheaper than `take` for callers that wait for one answer after
   * the other: between the batches it lets them run for up to 50 us, as long as they do ask again. `answer` must not
   * throw (a Dispatcher's does not).
   */
  drain(answer: (request: Request) => void): void {
    const end = performance.now() + longestTurn
    try {
      do {
        const words = binding.take(this.#native, this.#records.numbers, largestBatch, true)
        if (words === 0) return
        for (const request of this.#records.requests(words)) answer(request)
      } while (performance.now() < end)
    } finally {
      binding.leave(this.#native)
    }
  }

  /** Positive errno; EINTR ends a cancelled request. */
  replyError(id: RequestId, errno: number): void {
    this.#reply("replyError", id, binding.replyError(this.#native, id, checkErrno("replyError", errno)))
  }

  /**
   * Success without payload: unlink, rmdir, rename, flush, fsync, fsyncdir, access, set/removexattr, fallocate. `cookie`
   * is the moved entry's `DirEntry.offset` in its new directory (see `Entry.cookie`).
   */
  replyOk(id: RequestId, cookie = 0): void {
    this.#reply("replyOk", id, binding.replyOk(this.#native, id, checkInteger("replyOk", "cookie", cookie)))
  }

  /** lookup, mknod, mkdir, symlink, link. Counts as one lookup of the node until the kernel forgets it. */
  replyEntry(id: RequestId, entry: Entry): void {
    packing("replyEntry", () => putPlacedEntry(this.#scratch, entry))
    this.#reply("replyEntry", id, binding.replyEntry(this.#native, id))
  }

  /** lookup of a name that is known to be absent; the kernel remembers that for `entryTimeout` seconds. */
  replyNegative(id: RequestId, entryTimeout: number): void {
    this.#reply("replyNegative", id, binding.replyNegative(this.#native, id, entryTimeout))
  }

  replyAttr(id: RequestId, attr: Attr, timeout: number): void {
    packing("replyAttr", () => putAttrReply(this.#scratch, attr, timeout))
    this.#reply("replyAttr", id, binding.replyAttr(this.#native, id))
  }

  /** Throws EBADF when `open.content` is not open, and the request stays pending. */
  replyOpen(id: RequestId, open: OpenReply): void {
    packing("replyOpen", () => putOpen(this.#scratch, 0, open))
    this.#reply("replyOpen", id, binding.replyOpen(this.#native, id))
  }

  replyCreate(id: RequestId, entry: Entry, open: OpenReply): void {
    packing("replyCreate", () => putOpen(this.#scratch, putPlacedEntry(this.#scratch, entry), open))
    this.#reply("replyCreate", id, binding.replyCreate(this.#native, id))
  }

  /**
   * Packs what fits into the kernel's page and returns how many entries that were; in a `plus` page each one with `entry`
   * counts as a lookup. An empty page ends the directory. With `part`, the binding keeps what did not fit, too.
   */
  replyDirectory(id: RequestId, entries: ReadonlyArray<DirEntry>, part?: ListingPart): number {
    const count = packing("replyDirectory", () => this.#packer.directory(entries))
    const last = part?.last === true && count === entries.length
    const { numbers } = this.#packer
    const result = binding.replyDirectory(this.#native, id, numbers, count, last, part?.timeout ?? -1)
    return this.#reply("replyDirectory", id, result)
  }

  /** read (up to the size asked for), readlink, getxattr and listxattr (ERANGE goes to the caller when too long). */
  replyBytes(id: RequestId, bytes: Uint8Array): void {
    this.#reply("replyBytes", id, binding.replyBytes(this.#native, id, checkBytes("replyBytes", bytes)))
  }

  /** getxattr and listxattr with size 0. */
  replySize(id: RequestId, size: number): void {
    this.#reply("replySize", id, binding.replySize(this.#native, id, checkInteger("replySize", "size", size)))
  }

  replyStatFs(id: RequestId, stat: StatFs): void {
    packing("replyStatFs", () => putStatFs(this.#scratch, stat))
    this.#reply("replyStatFs", id, binding.replyStatFs(this.#native, id))
  }

  /**
   * What the binding knows is dropped at once, what the kernel knows by notifications that a thread of their own sends in
   * order; returns at once. What is waiting already is not said twice. ENOBUFS when more than a million or 64 MiB wait.
   */
  notify(notifications: ReadonlyArray<Notification>): void {
    packing("notify", () => this.#packer.notifications(notifications))
    this.#check("notify", binding.notify(this.#native, this.#packer.numbers, notifications.length))
  }

  /** Resolves when everything queued before has been delivered to the kernel or refused by it. */
  async notified(): Promise<void> {
    this.#check("notified", await binding.notified(this.#native))
  }

  /** How often the kernel was given the node and has not forgotten it yet; 0 for the root, which it holds anyway. */
  lookups(node: NodeId): number {
    return this.#check("lookups", binding.lookups(this.#native, checkInteger("lookups", "node", node)))
  }

  /** Takes the node away unless the kernel holds it (then false): from here on the id may stand for something else. */
  retire(node: NodeId): boolean {
    return this.#check("retire", binding.retire(this.#native, checkInteger("retire", "node", node))) === 1
  }

  /** Ends what `OpenReply.shareable` began. True while native handles are left; `drained` comes with the last one. */
  withdraw(node: NodeId): boolean {
    return this.#check("withdraw", binding.withdraw(this.#native, checkInteger("withdraw", "node", node))) === 1
  }

  /**
   * Makes the kernel ask again for every name it keeps, once it uses it (FUSE_NOTIFY_INC_EPOCH). Returns at once,
   * whatever requests are in flight: sent before a reply, it is true when the caller hears of it. The binding goes on
   * answering from what it knows, so `notify` of the names that changed comes first. False where the kernel has no epoch
   * (before Linux 6.16) or the session has ended; `notify` is what remains then.
   */
  bumpEpoch(): boolean {
    return binding.bumpEpoch(this.#native) === 0
  }

  /** Drops the attributes of these nodes, not their pages. Returns at once, whatever is in flight. ENODEV after the end. */
  invalidateAttributes(nodes: ReadonlyArray<NodeId>): void {
    const packed = packing("invalidateAttributes", () => Float64Array.from(nodes))
    this.#check("invalidateAttributes", binding.invalidateAttributes(this.#native, packed))
  }

  /** What kernel and libfuse offer and the session uses; undefined while the kernel has not said hello, just after `mount`. */
  get features(): Features | undefined {
    const masks = binding.features(this.#native)
    return masks < 0 ? undefined : featuresOf(masks)
  }

  get phase(): Phase {
    return phaseOf(binding.phase(this.#native))
  }

  /**
   * Begins the end, in phases with a limit each (types.ts, `ShutdownOptions`): changes are refused from here on. Keep
   * answering requests until it resolves. Idempotent: the first call's options count, further calls get its report.
   */
  shutdown(options: ShutdownOptions = {}): Promise<UnmountReport> {
    this.#ending ??= this.#shutdown(checkShutdownOptions(options))
    return this.#ending
  }

  /** Unmounts, or ends the drain of a shutdown under way; `force` ends every patience, at any moment. */
  unmount(options: UnmountOptions): Promise<UnmountReport> {
    const { deadline, force } = checkUnmountOptions(options)
    if (this.#ending === undefined) return this.shutdown({ reason: "unmount", unmount: deadline, force })
    if (force) binding.force(this.#native, "force was asked for")
    else binding.proceed(this.#native, deadline)
    return this.#ending
  }

  async #shutdown({ drain, force, onEvent, reason, unmount }: Required<ShutdownOptions>): Promise<UnmountReport> {
    const begun = binding.shutdown(this.#native, reason, drain, unmount, force, (phase, before) =>
      onEvent({ type: "phase", phase: phaseOf(phase), before })
    )
    if (typeof begun === "number") throw failure(-begun, "shutdown")
    onEvent({ type: "begin", reason })
    const report = reportOf(await begun)
    mounted.delete(this)
    if (mounted.size === 0) process.off("exit", Session.#abandonAll)
    binding.close(this.#native)
    onEvent({ type: "complete", report })
    return report
  }

  /** Why the kernel does not read and write files itself (`OpenReply.passthrough`); undefined when it does. */
  passthroughRefusal(): string | undefined {
    const reason = binding.passthroughRefusal(this.#native)
    return reason === "" ? undefined : reason
  }

  stats(): SessionStats {
    this.#check("stats", binding.statistics(this.#native, this.#statistics))
    return decodeStatistics(this.#statistics)
  }

  #check(syscall: string, result: number): number {
    if (result < 0) throw failure(-result, syscall)
    return result
  }

  #reply(syscall: string, id: RequestId, result: number): number {
    if (result < 0) throw replyFailure(-result, syscall, id)
    return result
  }
}
