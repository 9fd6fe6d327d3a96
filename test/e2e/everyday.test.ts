/** A day's work on the mount, then the drive holds exactly the same tree. */
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { join } from "node:path"
import { actor, Harness, shell, type Drive, type Mount } from "./harness.ts"
import { assertSameTree } from "./sameTree.ts"

describe("everyday work", () => {
  let harness: Harness
  let drive: Drive
  let mount: Mount
  let source: string

  beforeAll(async () => {
    harness = await Harness.open()
    drive = await harness.serve()
    mount = await harness.mount(drive)
    source = join(harness.directory, "source")
    await actor("make-tree", [source, "2000"])
  }, 120_000)
  afterAll(() => harness.close(), 120_000)

  const inMount = (script: string) => shell(script, { cwd: mount.path, env: { ...harness.env, SOURCE: source } })

  test("text is written and read back", async () => {
    const out = await inMount(
      `mkdir Notes; printf 'one\\n' > Notes/a.txt; printf 'two\\n' >> Notes/a.txt; cat Notes/a.txt`
    )
    assert.strictEqual(out, "one\ntwo\n")
  })

  test("a 300 MB random file keeps its hash", async () => {
    const big = join(harness.directory, "big.bin")
    const out = await inMount(
      `head -c 300000000 /dev/urandom > ${big}; cp ${big} big.bin; sha256sum < ${big}; sha256sum < big.bin`
    )
    const [expected, actual] = out.trim().split("\n")
    assert.strictEqual(actual, expected)
  })

  test("a tree of 2,000 small files is copied whole, with modes and times", async () => {
    await inMount(`cp -a "$SOURCE" copied; diff -r "$SOURCE" copied`)
    const listing = `find . -type f -printf '%P %m %s %T@\\n' | sort`
    assert.strictEqual(await inMount(`cd copied && ${listing}`), await shell(listing, { cwd: source }))
  })

  test("trees are renamed, moved and deleted", async () => {
    await inMount(
      `cp -r copied doomed; mkdir Archive; mv copied "Archive/2,000 files"; diff -r "$SOURCE" "Archive/2,000 files"`
    )
    await inMount(`rm -rf doomed; test ! -e doomed; test ! -e copied`)
  })

  test("editors save in their ways", async () => {
    for (const editor of ["vim", "libreoffice", "gedit"]) {
      const file = join(mount.path, `${editor}.txt`)
      await shell(`printf 'first' > ${file}`)
      await actor("save-like-editors", [editor, file, `saved once by ${editor}`])
      await actor("save-like-editors", [editor, file, `saved twice by ${editor}`])
      assert.strictEqual(await shell(`cat ${file}`), `saved twice by ${editor}`)
    }
  })

  test("git init, add, commit and fsck", async () => {
    await inMount(
      `mkdir repo; cd repo; git init -q .; cp -r "$SOURCE/part 1" files; git add -A
       git -c user.name=n -c user.email=e@example.invalid commit -qm one; git fsck --strict; git status --porcelain`
    )
    assert.strictEqual(await inMount(`cd repo && git status --porcelain`), "")
  })

  test("an SQLite database takes 10,000 transactions", async () => {
    await actor("sqlite-load", [join(mount.path, "database.sqlite"), "10000"], { timeout: 300_000 })
  }, 320_000)

  test("tar extracts what diff -r finds equal", async () => {
    await inMount(
      `tar -C "$SOURCE" -cf ../tree.tar .; mkdir extracted; tar -C extracted -xf ../tree.tar; diff -r "$SOURCE" extracted`
    )
  })

  test("after sync --wait the drive holds exactly the same tree and hashes", async () => {
    // Of the copy that was removed, what had been sent by then may be more than a quarter of the drive: somebody who means
    // it says so (docs/SEMANTICS.md, D11).
    const synced = await mount.cli(["sync", "--wait", "--allow-deletes", "--timeout", "300", mount.path], 330_000)
    assert.strictEqual(synced.code, 0, synced.stderr)
    const status = await mount.status()
    assert.strictEqual(status.pending.intents, 0)
    assert.isAbove((await assertSameTree(mount, drive)).size, 4000)
  }, 400_000)

  test("SIGTERM unmounts and exits with 0", async () => {
    const end = await mount.signal("SIGTERM")
    assert.strictEqual(end.code, 0, end.stderr)
    assert.strictEqual(await shell(`ls -A ${mount.path}`), "")
  })
})
