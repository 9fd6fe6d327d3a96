/**
 * What is compared with, made at run time: libfuse's examples from the source package of the system's libfuse and
 * npm's fuse-native, both kept in a cache outside the repository, and the load generator. Nothing of them is ours.
 */
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { exec } from "../subjects.ts"

const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "onemount-bench")
const examples = "/usr/share/doc/libfuse3-dev/examples"

/** A peer that could be made, or why not. */
export type Peer = { readonly path: string } | { readonly absent: string }

const flags = async (): Promise<Array<string>> =>
  (await exec("pkg-config", ["--cflags", "--libs", "fuse3"])).trim().split(/\s+/)

/** Compiled once for each version of libfuse: the C++ example takes seven seconds. */
const compiled = async (name: string, compiler: string, source: () => Promise<string>): Promise<Peer> => {
  const binary = join(cache, `${name}-${(await exec("pkg-config", ["--modversion", "fuse3"])).trim()}`)
  if (existsSync(binary)) return { path: binary }
  await mkdir(cache, { recursive: true })
  const output = `${binary}.${process.pid}`
  const settings = ["-O2", "-w", "-D_FILE_OFFSET_BITS=64", "-o", output]
  await exec(compiler, [...settings, await source(), ...(await flags()), "-lpthread"])
  await rename(output, binary)
  return { path: binary }
}

const attempt = async (make: () => Promise<Peer>): Promise<Peer> =>
  make().catch((cause: unknown) => ({ absent: String(cause).split("\n")[0] ?? "unknown" }))

/** The load generator. */
export const load = async (folder: string): Promise<string> => {
  const binary = join(folder, "load")
  await exec("c++", ["-std=c++17", "-O2", "-o", binary, join(import.meta.dirname, "load.cpp"), "-pthread"])
  return binary
}

export const passthroughLl = (): Promise<Peer> =>
  attempt(() => compiled("passthrough_ll", "cc", async () => join(examples, "passthrough_ll.c")))

/**
 * Debian's libfuse3-dev leaves the C++ example out, so it is taken from the same source package, checked by apt against
 * Debian's keys. apt's own lists and configuration stay untouched.
 */
const source = async (folder: string): Promise<string> => {
  const codename = /^VERSION_CODENAME=(.+)$/m.exec(await readFile("/etc/os-release", "utf8"))?.[1]
  await mkdir(join(folder, "lists/partial"), { recursive: true })
  await writeFile(join(folder, "sources.list"), `deb-src http://deb.debian.org/debian ${codename} main\n`)
  const settings = {
    "Dir::Etc::SourceList": join(folder, "sources.list"),
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State::Lists": join(folder, "lists"),
    "APT::Sandbox::User": "root"
  }
  const apt = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`])
  await exec("apt-get", [...apt, "update"])
  await exec("sh", ["-ec", 'cd "$1"; shift; apt-get "$@" source --download-only fuse3', "sh", folder, ...apt])
  await exec("sh", [
    "-ec",
    'cd "$1"; tar xf fuse3_*.orig.tar.xz --strip-components=1 --wildcards "*/example/*"',
    "sh",
    folder
  ])
  return join(folder, "example", "passthrough_hp.cc")
}

export const passthroughHp = (): Promise<Peer> =>
  attempt(async () => {
    const folder = await mkdtemp(join(tmpdir(), "onemount-bench-libfuse-"))
    try {
      return await compiled("passthrough_hp", "c++", () => source(folder))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

/** npm's fuse-native with the libfuse 2 that it brings; the loader wants that by its own name. */
export const fuseNative = (): Promise<Peer> =>
  attempt(async () => {
    const folder = join(cache, "fuse-native")
    const path = join(folder, "node_modules", "fuse-native")
    if (!existsSync(path)) {
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, "package.json"), '{ "private": true }\n')
      const quiet = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
      await exec("npm", ["install", "--prefix", folder, ...quiet, "fuse-native@2.2.6"])
    }
    const library = join(folder, "libfuse.so.2")
    await rm(library, { force: true })
    await symlink(join(path, "prebuilds", `linux-${process.arch}`, "libfuse.so"), library)
    const env = { ...process.env, LD_LIBRARY_PATH: folder }
    await exec(process.execPath, ["-e", `require(${JSON.stringify(path)})`], env)
    return { path }
  })

/** Where fuse-native's libfuse.so.2 is. */
export const fuseNativeLibraries = join(cache, "fuse-native")
