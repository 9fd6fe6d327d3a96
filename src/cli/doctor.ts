/** `onemount doctor`. */
import type { Feature } from "@onemount/fuse-native"
import { Console, Effect, Option } from "effect"
import { load, type Values } from "../config/Config.ts"
import type { MountFeatures } from "../fuse/features.ts"
import { probe } from "../fuse/probe.ts"
import { cacheDirectory } from "../platform/Paths.ts"
import { cacheChecks } from "./cacheChecks.ts"
import * as Checks from "./checks.ts"
import type { ConfigOptions } from "./commands.ts"
import { failure } from "./exit.ts"
import { absolute, sourcesOf } from "./settings.ts"

interface Options extends ConfigOptions {
  readonly cacheDir: Option.Option<string>
  readonly json: boolean
}

export const doctorCommand = Effect.fn("cli.doctor")(function* (options: Options) {
  const checks = [
    ...Checks.versions(),
    Checks.device(),
    yield* Checks.helper,
    ...Checks.privileges(),
    ...(yield* configured(options)),
    ...(yield* mounting)
  ]
  const failed = checks.filter(({ result }) => result === "fail")
  yield* Console.log(
    options.json ? JSON.stringify({ ok: failed.length === 0, checks }) : checks.map(describe).join("\n")
  )
  if (failed.length === 0) return
  const names = failed.map(({ name }) => name).join(", ")
  return yield* failure("failed", `a mount will not work: ${names}; what to do is above`)
})

/** Configuration, and the cache where it says; the default of a cache when it says nothing that can be used. */
const configured = (options: Options): Effect.Effect<ReadonlyArray<Checks.Check>> => {
  const sources = sourcesOf(options, [
    { key: "cache.directory", flag: "--cache-dir", value: Option.map(options.cacheDir, absolute) }
  ])
  const given = Checks.check("configuration", "configuration can be used", "what `onemount config` shows")
  return load(sources).pipe(
    Effect.flatMap(({ values }) => Effect.map(cacheChecks(placeOf(values), values), (checks) => [given, ...checks])),
    Effect.catch(({ problems }) =>
      Effect.succeed([
        {
          ...given,
          result: "fail" as const,
          found: problems.join("; "),
          advice: "correct it; `onemount config` lists the keys"
        }
      ])
    )
  )
}

const placeOf = ({ cache }: Values): string =>
  cache.directory === "" ? cacheDirectory(process.env) : absolute(cache.directory)

/** A mount of a moment, and what the kernel said to it. */
const mounting: Effect.Effect<ReadonlyArray<Checks.Check>> = probe.pipe(
  Effect.map((features) => [
    Checks.check("mount", "a mount works", "tried at a temporary folder"),
    ...featureChecks(features)
  ]),
  Effect.catch((error) =>
    Effect.succeed([
      {
        ...Checks.check("mount", error.detail, "tried at a temporary folder"),
        result: "fail" as const,
        advice: "see the checks above; in a container, --device /dev/fuse --cap-add SYS_ADMIN"
      }
    ])
  )
)

/** What each is good for, and what it needs when it is missed; without: it is not used, and nothing is lost. */
const meanings: Readonly<Record<Feature, readonly [meaning: string, needs?: string]>> = {
  readdirPlus: ["listings bring attributes: walking a tree takes one request per folder", "Linux 3.9"],
  writebackCache: ["the kernel would collect small writes, and overrule sizes and times"],
  parallelDirectoryOperations: ["one slow lookup does not hold up its folder", "Linux 4.7"],
  asyncRead: ["read-ahead in the background", "Linux 2.6.20"],
  asyncDirectIo: ["unbuffered reads and writes in parallel", "Linux 3.13"],
  spliceRead: ["requests through a pipe; no faster than copying them"],
  largeRequests: ["1 MiB per read or write instead of 128 KiB", "Linux 4.20"],
  negativeEntries: ["the kernel remembers absent names"],
  noOpendir: ["folders are listed without being opened", "Linux 5.1"],
  expire: ["a name can be asked for again without taking it from who uses it", "Linux 6.2"],
  epoch: ["names that changed under another spelling are right at once", "Linux 6.16"],
  noOpen: ["files would be read without being opened; what an open knows is needed"],
  cloneFd: ["a queue for each thread; no gain with few processors"],
  killPrivileges: ["writes go without a question for capabilities before them", "Linux 5.12"],
  passthrough: ["the kernel reads and writes local files itself; needs root and Linux 6.9"]
}

const featureChecks = (features: MountFeatures): ReadonlyArray<Checks.Check> =>
  Object.entries(features).map(([name, { active, offered, reason }]) => {
    const [meaning, needs] = meanings[name as Feature]
    const found = active
      ? "used"
      : offered
        ? `offered, not used${reason === undefined ? "" : `: ${reason}`}`
        : "not offered"
    const given = Checks.check(`feature.${name}`, found, meaning)
    return offered || needs === undefined
      ? given
      : { ...given, result: "warn", advice: `needs ${needs}; the mount works without` }
  })

const describe = ({ advice, found, meaning, name, result }: Checks.Check): string =>
  `${result.padEnd(5)} ${name.padEnd(36)} ${found}\n${" ".repeat(6)}${meaning}${advice === "" ? "" : `\n      -> ${advice}`}`
