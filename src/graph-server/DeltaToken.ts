/** Tokens of delta: a place in a pass through the log. Opaque to clients. */

/** `since` is where the pass began, `at` how far it got, `upTo` where it ends. */
export interface Position {
  readonly epoch: number
  readonly since: number
  readonly at: number
  readonly upTo: number
}

export const encode = ({ epoch, since, at, upTo }: Position): string =>
  Buffer.from(`d1.${epoch}.${since}.${at}.${upTo}`).toString("base64url")

export const decode = (token: string): Position | undefined => {
  const fields = /^d1\.(\d{1,15})\.(\d{1,15})\.(\d{1,15})\.(\d{1,15})$/.exec(
    Buffer.from(token, "base64url").toString("latin1")
  )
  if (fields === null) return undefined
  const [, epoch, since, at, upTo] = fields.map(Number)
  if (epoch === undefined || since === undefined || at === undefined || upTo === undefined) return undefined
  return since <= at && at <= upTo ? { epoch, since, at, upTo } : undefined
}

/** Whether the token, or none, stands in a pass that lists everything. */
export const enumerates = (token: string | undefined): boolean => {
  if (token === undefined || token === "") return true
  const position = decode(token)
  return position !== undefined && position.since === 0 && position.at < position.upTo
}
