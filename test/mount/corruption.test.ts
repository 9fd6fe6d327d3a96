import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { MountedDrive } from "./MountedDrive.ts"

const size = 12_000_000
/** Verified as a whole when its last piece is there: small files are verified before anybody sees a byte. */
const seeds = [
  { path: "/mended.bin", size },
  { path: "/broken.bin", size }
]

/** Reads the whole file through one descriptor until it reads as it should or fails, then some more. */
const reading = (name: string) => `
import time
expected = b"0123456789abcdef" * (${size} // 16)
fd = os.open("${name}", os.O_RDONLY)
def read():
    try:
        out = b""
        while len(out) < ${size}:
            out += os.pread(fd, 1 << 20, len(out))
        return "right" if out == expected else "wrong"
    except OSError as error:
        return errno.errorcode[error.errno]
`

layer(MountedDrive.layer(seeds), { excludeTestServices: true, timeout: 60_000 })(
  "a download with a wrong byte",
  (it) => {
    it.effect("is fetched again, and an open handle never sees the wrong one afterwards", () =>
      Effect.gen(function* () {
        const { python, ask } = yield* MountedDrive
        yield* ask({ command: "corrupt", times: 1 })
        const seen = yield* python(`${reading("mended.bin")}
deadline = time.monotonic() + 20
while (last := read()) == "wrong" and time.monotonic() < deadline: time.sleep(0.05)
print(last, *{read() for _ in range(5)}, open("mended.bin", "rb").read() == expected)`)
        assert.strictEqual(seen, "right right True\n")
      })
    )

    it.effect("that stays wrong becomes EIO, for open handles and for new ones", () =>
      Effect.gen(function* () {
        const { python, ask } = yield* MountedDrive
        yield* ask({ command: "corrupt", times: 1000 })
        const seen = yield* python(`${reading("broken.bin")}
deadline = time.monotonic() + 20
while (last := read()) == "wrong" and time.monotonic() < deadline: time.sleep(0.05)
def fresh():
    with open("broken.bin", "rb") as file: return file.read()
print(last, *{read() for _ in range(5)}, errno_of(fresh))`)
        yield* ask({ command: "release" })
        assert.strictEqual(seen, "EIO EIO EIO\n")
      })
    )
  }
)
