/** Trees that are removed while they are still being sent: afterwards drive and mount are one tree, with nothing pending. */
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { actor, type Drive, Harness, type Mount, shell } from "./harness.ts"
import { assertSameTree } from "./sameTree.ts"

const files = 400

let harness: Harness
let drive: Drive
let mount: Mount
beforeEach(async () => {
  harness = await Harness.open()
  drive = await harness.serve()
  mount = await harness.mount(drive, "mnt", ["--set", "upload.window=0s"])
  await actor("make-tree", [harness.at("source"), String(files)])
})
afterEach(() => harness.close(), 60_000)

const sent = async (): Promise<number> =>
  [...(await drive.listing()).keys()].filter((path) => !path.endsWith("/")).length

/** As a person who means it: on a drive this small, what is removed is most of it (docs/SEMANTICS.md, D11). */
const settle = async () => {
  const end = await mount.cli(["sync", "--wait", "--allow-deletes", "--timeout", "120", mount.path], 150_000)
  assert.strictEqual(end.code, 0, end.stderr)
}

const same = async () => {
  const { pending, parked } = await mount.status()
  assert.deepInclude(pending, { intents: 0, parked: 0, uploads: 0, bytes: 0 })
  assert.deepStrictEqual(parked, [])
  await assertSameTree(mount, drive)
}

describe("rm -rf while the files are being sent", () => {
  for (const count of [1, files / 4]) {
    test(`when ${count} of ${files} have arrived`, async () => {
      await shell(`mkdir ${mount.path}/kept; echo kept > ${mount.path}/kept/file`)
      const copied = shell(`cp -r ${harness.at("source")} ${mount.path}/doomed`)
      while ((await sent()) < count) await mount.status()
      await copied
      await shell(`rm -rf doomed; test ! -e doomed`, { cwd: mount.path })
      await settle()
      await same()
      assert.deepStrictEqual([...(await drive.listing()).keys()].toSorted(), ["/kept/", "/kept/file"])
    }, 240_000)
  }

  test("again and again under the same names, the last tree stays", async () => {
    for (let round = 0; round < 4; round++) {
      await shell(`cp -r ${harness.at("source")} tree; test ${round} = 3 || rm -rf tree`, { cwd: mount.path })
    }
    await settle()
    await same()
    await shell(`diff -r ${harness.at("source")} ${mount.path}/tree`)
    assert.strictEqual(await sent(), files)
  }, 240_000)
})
