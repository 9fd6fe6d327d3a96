/** docs/SEMANTICS.md, "Names". */
import { release } from "node:os"
import { assert, describe, test } from "vitest"
import { run } from "../e2e/harness.ts"
import { at, here, paths, put, python, shareMount } from "./support.ts"

describe("names", () => {
  const shared = shareMount(async (drive) => {
    await put(drive, "Ghost.txt", "never read")
    await put(drive, "Second ghost.txt", "copied by mv")
    await put(drive, "Kept.txt", "read before")
  })

  test("N1: case is kept and ignored, the exact name wins, a second spelling is EEXIST", async () => {
    const out = await python(
      shared.mount,
      `
write("Case.txt", "one")
print(read("CASE.TXT"), "Case.txt" in os.listdir("."), "CASE.TXT" in os.listdir("."))
print(errno_of(os.open, "cASE.txt", os.O_CREAT | os.O_EXCL | os.O_WRONLY), errno_of(os.mkdir, "case.TXT"))
write("CASE.txt", "two"); print(read("Case.txt"), [name for name in os.listdir(".") if name.lower() == "case.txt"])
`
    )
    assert.deepStrictEqual(out, ["one True False", "EEXIST EEXIST", "two ['Case.txt']"])
  })

  test("N2: rename(2) may change only the case, mv(1) refuses to because both names are one file", async () => {
    await here(shared.mount, "echo x > spelling")
    const moved = await run("mv", ["spelling", "SPELLING"], { cwd: shared.mount.path })
    assert.notStrictEqual(moved.code, 0)
    assert.match(moved.stderr, /are the same file/)
    const out = await python(shared.mount, `os.rename("spelling", "SPELLING"); print("SPELLING" in os.listdir("."))`)
    assert.deepStrictEqual(out, ["True"])
    await here(shared.mount, "mv SPELLING between && mv between Spelling && ls -d Spelling")
    await shared.mount.sync()
    assert.include(await paths(shared.drive), "/Spelling")
  })

  test("N3: a composed and a decomposed letter are two names", async () => {
    const out = await python(
      shared.mount,
      `
write("caf\\u00e9", "composed")
print(errno_of(os.open, "cafe\\u0301", os.O_CREAT | os.O_EXCL | os.O_WRONLY), read("caf\\u00e9") == "composed")
`
    )
    assert.deepStrictEqual(out, ["ok True"])
  })

  test("N4: what OneDrive refuses is EINVAL when it is asked for", async () => {
    const out = await python(
      shared.mount,
      String.raw`
write("plain", "x")
refused = [f"a{c}b" for c in '"*:<>?\\|\x01\x7f'] + ["end.", "end ", " begin", ".lock", "Desktop.ini", "CON", "com1.txt", "a_vti_b"]
print({errno_of(os.open, name, os.O_CREAT | os.O_WRONLY) for name in refused})
print({errno_of(os.mkdir, name) for name in refused}, {errno_of(os.rename, "plain", name) for name in refused})
`
    )
    assert.deepStrictEqual(out, ["{'EINVAL'}", "{'EINVAL'} {'EINVAL'}"])
  })

  test("N5: user.onemount.error of the folder tells why the last name in it was refused", async () => {
    const out = await python(
      shared.mount,
      `
os.mkdir("told"); errno_of(os.mkdir, "told/a:b")
print(os.getxattr("told", "user.onemount.error").decode())
`
    )
    assert.deepStrictEqual(out, ["a:b: OneDrive does not allow : in names"])
  })

  test("N6: a name has at most 255 bytes and a path 400 characters, else ENAMETOOLONG", async () => {
    const out = await python(
      shared.mount,
      `
print(errno_of(os.mkdir, "x" * 256), errno_of(os.mkdir, "\\u00e9" * 128), errno_of(os.mkdir, "\\u00e9" * 127))
long = "/".join(["y" * 99] * 4)
os.makedirs(long); print(len(long), errno_of(os.mkdir, long + "/"), errno_of(os.mkdir, long + "/z"))
`
    )
    assert.deepStrictEqual(out, ["ENAMETOOLONG ENAMETOOLONG ok", "399 EEXIST ENAMETOOLONG"])
  })

  test("N7: a name that is not UTF-8 cannot be made (EILSEQ) and does not exist (ENOENT)", async () => {
    const out = await python(
      shared.mount,
      `
bad = b"bad\\xff"
print(errno_of(os.open, bad, os.O_CREAT | os.O_WRONLY), errno_of(os.mkdir, bad), errno_of(os.rename, b"plain", bad))
print(errno_of(os.stat, bad), errno_of(os.unlink, bad), errno_of(os.rename, bad, b"good"))
`
    )
    assert.deepStrictEqual(out, ["EILSEQ EILSEQ EILSEQ", "ENOENT ENOENT ENOENT"])
  })

  test("N8: scratch names of editors and desktops stay on this machine, whatever OneDrive thinks of them", async () => {
    const names = [".~lock.a#", "~$report.docx", ".goutputstream-X1", ".report.txt.swp", "notes.swp"]
    await here(shared.mount, `for name in ${names.map((n) => `'${n}'`).join(" ")}; do echo x > "$name"; done`)
    await here(shared.mount, `mkdir .Trash-7; echo x > '.Trash-7/what?'; echo x > sent`)
    const out = await python(shared.mount, `print(os.getxattr(".Trash-7/what?", "user.onemount.local"))`)
    assert.deepStrictEqual(out, ["b'true'"])
    await shared.mount.sync()
    const there = await paths(shared.drive)
    assert.include(there, "/sent")
    assert.deepStrictEqual(
      there.filter((path) => /lock|~\$|gout|swp|Trash|what/.test(path)),
      []
    )
  })

  test("N13: what is done by one spelling is so by every other when the call returns", async () => {
    // Names need the kernel's epoch (Linux 6.16); sizes are right everywhere.
    const [major = 0, minor = 0] = release().split(".").map(Number)
    const names = major > 6 || (major === 6 && minor >= 16)
    const out = await python(
      shared.mount,
      `
wrong = []
for i in range(30):
    small, large, mixed = (f"{name}{i}" for name in ("spelling", "SPELLING", "Spelling"))
    if os.path.exists(small) or os.path.exists(mixed): wrong.append("there before")
    write(large, "1")
    ${names ? `if not (os.path.exists(small) and os.path.exists(mixed)): wrong.append("made")` : ""}
    if os.stat(large).st_size != 1: wrong.append("size")
    with open(large) as first, open(small, "a") as file: file.write("22")
    if os.stat(large).st_size != 3 or read(large) != "122": wrong.append("written")
    os.rename(large, small)
    if read(small) != "122": wrong.append("renamed")
    os.unlink(mixed)
    ${names ? `if os.path.exists(small) or os.path.exists(large): wrong.append("removed")` : ""}
print(wrong)
`
    )
    assert.deepStrictEqual(out, ["[]"])
  })

  test("N9: rename of what is not downloaded to a local-only name is EXDEV, so that mv copies it", async () => {
    const out = await python(
      shared.mount,
      `print(errno_of(os.rename, "Ghost.txt", ".~lock.ghost#"), os.path.exists("Ghost.txt"))`
    )
    assert.deepStrictEqual(out, ["EXDEV True"])
    await here(
      shared.mount,
      `mkdir -p .Trash-7; mv 'Second ghost.txt' .Trash-7/; test "$(cat '.Trash-7/Second ghost.txt')" = 'copied by mv'`
    )
    await shared.mount.sync()
    assert.strictEqual(await at(shared.drive, "Second ghost.txt"), undefined)
  })

  test("N10: what moves to a local-only name leaves the server, what moves back is a new item there", async () => {
    const before = (await shared.drive.json("GET", "/me/drive/root:/Kept.txt")).id
    await here(shared.mount, `cat Kept.txt > /dev/null; mv Kept.txt .Trash-7/`)
    await shared.mount.sync()
    assert.strictEqual(await at(shared.drive, "Kept.txt"), undefined)
    await here(shared.mount, `mv .Trash-7/Kept.txt .`)
    await shared.mount.sync()
    assert.strictEqual(await at(shared.drive, "Kept.txt"), "read before")
    assert.notStrictEqual((await shared.drive.json("GET", "/me/drive/root:/Kept.txt")).id, before)
  })

  test("N11: RENAME_EXCHANGE between a local-only and another name is EINVAL", async () => {
    const out = await python(
      shared.mount,
      `
write("normal", "n"); write("~$local", "l")
print(errno_of(renameat2, "normal", "~$local", 2), read("normal"), read("~$local"))
`
    )
    assert.deepStrictEqual(out, ["EINVAL n l"])
  })
})
