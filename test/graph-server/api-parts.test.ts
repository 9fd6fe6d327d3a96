import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import jpeg from "jpeg-js"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { decodePicture } from "../../src/graph-server/PictureFile.ts"
import { call, drive, get, patch, post, put, remove } from "./api.ts"

const root = "/me/drive/root"
const parse = <A>(text: string): A => JSON.parse(text) as A

interface Reply {
  readonly id: string
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: { readonly name?: string; readonly error?: { readonly code: string } }
}

describe("search", () => {
  it.effect("finds names below an item, whatever their case, in pages", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/Work")
      for (const name of ["Report 1.txt", "report 2.txt", "other.txt"]) yield* admin.putFile(`/Work/${name}`, "x")
      yield* admin.putFile("/it's a report", "x")
      const all = yield* get("/me/drive/root/search(q='REPORT')")
      assert.deepStrictEqual(
        all.body.value.map(({ name }) => name),
        ["Report 1.txt", "report 2.txt", "it's a report"]
      )
      assert.isUndefined(all.body.value[0]?.parentReference.path)
      const page = yield* get("/me/drive/root/search(q='report')?$top=2")
      const rest = yield* get(page.body["@odata.nextLink"] ?? "")
      assert.deepStrictEqual([page.body.value.length, rest.body.value.length], [2, 1])
      assert.strictEqual((yield* get(`${root}:/Work:/search(q='report')`)).body.value.length, 2)
      assert.strictEqual((yield* get("/me/drive/search(q='it''s')")).body.value.length, 1)
      assert.strictEqual((yield* get(`${root}/search`)).status, 400)
    }).pipe(Effect.provide(drive()))
  )
})

describe("sharing", () => {
  it.effect("makes one link per type, resolves its token, and takes it back", () =>
    Effect.gen(function* () {
      const { body: file } = yield* put(`${root}:/s.txt:/content`, "shared")
      const link = { type: "view", scope: "anonymous" }
      const made = yield* post(`/me/drive/items/${file.id}/createLink`, link)
      assert.deepStrictEqual(
        [made.status, (yield* post(`/me/drive/items/${file.id}/createLink`, link)).status],
        [201, 200]
      )
      const permission = parse<{ readonly id: string; readonly link: { readonly webUrl: string } }>(made.text)
      const token = `u!${Buffer.from(permission.link.webUrl).toString("base64url")}`
      for (const form of [`/shares/${token}/driveItem`, `/shares/${permission.id}/root`]) {
        assert.strictEqual((yield* get(form)).body.id, file.id, form)
      }
      const one = `/me/drive/items/${file.id}/permissions/${permission.id}`
      assert.include((yield* patch(one, { roles: ["write"] })).text, "write")
      assert.strictEqual((yield* patch(one, { roles: ["own"] })).status, 400)
      assert.strictEqual(
        (yield* get(`/me/drive/items/${file.id}?$expand=permissions`)).text.includes(permission.id),
        true
      )
      assert.strictEqual((yield* remove(one)).status, 204)
      assert.strictEqual((yield* get(`/shares/${token}/driveItem`)).status, 404)
      assert.strictEqual((yield* get(`/me/drive/items/${file.id}/permissions`)).body.value.length, 0)
      const invited = yield* post(`/me/drive/items/${file.id}/invite`, {
        recipients: [{ email: "a@b.c" }],
        roles: ["read"]
      })
      assert.include(invited.text, "a@b.c")
      assert.strictEqual((yield* post(`/me/drive/items/${file.id}/createLink`, { type: "own" })).status, 400)
    }).pipe(Effect.provide(drive()))
  )
})

describe("links and permissions that end", () => {
  it.effect("are gone at their time, and links of a personal drive may have a password", () =>
    Effect.gen(function* () {
      const { body: file } = yield* put(`${root}:/s.txt:/content`, "shared")
      const item = `/me/drive/items/${file.id}`
      const expirationDateTime = new Date(3_600_000).toISOString().replace(".000", "")
      const open = yield* post(`${item}/createLink`, {})
      const made = yield* post(`${item}/createLink`, { expirationDateTime, password: "secret" })
      assert.strictEqual(made.status, 201)
      assert.deepInclude(made.body as object, { expirationDateTime, hasPassword: true })
      assert.notInclude(made.text, "secret")
      const recipients = [{ email: "a@b.c" }]
      yield* post(`${item}/invite`, { recipients, roles: ["read"], expirationDateTime })
      assert.strictEqual((yield* get(`${item}/permissions`)).body.value.length, 3)
      yield* TestClock.adjust("1 hour")
      const left = (yield* get(`${item}/permissions`)).body.value
      assert.deepStrictEqual(
        left.map(({ id }) => id),
        [open.body.id]
      )
      assert.strictEqual((yield* get(`/shares/${made.body.id}/driveItem`)).status, 404)
      for (const wrong of ["yesterday", "1970-01-01T00:30:00Z"]) {
        const refused = yield* post(`${item}/createLink`, { expirationDateTime: wrong })
        assert.deepStrictEqual([refused.status, refused.body.error.code], [400, "invalidRequest"], wrong)
      }
      assert.strictEqual((yield* post(`${item}/invite`, { recipients: [], roles: ["read"] })).status, 400)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("have no password on a business drive", () =>
    Effect.gen(function* () {
      yield* put(`${root}:/s.txt:/content`, "shared")
      assert.strictEqual((yield* post(`${root}:/s.txt:/createLink`, { password: "x" })).status, 400)
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )
})

describe("descriptions", () => {
  it.effect("stay with an item until they are taken away", () =>
    Effect.gen(function* () {
      const { body: made } = yield* put(`${root}:/a.txt:/content`, "x")
      const { body: told } = yield* patch(`${root}:/a.txt`, { description: "mine" })
      assert.deepInclude(told as object, { description: "mine", cTag: made.cTag })
      assert.notStrictEqual(told.eTag, made.eTag)
      yield* put(`${root}:/a.txt:/content`, "y")
      assert.deepInclude((yield* get(`${root}:/a.txt`)).body as object, { description: "mine" })
      assert.notProperty((yield* patch(`${root}:/a.txt`, { description: null })).body, "description")
    }).pipe(Effect.provide(drive()))
  )
})

const part = (id: string, url: string) => ({ id, method: "GET", url })

describe("$batch", () => {
  const send = (requests: ReadonlyArray<unknown>) =>
    Effect.map(post("/$batch", { requests }), ({ status, text }) => ({
      status,
      responses: (parse<{ readonly responses?: ReadonlyArray<Reply> }>(text).responses ?? []).toSorted((a, b) =>
        a.id < b.id ? -1 : 1
      )
    }))

  it.effect("runs parts in order, stops what depends on a failure, and shows redirects", () =>
    Effect.gen(function* () {
      const headers = { "Content-Type": "application/json" }
      const { status, responses } = yield* send([
        { id: "1", method: "POST", url: "/me/drive/root/children", headers, body: { name: "made", folder: {} } },
        { id: "2", method: "GET", url: "/me/drive/root:/made", dependsOn: ["1"] },
        { id: "3", method: "PUT", url: "/me/drive/root:/made/a.bin:/content", body: "aGVsbG8=", dependsOn: ["1"] },
        { id: "4", method: "GET", url: "me/drive/root:/made/a.bin:/content", dependsOn: ["3"] },
        { id: "5", method: "GET", url: "/me/drive/root:/missing" },
        { id: "6", method: "GET", url: "/me/drive", dependsOn: ["5"] }
      ])
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(
        responses.map((reply) => reply.status),
        [201, 200, 201, 302, 404, 424]
      )
      assert.strictEqual((yield* get(responses[3]?.headers?.["location"] ?? "")).text, "hello")
      assert.strictEqual(responses[4]?.body?.error?.code, "itemNotFound")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("throttles single parts and refuses what is no batch", () =>
    Effect.gen(function* () {
      const faults = yield* GraphServer.Faults
      const action = { _tag: "Respond", status: 429, headers: { "retry-after": "7" } } as const
      yield* faults.inject({ matches: /root:\/b/, action })
      const { responses } = yield* send([part("1", "/me"), part("2", "/me/drive/root:/b")])
      assert.deepStrictEqual([responses[0]?.status, responses[1]?.status], [200, 429])
      assert.strictEqual(responses[1]?.headers?.["retry-after"], "7")
      for (const bad of [
        Array.from({ length: 21 }, (_, i) => part(String(i), "/me")),
        [part("1", "/me"), part("1", "/me")],
        [{ ...part("1", "/me"), dependsOn: ["2"] }],
        [{ id: "1", method: "POST", url: "/me/drive/root/children", body: { name: "x", folder: {} } }],
        [part("1", "/$batch")]
      ]) {
        assert.strictEqual((yield* send(bad)).status, 400)
      }
    }).pipe(Effect.provide(drive()))
  )
})

describe("thumbnails", () => {
  it.effect("scale JPEG images, and damaged ones get a tile", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      const [width, height] = [320, 240]
      const half = (i: number) => (Math.floor(i / 4) % width < width / 2 ? [200, 30, 30, 255] : [30, 30, 200, 255])
      const data = Buffer.from(Array.from({ length: width * height * 4 }, (_, i) => half(i)[i % 4] ?? 0))
      const photo = jpeg.encode({ width, height, data }, 90).data
      yield* admin.putFile("/photo.jpg", photo)
      yield* admin.putFile("/damaged.jpg", photo.subarray(0, 100))
      const small = Effect.fnUntraced(function* (name: string) {
        const redirect = yield* get(`${root}:/${name}:/thumbnails/0/small/content`)
        return decodePicture((yield* get(redirect.headers["location"] ?? "")).bytes)
      })
      const picture = yield* small("photo.jpg")
      assert.deepStrictEqual([picture?.width, picture?.height], [96, 72])
      const [red = 0, , blue = 0] = picture?.pixels ?? []
      assert.isAbove(red, blue + 100, "left")
      const [lastRed = 0, , lastBlue = 0] = picture?.pixels.slice(-3) ?? []
      assert.isAbove(lastBlue, lastRed + 100, "right")
      assert.deepStrictEqual((yield* small("damaged.jpg"))?.height, 96)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("scale PNG images and exist for pictures only", () =>
    Effect.gen(function* () {
      yield* GraphServer.seedSample
      const sets = yield* get(`${root}:/Pictures/Sunrise.png:/thumbnails`)
      const [set] = parse<{ readonly value: ReadonlyArray<Record<string, { readonly url: string }>> }>(sets.text).value
      const image = yield* get(set?.["small"]?.url ?? "", { token: null })
      assert.strictEqual(image.headers["content-type"], "image/png")
      const picture = decodePicture(image.bytes)
      assert.deepStrictEqual([picture?.width, picture?.height], [96, 54])
      // The sample's sky is lighter at the top than its ground at the bottom.
      assert.isAbove(picture?.pixels[0] ?? 0, picture?.pixels.at(-3) ?? 255)
      const redirect = yield* get(`${root}:/Pictures/Sunrise.png:/thumbnails/0/medium/content`)
      assert.strictEqual(redirect.status, 302)
      const none = yield* get(`${root}:/Documents/Budget 2026.csv:/thumbnails`)
      assert.strictEqual(none.body.value.length, 0)
      yield* put(`${root}:/fake.jpg:/content`, "no picture")
      const tile = yield* get(`${root}:/fake.jpg:/thumbnails/0/small/content`)
      assert.strictEqual(decodePicture((yield* get(tile.headers["location"] ?? "")).bytes)?.width, 96)
      assert.include((yield* get(`${root}:/Pictures/Rings.png?$expand=thumbnails`)).text, '"large"')
      const measured = yield* get(`${root}:/Pictures/Sunrise.png:/thumbnails?$select=id,c80x80,c80x80_crop`)
      const [own] = parse<{ readonly value: ReadonlyArray<Record<string, { readonly url: string }>> }>(
        measured.text
      ).value
      assert.deepStrictEqual(Object.keys(own ?? {}), ["id", "c80x80", "c80x80_crop"])
      const edges = Effect.fnUntraced(function* (size: string) {
        const made = decodePicture((yield* get(own?.[size]?.url ?? "")).bytes)
        return [made?.width, made?.height]
      })
      assert.deepStrictEqual(
        [yield* edges("c80x80"), yield* edges("c80x80_crop")],
        [
          [80, 45],
          [80, 80]
        ]
      )
      const path = `${root}:/Pictures/Sunrise.png:/thumbnails/0`
      for (const size of ["c0x80", "c80", "c99999x1", "constructor"]) {
        assert.strictEqual((yield* get(`${path}/${size}/content`)).status, 404, size)
      }
      assert.strictEqual((yield* get(`${path}/small/contents`)).status, 400)
    }).pipe(Effect.provide(drive()))
  )
})

describe("lists", () => {
  it.effect("come in the order asked for", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      for (const [name, size] of [
        ["b", 3],
        ["a", 1],
        ["c", 2]
      ] as const)
        yield* admin.putFile(`/${name}`, "x".repeat(size))
      const names = (order: string) =>
        Effect.gen(function* () {
          const first = yield* get(`${root}/children?$orderby=${order}&$top=2`)
          const second = yield* get(first.body["@odata.nextLink"] ?? "")
          return [...first.body.value, ...second.body.value].map(({ name }) => name).join("")
        })
      assert.strictEqual(yield* names("name"), "abc")
      assert.strictEqual(yield* names("name desc"), "cba")
      assert.strictEqual(yield* names("size"), "acb")
      assert.strictEqual(yield* names("size%20desc"), "bca")
      assert.strictEqual((yield* get(`${root}/children?$orderby=colour`)).status, 400)
    }).pipe(Effect.provide(drive()))
  )
})

describe("special folders", () => {
  it.effect("are made by the first write and say what they are", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* get("/me/drive/special/documents")).status, 404)
      assert.strictEqual((yield* put("/me/drive/special/documents:/a.txt:/content", "x")).status, 201)
      assert.include((yield* get(`${root}:/Documents`)).text, '"specialFolder":{"name":"documents"}')
      assert.strictEqual((yield* put("/me/drive/special/approot:/s.json:/content", "{}")).status, 201)
      assert.strictEqual((yield* get(`${root}:/Apps/OneMount/s.json`)).status, 200)
      assert.strictEqual((yield* get("/me/drive/special/vault")).status, 404)
    }).pipe(Effect.provide(drive()))
  )
})

describe("users", () => {
  it.effect("have a drive when they are the owner", () =>
    Effect.gen(function* () {
      const me = yield* get("/me")
      assert.strictEqual((yield* get(`/users/${me.body.id}/drive/root`)).status, 200)
      assert.strictEqual((yield* get(`/users/${me.body.id}`)).body.id, me.body.id)
      assert.strictEqual((yield* get("/users/nobody@example.com/drive")).status, 404)
      assert.strictEqual((yield* call("GET", "/users/nobody@example.com/drives")).status, 404)
    }).pipe(Effect.provide(drive()))
  )
})
