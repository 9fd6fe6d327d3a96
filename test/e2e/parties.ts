/** Two parties that change the same few names at random: one through a mount, the other one through the API. */
import { assert } from "vitest"
import { random } from "./actors/random.ts"
import { actor, type Drive, type Mount, shell } from "./harness.ts"
import { assertSameTree } from "./sameTree.ts"

/** The seeds of a run: all of `usual`, or what `variable` says in the environment, as `7,8`. */
export const seedsOf = (variable: string, usual: ReadonlyArray<number>): ReadonlyArray<number> =>
  process.env[variable]?.split(",").map(Number) ?? usual

/** As actors/random-changes.ts, through the API. Refusals and lost replies are part of life. */
const changeRemotely = async (drive: Drive, folder: string, seed: number, count: number): Promise<void> => {
  const below = random(seed + 1000)
  const names = ["a", "b", "c.txt", "D", "é"]
  const path = () =>
    [folder, ...Array.from({ length: 1 + below(3) }, () => names[below(names.length)]!)]
      .map(encodeURIComponent)
      .join("/")
  const call = (...request: Parameters<Drive["call"]>): Promise<Response | undefined> =>
    drive.call(...request).catch(() => undefined)
  const idOf = async (at: string): Promise<string | undefined> => {
    const response = await call("GET", `/me/drive/root:/${at}`)
    return response?.ok === true ? ((await response.json()) as { id: string }).id : undefined
  }
  for (let i = 0; i < count; i++) {
    const target = path()
    switch (below(6)) {
      case 0:
      case 1:
        await call("PUT", `/me/drive/root:/${target}:/content`, `remote ${seed}.${i} `.repeat(1 + below(400)))
        break
      case 2:
        await call("POST", `/me/drive/root:/${target}:/children`, {
          name: names[below(names.length)],
          folder: {}
        })
        break
      case 3: {
        const id = await idOf(target)
        if (id !== undefined) await call("PATCH", `/me/drive/items/${id}`, { name: names[below(names.length)] })
        break
      }
      case 4: {
        const [id, parent] = [await idOf(target), await idOf(path())]
        if (id !== undefined && parent !== undefined) {
          await call("PATCH", `/me/drive/items/${id}`, { parentReference: { id: parent } })
        }
        break
      }
      default: {
        const id = await idOf(target)
        if (id !== undefined) await call("DELETE", `/me/drive/items/${id}`)
      }
    }
  }
}

/** The one thing that a user has to do: a file that was changed in part, and whose other parts nobody has any more. */
const incomplete =
  /^(\/.+): (?:content|create): the version this file was edited from is gone .*: save the file again completely$/gm

/** `sync --wait` until it returns 0, saving again what it asks to have saved. */
export const settle = async (mount: Mount): Promise<void> => {
  for (let tries = 0; ; tries++) {
    const end = await mount.cli(["sync", "--wait", "--timeout", "60", mount.path])
    if (end.code === 0) return
    const paths = Array.from(end.stderr.matchAll(incomplete), ([, path]) => path!)
    if (paths.length === 0 || tries === 3) throw new Error(`sync: exit ${end.code}\n${end.stdout}\n${end.stderr}`)
    for (const path of paths) await shell(`printf 'saved again' > '.${path}'`, { cwd: mount.path })
  }
}

/** Both parties at once, in one folder of the mount's root. `tolerated`: errno names the mount may answer besides. */
export const quarrel = (
  mount: Mount,
  drive: Drive,
  folder: string,
  seed: number,
  tolerated: ReadonlyArray<string> = []
): Promise<unknown> =>
  Promise.all([
    actor("random-changes", [`${mount.path}/${folder}`, String(seed), "60", ...tolerated]),
    changeRemotely(drive, folder, seed, 25)
  ])

/** Both rest: the mount gets everything to the server, and both have the same tree. */
export const assertConverged = async (mount: Mount, drive: Drive): Promise<void> => {
  await settle(mount)
  // What was decided in the first sync (conflict copies, restored items) is sent in the second.
  await settle(mount)
  assert.strictEqual((await mount.status()).pending.intents, 0)
  await assertSameTree(mount, drive)
}
