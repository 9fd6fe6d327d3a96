import { binding } from "./binding.ts"
import type { NativeTable } from "./binding.ts"
import { RecordBuffer } from "./decode.ts"
import { scratchLength } from "./encode.ts"
import { failure } from "./errors.ts"
import type { ContentEvent, ContentId, ContentOptions, ContentState, ContentStatus, RequestId, Time } from "./types.ts"
import { decodeUnflushed, decodeWriteStats, encodeLimits } from "./writes.ts"
import type { Unflushed, WriteLimits, WriteStats } from "./writes.ts"
import {
  checkBytes,
  checkContentOptions,
  checkErrno,
  checkExtents,
  checkFunction,
  checkInteger,
  checkLength,
  checkTableOptions,
  checkTime
} from "./validate.ts"

const batchWords = 8 * 1024
const largestBatch = 256
const badDescriptor = 9
const none = new Float64Array(0)

export interface ContentTableOptions {
  readonly queueLimit?: number
  readonly writes?: WriteLimits
}

/**
 * File bodies by number, with or without a mount. Each is one backing file plus the ranges of it that are present and
 * those that were changed here. Whoever reads missing bytes waits for them and a `fetch` event asks for them; whoever
 * first writes to an unchanged body waits for the answer to a `dirty` event. Sessions serve kernel handles from a table.
 *
 * Methods throw or reject with FuseError: EBADF for a content that is not open, Ended (ENODEV) after `dispose`,
 * InvalidArgument (EINVAL), TooLarge (EMSGSIZE), and the system's errno for I/O.
 */
export class ContentTable {
  readonly #native: NativeTable
  readonly #scratch: Float64Array
  readonly #records = new RecordBuffer(batchWords)

  private constructor(native: NativeTable, scratch: Float64Array) {
    this.#native = native
    this.#scratch = scratch
  }

  /**
   * `onEvents` is called on this thread when events begin to wait; drain them with `take`. When `queueLimit` (1..100_000,
   * default 1000) wait, the sessions that serve from the table stop reading requests. `writes` bounds what writers may
   * have on the way.
   */
  static create(onEvents: () => void, options: ContentTableOptions = {}): ContentTable {
    checkFunction("create", "onEvents", onEvents)
    const scratch = new Float64Array(scratchLength)
    const limits = encodeLimits(options.writes ?? {})
    const native = binding.createTable(scratch, onEvents, checkTableOptions(options), limits)
    if (typeof native === "number") throw failure(-native, "create")
    return new ContentTable(native, scratch)
  }

  /** @internal The native table behind one, for `Session.mount`. */
  static native(table: unknown): NativeTable | undefined {
    return table instanceof ContentTable ? table.#native : undefined
  }

  /**
   * Removes up to `limit` (1..256, default 256) waiting events, by lane as `Session.take` does and in order for each
   * content; `onEvents` is called again when more wait.
   */
  take(limit: number = largestBatch): ReadonlyArray<ContentEvent> {
    const checked = checkInteger("take", "limit", limit, 1, largestBatch)
    return this.#records.events(binding.takeEvents(this.#native, this.#records.numbers, checked))
  }

  /** Answers a `dirty` event: 0 lets the writers go on, an errno is what they get. ENOENT when it was answered before. */
  replyDirty(id: RequestId, errno: number): void {
    this.#answer("replyDirty", id, errno)
  }

  /** Answers a `space` event: 0 has the write tried again, an errno is what its writer gets. ENOENT as above. */
  replySpace(id: RequestId, errno: number): void {
    this.#answer("replySpace", id, errno)
  }

  #answer(call: string, id: RequestId, errno: number): void {
    this.#check(call, binding.answerEvent(this.#native, id, checkInteger(call, "errno", errno, 0, 4095)))
  }

  /**
   * Opens a file body. The backing file gets exactly `size` bytes: longer ones are cut, shorter ones extended by a hole.
   * ENOENT, EMFILE, ENOSPC, EEXIST (the id is open), EIO (the file is shorter than what is said to be valid).
   */
  open(id: ContentId, options: ContentOptions): void {
    checkContentOptions(options)
    const valid = options.valid === "all" ? none : checkExtents("valid", options.valid, options.size)
    const dirty = checkExtents("dirty", options.dirty ?? [], options.size)
    this.#scratch.set([options.size, options.mtime.sec, options.mtime.nsec, options.generation])
    const result = binding.openContent(
      this.#native,
      checkInteger("open", "id", id),
      options.path,
      options.create ?? false,
      options.modified ?? false,
      options.valid === "all",
      valid,
      dirty,
      options.permitted ?? false
    )
    this.#check("open", result, options.path)
  }

  /** EBUSY while handles are attached. Whoever waits gets EBADF. */
  close(id: ContentId): void {
    this.#check("close", binding.closeContent(this.#native, id))
  }

  /** Undefined when the content is not open. */
  state(id: ContentId): ContentState | undefined {
    const extents = binding.contentState(this.#native, id)
    if (typeof extents === "number") {
      if (extents === -badDescriptor) return undefined
      throw failure(-extents, "state")
    }
    return { ...this.#status(), valid: extents[0], dirty: extents[1] }
  }

  /** As `state`, without the ranges: its cost does not grow with their number. */
  status(id: ContentId): ContentStatus | undefined {
    const result = binding.contentStatus(this.#native, id)
    if (result === -badDescriptor) return undefined
    this.#check("status", result)
    return this.#status()
  }

  #status(): ContentStatus {
    const at = (index: number): number => this.#scratch[index] ?? 0
    return {
      size: at(0),
      mtime: { sec: at(1), nsec: at(2) },
      mtimeMoved: at(3) === 1,
      generation: at(4),
      modified: at(5) === 1,
      complete: at(6) === 1,
      handles: at(7),
      waiters: at(8),
      frozen: at(9) === 1,
      passing: at(10),
      outsideWriters: at(11)
    }
  }

  /** First missing range at or after `offset`, within the size; undefined when there is none or it is not open. */
  missing(id: ContentId, offset: number): { readonly offset: number; readonly length: number } | undefined {
    const result = binding.missingRange(this.#native, id, checkInteger("missing", "offset", offset))
    if (result === -badDescriptor) return undefined
    if (this.#check("missing", result) === 0) return undefined
    return { offset: this.#scratch[0] ?? 0, length: this.#scratch[1] ?? 0 }
  }

  /**
   * Cuts or extends without needing the bytes: what is cut off is forgotten, what is added reads as zeros. Copies a
   * frozen file first, marks modified, bumps the generation, moves mtime. Raises no `dirty` event: the caller knows.
   * Off the JavaScript thread, like all that gives promises, and in the order of the calls on this content; until it is
   * done the content does not become clean.
   */
  async truncate(id: ContentId, size: number): Promise<void> {
    const checked = checkInteger("truncate", "size", size)
    this.#check("truncate", await binding.truncateContent(this.#native, id, checked))
  }

  /** As `truncate`, for fallocate(2) mode 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE[|KEEP_SIZE]; else EOPNOTSUPP. */
  async allocate(id: ContentId, mode: number, offset: number, length: number): Promise<void> {
    const result = await binding.allocateContent(
      this.#native,
      id,
      checkInteger("allocate", "mode", mode, 0, 0xffff),
      checkInteger("allocate", "offset", offset),
      checkInteger("allocate", "length", length, 1)
    )
    this.#check("allocate", result)
  }

  /** Sets the mtime that `state` shows, and clears `mtimeMoved`. */
  setTime(id: ContentId, mtime: Time): void {
    const { nsec, sec } = checkTime("setTime", "mtime", mtime)
    this.#check("setTime", binding.setContentTime(this.#native, id, sec, nsec))
  }

  /** Forgets that the content was changed, unless it was changed after `generation`: then false, and nothing happens. */
  markClean(id: ContentId, generation: number): boolean {
    const checked = checkInteger("markClean", "generation", generation)
    return this.#check("markClean", binding.markClean(this.#native, id, checked)) === 1
  }

  /**
   * Forgets every range that was not changed here: it is asked for again by the next reader. Handles stay; what the
   * kernel has cached of the file is the caller's to invalidate afterwards. EBUSY while the kernel reads the file itself.
   */
  drop(id: ContentId): void {
    this.#check("drop", binding.dropContent(this.#native, id))
  }

  /**
   * Until `thaw` the present backing file keeps its valid bytes as they are: the first change copies it (a reflink
   * where possible), renames the copy over `path` and goes on there. While the kernel serves handles from the file itself,
   * the copy is made at once and is what is frozen. `fd` is the frozen file for reading; close it when done.
   * In the order of the calls on this content, so behind a copy that is under way. EBUSY when it is frozen already.
   */
  async freeze(id: ContentId): Promise<{ readonly generation: number; readonly fd: number }> {
    const result = await binding.freezeContent(this.#native, id)
    if (typeof result === "number") throw failure(-result, "freeze")
    return { generation: result[0], fd: result[1] }
  }

  thaw(id: ContentId): void {
    this.#check("thaw", binding.thawContent(this.#native, id))
  }

  /**
   * Writes downloaded bytes where nothing valid is yet, and releases the readers that are satisfied; what lies beyond
   * the size is dropped. The bytes are copied before it returns; fills of one content are applied in the order of the
   * calls. After a rejection the range still counts as asked for: fill it again or fail it.
   */
  async fill(id: ContentId, offset: number, bytes: Uint8Array): Promise<void> {
    const start = checkInteger("fill", "offset", offset)
    this.#check("fill", await binding.fill(this.#native, id, start, checkBytes("fill", bytes)))
  }

  /** Readers that wait for bytes inside the range get errno; the range may be asked for again afterwards. */
  failRange(id: ContentId, offset: number, length: number, errno: number): void {
    const result = binding.failRange(
      this.#native,
      id,
      checkInteger("failRange", "offset", offset),
      checkInteger("failRange", "length", length),
      checkErrno("failRange", errno)
    )
    this.#check("failRange", result)
  }

  /** fdatasync of the backing file, after what was started before on this content. `urgent`: somebody waits for it. */
  async sync(id: ContentId, urgent = true): Promise<void> {
    this.#check("sync", await binding.syncContent(this.#native, id, urgent))
  }

  /** As `flushAll` for one content. */
  async flush(id: ContentId, deadline: number): Promise<ReadonlyArray<Unflushed>> {
    return this.#flush("flush", checkInteger("flush", "id", id, 1), deadline)
  }

  /**
   * Resolves when what waits in the write queues now has had its turn, with what has not after `deadline` milliseconds.
   * In the backing files then, not necessarily on the disk.
   */
  async flushAll(deadline: number): Promise<ReadonlyArray<Unflushed>> {
    return this.#flush("flushAll", 0, deadline)
  }

  async #flush(call: string, id: number, deadline: number): Promise<ReadonlyArray<Unflushed>> {
    const limit = checkInteger(call, "deadline", deadline, 0, 0x7fff_ffff)
    const left = await binding.flushContents(this.#native, id, limit)
    if (typeof left === "number") throw failure(-left, call)
    return decodeUnflushed(left)
  }

  /** Figures of all writes and of each handle, at this moment. */
  stats(): WriteStats {
    return decodeWriteStats(binding.writeStatistics(this.#native))
  }

  /** Bytes of [offset, offset+length), fewer at the end of the body; 64 MiB at most. Waits for missing ones as a kernel reader does. */
  async read(id: ContentId, offset: number, length: number): Promise<Uint8Array> {
    const start = checkInteger("read", "offset", offset)
    const result = await binding.readContent(this.#native, id, start, checkLength("read", length))
    if (typeof result === "number") throw failure(-result, "read")
    return result
  }

  /** Writes as the kernel does (permission, freeze, generation); returns how many bytes. The bytes are copied first. */
  async write(id: ContentId, offset: number, bytes: Uint8Array): Promise<number> {
    const start = checkInteger("write", "offset", offset)
    return this.#check("write", await binding.writeContent(this.#native, id, start, checkBytes("write", bytes)))
  }

  /** Fails all waiters with ENODEV and closes the files. EBUSY while a session serves from the table. Idempotent. */
  dispose(): void {
    this.#check("dispose", binding.disposeTable(this.#native))
  }

  #check(syscall: string, result: number, detail?: string): number {
    if (result < 0) throw failure(-result, syscall, detail)
    return result
  }
}
