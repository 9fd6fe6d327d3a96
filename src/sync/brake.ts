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

/** Why a delete is parked; the same for all, so that they are recognised and counted by it, after a restart, too. */
export const massDeleteReason =
  "so many deletions at once wait for confirmation: check what is missing, then `onemount sync --allow-deletes`; " +
  "nothing is deleted at the server before"

export const isMassDeleteReason = (reason: string | null): boolean => reason === massDeleteReason
