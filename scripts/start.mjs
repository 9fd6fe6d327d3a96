// `npm start [-- MOUNTPOINT]`: from a fresh machine to a mounted drive. Sets up what is missing, then mounts an
// embedded drive with a small sample tree in the foreground until Ctrl-C.
import { execFile, spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { userInfo } from "node:os"
import { isAbsolute, join, resolve } from "node:path"
import { root, runMain, say, setup, SetupError } from "./setup.mjs"

/** Some environments have an empty HOME. */
const home = process.env["HOME"] || userInfo().homedir

const base = (variable, fallback) => {
  const value = process.env[variable]
  return join(value !== undefined && isAbsolute(value) ? value : join(home, fallback), "onemount", "embedded")
}

const mountpointOf = (args) => {
  if (args.length > 1 || args[0]?.startsWith("-")) {
    throw new SetupError("Usage: npm start [-- MOUNTPOINT]   (default: ./OneDrive)")
  }
  // npm runs scripts in the package's folder; a relative path means the folder npm was called in.
  return resolve(process.env["INIT_CWD"] ?? process.cwd(), args[0] ?? "OneDrive")
}

/** What is there already is the daemon's to judge. */
const makeMountpoint = (mountpoint) => {
  try {
    mkdirSync(mountpoint, { recursive: true })
  } catch (error) {
    if (error.code === "EEXIST") return
    throw new SetupError(`The folder ${mountpoint} cannot be made: ${error.message}. Name another: npm start -- FOLDER`)
  }
}

/** Where the daemon serves the drive's API; empty when it does not tell. */
const apiOf = (mountpoint) =>
  new Promise((done) => {
    const args = [join(root, "dist/main.js"), "status", "--json", mountpoint]
    execFile(join(root, "node_modules/.bin/node"), args, { timeout: 10_000 }, (error, stdout) => {
      done(error === null ? (JSON.parse(stdout).api ?? "") : "")
    })
  })

/** As a shell has to read it. */
const quoted = (path) => (/^[\w/.,:@%+=-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`)

const hints = (mountpoint, drive, api) => `
The drive is at ${mountpoint} (its server side is kept in ${drive}). Three things to try:
  ls -lR ${quoted(mountpoint)}
  echo hello > ${quoted(`${mountpoint}/hello.txt`)} && node dist/main.js sync --wait ${quoted(mountpoint)}
  curl -H "Authorization: Bearer $(cat ${quoted(`${drive}/token`)})" ${api}/v1.0/me/drive/root/children
\`node dist/main.js status ${quoted(mountpoint)}\` shows how it goes. Ctrl-C unmounts; \`npm start\` again goes on with the same drive.
`

const mount = (mountpoint, drive) =>
  new Promise((done) => {
    const args = [
      "mount",
      "--embedded",
      drive,
      "--sample",
      "--port",
      "0",
      "--cache-dir",
      base("XDG_CACHE_HOME", ".cache"),
      mountpoint
    ]
    const child = spawn(join(root, "node_modules/.bin/node"), [join(root, "dist/main.js"), ...args], {
      stdio: ["inherit", "pipe", "inherit"]
    })
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      process.stdout.write(chunk)
      if (chunk.includes("mounted ")) void apiOf(mountpoint).then((api) => say(hints(mountpoint, drive, api)))
    })
    // The terminal's Ctrl-C reaches the daemon too; it would count a forwarded one as the second, which forces.
    process.on("SIGINT", () => undefined)
    // A terminal that is closed ends the mount, too; to the daemon itself SIGHUP means its configuration.
    for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill("SIGTERM"))
    child.on("error", (error) => {
      process.stderr.write(`cannot start the daemon: ${error.message}\n`)
      done(1)
    })
    child.on("exit", (code) => done(code ?? 1))
  })

runMain(async () => {
  const mountpoint = mountpointOf(process.argv.slice(2))
  await setup()
  makeMountpoint(mountpoint)
  process.exitCode = await mount(mountpoint, base("XDG_DATA_HOME", ".local/share"))
})
