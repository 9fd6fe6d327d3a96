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

/** Where the daemon serves the drive's API; empty when it does not tell. */
const apiOf = (mountpoint) =>
  new Promise((done) => {
    const args = [join(root, "dist/main.js"), "status", "--json", mountpoint]
    execFile(join(root, "node_modules/.bin/node"), args, { timeout: 10_000 }, (error, stdout) => {
      done(error === null ? (JSON.parse(stdout).api ?? "") : "")
    })
  })

const hints = (mountpoint, drive, api) => `
The drive is at ${mountpoint} (its server side is kept in ${drive}). Three things to try:
  ls -lR ${mountpoint}
  echo hello > ${mountpoint}/hello.txt && node dist/main.js sync --wait ${mountpoint}
  curl -H "Authorization: Bearer $(cat ${drive}/token)" ${api}/v1.0/me/drive/root/children
\`node dist/main.js status ${mountpoint}\` shows how it goes. Ctrl-C unmounts; \`npm start\` again goes on with the same drive.
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
    for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
    child.on("error", (error) => {
      process.stderr.write(`cannot start the daemon: ${error.message}\n`)
      done(1)
    })
    child.on("exit", (code) => done(code ?? 1))
  })

runMain(async () => {
  const mountpoint = mountpointOf(process.argv.slice(2))
  await setup()
  mkdirSync(mountpoint, { recursive: true })
  process.exitCode = await mount(mountpoint, base("XDG_DATA_HOME", ".local/share"))
})
