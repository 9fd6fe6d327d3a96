/** Another client changes the drive through the API; the mount shows it after `sync`, kernel caches and all. */
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { Harness, shell, type Drive, type Mount } from "./harness.ts"
import { assertSameTree } from "./sameTree.ts"

describe("a second client", () => {
  let harness: Harness
  let drive: Drive
  let mount: Mount

  beforeAll(async () => {
    harness = await Harness.open()
    drive = await harness.serve()
    await drive.json("POST", "/me/drive/root/children", { name: "Shared", folder: {} })
    await drive.json("PUT", "/me/drive/root:/Shared/report.txt:/content", "version one")
    await drive.json("PUT", "/me/drive/root:/Shared/old.txt:/content", "to be deleted")
    mount = await harness.mount(drive)
  }, 120_000)
  afterAll(() => harness.close(), 120_000)

  const here = (script: string) => shell(script, { cwd: mount.path })

  test("create is seen although the absence was cached", async () => {
    assert.strictEqual(await here(`test ! -e Shared/new.txt && ls Shared`), "old.txt\nreport.txt\n")
    await drive.json("PUT", "/me/drive/root:/Shared/new.txt:/content", "fresh")
    await mount.sync()
    assert.strictEqual(await here(`cat Shared/new.txt; ls Shared`), "freshnew.txt\nold.txt\nreport.txt\n")
  })

  test("create is seen in a listing that was read before, although nobody asked for the name", async () => {
    await drive.json("POST", "/me/drive/root/children", { name: "Listed", folder: {} })
    await mount.sync()
    assert.strictEqual(await here(`ls Listed; ls Listed`), "")
    await drive.json("PUT", "/me/drive/root:/Listed/unasked.txt:/content", "fresh")
    await mount.sync()
    assert.strictEqual(await here(`ls Listed`), "unasked.txt\n")
  })

  test("create under another case is seen although the absence was cached", async () => {
    await here(`test ! -e Shared/CASE.txt`)
    await drive.json("PUT", "/me/drive/root:/Shared/case.txt:/content", "folded")
    await mount.sync()
    assert.strictEqual(await here(`cat Shared/CASE.txt`), "folded")
  })

  test("replace is seen in size and content although both were cached", async () => {
    assert.strictEqual(await here(`cat Shared/report.txt; stat -c %s Shared/report.txt`), "version one11\n")
    await drive.json("PUT", "/me/drive/root:/Shared/report.txt:/content", "version two, longer")
    await mount.sync()
    assert.strictEqual(await here(`stat -c %s Shared/report.txt; cat Shared/report.txt`), "19\nversion two, longer")
  })

  test("an open handle keeps the version it was opened with", async () => {
    const script = `exec 3< Shared/report.txt; head -c 8 <&3; touch ../opened; while test ! -e ../go; do sleep 0.05; done; cat <&3; printf '|'; cat Shared/report.txt`
    const reader = here(script)
    await shell(`while test ! -e ../opened; do sleep 0.05; done`, { cwd: mount.path })
    await drive.json("PUT", "/me/drive/root:/Shared/report.txt:/content", "version three")
    await mount.sync()
    await shell(`touch go`, { cwd: harness.directory })
    assert.strictEqual(await reader, "version two, longer|version three")
  })

  test("rename and move are seen, inode numbers stay", async () => {
    const before = (await here(`stat -c %i Shared/report.txt`)).trim()
    const item = await drive.json("GET", "/me/drive/root:/Shared/report.txt")
    const folder = await drive.json("POST", "/me/drive/root/children", { name: "Moved", folder: {} })
    await drive.json("PATCH", `/me/drive/items/${item.id}`, { name: "final.txt", parentReference: { id: folder.id } })
    await mount.sync()
    assert.strictEqual(
      await here(`test ! -e Shared/report.txt; stat -c %i Moved/final.txt; cat Moved/final.txt`),
      `${before}\nversion three`
    )
  })

  test("delete is seen", async () => {
    await here(`cat Shared/old.txt > /dev/null`)
    const item = await drive.json("GET", "/me/drive/root:/Shared/old.txt")
    await drive.json("DELETE", `/me/drive/items/${item.id}`)
    await mount.sync()
    assert.strictEqual(await here(`test ! -e Shared/old.txt; ls Shared`), "case.txt\nnew.txt\n")
  })

  test("both sides edit one file: both versions stay", async () => {
    await mount.sync()
    const item = await drive.json("GET", "/me/drive/root:/Moved/final.txt")
    await here(`printf 'edited here' > Moved/final.txt`)
    await drive.json("PUT", `/me/drive/items/${item.id}/content`, "edited there")
    await mount.sync()
    const names = (await here(`ls Moved`)).trim().split("\n")
    assert.strictEqual(names.length, 2, names.join())
    assert.include(names, "final.txt")
    assert.match(
      names.find((name) => name !== "final.txt")!,
      /^final \(conflict .* \d{4}-\d\d-\d\d \d{4}\)\.txt$/
    )
    assert.deepStrictEqual((await here(`cd Moved && for f in *; do cat "$f"; echo; done | sort`)).trim().split("\n"), [
      "edited here",
      "edited there"
    ])
    await assertSameTree(mount, drive)
  })

  test("a poll brings changes without being asked", async () => {
    const quick = await harness.mount(drive, "quick", ["--set", "sync.interval=5s"])
    await drive.json("PUT", "/me/drive/root:/polled.txt:/content", "by itself")
    await shell(`for i in $(seq 300); do test -e polled.txt && exit 0; sleep 0.1; done; exit 1`, { cwd: quick.path })
    assert.strictEqual(await shell(`cat polled.txt`, { cwd: quick.path }), "by itself")
  }, 60_000)
})
