/** The token may be another account's by now: what that one's drive says must not be taken for news of ours. */
import { Effect } from "effect"
import type { DriveItem } from "../graph/DriveItem.ts"
import { GraphError, Unauthenticated } from "../graph/GraphError.ts"
import { rootIno } from "../tree/Item.ts"
import type { Tree } from "../tree/Tree.ts"

/** Fails as without a sign-in, which it is for this drive, when `root` is not the root that this tree is of. */
export const requireSameDrive = (tree: Tree["Service"], root: DriveItem): Effect.Effect<void, GraphError> => {
  const known = tree.get(rootIno)?.remoteId ?? null
  if (known === null || known === root.id) return Effect.void
  const warning =
    "the sign-in is for another drive than this cache: sign in to that one again, or use another --cache-dir"
  return Effect.andThen(
    Effect.logWarning(warning),
    new GraphError({ operation: "root", status: 0, requestId: "", reason: new Unauthenticated() })
  )
}
