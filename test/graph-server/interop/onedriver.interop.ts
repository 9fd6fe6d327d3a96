/**
 * onedriver's mount of a drive that it believes to be Microsoft's. It asks for changes every 30 seconds. Debian packages it
 * from the release after 12 on.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { quickXorHash } from "../../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../../src/graph-server/GraphServer.ts"
import { bytesOf } from "../api.ts"
import { absent, eventually, faces, run, stepsOf, succeeded, temporaryFolder, versionOf } from "./clients.ts"
import { gone, mounted, shows, write } from "./mounting.ts"

const version = versionOf("onedriver", "--version")
const tools = ["fusermount3", "systemd-escape"].filter((tool) => versionOf(tool, "--version") === undefined)
if (version === undefined) absent("onedriver", "not installed")
else if (tools.length > 0) absent("onedriver", `it needs ${tools.join(" and ")}`)

const large = bytesOf(25 * 1024 * 1024)
const digits = "0123456789".repeat(1000)

/** A sign-in as onedriver stores it, for this mountpoint, with the owner's token. */
const signedIn = Effect.fnUntraced(function* (folder: string, mountpoint: string, token: string) {
  const cacheDir = join(folder, "cache")
  const { stdout } = succeeded(yield* run("systemd-escape", ["--path", mountpoint], {}))
  const instance = join(cacheDir, stdout.trim())
  mkdirSync(instance, { recursive: true })
  const login = "https://login.microsoftonline.com/common/oauth2/v2.0"
  const auth = {
    clientID: "onemount-interop",
    codeURL: `${login}/authorize`,
    tokenURL: `${login}/token`,
    redirectURL: "https://login.live.com/oauth20_desktop.srf"
  }
  const farAway = 4_000_000_000
  const tokens = { access_token: token, refresh_token: token, expires_in: 3600, expires_at: farAway }
  const stored = { config: auth, account: "embedded@embedded.invalid", ...tokens }
  writeFileSync(join(instance, "auth_tokens.json"), JSON.stringify(stored), { mode: 0o600 })
  const config = join(folder, "config.yml")
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ log: "info", cacheDir, auth }))
  return ["-n", "-f", config, "-c", cacheDir, mountpoint]
})

const sh = (script: string, ...args: ReadonlyArray<string>) =>
  Effect.map(run("sh", ["-c", script, ...args], {}), succeeded)

/** Until the drive has the file with these bytes. */
const holds = (path: string, content: Uint8Array | string) =>
  eventually(
    Effect.gen(function* () {
      const { size, hash } = yield* (yield* GraphServer.DriveAdmin).stat(path)
      const bytes = Buffer.from(content)
      return size === bytes.length && hash === quickXorHash(bytes)
    }).pipe(Effect.orElseSucceed(() => false))
  )

const lacks = (path: string) =>
  eventually(
    Effect.flatMap(GraphServer.DriveAdmin, (admin) => admin.stat(path)).pipe(
      Effect.as(false),
      Effect.catch(({ status }) => Effect.succeed(status === 404))
    )
  )

type Steps = ReturnType<typeof stepsOf>
type Inside = (path: string) => string

const reading = Effect.fnUntraced(function* (step: Steps, inside: Inside, local: string) {
  const listed = yield* step("list", sh('ls "$0"', inside("docs")))
  assert.strictEqual(listed.stdout, "digits.txt\n")
  const size = yield* step("stat", sh('stat -c %s "$0"', inside("docs/digits.txt")))
  assert.strictEqual(size.stdout, `${digits.length}\n`)
  const part = yield* step("ranged read", sh('tail -c +5004 "$0" | head -c 5', inside("docs/digits.txt")))
  assert.strictEqual(part.stdout, "34567")
  yield* step("read 25 MB", sh('cmp "$0" "$1"', local, inside("large.bin")))
  const blocks = yield* step("about", sh('stat -f -c %b "$0"', inside("")))
  assert.isAbove(Number(blocks.stdout), 0)
})

const writing = Effect.fnUntraced(function* (step: Steps, inside: Inside, local: string) {
  const file = inside("docs/new.txt")
  // It uploads nothing of a file that was never written to.
  const emptied = sh('printf x > "$0" && : > "$0"', inside("empty"))
  yield* step("upload an emptied file", Effect.andThen(emptied, holds("/empty", "")))
  yield* step("upload a small file", Effect.andThen(write(file, "new"), holds("/docs/new.txt", "new")))
  yield* step("upload 25 MB", Effect.andThen(sh('cp "$0" "$1"', local, inside("copy.bin")), holds("/copy.bin", large)))
  yield* step("overwrite", Effect.andThen(write(file, "newer"), holds("/docs/new.txt", "newer")))
  const named = inside("docs/named.txt")
  const renamed = Effect.andThen(holds("/docs/named.txt", "newer"), lacks("/docs/new.txt"))
  yield* step("rename", Effect.andThen(sh('mv "$0" "$1"', file, named), renamed))
  const made = inside("made")
  const moved = Effect.andThen(holds("/made/named.txt", "newer"), lacks("/docs/named.txt"))
  yield* step("mkdir and move", Effect.andThen(sh('mkdir "$0" && mv "$1" "$0/"', made, named), moved))
  const removal = sh('rm "$0/named.txt" && rmdir "$0"', made)
  yield* step("delete and rmdir", Effect.andThen(removal, lacks("/made")))
})

const changedOutside = Effect.fnUntraced(function* (step: Steps, inside: Inside) {
  const admin = yield* GraphServer.DriveAdmin
  const path = "/docs/outside.txt"
  yield* admin.putFile(path, "from outside")
  yield* step("a file put outside appears", shows(inside(path), "from outside"))
  yield* admin.replace(path, "from outside, and longer")
  yield* step("new content put outside appears", shows(inside(path), "from outside, and longer"))
  yield* admin.delete(path)
  yield* step("a file deleted outside goes", gone(inside(path)))
})

const work = Effect.gen(function* () {
  const step = stepsOf(version ?? "")
  const { env, token } = yield* faces
  const admin = yield* GraphServer.DriveAdmin
  yield* admin.createFolder("/docs")
  yield* admin.putFile("/docs/digits.txt", digits)
  yield* admin.putFile("/large.bin", large)
  const folder = yield* temporaryFolder
  const mountpoint = join(folder, "onedriver")
  const inside = (path: string): string => join(mountpoint, path)
  const local = join(folder, "large.bin")
  writeFileSync(local, large)
  const args = yield* signedIn(folder, mountpoint, token)
  yield* step("mounts", mounted(mountpoint, "onedriver", args, { ...env, HOME: folder, XDG_CACHE_HOME: folder }))
  yield* reading(step, inside, local)
  yield* writing(step, inside, local)
  yield* changedOutside(step, inside)
})

describe.skipIf(version === undefined || tools.length > 0)("onedriver", () => {
  it.live("mounts a personal drive and keeps up with it", () =>
    Effect.provide(Effect.scoped(work), GraphServer.layerMemory())
  )
})
