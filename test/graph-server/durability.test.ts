import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { bytesOf, deltaPass, get, opened, post, put, temporaryFolder } from "./api.ts"

const unit = 320 * 1024

describe("a drive in a folder", () => {
  it.live("comes back with items, tags, tokens, delta links, URLs and unfinished sessions", () =>
    Effect.gen(function* () {
      const dir = join(yield* temporaryFolder, "made", "on", "demand")
      const bytes = bytesOf(unit + 10)
      const first = yield* opened(
        dir,
        Effect.gen(function* () {
          const file = yield* put("/me/drive/root:/kept.txt:/content", "kept")
          const session = yield* post("/me/drive/root:/late.bin:/createUploadSession", {})
          const headers = { "content-range": `bytes 0-${unit - 1}/${bytes.length}` }
          yield* put(session.body.uploadUrl, bytes.subarray(0, unit), { headers })
          const { deltaLink } = yield* deltaPass("/me/drive/root/delta")
          const issued = yield* (yield* GraphServer.DriveTokens).issue
          return { file: file.body, uploadUrl: session.body.uploadUrl, deltaLink, issued }
        })
      )
      for (const name of ["token", "drive.db"]) assert.strictEqual(statSync(join(dir, name)).mode & 0o777, 0o600)
      yield* opened(
        dir,
        Effect.gen(function* () {
          const token = readFileSync(join(dir, "token"), "utf8").trim()
          assert.strictEqual((yield* GraphServer.DriveTokens).token, token)
          const { body } = yield* get("/me/drive/root:/kept.txt", { token: first.issued })
          assert.deepStrictEqual([body.id, body.eTag, body.cTag], [first.file.id, first.file.eTag, first.file.cTag])
          assert.strictEqual((yield* get(first.file["@microsoft.graph.downloadUrl"] ?? "")).text, "kept")
          assert.deepStrictEqual((yield* get(first.uploadUrl)).body.nextExpectedRanges, [`${unit}-`])
          const headers = { "content-range": `bytes ${unit}-${bytes.length - 1}/${bytes.length}` }
          const done = yield* put(first.uploadUrl, bytes.subarray(unit), { headers })
          const sha256Hash = createHash("sha256").update(bytes).digest("hex").toUpperCase()
          const hashes = { quickXorHash: quickXorHash(bytes), sha256Hash }
          assert.deepStrictEqual([done.status, done.body.file?.hashes], [201, hashes])
          const { items } = yield* deltaPass(first.deltaLink)
          assert.deepStrictEqual(
            items.map(({ name }) => name),
            ["root", "late.bin"]
          )
        })
      )
    })
  )

  it.live("opens one that an earlier version made, counts on, and makes the hashes that version did not", () =>
    Effect.gen(function* () {
      const dir = yield* temporaryFolder
      const path = "/me/drive/root:/old.txt"
      yield* opened(dir, put(`${path}:/content`, "older"))
      const made = yield* opened(dir, put(`${path}:/content`, "old"))
      const raw = new DatabaseSync(join(dir, "drive.db"))
      raw.exec(`ALTER TABLE contents DROP COLUMN sha256;
                ALTER TABLE contents DROP COLUMN sha1;
                ALTER TABLE items DROP COLUMN version;
                ALTER TABLE items DROP COLUMN description;
                ALTER TABLE permissions DROP COLUMN expires;
                ALTER TABLE permissions DROP COLUMN has_password;
                PRAGMA user_version = 6`)
      raw.close()
      const listed = yield* opened(dir, get("/me/drive/root/children"))
      assert.deepStrictEqual(listed.body.value[0]?.file?.hashes, {
        quickXorHash: made.body.file?.hashes.quickXorHash ?? ""
      })
      const alone = yield* opened(dir, get(path))
      assert.deepStrictEqual(alone.body.file, made.body.file)
      assert.isDefined(alone.body.file?.hashes.sha256Hash)
      const again = yield* opened(dir, get("/me/drive/root/children"))
      assert.deepStrictEqual(again.body.value[0]?.file, made.body.file)
      yield* opened(dir, put(`${path}:/content`, "new"))
      const versions = (yield* opened(dir, get(`${path}:/versions`))).body.value
      assert.deepStrictEqual(
        versions.map(({ id, size }) => [id, size]),
        [
          ["3.0", 3],
          ["2.0", 3],
          ["1.0", 5]
        ]
      )
    })
  )

  it.live("refuses what is not its own, newer, damaged or in use, and touches nothing", () =>
    Effect.gen(function* () {
      const base = yield* temporaryFolder
      const refusal = Effect.fnUntraced(function* (dir: string) {
        const before = statSync(dir).isDirectory() ? readdirSync(dir) : []
        const error = yield* Effect.flip(opened(dir, Effect.void))
        assert.deepStrictEqual(statSync(dir).isDirectory() ? readdirSync(dir) : [], before)
        assert.include(error.message, dir)
        return error.reason
      })
      const folder = (name: string): string => {
        mkdirSync(join(base, name))
        return join(base, name)
      }

      const other = folder("other")
      writeFileSync(join(other, "letter.txt"), "Dear Ana")
      assert.strictEqual(yield* refusal(other), "NotADrive")
      assert.strictEqual(yield* refusal(join(other, "letter.txt")), "NotADrive")

      const foreign = folder("foreign")
      const database = new DatabaseSync(join(foreign, "drive.db"))
      database.exec("CREATE TABLE t (x)")
      database.close()
      assert.strictEqual(yield* refusal(foreign), "NotADrive")

      const damaged = folder("damaged")
      writeFileSync(join(damaged, "drive.db"), "no database at all, but long enough to look at")
      assert.strictEqual(yield* refusal(damaged), "Damaged")

      const newer = folder("newer")
      yield* opened(newer, Effect.void)
      const raw = new DatabaseSync(join(newer, "drive.db"))
      raw.exec("PRAGMA user_version = 99")
      raw.close()
      assert.strictEqual(yield* refusal(newer), "Newer")

      const busy = folder("busy")
      const reason = yield* opened(busy, refusal(busy))
      assert.strictEqual(reason, "InUse")
    })
  )

  it.live("keeps everything it confirmed through kill -9, and sweeps what was left half done", () =>
    Effect.gen(function* () {
      const dir = yield* temporaryFolder
      const confirmed = yield* runUntilKilled(dir, 60)
      writeFileSync(join(dir, "content", "999999"), "left over")
      const entries = yield* opened(
        dir,
        Effect.flatMap(GraphServer.DriveAdmin, (admin) => admin.tree())
      )
      assert.isAtLeast(confirmed, 60)
      const hashes = new Map(entries.map(({ path, hash }) => [path, hash]))
      for (let n = 0; n < confirmed; n++) {
        const content = `second content of file ${n}`.repeat(1 + (n % 500))
        assert.strictEqual(hashes.get(`/file ${n}`), quickXorHash(new TextEncoder().encode(content)))
      }
      const database = new DatabaseSync(join(dir, "drive.db"))
      const contents = database.prepare("SELECT id FROM contents ORDER BY id").all()
      database.close()
      const files = readdirSync(join(dir, "content")).map(Number)
      assert.deepStrictEqual(
        files.sort((a, b) => a - b),
        contents.map(({ id }) => Number(id))
      )
    })
  )
})

/** Starts the writer, kills it once it has confirmed `lines` files, and returns how many it had confirmed by then. */
const runUntilKilled = (dir: string, lines: number): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    const script = fileURLToPath(new URL("writer.ts", import.meta.url))
    const child = spawn(process.execPath, [script, dir], { stdio: ["ignore", "pipe", "inherit"] })
    let text = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      if (text.split("\n").length > lines) child.kill("SIGKILL")
    })
    child.on("close", () => resume(Effect.succeed(text.split("\n").length - 1)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })
