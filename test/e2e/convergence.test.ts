/**
 * Two parties change the same few names at random, one through the mount, one through the API. When they rest and
 * `sync --wait` returned 0, mount and drive are the same tree, nothing is pending, and nothing goes on being sent.
 * What waits for the user, because the version that was edited is gone, is done as the message asks. Then the same with
 * a server that fails and a daemon that is killed.
 * A failure names its seed; `CONVERGENCE_SEEDS=7,8` and `CHAOS_SEEDS=7,8` run those alone.
 */
import { afterAll, beforeAll, describe, test } from "vitest"
import { random } from "./actors/random.ts"
import { type Drive, Harness, type Mount, shell } from "./harness.ts"
import { assertConverged, quarrel, seedsOf, settle } from "./parties.ts"

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
  for (const seed of seedsOf("CONVERGENCE_SEEDS", [1, 2, 3, 4, 5, 6])) {
    test(`seed ${seed} converges`, async () => {
      // A failed test runs once more on the same drive.
      const folder = `run-${seed}-${++runs}`
      await shell(`mkdir ${folder}`, { cwd: mount.path })
      await settle(mount)
      for (let round = 0; round < 3; round++) await quarrel(mount, drive, folder, seed * 10 + round)
      await assertConverged(mount, drive)
    }, 120_000)
  }
})

/** What befalls requests, and how many of them. */
const weather: Readonly<Record<string, number>> = {
  lostReply: 0.03,
  badGateway: 0.03,
  timeoutAfterEffect: 0.03,
  refusedConnection: 0.03,
  uploadErrorAfterCommit: 0.05,
  tagBump: 0.05,
  downloadCut: 0.05,
  deltaShortPage: 0.2,
  deltaRepeatsItem: 0.1,
  deltaChildFirst: 0.1,
  deltaWithoutCTag: 0.05,
  deltaGoneApply: 0.02,
  deltaGoneUpload: 0.02,
  deltaLinkOld: 0.05,
  deltaLinkBroken: 0.02,
  hashAbsent: 0.1,
  hashAbsentOnEmpty: 0.1,
  itemNotFoundYet: 0.02,
  childrenShortPage: 0.1
}

describe("two parties at random, a server that fails, a daemon that is killed", () => {
  let harness: Harness
  beforeAll(async () => {
    harness = await Harness.open()
  })
  afterAll(() => harness.close(), 120_000)

  let runs = 0
  for (const seed of seedsOf("CHAOS_SEEDS", [1, 2])) {
    test(`seed ${seed} converges`, async () => {
      const below = random(seed)
      const name = `chaos-${seed}-${++runs}`
      const drive = await harness.serve(`${name}-drive`)
      let mount = await harness.mount(drive, name)
      await shell(`mkdir folder`, { cwd: mount.path })
      await settle(mount)
      for (let round = 0; round < 3; round++) {
        for (const [fault, rate] of Object.entries(weather)) await drive.admin("POST", "faults", { fault, rate })
        const changes = quarrel(mount, drive, "folder", seed * 10 + round, ["ENOTCONN", "ECONNABORTED"])
        // At a random time, so often before the end of the changes and sometimes after it.
        await new Promise((resolve) => setTimeout(resolve, below(1_500)))
        await mount.signal("SIGKILL")
        await changes
        mount = await harness.mount(drive, name)
      }
      await drive.admin("DELETE", "faults")
      await assertConverged(mount, drive)
      await mount.signal("SIGTERM")
      await drive.stop()
    }, 240_000)
  }
})
