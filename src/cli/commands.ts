/**
 * The command line. Names, flags and printed lines of mount, unmount, status, sync and serve are an interface that
 * scripts rely on. Handlers are loaded when they run: `onemount status` does not pay for a daemon.
 */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { drive } from "./driveCommands.ts"
import { exitHelp } from "./exit.ts"

const configFlags = {
  config: Flag.String("config").pipe(
    Flag.withDescription("Configuration file instead of $XDG_CONFIG_HOME/onemount/config.toml"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  set: Flag.KeyValuePair("set").pipe(
    Flag.withDescription("Sets a configuration key, for instance cache.limit=10GiB; see `onemount config`"),
    Flag.withMetavar("KEY=VALUE"),
    Flag.optional
  )
}

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withMetavar(metavar), Flag.optional)

const on = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

const mount = Command.make(
  "mount",
  {
    mountpoint: Argument.String("MOUNTPOINT").pipe(Argument.withDescription("An empty directory")),
    embedded: text("embedded", "DIR", "Mount the embedded drive in DIR, served by this process; made when missing"),
    sample: on("sample", "Put a small sample tree on a new embedded drive"),
    port: Flag.Int("port").pipe(
      Flag.withDescription("Serve the API of the embedded drive on this loopback port, too; 0 for any free one"),
      Flag.withMetavar("N"),
      Flag.optional
    ),
    graphUrl: text("graph-url", "URL", "Root of the Graph API (default https://graph.microsoft.com/v1.0)"),
    tokenFile: text("token-file", "FILE", "File with the bearer token, read again when it changes"),
    cacheDir: text("cache-dir", "DIR", "Metadata and contents of this drive (default: below $XDG_CACHE_HOME/onemount)"),
    foreground: on("foreground", "Stay in the foreground and log to standard error (default)"),
    daemon: on("daemon", "Return when the mount is proven; the daemon logs to onemount.log in the cache directory"),
    ...configFlags
  },
  (options) =>
    Effect.flatMap(
      Effect.promise(() => import("./mount.ts")),
      ({ mountCommand }) => mountCommand(options)
    )
).pipe(
  Command.withDescription(
    "Mount a drive. Prints `mounted MOUNTPOINT` when a file listing through the mount has succeeded, and serves until " +
      "it is unmounted, SIGINT or SIGTERM (a second one forces); SIGHUP reads the configuration again. With --port, the " +
      "address of the API is in the log and in `status`, its bearer token in DIR/token."
  ),
  Command.withShortDescription("Mount a drive"),
  Command.withExamples([
    { command: "onemount mount --embedded ~/drive --sample ~/OneDrive", description: "Try it without an account" },
    { command: "onemount mount --token-file ~/.onedrive-token ~/OneDrive", description: "Mount your OneDrive" },
    {
      command: "onemount mount --daemon --graph-url http://127.0.0.1:8080/v1.0 --token-file drive/token /mnt/drive",
      description: "Mount what `onemount serve --dir drive --port 8080` serves, in the background"
    }
  ])
)

const mountpoint = (description: string) =>
  Argument.String("MOUNTPOINT").pipe(Argument.withDescription(description), Argument.optional)

const unmount = Command.make(
  "unmount",
  {
    mountpoint: Argument.String("MOUNTPOINT").pipe(Argument.withDescription("A mounted directory")),
    force: on("force", "Do not wait for uploads and for programs that use the mount")
  },
  (options) =>
    Effect.flatMap(
      Effect.promise(() => import("./unmount.ts")),
      ({ unmountCommand }) => unmountCommand(options)
    )
).pipe(
  Command.withDescription(
    "Unmount and return when the daemon has ended. What was not uploaded yet goes on at the next mount. Also clears " +
      "the dead mount of a crashed daemon."
  ),
  Command.withShortDescription("Unmount a drive"),
  Command.withExamples([{ command: "onemount unmount ~/OneDrive", description: "Unmount in order" }])
)

const status = Command.make(
  "status",
  { mountpoint: mountpoint("The mount to show; all without it"), json: on("json", "Print JSON") },
  (options) =>
    Effect.flatMap(
      Effect.promise(() => import("./status.ts")),
      ({ statusCommand }) => statusCommand(options)
    )
).pipe(
  Command.withDescription(
    "Show running mounts. With --json: one object (of MOUNTPOINT or the only mount), an array of all when there are several."
  ),
  Command.withShortDescription("Show running mounts"),
  Command.withExamples([
    { command: "onemount status", description: "All mounts for people" },
    { command: "onemount status --json ~/OneDrive", description: "One mount for scripts" }
  ])
)

const sync = Command.make(
  "sync",
  {
    path: Argument.String("PATH").pipe(
      Argument.withDescription(
        "A mount, or a file or folder in one (default: the current directory, or the only mount)"
      ),
      Argument.optional
    ),
    wait: on("wait", "Return when everything at or below PATH is at the server and its newest changes are applied"),
    allowDeletes: on(
      "allow-deletes",
      "Confirm the deletions that are paused because they are so many; of the whole mount, whatever PATH is"
    ),
    timeout: Flag.Finite("timeout").pipe(
      Flag.withDescription("Longest wait in seconds"),
      Flag.withMetavar("S"),
      Flag.withDefault(300)
    )
  },
  (options) =>
    Effect.flatMap(
      Effect.promise(() => import("./sync.ts")),
      ({ syncCommand }) => syncCommand(options)
    )
).pipe(
  Command.withDescription(
    "Fetch the server's changes now. Ends with 1 and the reasons when something could not be done."
  ),
  Command.withShortDescription("Synchronise now"),
  Command.withExamples([
    { command: "onemount sync --wait ~/OneDrive/Documents", description: "Until everything below is at the server" }
  ])
)

const serve = Command.make(
  "serve",
  {
    dir: Flag.String("dir").pipe(
      Flag.withDescription("Folder of the embedded drive; made when missing"),
      Flag.withMetavar("DIR")
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("Port to listen on, 0 for any free one"),
      Flag.withMetavar("N"),
      Flag.withDefault(0)
    ),
    host: Flag.String("host").pipe(
      Flag.withDescription("Address to listen on"),
      Flag.withMetavar("H"),
      Flag.withDefault("127.0.0.1")
    ),
    allowRemote: on("allow-remote", "Allow a --host beyond this machine: whoever has the token can use the drive"),
    tlsPort: Flag.Int("tls-port").pipe(
      Flag.withDescription("Serve TLS as well, certified by the authority in DIR/tls/ca.crt; 0 for any free port"),
      Flag.withMetavar("N"),
      Flag.optional
    ),
    proxyPort: Flag.Int("proxy-port").pipe(
      Flag.withDescription("Serve a proxy that leads clients of graph.microsoft.com here; 0 for any free port"),
      Flag.withMetavar("N"),
      Flag.optional
    ),
    kind: Flag.Literals("kind", ["personal", "business"]).pipe(
      Flag.withDescription("What a new drive is: a personal OneDrive (default) or one of work or school"),
      Flag.optional
    ),
    ids: Flag.Literals("ids", ["classic", "migrated"]).pipe(
      Flag.withDescription(
        "Ids of a new personal drive: as ever (default), or those of drives on the SharePoint stack"
      ),
      Flag.optional
    ),
    sample: on("sample", "Put a small sample tree on a new drive"),
    generate: Flag.Int("generate").pipe(
      Flag.withDescription("Fill a new drive with this many items, whose contents take no room on disk"),
      Flag.withMetavar("N"),
      Flag.optional
    ),
    seed: Flag.Int("seed").pipe(
      Flag.withDescription("What --generate, latencies and random faults follow from"),
      Flag.withMetavar("N"),
      Flag.withDefault(1)
    ),
    scenario: Flag.String("scenario").pipe(
      Flag.withDescription("Latency, bandwidth and throttling: none, lan, realistic, satellite, office-monday"),
      Flag.withMetavar("NAME"),
      Flag.withDefault("none")
    ),
    ...configFlags
  },
  (options) =>
    Effect.flatMap(
      Effect.promise(() => import("./serve.ts")),
      ({ serveCommand }) => serveCommand(options)
    )
).pipe(
  Command.withDescription(
    "Serve an embedded drive with the Graph API over HTTP. Prints `listening http://HOST:PORT`; the API is below /v1.0, " +
      "its bearer token is in DIR/token."
  ),
  Command.withShortDescription("Serve an embedded drive"),
  Command.withExamples([{ command: "onemount serve --dir ~/drive --port 8080", description: "Serve ~/drive" }])
)

const config = Command.make("config", configFlags, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("./config.ts")),
    ({ configCommand }) => configCommand(options)
  )
).pipe(
  Command.withDescription("Show every configuration key with its value, where that comes from, and what is accepted."),
  Command.withShortDescription("Show the configuration")
)

const doctor = Command.make(
  "doctor",
  {
    json: on("json", "Print JSON"),
    cacheDir: text("cache-dir", "DIR", "Where the cache would be (default: as configured)"),
    ...configFlags
  },
  (options) =>
    Effect.flatMap(
      Effect.promise(() => import("./doctor.ts")),
      ({ doctorCommand }) => doctorCommand(options)
    )
).pipe(
  Command.withDescription(
    "Check what a mount needs: Node, kernel, libfuse, /dev/fuse, fusermount3, privileges, limits, configuration, the " +
      "filesystem of the cache, and, by a mount of a moment, the features of the kernel. Each check says what it means " +
      "and what to do. Ends with 1 when something needed is missing."
  ),
  Command.withShortDescription("Check what a mount needs")
)

const events = Command.make(
  "events",
  { mountpoint: mountpoint("The mount to follow (default: the only one)") },
  (options) =>
    Effect.flatMap(
      Effect.promise(() => import("./events.ts")),
      ({ eventsCommand }) => eventsCommand(options)
    )
).pipe(
  Command.withDescription("Print what happens in a mount, one JSON object per line, until interrupted."),
  Command.withShortDescription("Follow what happens in a mount")
)

/** The whole command line. */
export const onemount = Command.make("onemount").pipe(
  Command.withDescription(`A Microsoft OneDrive drive as a real Linux filesystem.\n\nExit status: ${exitHelp}.`),
  Command.withSubcommands([mount, unmount, status, sync, serve, drive, config, events, doctor])
)

/** What handlers get of the flags above. */
export interface ConfigOptions {
  readonly config: Option.Option<string>
  readonly set: Option.Option<Readonly<Record<string, string>>>
}
