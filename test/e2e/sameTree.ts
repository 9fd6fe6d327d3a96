/** Drive and mount show the same paths, with the same sizes and hashes. */
import { assert } from "vitest"
import type { Drive, Mount, TreeListing } from "./harness.ts"

/** Resolves with what both show. */
export const assertSameTree = async (
  mount: Pick<Mount, "listing">,
  drive: Pick<Drive, "listing">
): Promise<TreeListing> => {
  const [here, there] = [await mount.listing(), await drive.listing()]
  assert.deepStrictEqual(new Map([...there].toSorted()), new Map([...here].toSorted()))
  return here
}
