/** The commands that others script, against real mounts: what they print, what they end with, what they leave. */
import { once } from "node:events"
import { appendFileSync } from "node:fs"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { type Drive, Harness, mountsBelow, run, Running, shell } from "../e2e/harness.ts"

let harness: Harness
beforeEach(async () => {
  harness = await Harness.open()
})
afterEach(() => harness.close(), 60_000)

const program = join(import.meta.dirname, "../../dist/main.js")

const onemount = (...args: ReadonlyArray<string>) =>
  run(process.execPath, [program, ...args], { env: harness.env, timeout: 60_000 })

const at = (name: string): string => join(harness.directory, name)

/** A foreground mount of the embedded drive in `drive/`. */
const mountEmbedded = async (...options: ReadonlyArray<string>): Promise<Running> => {
  await mkdir(at("mnt"), { recursive: true }).catch(() => undefined)
  const running = harness.start(["mount", "--embedded", at("drive"), ...options, at("mnt")])
  await running.line(/^mounted /m, 30_000)
  return running
}

const mountRemote = async (drive: Drive): Promise<Running> => (await harness.mount(drive)).process

const end = (running: Running, signal: NodeJS.Signals) => {
  running.child.kill(signal)
  return running.finished
}

/** Copies what the daemon logs from now on to the file `log`, for a shell to wait on. */
const follow = async (mount: Running): Promise<void> => {
  await writeFile(at("log"), "")
  mount.child.stderr?.on("data", (chunk: string) => appendFileSync(at("log"), chunk))
}

const runtimeFiles = () => readdir(at("run/onemount"))

describe("in the foreground", () => {
  test("one line when it is mounted, status in JSON, sync, and an orderly end", async () => {
    const mount = await mountEmbedded("--sample")
    assert.strictEqual(mount.stdout, `mounted ${at("mnt")}\n`)
    await shell(`echo hello > ${at("mnt")}/hello.txt`)
    const synced = await onemount("sync", "--wait", "--timeout", "20", at("mnt/hello.txt"))
    assert.deepStrictEqual([synced.code, synced.stdout, synced.stderr], [0, "", ""])

    const status = JSON.parse((await onemount("status", "--json")).stdout)
    assert.deepInclude(status, { mountpoint: at("mnt"), phase: "RUNNING", health: "online", drive: at("drive") })
    assert.deepInclude(status.pending, { intents: 0, uploads: 0, downloads: 0, bytes: 0 })
    assert.isAbove(status.items, 10)
    const operations: ReadonlyArray<string> = status.requests.operations.map(({ name }: { name: string }) => name)
    assert.include(operations, "readdir", "mounted means that a listing has succeeded")
    assert.deepStrictEqual(status.features.readdirPlus, { offered: true, active: true })
    assert.isAbove(status.cache.limit, status.cache.bytes)
    assert.isAtMost(status.cursor.age, 60)
    assert.strictEqual(status.pid, mount.child.pid)
    const fibers = status.fibers.map((fiber: Record<string, string>) => `${fiber.owner}: ${fiber.name} ${fiber.state}`)
    for (const name of [
      "ContentStore: fetches",
      "Transfers: downloads",
      "Sync: push loop",
      "FuseSession: invalidations"
    ]) {
      assert.include(fibers, `${name} running`)
    }
    assert.match((await onemount("status", at("mnt"))).stdout, /running, online/)

    const finished = await end(mount, "SIGTERM")
    assert.strictEqual(finished.code, 0, finished.stderr)
    assert.deepStrictEqual(
      Array.from(finished.stderr.matchAll(/(DRAINING|UNMOUNTING|CLOSED) done/g), (match) => match[1]),
      ["DRAINING", "UNMOUNTING", "CLOSED"]
    )
    assert.deepStrictEqual(mountsBelow(harness.directory), [])
    assert.deepStrictEqual(await runtimeFiles(), [])
  })

  test("--port serves the embedded drive's API to others, and a port in use is refused", async () => {
    const mount = await mountEmbedded("--sample", "--port", "0")
    assert.strictEqual(mount.stdout, `mounted ${at("mnt")}\n`)
    const { api } = JSON.parse((await onemount("status", "--json")).stdout)
    assert.match(api, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.include(mount.stderr, `api ${api} (token in ${at("drive")}/token)`)
    assert.include((await onemount("status")).stdout, api)

    await shell(`echo hello > ${at("mnt")}/hello.txt`)
    assert.strictEqual((await onemount("sync", "--wait", at("mnt"))).code, 0)
    const token = (await readFile(at("drive/token"), "utf8")).trim()
    const answer = await fetch(`${api}/v1.0/me/drive/root:/hello.txt:/content`, {
      headers: { authorization: `Bearer ${token}` }
    })
    assert.strictEqual(await answer.text(), "hello\n")
    assert.strictEqual((await fetch(`${api}/v1.0/me/drive/root`)).status, 401)

    await mkdir(at("mnt2"))
    const taken = await onemount("mount", "--embedded", at("other"), "--port", new URL(api).port, at("mnt2"))
    assert.strictEqual(taken.code, 7)
    assert.match(taken.stderr, /^onemount: Port \d+ on 127\.0\.0\.1 is in use/m)
    const remote = await onemount("mount", "--port", "0", "--graph-url", api, at("mnt2"))
    assert.deepStrictEqual([remote.code, remote.stderr], [2, "onemount: --port needs --embedded DIR\n"])
    assert.strictEqual((await end(mount, "SIGTERM")).code, 0)
  })

  test("status of all shows those that answer, and ends with 6 when one does not", async () => {
    const hung = await mountEmbedded()
    await mkdir(at("mnt2"))
    const other = harness.start(["mount", "--embedded", at("other"), at("mnt2")])
    await other.line(/^mounted /m, 30_000)
    hung.child.kill("SIGSTOP")
    const { code, stdout, stderr } = await onemount("status", "--json")
    hung.child.kill("SIGCONT")
    assert.strictEqual(code, 6)
    assert.deepStrictEqual(
      JSON.parse(stdout).map(({ mountpoint }: { mountpoint: string }) => mountpoint),
      [at("mnt2")]
    )
    assert.match(stderr, /^onemount: the daemon of .*\/mnt \(process \d+\) did not answer/)
  })

  test("SIGHUP applies what can change and names the rest; a mistake changes nothing", async () => {
    const config = at("config.toml")
    await writeFile(config, '[log]\nlevel = "info"\n')
    const mount = await mountEmbedded("--config", config)
    const hangUp = async (text: string, answer: RegExp) => {
      await writeFile(config, text)
      mount.child.kill("SIGHUP")
      await shell(`until grep -Eq '${answer.source}' ${at("log")}; do sleep 0.05; done`, { timeout: 10_000 })
    }
    await follow(mount)
    await hangUp(
      '[log]\nlevel = "debug"\n[sync]\ninterval = "5s"\n[upload]\nworkers = 3\n',
      /applied sync.interval, log.level; upload.workers at the next mount/
    )
    await hangUp("[log]\nlevle = 1\n", /configuration unchanged: .*did you mean `log.level`/)
    assert.strictEqual((await end(mount, "SIGINT")).code, 0)
  })

  test("a second signal forces a busy mount, and says so", async () => {
    const mount = await mountEmbedded()
    await follow(mount)
    const holder = new Running("sleep", ["60"], { cwd: at("mnt") })
    await once(holder.child, "spawn")
    mount.child.kill("SIGTERM")
    // Later than what counts as an echo of the first signal.
    await shell(`until grep -q 'DRAINING done' ${at("log")}; do sleep 0.05; done; sleep 0.6`, { timeout: 10_000 })
    const started = performance.now()
    const finished = await end(mount, "SIGTERM")
    assert.strictEqual(finished.code, 3, finished.stderr)
    assert.isBelow(performance.now() - started, 2000)
    assert.match(finished.stderr, /second SIGTERM: forcing the end/)
    assert.match(finished.stderr, /CLOSED done/)
    assert.deepStrictEqual(mountsBelow(harness.directory), [])
    holder.child.kill("SIGKILL")
    await holder.finished
  })

  test("events end without a word when their reader has enough", async () => {
    await mountEmbedded()
    const command = `"${process.execPath}" "${program}"`
    const script = `(${command} events; echo "ended with $?" >&2) | head -1`
    const watcher = new Running("/bin/sh", ["-c", script], { env: harness.env, timeout: 60_000 })
    const more = shell(
      `i=0; until test -e ${at("enough")}; do i=$((i + 1)); mkdir ${at("mnt")}/$i; ${command} sync --wait; done`,
      { env: harness.env }
    )
    const { stdout, stderr } = await watcher.finished.finally(() => writeFile(at("enough"), ""))
    await more
    assert.match(stdout, /^\{"_tag".*\}\n$/)
    assert.strictEqual(stderr, "ended with 0\n")
  })
})

describe("a daemon whose thread is blocked", () => {
  test("is ended by its last resort, and the mount goes with it", async () => {
    const budgets = ["total=2s", "drain=0s", "unmount=2s"].flatMap((budget) => ["--set", `shutdown.${budget}`])
    const mount = await mountEmbedded(...budgets)
    await follow(mount)
    const holder = new Running("sleep", ["60"], { cwd: at("mnt") })
    await once(holder.child, "spawn")
    mount.child.kill("SIGTERM")
    await shell(`until grep -q DRAINING ${at("log")}; do sleep 0.05; done`, { timeout: 10_000 })
    // A stopped process runs as little of its end as a blocked one.
    const finished = end(mount, "SIGSTOP")
    const started = performance.now()
    assert.strictEqual((await finished).signal, "SIGKILL")
    assert.isBelow(performance.now() - started, 8000)
    await shell(`while grep -q ${at("mnt")} /proc/self/mounts; do sleep 0.05; done`, { timeout: 5000 })
    holder.child.kill("SIGKILL")
    await holder.finished
  })
})

describe("very many deletions", () => {
  test("are paused, status says how to confirm them, and one yes lets them through", async () => {
    const mount = await mountEmbedded()
    await shell(`cd ${at("mnt")} && mkdir keep && touch $(seq -f 'file-%g' 120)`)
    assert.strictEqual((await onemount("sync", "--wait", at("mnt"))).code, 0)
    await shell(`rm ${at("mnt")}/file-*`)

    const paused = await onemount("sync", "--wait", at("mnt"))
    assert.strictEqual(paused.code, 1)
    assert.match(paused.stderr, /^onemount: 120 changes are not at the server yet/m)
    const status = JSON.parse((await onemount("status", "--json")).stdout)
    assert.deepInclude(status.pending, { intents: 120, parked: 120, paused: 120 })
    assert.match((await onemount("status")).stdout, /waiting {2}120: .*`onemount sync --allow-deletes`/)

    const confirmed = await onemount("sync", "--wait", "--allow-deletes", at("mnt"))
    assert.strictEqual(confirmed.code, 0, confirmed.stderr)
    const after = JSON.parse((await onemount("status", "--json")).stdout)
    assert.deepInclude(after.pending, { intents: 0, parked: 0, paused: 0 })
    assert.deepStrictEqual(after.parked, [])
    assert.strictEqual((await end(mount, "SIGTERM")).code, 0)
  })
})

describe("as a daemon", () => {
  test("returns when the mount is proven, and refuses what is in the way by naming it", async () => {
    await mkdir(at("mnt"))
    const mounted = await onemount("mount", "--daemon", "--embedded", at("drive"), "--sample", at("mnt"))
    assert.deepStrictEqual([mounted.code, mounted.stdout], [0, `mounted ${at("mnt")}\n`], mounted.stderr)
    const { pid } = JSON.parse((await onemount("status", "--json", at("mnt"))).stdout)
    assert.include(await shell(`ls ${at("mnt")}`), "Documents")

    const again = await onemount("mount", "--daemon", "--embedded", at("other"), at("mnt"))
    assert.strictEqual(again.code, 4)
    assert.match(
      again.stderr,
      new RegExp(`^onemount: ${at("mnt")} is already mounted by process ${pid} \\(.*main\\.js`)
    )
    await mkdir(at("mnt2"))
    const shared = await onemount("mount", "--embedded", at("drive"), at("mnt2"))
    assert.strictEqual(shared.code, 7)
    assert.match(shared.stderr, new RegExp(`in use by process ${pid}, mounted at ${at("mnt")}`))

    const unmounted = await onemount("unmount", at("mnt"))
    assert.deepStrictEqual([unmounted.code, unmounted.stdout], [0, `unmounted ${at("mnt")}\n`], unmounted.stderr)
    assert.deepStrictEqual(mountsBelow(harness.directory), [])
    assert.deepStrictEqual(await runtimeFiles(), [])
    assert.strictEqual((await onemount("unmount", at("mnt"))).code, 6)
  })

  test("two drives are mounted side by side", async () => {
    for (const name of ["a", "b"]) {
      await mkdir(at(`mnt-${name}`))
      const { code, stderr } = await onemount("mount", "--daemon", "--embedded", at(`drive-${name}`), at(`mnt-${name}`))
      assert.strictEqual(code, 0, stderr)
    }
    const all = JSON.parse((await onemount("status", "--json")).stdout)
    assert.deepStrictEqual(
      all.map((status: { mountpoint: string }) => status.mountpoint),
      [at("mnt-a"), at("mnt-b")]
    )
    assert.match((await onemount("sync")).stderr, /say which mount you mean/)
    for (const name of ["a", "b"]) assert.strictEqual((await onemount("unmount", at(`mnt-${name}`))).code, 0)
  })
})

describe("a crashed daemon", () => {
  test("leaves a dead mount that the next start clears, with what was written", async () => {
    const mount = await mountEmbedded()
    // What was listed twice, the kernel goes on listing without a daemon.
    await shell(`echo kept > ${at("mnt")}/file.txt; ls -la ${at("mnt")}; ls -la ${at("mnt")}`)
    await end(mount, "SIGKILL")
    assert.include(await shell(`ls ${at("mnt")}`), "file.txt")
    assert.deepStrictEqual(mountsBelow(harness.directory), [at("mnt")])
    const again = await mountEmbedded()
    assert.match(again.stderr, /clearing the dead mount/)
    assert.strictEqual(await shell(`cat ${at("mnt")}/file.txt`), "kept\n")
    assert.strictEqual((await end(again, "SIGTERM")).code, 0)
  })

  test("is cleared by unmount, too", async () => {
    const mount = await mountEmbedded()
    await shell(`ls -la ${at("mnt")}; ls -la ${at("mnt")}`)
    await end(mount, "SIGKILL")
    assert.strictEqual((await onemount("status", "--json")).stdout, "[]\n")
    const { code, stderr } = await onemount("unmount", at("mnt"))
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(mountsBelow(harness.directory), [])
  })
})

describe("without the server", () => {
  test("sync --wait gives reasons and 1, the end keeps its budget, the next start serves what is known", async () => {
    const drive = await harness.serve()
    const mount = await mountRemote(drive)
    await shell(`echo known > ${at("mnt")}/known.txt`)
    assert.strictEqual((await onemount("sync", "--wait", at("mnt"))).code, 0)
    await drive.stop()
    await shell(`echo later > ${at("mnt")}/later.txt`)
    const sync = await onemount("sync", "--wait", "--timeout", "2", at("mnt"))
    assert.strictEqual(sync.code, 1)
    assert.match(sync.stderr, /later\.txt/)
    assert.match(sync.stderr, /not at the server yet/)
    const ended = await end(mount, "SIGTERM")
    assert.strictEqual(ended.code, 0, ended.stderr)

    const again = await mountRemote(drive)
    assert.strictEqual(await shell(`cat ${at("mnt")}/known.txt ${at("mnt")}/later.txt`), "known\nlater\n")
    const status = JSON.parse((await onemount("status", "--json")).stdout)
    assert.isAbove(status.pending.intents, 0)
    assert.strictEqual((await end(again, "SIGTERM")).code, 0)
  })

  test("the end does not wait for a server that died just now", async () => {
    const drive = await harness.serve()
    const mount = await mountRemote(drive)
    await shell(`mkdir ${at("mnt")}/dir`)
    assert.strictEqual((await onemount("sync", "--wait", at("mnt"))).code, 0)
    await drive.stop()
    await shell(`echo later > ${at("mnt")}/dir/later.txt`)
    const ended = await end(mount, "SIGTERM")
    assert.strictEqual(ended.code, 0, ended.stderr)
    const [, drained] = /DRAINING done after (\d+) ms, left: 2 changes/.exec(ended.stderr) ?? []
    assert.isBelow(Number(drained), 4000, ended.stderr)
  })
})
