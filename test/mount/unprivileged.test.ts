/**
 * What the kernel does only for root, on disks of its own (passthrough), is off elsewhere: as another user, in a user
 * namespace, with the cache on overlayfs. The mount says why, and everything works through the daemon.
 *
 * Each mount lives in a mount namespace of its own, which is gone with its processes.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { Harness, run } from "../e2e/harness.ts"

const program = join(import.meta.dirname, "../../dist/main.js")
const bytes = 3_000_000
/** Of nobody, everywhere. */
const stranger = 65534

let harness: Harness
beforeEach(async () => {
  harness = await Harness.open()
})
afterEach(() => harness.close(), 60_000)

const works = (command: string, ...args: ReadonlyArray<string>): boolean => spawnSync(command, args).status === 0

/** Writes and reads through a mount, and prints what doctor and the mount say as JSON. */
const usage = `
pid=
mkdir mnt
trap 'test -z "$pid" || kill $pid || true' EXIT
"$NODE" "$PROGRAM" doctor --json --cache-dir "$CACHE" > doctor || true
"$NODE" "$PROGRAM" mount --embedded drive --cache-dir "$CACHE" mnt > out 2> log &
pid=$!
until grep -q '^mounted ' out; do kill -0 $pid || { cat log >&2; exit 1; }; sleep 0.05; done
head -c ${bytes} /dev/urandom > expected
cp expected mnt/file
dd if=mnt/file bs=1M iflag=direct status=none | cmp - expected
printf more | tee -a expected >> mnt/file
cmp expected mnt/file
"$NODE" "$PROGRAM" sync --wait --timeout 60 mnt
"$NODE" "$PROGRAM" status --json mnt > status
"$NODE" "$PROGRAM" unmount mnt > unmounted
wait $pid
pid=
printf '{"doctor":%s,"status":%s}' "$(cat doctor)" "$(cat status)"`

interface Said {
  readonly doctor: { readonly checks: ReadonlyArray<{ readonly name: string; readonly found: string }> }
  readonly status: {
    readonly features: Record<string, { readonly offered: boolean; readonly active: boolean; readonly reason?: string }>
    readonly writes: { readonly bytes: number; readonly failed: number }
    readonly pending: { readonly intents: number }
  }
}

/** Runs the usage in the harness's directory, through what `prefix` starts it with, after `preparation`. */
const use = async (prefix: ReadonlyArray<string>, preparation = ":"): Promise<Said> => {
  const [command = "", ...args] = [...prefix, "/bin/sh", "-euc", `${preparation}\n${usage}`]
  const env = {
    ...harness.env,
    TMPDIR: harness.directory,
    NODE: process.execPath,
    PROGRAM: program,
    CACHE: harness.at("cache")
  }
  const { code, signal, stderr, stdout } = await run(command, args, { cwd: harness.directory, env, timeout: 100_000 })
  assert.strictEqual(code ?? signal, 0, stderr)
  return JSON.parse(stdout) as Said
}

/** Passthrough is off for this reason, and the daemon has made the writes. */
const assertWithout = ({ status }: Said, reason: RegExp) => {
  const { passthrough } = status.features
  assert.deepInclude(passthrough, { active: false })
  assert.match(passthrough?.reason ?? "", passthrough?.offered === true ? reason : /the kernel has no passthrough/)
  assert.isAtLeast(status.writes.bytes, bytes + 4)
  assert.strictEqual(status.writes.failed, 0)
  assert.strictEqual(status.pending.intents, 0)
}

const doctorSays = ({ doctor }: Said, name: string): string =>
  doctor.checks.find((check) => check.name === name)?.found ?? ""

const needsPrivilege = /needs CAP_SYS_ADMIN outside of user namespaces/

describe("without the kernel's help", () => {
  test("as another user, by fusermount3", async ({ skip }) => {
    if (process.getuid?.() !== 0 || !works("unshare", "-m", "true")) skip("takes root, to become somebody else")
    if (!works("fusermount3", "--version")) skip("fusermount3 is not installed")
    const become = ["setpriv", `--reuid=${stranger}`, `--regid=${stranger}`, "--clear-groups"]
    if (!works("setpriv", ...become.slice(1), process.execPath, program, "--version")) {
      skip(`user ${stranger} may not read ${program}`)
    }
    execFileSync("chown", ["-R", `${stranger}:${stranger}`, harness.directory])
    // /dev/fuse is everybody's on most machines; here in this namespace.
    const device = harness.at("fuse")
    execFileSync("mknod", ["-m", "666", device, "c", "10", "229"])
    const prefix = ["unshare", "-m", "/bin/sh", "-euc", 'mount --bind "$0" /dev/fuse; exec "$@"', device, ...become]
    const said = await use(prefix)
    assertWithout(said, needsPrivilege)
    assert.match(doctorSays(said, "privileges"), /^user 65534, mounts through fusermount3$/)
    if (said.status.features["passthrough"]?.offered === true) {
      assert.match(doctorSays(said, "feature.passthrough"), /^offered, not used: needs CAP_SYS_ADMIN/)
    }
  }, 120_000)

  test("as root of a user namespace", async ({ skip }) => {
    const prefix = ["unshare", "-Urm"]
    if (!works("unshare", "-Urm", "true")) skip("user namespaces are not to be had here")
    const said = await use(prefix)
    assertWithout(said, needsPrivilege)
    assert.strictEqual(doctorSays(said, "namespace"), "a user namespace of its own")
  }, 120_000)

  test("with the cache on overlayfs", async ({ skip }) => {
    if (process.getuid?.() !== 0) skip("takes root, to mount an overlayfs")
    for (const name of ["lower", "upper", "work", "cache"]) mkdirSync(harness.at(name))
    const overlay = "mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay cache"
    const tried = spawnSync("unshare", ["-m", "/bin/sh", "-euc", overlay], { cwd: harness.directory })
    if (tried.status !== 0) skip(`no overlayfs here: ${tried.stderr.toString().trim()}`)
    chmodSync(harness.at("cache"), 0o700)
    const said = await use(["unshare", "-m"], overlay)
    assertWithout(said, /the cache is on a stacked filesystem such as overlayfs/)
    assert.strictEqual(doctorSays(said, "cache.passthrough"), "a stacked filesystem")
  }, 120_000)
})
