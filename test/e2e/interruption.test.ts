/** Stopped politely, killed, or cut off from the server: what was promised is still there afterwards. */
import { createHash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { Harness, mountsBelow, run, Running, shell, type Mount } from "./harness.ts"

let harness: Harness
beforeEach(async () => {
  harness = await Harness.open()
})
afterEach(() => harness.close(), 120_000)

const sameTree = async (mount: Mount, drive: { listing(): Promise<ReadonlyMap<string, string>> }) =>
  assert.deepStrictEqual(
    new Map([...(await drive.listing())].toSorted()),
    new Map([...(await mount.listing())].toSorted())
  )

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
    await sameTree(again, drive)
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
    await sameTree(mount, drive)
    const server = await drive.json("GET", "/me/drive/root/children?$top=1000")
    for (const [path, { sha256 }] of promises(await readFile(manifest, "utf8"))) {
      const item = server.value.find((candidate: { name: string }) => candidate.name === path)
      assert.isDefined(item, path)
      const body = new Uint8Array(await (await drive.call("GET", `/me/drive/items/${item.id}/content`)).arrayBuffer())
      assert.strictEqual(createHash("sha256").update(body).digest("hex"), sha256, path)
    }
  }, 300_000)
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
    await sameTree(mount, back)
  }, 180_000)
})
