/** docs/SEMANTICS.md, "Directories". */
import { join } from "node:path"
import { assert, describe, test } from "vitest"
import { at, here, paths, put, putFolder, python, shareMount, whileSilent } from "./support.ts"

describe("directories", () => {
  const shared = shareMount(async (drive) => {
    await putFolder(drive, "Many")
    for (let file = 0; file < 120; file++) await put(drive, `Many/${file}.txt`, `${file}`)
  })
  const idOf = async (path: string) => (await shared.drive.json("GET", `/me/drive/root:/${path}`)).id

  test("D1: readdir lists in the order in which this machine got to know the entries", async () => {
    const out = await python(
      shared.mount,
      `
os.mkdir("ordered")
for name in ("c", "a", "b"): write("ordered/" + name, "")
os.rename("ordered/c", "ordered/z")
print([entry.name for entry in os.scandir("ordered")])
`
    )
    assert.deepStrictEqual(out, ["['z', 'a', 'b']"])
  })

  test("D3: mkdir, rename, unlink and rmdir are done when they return and wait for no server", async () => {
    const out = await whileSilent(shared.drive, () =>
      python(
        shared.mount,
        `
started = time.monotonic()
os.makedirs("made/deep/down"); write("made/file", "x"); os.rename("made", "moved"); os.rmdir("moved/deep/down")
os.unlink("moved/file"); print(os.listdir("moved"), os.path.exists("made"), time.monotonic() - started < 3)
`
      )
    )
    assert.deepStrictEqual(out, ["['deep'] False True"])
    await shared.mount.sync()
    const there = await paths(shared.drive)
    assert.includeMembers([...there], ["/moved/", "/moved/deep/"])
    assert.notInclude(there, "/made/")
  })

  test("D12: a folder that is removed while somebody is in it is empty for them, and nothing can be made in it", async () => {
    const sync = [
      process.execPath,
      join(import.meta.dirname, "../../dist/main.js"),
      "sync",
      "--wait",
      shared.mount.path
    ]
    const out = await python(
      shared.mount,
      `
import subprocess
top, environment = os.getcwd(), {**os.environ, **${JSON.stringify(shared.mount.env)}}
for atServer in (False, True):
    send = lambda: atServer and subprocess.run(${JSON.stringify(sync)}, check=True, env=environment)
    os.makedirs("gone/over"); fd = os.open("gone", os.O_RDONLY); over = os.open("gone/over", os.O_RDONLY); os.chdir("gone")
    send()
    os.mkdir("new"); os.rename("new", "over"); os.rmdir("over"); os.rmdir("../gone")
    send()
    for left in (fd, over):
        print(os.fstat(left).st_nlink, os.listdir(left), errno_of(os.fchmod, left, 0o700), errno_of(os.fsync, left))
        print(errno_of(os.mkdir, "x", dir_fd=left), errno_of(os.stat, "x", dir_fd=left), errno_of(os.getcwd))
        os.close(left)
    os.chdir(top)
`
    )
    assert.deepStrictEqual(out, Array.from({ length: 4 }, () => ["0 [] ok ok", "ENOENT ENOENT ENOENT"]).flat())
  })

  test("D5: a new file renamed over another becomes its next version: the item at the server stays the same", async () => {
    await here(shared.mount, "echo first > report.txt")
    await shared.mount.sync()
    const before = await idOf("report.txt")
    await here(shared.mount, "echo second > report.txt.new; mv report.txt.new report.txt")
    await shared.mount.sync()
    assert.strictEqual(await at(shared.drive, "report.txt"), "second\n")
    assert.strictEqual(await idOf("report.txt"), before)
  })

  test("D6: an unchanged file renamed over another keeps its own identity, the other one is deleted", async () => {
    await here(shared.mount, "echo old > target.txt; echo kept > source.txt")
    await shared.mount.sync()
    const source = await idOf("source.txt")
    await here(shared.mount, "mv source.txt target.txt")
    await shared.mount.sync()
    assert.strictEqual(await at(shared.drive, "target.txt"), "kept\n")
    assert.strictEqual(await idOf("target.txt"), source)
  })

  test("D11: more than 100 deletions that are more than a quarter of the drive wait until `sync --allow-deletes`", async () => {
    await here(shared.mount, "rm -r Many; test ! -e Many")
    const end = await shared.mount.cli(["sync", "--wait", "--timeout", "5", shared.mount.path])
    assert.strictEqual(end.code, 1)
    assert.match(end.stderr, /: delete: .*deletions at once/)
    assert.isAtLeast((await paths(shared.drive)).filter((path) => path.startsWith("/Many/")).length, 121)
    assert.isAtLeast((await shared.mount.status()).pending.paused, 121)
    const yes = await shared.mount.cli(["sync", "--wait", "--allow-deletes", shared.mount.path])
    assert.strictEqual(yes.code, 0, yes.stderr)
    assert.deepStrictEqual(
      (await paths(shared.drive)).filter((path) => path.startsWith("/Many")),
      []
    )
  })
})
