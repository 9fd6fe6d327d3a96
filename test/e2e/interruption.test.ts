/** Stopped politely, killed, or cut off from the server: what was promised is still there afterwards. */
import { createHash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { Harness, mountsBelow, run, Running, shell, type Mount } from "./harness.ts"
import { assertSameTree } from "./sameTree.ts"

let harness: Harness
beforeEach(async () => {
  harness = await Harness.open()
})
afterEach(() => harness.close(), 120_000)

describe("SIGTERM", () => {
  test("during 20 running copies: exit 0 within the budget, nothing finished is lost", async () => {
    const drive = await harness.serve()
    const mount = await harness.mount(drive)
    const sources = join(harness.directory, "sources")
    await shell(`mkdir ${sources}; for i in $(seq 20); do head -c 30000000 /dev/urandom > ${sources}/$i; done`)
    const copies = Array.from(
      { length: 20 },
      (_, i) => new Running("cp", [`${sources}/${i + 1}`, `${mount.path}/${i + 1}`])
    )
    await Promise.race(copies.map((copy) => copy.finished))
    const started = performance.now()
    const end = await mount.signal("SIGTERM")
    const took = performance.now() - started
    assert.strictEqual(end.code, 0, end.stderr)
    assert.isBelow(took, 16_000)
    assert.deepStrictEqual(mountsBelow(harness.directory), [])
    const results = await Promise.all(copies.map((copy) => copy.finished))

    const again = await harness.mount(drive)
    let finished = 0
    for (const [i, result] of results.entries()) {
      if (result.code !== 0) continue
      finished++
      await shell(`cmp ${sources}/${i + 1} ${again.path}/${i + 1}`)
    }
    assert.isAbove(finished, 0, "no copy finished before the signal, the test proves nothing")
    await again.sync()
    await assertSameTree(again, drive)
  }, 240_000)
})

interface Promised {
  readonly size: number
  readonly sha256: string
}

/** The manifest's promises: the last closed state of each file that was not being touched at the end. */
const promises = (manifest: string): Map<string, Promised> => {
  const state = new Map<string, Promised>()
  for (const line of manifest.split("\n")) {
    if (line === "") continue
    const entry = JSON.parse(line) as { kind: string; path: string; size: number; sha256: string }
    if (entry.kind === "touching") state.delete(entry.path)
    else state.set(entry.path, { size: entry.size, sha256: entry.sha256 })
  }
  return state
}

describe("kill -9", () => {
  test("at 20 random points of a write load: the next start has every file that was closed", async () => {
    const drive = await harness.serve()
    const manifest = join(harness.directory, "manifest")
    let mount = await harness.mount(drive)
    let kills = 0
    for (let round = 0; round < 20; round++) {
      await writeFile(manifest, "")
      const writer = new Running(process.execPath, [
        join(import.meta.dirname, "actors/write-and-record.ts"),
        mount.path,
        manifest,
        String(round + 1)
      ])
      // The point of the kill is a number of finished files plus a fraction of the next: spread by the round.
      const files = 3 + ((round * 7) % 25)
      for (;;) {
        const lines = (await readFile(manifest, "utf8")).split('"closed"').length - 1
        if (lines >= files || writer.child.exitCode !== null) break
        await new Promise((resolve) => setTimeout(resolve, 3))
      }
      const end = await mount.signal("SIGKILL")
      assert.strictEqual(end.signal, "SIGKILL")
      const written = await writer.finished
      assert.strictEqual(written.code, 0, written.stderr)
      kills++

      mount = await harness.mount(drive)
      const expected = promises(await readFile(manifest, "utf8"))
      assert.isAbove(expected.size, 0, "nothing was closed before the kill, the round proves nothing")
      for (const [path, { size, sha256 }] of expected) {
        const out = await shell(`stat -c %s ${path}; sha256sum < ${path}`, { cwd: mount.path })
        assert.strictEqual(out, `${size}\n${sha256}  -\n`, `round ${round}, ${path}`)
      }
    }
    assert.strictEqual(kills, 20)
    await mount.sync()
    await assertSameTree(mount, drive)
    const server = await drive.json("GET", "/me/drive/root/children?$top=1000")
    for (const [path, { sha256 }] of promises(await readFile(manifest, "utf8"))) {
      const item = server.value.find((candidate: { name: string }) => candidate.name === path)
      assert.isDefined(item, path)
      const body = new Uint8Array(await (await drive.call("GET", `/me/drive/items/${item.id}/content`)).arrayBuffer())
      assert.strictEqual(createHash("sha256").update(body).digest("hex"), sha256, path)
    }
  }, 300_000)
})

/** Skips the test where every write comes to the daemon. */
const passing = async (mount: Mount, skip: (note: string) => void) => {
  const { active, offered } = (await mount.status()).features.passthrough
  if (!active) skip(offered ? "passthrough was refused here" : "the kernel has no passthrough")
}

/** Prints a line after each step and takes the next one when a file of that name is there. */
const steps = (path: string, directory: string) => `
import os, time
fd = os.open("${path}", os.O_CREAT | os.O_WRONLY)
for step in ("before", "after", "later"):
    while step != "before" and not os.path.exists("${directory}/" + step): time.sleep(0.02)
    os.write(fd, (step + "\\n").encode() * 100_000)
    print(step, flush=True)
try: os.close(fd)
except OSError as error: print(error.errno, flush=True)
`

describe("files that the kernel writes by itself", () => {
  test("kill -9: what was fsynced of a large file is there at the next start, and is sent", async ({ skip }) => {
    const drive = await harness.serve()
    let mount = await harness.mount(drive)
    await passing(mount, skip)
    // A new file, then the same one in place, and a new one again; killed early and late.
    const rounds = [
      { name: "first.bin", fsyncs: 9 },
      { name: "first.bin", fsyncs: 4 },
      { name: "second.bin", fsyncs: 2 }
    ]
    for (const [round, { name, fsyncs }] of rounds.entries()) {
      // While a file is being sent, its writes are ours to see.
      await mount.sync()
      const manifest = harness.at(`manifest-${round}`)
      await writeFile(manifest, "")
      const actor = join(import.meta.dirname, "actors/write-and-fsync.ts")
      const writer = new Running(process.execPath, [actor, join(mount.path, name), manifest, String(round), "64"])
      const recorded = async () => (await readFile(manifest, "utf8")).split("\n").slice(0, -1)
      const waitFor = async (count: number) => {
        while ((await recorded()).length < count) {
          assert.isNull(writer.child.exitCode, writer.stderr)
          // Asks again: nothing tells when another process wrote a file.
          await new Promise((resolve) => setTimeout(resolve, 3))
        }
      }
      await waitFor(1)
      assert.strictEqual((await mount.status()).writes.bytes, 0, "the daemon saw writes, so nothing was passed through")
      await writeFile(`${manifest}.go`, "")
      await waitFor(fsyncs)
      assert.strictEqual((await mount.signal("SIGKILL")).signal, "SIGKILL")
      const written = await writer.finished
      assert.strictEqual(written.code, 0, written.stderr)

      mount = await harness.mount(drive)
      const { length, sha256 } = JSON.parse((await recorded()).at(-1) ?? "") as { length: number; sha256: string }
      const out = await shell(`head -c ${length} ${name} | sha256sum`, { cwd: mount.path })
      assert.strictEqual(out, `${sha256}  -\n`, `round ${round}, the first ${length} bytes of ${name}`)
    }
    await mount.sync()
    await assertSameTree(mount, drive)
  }, 240_000)

  test("a forced unmount: all that was written until the next mount is there, nothing later", async ({ skip }) => {
    const drive = await harness.serve()
    const mount = await harness.mount(drive, "mnt", ["--set", "shutdown.unmount=2s"])
    await passing(mount, skip)
    const writer = new Running("python3", ["-c", steps(join(mount.path, "written"), harness.directory)])
    await writer.line(/before/, 30_000)
    const end = await mount.signal("SIGTERM")
    assert.strictEqual(end.code, 3, end.stderr)
    assert.deepStrictEqual(mountsBelow(harness.directory), [])
    await writeFile(harness.at("after"), "")
    await writer.line(/after/, 30_000)

    const again = await harness.mount(drive)
    await writeFile(harness.at("later"), "")
    await writer.finished
    const expected = "before\n".repeat(100_000) + "after\n".repeat(100_000)
    assert.isTrue((await shell(`cat ${again.path}/written`)) === expected)
    await again.sync()
    await assertSameTree(again, drive)
  }, 120_000)

  test("a plain unmount waits for a writer, and what it wrote is kept and sent", async ({ skip }) => {
    const drive = await harness.serve()
    const mount = await harness.mount(drive, "mnt", ["--set", "shutdown.total=120s", "--set", "shutdown.unmount=100s"])
    await passing(mount, skip)
    const writer = new Running("python3", ["-c", steps(join(mount.path, "written"), harness.directory)])
    await writer.line(/before/, 30_000)
    const ended = mount.signal("SIGTERM")
    while ((await mount.status()).phase === "RUNNING") assert.isNull(writer.child.exitCode, writer.stderr)
    await writeFile(harness.at("after"), "")
    await writeFile(harness.at("later"), "")
    assert.strictEqual((await writer.finished).stdout, "before\nafter\nlater\n")
    const { code, stderr } = await ended
    assert.strictEqual(code, 0, stderr)

    const again = await harness.mount(drive)
    const expected = ["before\n", "after\n", "later\n"].map((line) => line.repeat(100_000)).join("")
    assert.isTrue((await shell(`cat ${again.path}/written`)) === expected)
    await again.sync()
    await assertSameTree(again, drive)
  }, 240_000)
})

describe("no server", () => {
  test("a known tree lists and reads, writes queue and arrive when the server returns", async () => {
    const drive = await harness.serve()
    await drive.json("POST", "/me/drive/root/children", { name: "Docs", folder: {} })
    await drive.json("PUT", "/me/drive/root:/Docs/cached.txt:/content", "read before")
    await drive.json("PUT", "/me/drive/root:/Docs/ghost.txt:/content", "never read")
    const first = await harness.mount(drive)
    assert.strictEqual(await shell(`cat Docs/cached.txt`, { cwd: first.path }), "read before")
    assert.strictEqual((await first.signal("SIGTERM")).code, 0)
    const port = drive.port
    await drive.stop()

    const mount = await harness.mount(drive)
    const out = await shell(`ls Docs; cat Docs/cached.txt; stat -c %s Docs/ghost.txt`, { cwd: mount.path })
    assert.strictEqual(out, "cached.txt\nghost.txt\nread before10\n")
    const ghost = await run("cat", [join(mount.path, "Docs/ghost.txt")], { timeout: 40_000 })
    assert.notStrictEqual(ghost.code, 0)
    assert.strictEqual(ghost.stdout, "")
    await shell(
      `printf 'written offline' > Docs/new.txt; printf ', edited' >> Docs/cached.txt; mkdir -p a/b; mv Docs/new.txt a/b/`,
      {
        cwd: mount.path
      }
    )
    assert.isAbove((await mount.status()).pending.intents, 0)
    assert.strictEqual((await mount.cli(["sync", "--wait", "--timeout", "3", mount.path])).code, 1)

    const back = await harness.serve("drive", port)
    await mount.sync()
    assert.strictEqual(
      await shell(`cat Docs/ghost.txt a/b/new.txt Docs/cached.txt`, { cwd: mount.path }),
      "never readwritten offlineread before, edited"
    )
    await assertSameTree(mount, back)
  }, 180_000)
})
