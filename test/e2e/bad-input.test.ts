/** Wrong mountpoints, folders, ports, files and settings: one sentence that says what to do, and the documented status. */
import { once } from "node:events"
import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises"
import { createServer as createHttpServer } from "node:http"
import { createServer, type Server } from "node:net"
import { DatabaseSync } from "node:sqlite"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { type Finished, Harness, mountsBelow, Running, shell } from "./harness.ts"

let harness: Harness
beforeEach(async () => {
  harness = await Harness.open()
  await mkdir(at("mnt"))
})
afterEach(() => harness.close(), 60_000)

const at = (name: string): string => harness.at(name)
const isRoot = process.getuid?.() === 0
const noServer = "http://127.0.0.1:9/v1.0"

const refused = (end: Finished, code: number, words: RegExp) => {
  assert.strictEqual(end.code, code, `${end.stdout}${end.stderr}`)
  const [said = ""] = end.stderr.split("\n").filter((line) => line.startsWith("onemount: "))
  assert.match(said, words, end.stderr)
  assert.strictEqual(end.stdout, "")
}

/** Listens on a free loopback port and returns it. */
const listen = async (server: Server): Promise<number> => {
  await once(server.listen(0, "127.0.0.1"), "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}

const mountEmbedded = (...rest: ReadonlyArray<string>) => harness.onemount("mount", "--embedded", at("drive"), ...rest)

describe("a mountpoint is refused", () => {
  test("when it is missing, a file, below a file, or not empty", async () => {
    await writeFile(at("file"), "")
    await mkdir(at("full"))
    await writeFile(at("full/letter.txt"), "")
    refused(await mountEmbedded(at("missing")), 4, /missing does not exist: create it with `mkdir -p /)
    refused(await mountEmbedded(at("file")), 4, /file is a file: give an empty directory/)
    refused(await mountEmbedded(at("file/x")), 4, /a part of it is a file/)
    refused(await mountEmbedded(at("full")), 4, /is not empty \(letter\.txt\): give an empty directory/)
    assert.notInclude(await readdir(harness.directory), "drive", "nothing was made for a mount that cannot be")
  })

  test("when we are mounted there already, in every spelling, naming the process and its command", async () => {
    const running = harness.start(["mount", "--embedded", at("drive"), at("mnt")])
    await running.line(/^mounted /m, 30_000)
    await symlink("mnt", at("link"))
    const named = new RegExp(`already mounted by process ${running.child.pid} \\(.*main\\.js mount.*onemount unmount`)
    for (const spelling of ["mnt", "mnt/", "link", "link/.", "mnt/../mnt"]) {
      const end = await harness.onemount("mount", "--embedded", at("other"), `${harness.directory}/${spelling}`)
      refused(end, 4, named)
    }
    const status = await harness.onemount("status", "--json", at("link"))
    assert.strictEqual(JSON.parse(status.stdout).mountpoint, at("mnt"))
    refused(await harness.onemount("mount", "--embedded", at("drive"), at("run")), 4, /runtime directory/)
  })

  test.runIf(isRoot)("when something else is mounted there", async () => {
    const path = await harness.tmpfs("foreign", "size=64k")
    refused(await mountEmbedded(path), 4, /already mounted \(onemount-test, type tmpfs\): unmount it with `umount /)
  })

  test("when it holds, is, or lies in what the daemon itself uses", async () => {
    const mnt = at("mnt")
    await mkdir(at("run/onemount"))
    for (const runtime of [at("run"), at("run/onemount")]) {
      refused(await mountEmbedded(runtime), 4, /the runtime directory|runtime directory, too/)
    }
    for (const mode of ["--foreground", "--daemon"]) {
      refused(
        await mountEmbedded(mode, "--cache-dir", `${mnt}/cache`, mnt),
        4,
        /cache directory .* lies inside the mount/
      )
    }
    refused(await mountEmbedded("--cache-dir", harness.directory, mnt), 4, /lies inside the cache directory/)
    refused(await mountEmbedded("--set", `log.file=${mnt}/log`, mnt), 4, /log file .* lies inside/)
    refused(await harness.onemount("mount", "--embedded", `${mnt}/drive`, mnt), 4, /embedded drive .* lies inside/)
    await symlink("mnt/later", at("token"))
    await mkdir(at("mnt-cache"))
    await writeFile(at("mnt-cache/tree.db"), "")
    const token = ["--token-file", at("token"), "--cache-dir", at("mnt-cache")]
    refused(await harness.onemount("mount", ...token, mnt), 4, /token file .* lies inside/)
    assert.deepStrictEqual(await readdir(mnt), [], "nothing was left in the mountpoint")
  })
})

describe("serve is refused", () => {
  test("a port in use or out of range", async () => {
    const dir = ["--dir", at("drive")]
    const other = createServer()
    const port = await listen(other)
    refused(await harness.onemount("serve", ...dir, "--port", `${port}`), 7, new RegExp(`Port ${port} .* is in use`))
    other.close()
    refused(await harness.onemount("serve", ...dir, "--port", "http"), 2, /--port: "http"/)
    refused(await harness.onemount("serve", ...dir, "--port", "65536"), 2, /--port is 65536 and has to be from 0 to/)
    refused(await harness.onemount("serve", ...dir, "--port=-1"), 2, /--port is -1 and has to be/)
  })

  test("a folder that is not a drive, of a newer version, damaged or in use; and left as it was, for mount, too", async () => {
    const both = async (dir: string, words: RegExp) => {
      refused(await harness.onemount("serve", "--dir", dir), 7, words)
      refused(await harness.onemount("mount", "--embedded", dir, at("mnt")), 7, words)
    }
    await writeFile(at("file"), "")
    await both(at("file"), /is not an embedded drive: it is not a folder/)
    await mkdir(at("photos"))
    await writeFile(at("photos/a.jpg"), "")
    await both(at("photos"), /holds other files and no drive\.db.*empty folder/)
    assert.deepStrictEqual(await readdir(at("photos")), ["a.jpg"])

    const drive = await harness.serve()
    await both(drive.directory, /drive is in use by another process. Stop that one first/)
    await drive.stop()
    const db = new DatabaseSync(at("drive/drive.db"))
    const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number }
    db.exec("PRAGMA user_version = 999")
    await both(drive.directory, /made by a newer version of onemount.*Update onemount/)
    db.exec(`PRAGMA user_version = ${version}`)
    db.close()
    await shell(`dd if=/dev/urandom of=${at("drive/drive.db")} bs=4096 count=1 conv=notrunc 2>/dev/null`)
    await both(drive.directory, /drive is damaged: .*Restore it from a copy, or move it away/)
    assert.deepStrictEqual(mountsBelow(harness.directory), [])
  })
})

describe("mount is refused", () => {
  test("a token that is missing, empty, not a file or not a token", async () => {
    const mount = (token: string) =>
      harness.onemount("mount", "--graph-url", noServer, "--token-file", token, at("mnt"))
    await writeFile(at("empty"), "\n")
    await writeFile(at("page"), "<html>sign in</html>\nagain")
    refused(await mount(at("missing")), 5, /missing: the file does not exist\. Put a bearer token/)
    refused(await mount(at("empty")), 5, /it holds no token/)
    refused(await mount(at("page")), 5, /it holds no token/)
    refused(await mount(at("mnt")), 5, /it is not a file/)
    refused(await harness.onemount("mount", at("mnt")), 5, /no account: give a bearer token with --token-file/)
  })

  test("a new drive whose server is not there, is another one, or does not take the token", async () => {
    await writeFile(at("token"), "secret")
    const mount = (url: string) => harness.onemount("mount", "--graph-url", url, "--token-file", at("token"), at("mnt"))
    const portal = createHttpServer((_, response) => response.setHeader("content-type", "text/html").end("<html>"))
    const page = `http://127.0.0.1:${await listen(portal)}`
    const drive = await harness.serve()
    const [nonsense, nowhere, refusing, wrong, unsigned] = await Promise.all([
      mount("nonsense"),
      mount("https://nowhere.invalid/v1.0"),
      mount(noServer),
      mount(page),
      mount(`${drive.url}/v1.0`)
    ])
    refused(nonsense, 2, /--graph-url: graph\.url is "nonsense" and has to be an http or https address/)
    refused(nowhere, 1, /nowhere\.invalid\/v1\.0 cannot be reached \(.*\): check the address and the connection/)
    refused(refusing, 1, /ECONNREFUSED.*check the address and the connection, then mount again/)
    portal.close()
    refused(wrong, 1, /is not the Graph API of a drive \(.*not JSON \(text\/html\).*: check the address/)
    refused(unsigned, 5, /refuses the token: put a fresh one into the token file/)
    assert.deepStrictEqual(mountsBelow(harness.directory), [])
    for (const { stderr } of [nowhere, refusing, unsigned]) assert.notInclude(stderr, "secret")
  })

  test.runIf(isRoot)("a cache on a read-only or full disk, or of another mount", async () => {
    const readOnly = await harness.tmpfs("read-only", "size=64k,ro")
    refused(await mountEmbedded("--cache-dir", `${readOnly}/cache`, at("mnt")), 7, /EROFS.*give another --cache-dir/)
    const full = await harness.tmpfs("full-disk", "size=64k")
    await shell(`cat /dev/zero > ${full}/filler 2>/dev/null || true`)
    refused(await mountEmbedded("--cache-dir", `${full}/cache`, at("mnt")), 7, /full|ENOSPC/)
    refused(await mountEmbedded("--cache-dir", "/proc/onemount", at("mnt")), 7, /\/proc\/onemount cannot be used/)

    const running = harness.start(["mount", "--embedded", at("drive"), "--cache-dir", at("cache"), at("mnt")])
    await running.line(/^mounted /m, 30_000)
    await mkdir(at("mnt2"))
    const shared = await harness.onemount("mount", "--embedded", at("d2"), "--cache-dir", at("cache"), at("mnt2"))
    refused(shared, 7, new RegExp(`in use by process ${running.child.pid}, mounted at ${at("mnt")}.*--cache-dir`))
  })

  test("unknown words get the nearest known one, wrong values what is accepted", async () => {
    const nearest = async (args: ReadonlyArray<string>, words: RegExp) => {
      const end = await harness.onemount(...args)
      assert.strictEqual(end.code, 2, end.stderr)
      assert.match(end.stderr, words)
    }
    await nearest(["mont", at("mnt")], /Unknown subcommand "mont"[^]*mount/)
    await nearest(["mount", "--embeded", at("d"), at("mnt")], /--embeded[^]*--embedded/)
    await nearest(["mount", "--embedded", at("d")], /Missing required argument: MOUNTPOINT/)
    await nearest(
      ["mount", "--set", "cache.limt=1GiB", at("mnt")],
      /unknown key `cache\.limt`, did you mean `cache\.limit`/
    )
    await nearest(["mount", "--set", "cache.limit=1KiB", at("mnt")], /cache\.limit is "1KiB" and has to be a size from/)
    await writeFile(at("config.toml"), "[upload]\nworkers = 0\n[cache]\ndirectry = '/x'\n")
    await nearest(
      ["mount", "--config", at("config.toml"), at("mnt")],
      /config\.toml:2: upload\.workers is 0 [^]*toml:4: .*`cache\.directory`/
    )
    await writeFile(at("config.toml"), "upload = [\n")
    await nearest(["mount", "--config", at("config.toml"), at("mnt")], /config\.toml is not valid TOML/)
    await nearest(["mount", "--config", at("none.toml"), at("mnt")], /cannot read the configuration .*none\.toml/)
  })
})

describe("a path that is no mount", () => {
  test("is named by unmount, status and sync; one that does not exist in the mount, too", async () => {
    for (const command of ["unmount", "status", "sync"]) {
      refused(
        await harness.onemount(command, at("mnt")),
        6,
        /mnt.*(nothing is mounted|nothing is mounted at)|nothing is mounted at/
      )
      refused(await harness.onemount(command, at("missing")), 6, /nothing is mounted/)
    }
    const running = harness.start(["mount", "--embedded", at("drive"), at("mnt")])
    await running.line(/^mounted /m, 30_000)
    refused(
      await harness.onemount("sync", "--wait", at("mnt/nowhere.txt")),
      1,
      /\/nowhere\.txt does not exist in the mount/
    )
    refused(await harness.onemount("status", at("mnt/below")), 6, /is not a mountpoint: it lies in the mount at/)
    refused(await harness.onemount("sync", "--timeout", "0", at("mnt")), 2, /--timeout is 0/)
  })
})

describe("a daemon that died", () => {
  test("leaves a dead mount that mount clears and says so, and that status and unmount can deal with", async () => {
    const start = async () => {
      const running = harness.start(["mount", "--embedded", at("drive"), at("mnt")])
      await running.line(/^mounted /m, 30_000)
      return running
    }
    const kill = async (running: Running) => {
      running.child.kill("SIGKILL")
      await running.finished
      assert.deepStrictEqual(mountsBelow(harness.directory), [at("mnt")])
    }
    const first = await start()
    await shell(`echo kept > ${at("mnt")}/file.txt`)
    await kill(first)
    await symlink("mnt", at("link"))
    refused(await harness.onemount("status", at("link")), 6, /not in a running mount/)
    const again = harness.start(["mount", "--embedded", at("drive"), at("link")])
    await again.line(/^mounted /m, 30_000)
    assert.match(again.stderr, /clearing the dead mount of a crashed run at /)
    assert.strictEqual(await shell(`cat ${at("mnt")}/file.txt`), "kept\n")
    await kill(again)
    const unmounted = await harness.onemount("unmount", at("link"))
    assert.deepStrictEqual([unmounted.code, unmounted.stdout], [0, `unmounted ${at("mnt")}\n`], unmounted.stderr)
    assert.deepStrictEqual(mountsBelow(harness.directory), [])
    await rm(at("link"))
  })
})
