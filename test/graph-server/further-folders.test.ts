import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, watch, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { admin as adminApi, get, opened, post, put, temporaryFolder } from "./api.ts"

const labels = Effect.map(GraphServer.Drives, (drives) => drives.list().map(({ model }) => model.label))

const addDrive = (name: string, owner: string) =>
  Effect.gen(function* () {
    const { driveId, admin } = yield* (yield* GraphServer.Drives).add({ label: { name, owner } })
    yield* admin.putFile("/kept.txt", `of ${owner}`)
    return driveId
  })

const copyTo = (driveId: string) => post("/me/drive/root:/here.txt:/copy", { parentReference: { driveId, id: "root" } })

const linkTo = (driveId: string, id: string) =>
  post("/me/drive/root/children", { name: "Link", remoteItem: { id, parentReference: { driveId } } })

describe("folders of further drives", () => {
  it.live("hold a whole drive or none after kill -9 while one is made", () =>
    Effect.gen(function* () {
      const dir = yield* temporaryFolder
      yield* opened(dir, Effect.void)
      mkdirSync(join(dir, "drives"))
      let made = 0
      // A drive is seen to be made in three events: its folder comes, goes, and comes under its number.
      for (const events of [4, 5, 6, 7]) {
        const confirmed = yield* killedAfter(events, dir, made)
        const names = (yield* opened(dir, labels)).slice(1)
        assert.deepStrictEqual(
          names,
          Array.from({ length: names.length }, (_, n) => ({ name: `Drive ${n}`, owner: "ada@example.org" }))
        )
        assert.include([made + confirmed, made + confirmed + 1], names.length)
        assert.deepStrictEqual(readdirSync(join(dir, "drives")).length, names.length)
        made = names.length
      }
      assert.isAtLeast(made, 1)
    })
  )

  it.live("that cannot be opened are named, listed and answer 503, and the others are served", () =>
    Effect.gen(function* () {
      const dir = yield* temporaryFolder
      const [ada, bob, eve] = yield* opened(
        dir,
        Effect.all([
          addDrive("OneDrive", "ada@example.org"),
          addDrive("OneDrive", "bob@example.org"),
          addDrive("OneDrive", "eve@example.org")
        ])
      )
      const kept = yield* opened(
        dir,
        Effect.gen(function* () {
          const { id } = (yield* get(`/drives/${ada}/root:/kept.txt`)).body
          assert.strictEqual((yield* linkTo(ada, id)).status, 201)
          return id
        })
      )
      const folder = (key: number) => join(dir, "drives", String(key))
      const database = join(folder(1), "drive.db")
      const whole = readFileSync(database)
      writeFileSync(database, "no database at all, but long enough to look at")
      const raw = new DatabaseSync(join(folder(2), "drive.db"))
      raw.exec("PRAGMA user_version = 99")
      raw.close()
      yield* opened(
        dir,
        Effect.gen(function* () {
          for (const closed of [`/drives/${ada}/root:/kept.txt`, "/users/ada@example.org/drive", `/drives/${bob}`]) {
            const { status, body } = yield* get(closed)
            assert.deepStrictEqual([status, body.error.code], [503, "serviceNotAvailable"], closed)
          }
          yield* put("/me/drive/root:/here.txt:/content", "x")
          for (const refused of [yield* copyTo(ada), yield* copyTo(bob), yield* linkTo(ada.toUpperCase(), kept)]) {
            assert.deepStrictEqual([refused.status, refused.body.error.code], [503, "serviceNotAvailable"])
          }
          assert.strictEqual((yield* copyTo(eve)).status, 202)
          assert.strictEqual((yield* copyTo("6000000000000000")).status, 404)
          assert.strictEqual((yield* linkTo("6000000000000000", kept)).status, 400)
          const shown: object = (yield* get("/me/drive/root:/Link")).body
          assert.deepInclude(shown, { remoteItem: { id: kept, parentReference: { driveId: ada } } })
          assert.strictEqual((yield* get("/me/drive/root:/Link 1")).status, 404)
          assert.strictEqual((yield* get("/drives/6000000000000000")).status, 404)
          assert.strictEqual((yield* get(`/drives/${eve}/root:/kept.txt`)).status, 200)
          assert.strictEqual((yield* put("/me/drive/root:/mine.txt:/content", "x")).status, 201)
          const listed = (yield* adminApi("GET", "drives")).body.value as ReadonlyArray<object>
          const [, , first, second] = listed as ReadonlyArray<{ readonly id?: string; readonly error?: string }>
          assert.deepStrictEqual([first?.id, second?.id], [ada, bob])
          assert.match(first?.error ?? "", new RegExp(`^${folder(1)} is damaged: .* Restore it from a copy`))
          assert.match(second?.error ?? "", new RegExp(`^${folder(2)} was made by a newer version.* Update onemount`))
          const taken = yield* Effect.flip(addDrive("OneDrive", "ada@example.org"))
          assert.strictEqual((taken as GraphServer.ApiError).status, 409)
          yield* addDrive("OneDrive", "dan@example.org")
        })
      )
      assert.isTrue(existsSync(folder(4)))
      assert.strictEqual(readFileSync(database, "utf8").slice(0, 11), "no database")
      writeFileSync(database, whole)
      const back = yield* opened(dir, get(`/drives/${ada}/root:/kept.txt`))
      assert.strictEqual(back.status, 200)
    })
  )

  it.live("without a database, or with an empty one, are not filled with a new drive", () =>
    Effect.gen(function* () {
      const dir = yield* temporaryFolder
      const ada = yield* opened(dir, addDrive("OneDrive", "ada@example.org"))
      const folder = join(dir, "drives", "1")
      const kept = readdirSync(join(folder, "content"))
      writeFileSync(join(folder, "drive.db"), "")
      mkdirSync(join(dir, "drives", "2"))
      yield* opened(
        dir,
        Effect.gen(function* () {
          assert.strictEqual((yield* get(`/drives/${ada}`)).status, 503)
          const drives = yield* GraphServer.Drives
          assert.deepStrictEqual(
            drives.closed().map(({ key, error }) => [key, error.reason]),
            [
              ["1", "NotADrive"],
              ["2", "NotADrive"]
            ]
          )
          assert.deepStrictEqual(readdirSync(join(folder, "content")), kept)
        })
      )
      yield* opened(dir, put("/me/drive/root:/mine.txt:/content", "x"))
      writeFileSync(join(dir, "drive.db"), "")
      const first = yield* Effect.flip(opened(dir, Effect.void))
      assert.strictEqual(first.reason, "Damaged")
      assert.strictEqual(readdirSync(join(dir, "content")).length, 1)
    })
  )
})

/** Starts the maker, kills it at the n-th event in the folder of drives, and returns how many it had confirmed by then. */
const killedAfter = (events: number, dir: string, from: number): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    const script = fileURLToPath(new URL("maker.ts", import.meta.url))
    const child = spawn(process.execPath, [script, dir, String(from)], { stdio: ["ignore", "pipe", "inherit"] })
    let seen = 0
    const watcher = watch(join(dir, "drives"), () => {
      if (++seen >= events) child.kill("SIGKILL")
    })
    let text = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
    child.on("close", () => {
      watcher.close()
      resume(Effect.succeed(text.split("\n").length - 1))
    })
    return Effect.sync(() => {
      watcher.close()
      child.kill("SIGKILL")
    })
  })
