/**
 * The mass-delete brake: very many pending deletes at once are more often an accident (a script, an unplugged backup
 * target, ransomware) than a wish, so they wait until somebody says yes.
 */

/** Deletes that are always allowed. */
export const alwaysAllowed = 100
/** Share of the drive's items from which on more deletes than that wait. */
export const suspiciousShare = 0.25

/** `items` counts what is still there, so the drive had `items + pending` before. */
export const isMassDelete = (pending: number, items: number): boolean =>
  pending > alwaysAllowed && pending > suspiciousShare * (items + pending)

export const massDeleteReason = (pending: number): string =>
  `${pending} deletions at once wait for confirmation: nothing is deleted at the server before`

/** The part of the reason that does not change, by which parked deletes are recognised. */
export const isMassDeleteReason = (reason: string | null): boolean =>
  reason?.endsWith(massDeleteReason(0).slice(1)) ?? false
