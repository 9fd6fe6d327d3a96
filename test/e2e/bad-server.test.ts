/**
 * A server that answers nonsense, too little, too late or not at all. Reads: the right bytes or an error within the
 * limit, never anything else, and right again once the server is. Writes: what was closed arrives once, with its hash.
 */
import { mkdir } from "node:fs/promises"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import {
  BadProxy,
  cut,
  html,
  ignoresRange,
  losesReply,
  type Misbehaviour,
  silent,
  status,
  truncated,
  wrongByte,
  wrongRange
} from "./BadProxy.ts"
import { type Drive, Harness, type Mount, run, Running, shell } from "./harness.ts"
import { assertSameTree } from "./sameTree.ts"

let harness: Harness
let drive: Drive
let proxy: BadProxy
let mount: Mount

/** Longest wait of a blocked call in this mount, in milliseconds. */
const requestTimeout = 2000
const settings = ["--set", "mount.requestTimeout=2s", "--set", "graph.timeout=1s", "--set", "sync.interval=5s"]

const misbehaviours: ReadonlyArray<readonly [string, Misbehaviour]> = [
  ["html", html],
  ["truncated", truncated],
  ["cut", cut],
  ["401", status(401)],
  ["403", status(403)],
  ["404", status(404)],
  ["429-with-wait", status(429, { "retry-after": "1" })],
  ["429", status(429)],
  ["500", status(500)],
  ["503", status(503)],
  ["lost", losesReply],
  ["silent", silent]
]
const spoiledContent = [
  ["wrong-range", wrongRange],
  ["whole", ignoresRange]
] as const

const sizes = { small: 300_000, large: 12_000_000 }

beforeAll(async () => {
  harness = await Harness.open()
  drive = await harness.serve()
  proxy = await BadProxy.open(drive.url)
  const sources = harness.at("sources")
  await mkdir(sources)
  for (const [size, bytes] of Object.entries(sizes)) {
    await shell(`head -c ${bytes} /dev/urandom > ${sources}/${size}`)
  }
  const seed = await harness.mount(drive, "seed")
  for (const name of [...[...misbehaviours, ...spoiledContent].map(([name]) => name), "wrong-byte"]) {
    await shell(`mkdir ${seed.path}/${name} && cp ${sources}/small ${sources}/large ${seed.path}/${name}`)
  }
  await seed.sync()
  await seed.signal("SIGTERM")
  mount = await harness.mount({ url: proxy.url, directory: drive.directory }, "mnt", settings)
  await mount.sync()
}, 120_000)

afterAll(async () => {
  proxy.behave()
  await harness.close()
  await proxy.close()
}, 60_000)

const source = (size: string) => harness.at(`sources/${size}`)

/** Compares until it is the same; a read may fail, but a difference in what is read never passes. */
const untilSame = (path: string, size: string) =>
  shell(
    `end=$(($(date +%s) + 40)); until cmp ${source(size)} ${path} 2>/dev/null; do
       test $? -ne 1 || { echo wrong bytes; exit 1; }
       test $(date +%s) -lt $end || { echo still failing; exit 1; }; sleep 0.1; done`
  )

describe("reads", () => {
  const contents = /^\/transfer\/download\//
  for (const [name, how] of [...misbehaviours, ...spoiledContent]) {
    test(`${name}: the right bytes or an error in time, and right again afterwards`, async () => {
      proxy.misbehave({ how, matches: contents, methods: ["GET"] })
      const started = performance.now()
      // cmp: 0 the same, 1 different or short, 2 an error of the system.
      const reads = Object.keys(sizes).map(
        (size) => new Running("cmp", [source(size), `${mount.path}/${name}/${size}`], { timeout: 25_000 })
      )
      await proxy.misbehaved(1)
      const looked = performance.now()
      await shell(`ls -lR ${mount.path} > /dev/null`)
      assert.isBelow(performance.now() - looked, 1000, "known folders wait for nobody")
      for (const end of await Promise.all(reads.map((read) => read.finished))) {
        assert.include([0, 2], end.code, `${end.stdout}${end.stderr}`)
        if (end.code === 2)
          assert.match(end.stderr, /Input\/output error|Permission denied|Network is unreachable|Stale/)
      }
      assert.isBelow(performance.now() - started, 10 * requestTimeout)
      proxy.behave()
      for (const size of Object.keys(sizes)) await untilSame(`${mount.path}/${name}/${size}`, size)
    }, 90_000)
  }

  test("a wrong byte: never in a small file; a large one is checked when it is complete, and fetched anew", async () => {
    const at = `${mount.path}/wrong-byte`
    proxy.misbehave({ how: wrongByte, matches: /download.*\/large$/, times: 3 })
    await run("cat", [`${at}/large`])
    await shell(`end=$(($(date +%s) + 40)); until cmp ${source("large")} ${at}/large; do
      test $(date +%s) -lt $end; sleep 0.1; done`)
    proxy.misbehave({ how: wrongByte, matches: contents })
    const small = await run("cmp", [source("small"), `${at}/small`])
    assert.strictEqual(small.code, 2, small.stdout)
    assert.match(small.stderr, /Input\/output error/)
    proxy.behave()
    await untilSame(`${at}/small`, "small")
  }, 90_000)

  test("a killed reader of a silent server is gone at once", async () => {
    await drive.json("PUT", "/me/drive/root:/unread.bin:/content", Buffer.alloc(100_000, "x"))
    await mount.sync()
    proxy.misbehave({ how: silent, matches: contents })
    const reader = new Running("cat", [`${mount.path}/unread.bin`])
    await proxy.misbehaved(1)
    const started = performance.now()
    reader.child.kill("SIGKILL")
    await reader.finished
    assert.isBelow(performance.now() - started, 1000)
    proxy.behave()
  }, 30_000)
})

describe("writes", () => {
  const changes = ["PUT", "POST", "PATCH", "DELETE"]
  for (const [name, how] of misbehaviours) {
    test(`${name}: everything closed arrives once, with its hash`, async () => {
      const at = `${mount.path}/written-${name}`
      await shell(`mkdir ${at} && cp ${source("small")} ${at}/gone && mkdir ${at}/old`)
      await mount.sync()
      proxy.misbehave({ how, methods: changes })
      const started = performance.now()
      await shell(
        `cd ${at}; cp ${source("small")} new; cp ${source("large")} big; echo text > text; mkdir folder; echo in > folder/in
         mv old moved; rm gone; : > empty`
      )
      assert.isBelow(performance.now() - started, 3000, "changes wait for nobody")
      await proxy.misbehaved(2)
      proxy.behave()
      await mount.sync(90)
      await assertSameTree(mount, drive)
      const names = await shell(`cd ${at}; find . | LC_ALL=C sort | tr '\\n' ' '; cmp ${source("large")} big`)
      assert.strictEqual(names.trim(), ". ./big ./empty ./folder ./folder/in ./moved ./new ./text")
    }, 120_000)
  }
})

describe("health", () => {
  const health = async (wanted: string) => {
    const end = performance.now() + 20_000
    let seen = await mount.status()
    while (seen.health !== wanted && performance.now() < end) {
      await run("sleep", ["0.2"])
      seen = await mount.status()
    }
    assert.strictEqual(seen.health, wanted, JSON.stringify(seen))
    return seen
  }

  test("says what is wrong, sync --wait says it, too, and both recover", async () => {
    await shell(`echo waiting > ${mount.path}/waiting.txt`)
    for (const [how, state, reason] of [
      [status(503), "degraded", /the server has a problem/],
      [html, "degraded", /the server has a problem/],
      [status(401), "signed-out", /sign in again/]
    ] as const) {
      await shell(`date +%N > ${mount.path}/waiting.txt`)
      proxy.misbehave({ how })
      const waited = await mount.cli(["sync", "--wait", "--timeout", "9", mount.path])
      assert.strictEqual(waited.code, 1, waited.stderr)
      assert.match(waited.stderr, reason)
      assert.match(
        waited.stderr,
        /waiting\.txt: (create|content): .*\n[^]*not at the server yet; the daemon goes on trying/
      )
      assert.match((await health(state)).detail, reason)
      proxy.behave()
      await mount.sync(60)
      await health("online")
    }
    await proxy.stopListening()
    const waited = await mount.cli(["sync", "--wait", "--timeout", "9", mount.path])
    assert.strictEqual(waited.code, 1, waited.stderr)
    assert.match(waited.stderr, /the server cannot be reached \(.*ECONNREFUSED/)
    await health("offline")
    await proxy.listen()
    await mount.sync(60)
    await health("online")
  }, 120_000)

  test("a delta cursor that the server gave up is replaced without losing anything", async () => {
    const before = await mount.listing()
    const gone = status(410, { location: `${proxy.url}/v1.0/me/drive/root/delta` })
    proxy.misbehave({ how: gone, matches: /\/delta.*token/ })
    await mount.cli(["sync", mount.path])
    await proxy.misbehaved(1)
    proxy.behave()
    await drive.json("PUT", "/me/drive/root:/after-resync.txt:/content", Buffer.from("new"))
    await mount.sync(60)
    assert.strictEqual(await shell(`cat ${mount.path}/after-resync.txt`), "new")
    const after = new Map(await mount.listing())
    assert.isTrue(after.delete("/after-resync.txt"), [...after.keys()].join(" "))
    assert.deepStrictEqual(after, before)
  }, 60_000)
})
