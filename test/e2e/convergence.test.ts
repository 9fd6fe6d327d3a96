/**
 * Two parties change the same few names at random, one through the mount, one through the API. When they rest and
 * `sync --wait` returned 0, mount and drive are the same tree, nothing is pending, and nothing goes on being sent.
 * What waits for the user, because the version that was edited is gone, is done as the message asks.
 * A failure names its seed; `CONVERGENCE_SEEDS=7,8` runs those alone.
 */
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { random } from "./actors/random.ts"
import { actor, type Drive, Harness, type Mount, shell } from "./harness.ts"

const only = process.env["CONVERGENCE_SEEDS"]
const seeds = only === undefined ? [1, 2, 3, 4, 5, 6] : only.split(",").map(Number)

/** As actors/random-changes.ts, through the API. Refusals are part of life. */
const changeRemotely = async (drive: Drive, folder: string, seed: number, count: number): Promise<void> => {
  const below = random(seed + 1000)
  const names = ["a", "b", "c.txt", "D", "é"]
  const path = () =>
    [folder, ...Array.from({ length: 1 + below(3) }, () => names[below(names.length)]!)]
      .map(encodeURIComponent)
      .join("/")
  const idOf = async (at: string): Promise<string | undefined> => {
    const response = await drive.call("GET", `/me/drive/root:/${at}`)
    return response.ok ? ((await response.json()) as { id: string }).id : undefined
  }
  for (let i = 0; i < count; i++) {
    const target = path()
    switch (below(6)) {
      case 0:
      case 1:
        await drive.call("PUT", `/me/drive/root:/${target}:/content`, `remote ${seed}.${i} `.repeat(1 + below(400)))
        break
      case 2:
        await drive.call("POST", `/me/drive/root:/${target}:/children`, {
          name: names[below(names.length)],
          folder: {}
        })
        break
      case 3: {
        const id = await idOf(target)
        if (id !== undefined) await drive.call("PATCH", `/me/drive/items/${id}`, { name: names[below(names.length)] })
        break
      }
      case 4: {
        const [id, parent] = [await idOf(target), await idOf(path())]
        if (id !== undefined && parent !== undefined) {
          await drive.call("PATCH", `/me/drive/items/${id}`, { parentReference: { id: parent } })
        }
        break
      }
      default: {
        const id = await idOf(target)
        if (id !== undefined) await drive.call("DELETE", `/me/drive/items/${id}`)
      }
    }
  }
}

/** The one thing that a user has to do: a file that was changed in part, and whose other parts nobody has any more. */
const incomplete =
  /^(\/.+): (?:content|create): the version this file was edited from is gone .*: save the file again completely$/gm

/** `sync --wait` until it returns 0, saving again what it asks to have saved. */
const settle = async (mount: Mount): Promise<void> => {
  for (let tries = 0; ; tries++) {
    const end = await mount.cli(["sync", "--wait", "--timeout", "60", mount.path])
    if (end.code === 0) return
    const paths = Array.from(end.stderr.matchAll(incomplete), ([, path]) => path!)
    if (paths.length === 0 || tries === 3) throw new Error(`sync: exit ${end.code}\n${end.stdout}\n${end.stderr}`)
    for (const path of paths) await shell(`printf 'saved again' > '.${path}'`, { cwd: mount.path })
  }
}

describe("two parties at random", () => {
  let harness: Harness
  let drive: Drive
  let mount: Mount

  beforeAll(async () => {
    harness = await Harness.open()
    drive = await harness.serve()
    mount = await harness.mount(drive)
  }, 120_000)
  afterAll(() => harness.close(), 120_000)

  let runs = 0
  for (const seed of seeds) {
    test(`seed ${seed} converges`, async () => {
      // A failed test runs once more on the same drive.
      const folder = `run-${seed}-${++runs}`
      await shell(`mkdir ${folder}`, { cwd: mount.path })
      await settle(mount)
      for (let round = 0; round < 3; round++) {
        await Promise.all([
          actor("random-changes", [`${mount.path}/${folder}`, String(seed * 10 + round), "60"]),
          changeRemotely(drive, folder, seed * 10 + round, 25)
        ])
      }
      await settle(mount)
      // What was decided in the first sync (conflict copies, restored items) is sent in the second.
      await settle(mount)
      assert.strictEqual((await mount.status()).pending.intents, 0)
      const [here, there] = [await mount.listing(), await drive.listing()]
      assert.deepStrictEqual(new Map([...there].toSorted()), new Map([...here].toSorted()))
    }, 120_000)
  }
})
