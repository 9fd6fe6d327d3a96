/** What users install: a packed package with a prebuilt addon, on a machine without compiler and cmake. */
import { execFile } from "node:child_process"
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { removeFolder, shell, temporaryFolder } from "./support.ts"

const native = join(import.meta.dirname, "../..")
const licence = "/usr/share/common-licenses/LGPL-2.1"
const run = promisify(execFile)

const program = `
import { ContentTable, Session } from "@onemount/fuse-native"
const contents = ContentTable.create(() => {})
const session = Session.mount({ mountpoint: process.argv[2], fsName: "package", subtype: "package" }, contents, () => {
  for (const request of session.take()) if ("id" in request) session.replyError(request.id, 38)
})
const { outcome } = await session.unmount({ deadline: 2000 })
session.take()
contents.dispose()
console.log(outcome)
`

// The licence's text is shipped with the addon; only Debian and Ubuntu keep it there. An addon that was chosen, for its
// sanitizer say, is not what is packed.
describe.skipIf(!existsSync(licence) || process.env["FUSE_NATIVE_ADDON"] !== undefined)("the packed package", () => {
  let folder: string
  beforeAll(() => {
    folder = temporaryFolder()
  })
  afterAll(() => removeFolder(folder))

  const make = (...names: ReadonlyArray<string>): ReadonlyArray<string> =>
    names.map((name) => {
      mkdirSync(join(folder, name))
      return join(folder, name)
    })

  it("mounts where nothing can be compiled", async () => {
    const [copy, tools, user, mountpoint] = make("copy", "tools", "user", "user/mnt") as [
      string,
      string,
      string,
      string
    ]
    for (const name of ["package.json", "README.md", "dist"]) {
      cpSync(join(native, name), join(copy, name), { recursive: true })
    }
    const built = await run(process.execPath, [join(native, "scripts/prebuilt.mjs"), copy])
    assert.match(built.stdout, /needs (libm\.so\.6 and )?libc\.so\.6 and ld-linux\S* 2\.\d+ or newer/)
    const archive = (await shell(copy, `npm pack --silent --pack-destination '${folder}'`)).trim()

    // Nothing else is found there.
    symlinkSync(process.execPath, join(tools, "node"))
    symlinkSync((await shell(folder, "readlink -f $(command -v npm)")).trim(), join(tools, "npm"))
    const options = { cwd: user, env: { PATH: tools, HOME: folder } }
    writeFileSync(join(user, "package.json"), "{}")
    writeFileSync(join(user, "program.mjs"), program)
    await run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(folder, archive)], options)
    const { stdout } = await run("node", ["program.mjs", mountpoint], options)
    assert.strictEqual(stdout, "graceful\n")
  }, 120_000)
})
