/** What `onemount doctor` says about the place of the cache. */
import {
  constants,
  copyFileSync,
  existsSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { dirname, join } from "node:path"
import { ContentId, ContentTable } from "@onemount/fuse-native"
import { ByteSize, Effect } from "effect"
import type { Values } from "../config/Config.ts"
import { accessible } from "../platform/PathChecks.ts"
import { check, type Check, unless } from "./checks.ts"

/** The part of a path that is there. */
const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)))

/** f_type of statfs(2). */
const filesystems: Readonly<Record<number, string>> = {
  0xef53: "ext4",
  0x9123683e: "btrfs",
  0x58465342: "xfs",
  0x01021994: "tmpfs",
  0x794c7630: "overlayfs",
  0x6969: "NFS",
  0x2fc12fc1: "ZFS",
  0x65735546: "FUSE"
}

/** What the cache's filesystem can do, tried in a folder of its own that is removed again. */
export const cacheChecks = (directory: string, { cache: { reserve } }: Values): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.suspend(() => {
    const place = existing(directory)
    const { bavail, bsize, type } = statfsSync(place)
    const kind = filesystems[type] ?? `type 0x${type.toString(16)}`
    const writable = accessible(place, constants.W_OK)
    const where = unless(
      writable && kind !== "FUSE" && kind !== "NFS",
      writable ? "warn" : "fail",
      check("cache.directory", `${directory} (${kind})`, "metadata and file contents are kept there"),
      writable
        ? "--cache-dir on a local filesystem: a remote one is slow and locks badly"
        : "--cache-dir you may write to"
    )
    const free = bavail * bsize
    const space = unless(
      free > reserve,
      "fail",
      unless(
        free > 2 * reserve,
        "warn",
        check("cache.space", `${ByteSize.format(ByteSize.bytes(free))} free`, "beyond cache.reserve writes get ENOSPC"),
        "free space soon, or lower cache.reserve"
      ),
      "free space, or lower cache.reserve"
    )
    const stacked = kind === "overlayfs"
    const passthrough = unless(
      !stacked,
      "warn",
      check(
        "cache.passthrough",
        stacked ? "a stacked filesystem" : "a filesystem of its own",
        "on a stacked one the kernel cannot read and write local files itself"
      ),
      "--cache-dir on the disk below, in a container on a volume; the mount works without"
    )
    return Effect.map(writable ? tryFiles(place) : Effect.succeed([]), (tried) => [where, space, passthrough, ...tried])
  })

const tryFiles = (place: string): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(place, ".onemount-doctor-"))),
    (folder) =>
      Effect.map(allocates(join(folder, "allocated")), (allocated) => [sparse(folder), reflinks(folder), allocated]),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )

/** Bytes; more than any filesystem keeps inline. */
const largeHole = 4 * 2 ** 20

const sparse = (folder: string): Check => {
  const path = join(folder, "sparse")
  writeFileSync(path, "")
  truncateSync(path, largeHole)
  const fine = statSync(path).blocks * 512 < largeHole / 2
  return unless(
    fine,
    "warn",
    check("cache.sparse", fine ? "sparse files" : "no sparse files", "a file that is partly here takes only that much"),
    "--cache-dir on ext4, xfs or btrfs: here every opened file takes its whole size"
  )
}

const reflinks = (folder: string): Check => {
  writeFileSync(join(folder, "one"), "x")
  try {
    copyFileSync(join(folder, "one"), join(folder, "two"), constants.COPYFILE_FICLONE_FORCE)
    return check("cache.reflink", "reflinks", "a file that is written while it is uploaded shares its blocks")
  } catch {
    return check("cache.reflink", "no reflinks", "a file that is written while it is uploaded is copied first")
  }
}

const allocates = (path: string): Effect.Effect<Check> =>
  Effect.acquireUseRelease(
    Effect.sync(() => ContentTable.create(() => undefined)),
    (table) => {
      const [id, mtime] = [ContentId(1), { sec: 0, nsec: 0 }]
      table.open(id, { path, create: true, size: 0, mtime, valid: [], generation: 0, modified: true })
      return Effect.promise(() =>
        table.allocate(id, 0, 0, largeHole).then(
          () => true,
          () => false
        )
      )
    },
    (table) =>
      Effect.sync(() => {
        table.close(ContentId(1))
        table.dispose()
      })
  ).pipe(
    Effect.map((fine) =>
      check(
        "cache.fallocate",
        fine ? "fallocate" : "no fallocate",
        fine ? "programs can reserve space" : "programs that reserve space get EOPNOTSUPP and go on without"
      )
    )
  )
