/**
 * Sign-ins under way: authorization codes (RFC 6749 section 4.1, PKCE of RFC 7636) and device codes (RFC 8628). They live
 * for minutes and in memory only: a restart of the drive ends them, as an expiry would.
 *
 * The drive has one owner, who consents to every authorize request at once. Device codes wait for `decide`.
 */
import { createHash, randomBytes, randomInt } from "node:crypto"
import { Context, Layer } from "effect"
import { secretEquals } from "./DriveStore.ts"
import * as LoginError from "./LoginError.ts"

export interface CodeRequest {
  readonly clientId: string
  readonly redirectUri: string
  readonly scope: string
  /** PKCE: what the verifier has to hash to. */
  readonly challenge: { readonly method: "S256" | "plain"; readonly value: string } | undefined
}

export interface DeviceRequest {
  readonly clientId: string
  readonly scope: string
}

export interface DeviceGrant {
  readonly deviceCode: string
  readonly userCode: string
}

export interface Redemption {
  readonly clientId: string
  readonly code: string
}

export class SignIns extends Context.Service<
  SignIns,
  {
    /** A single-use code for a client that the owner let in. */
    authorize(request: CodeRequest, now: number): string
    /** Scope that the code grants; throws LoginError invalid_grant. */
    redeemCode(
      redemption: Redemption & { readonly redirectUri: string; readonly verifier: string | undefined },
      now: number
    ): string
    startDevice(request: DeviceRequest, now: number): DeviceGrant
    /** Scope that the code grants; throws LoginError while it is pending, polled too fast, declined, expired or used. */
    redeemDevice(redemption: Redemption, now: number): string
    /** What the owner says to a user code; false when there is no such code waiting. */
    decide(userCode: string, decision: "approve" | "decline", now: number): boolean
  }
>()("onemount/graph-server/SignIns") {
  static readonly layer = Layer.sync(SignIns, () => makeSignIns())
}

/** Seconds. */
export const deviceCodeLifetime = 900
export const pollInterval = 5

const codeLifetime = 10 * 60 * 1000
/** How many sign-ins wait at most; the oldest is forgotten first. */
const capacity = 1000

interface Code extends CodeRequest {
  readonly expires: number
  used: boolean
}

interface Device extends DeviceRequest {
  readonly userCode: string
  readonly expires: number
  /** Milliseconds; grows with every poll that came too early. */
  interval: number
  polled: number
  state: "pending" | "approved" | "declined" | "redeemed"
}

const secret = (): string => randomBytes(32).toString("base64url")

/** Letters and digits that nobody mixes up. */
const userCodeAlphabet = "BCDFGHJKLMNPQRSTVWXZ2346789"
const makeUserCode = (): string =>
  Array.from({ length: 9 }, () => userCodeAlphabet[randomInt(userCodeAlphabet.length)]).join("")

const remember = <A>(entries: Map<string, A>, key: string, entry: A): void => {
  const oldest = entries.size >= capacity ? entries.keys().next().value : undefined
  if (oldest !== undefined) entries.delete(oldest)
  entries.set(key, entry)
}

const verifies = (challenge: CodeRequest["challenge"], verifier: string | undefined): boolean => {
  if (challenge === undefined) return true
  if (verifier === undefined) return false
  const hashed = challenge.method === "plain" ? verifier : createHash("sha256").update(verifier).digest("base64url")
  return secretEquals(hashed, challenge.value)
}

const makeSignIns = (): SignIns["Service"] => {
  const codes = new Map<string, Code>()
  const devices = new Map<string, Device>()

  return SignIns.of({
    authorize: (request, now) => {
      const code = secret()
      remember(codes, code, { ...request, expires: now + codeLifetime, used: false })
      return code
    },
    redeemCode: ({ clientId, code, redirectUri, verifier }, now) => {
      const entry = codes.get(code)
      if (entry === undefined || entry.clientId !== clientId) {
        throw LoginError.invalidGrant(70000, "The provided authorization code is not valid for this client.")
      }
      if (entry.used) throw LoginError.invalidGrant(54005, "The authorization code was already redeemed.")
      if (entry.expires <= now) throw LoginError.invalidGrant(70008, "The authorization code has expired.")
      if (entry.redirectUri !== redirectUri) {
        throw LoginError.invalidGrant(500112, "The reply address does not match the one of the authorize request.")
      }
      if (!verifies(entry.challenge, verifier)) {
        throw LoginError.invalidGrant(501481, "The code_verifier does not match the code_challenge.")
      }
      entry.used = true
      return entry.scope
    },
    startDevice: (request, now) => {
      const grant = { deviceCode: secret(), userCode: makeUserCode() }
      const expires = now + deviceCodeLifetime * 1000
      const interval = pollInterval * 1000
      remember(devices, grant.deviceCode, {
        ...request,
        userCode: grant.userCode,
        expires,
        interval,
        polled: 0,
        state: "pending"
      })
      return grant
    },
    redeemDevice: ({ clientId, code }, now) => {
      const entry = devices.get(code)
      if (entry === undefined || entry.clientId !== clientId) {
        throw LoginError.badVerificationCode(70000, "The device code is not known.")
      }
      const early = now - entry.polled < entry.interval
      entry.polled = now
      if (entry.state === "redeemed") throw LoginError.invalidGrant(54005, "The device code was already redeemed.")
      if (entry.state === "declined") throw LoginError.authorizationDeclined(70019, "The user declined the request.")
      if (entry.expires <= now) throw LoginError.expiredToken(70020, "The device code has expired.")
      if (entry.state === "pending") {
        if (!early) throw LoginError.authorizationPending(70016, "The user has not signed in yet.")
        entry.interval += 5000
        throw LoginError.slowDown(70016, "The client polls too fast.")
      }
      entry.state = "redeemed"
      return entry.scope
    },
    decide: (userCode, decision, now) => {
      const wanted = userCode.replace(/[\s-]/g, "").toUpperCase()
      const entry = [...devices.values()].find((device) => device.userCode === wanted)
      if (entry === undefined || entry.state !== "pending" || entry.expires <= now) return false
      entry.state = decision === "approve" ? "approved" : "declined"
      return true
    }
  })
}
