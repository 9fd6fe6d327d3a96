// `npm run test:native [-- --ci]`: sets up what is missing, then the binding's proofs (native/scripts/prove.mjs).
import { spawn } from "node:child_process"
import { join } from "node:path"
import { root, runMain, setup, SetupError } from "./setup.mjs"

runMain(async () => {
  await setup({ tests: true })
  const args = [join(root, "native/scripts/prove.mjs"), ...process.argv.slice(2)]
  const child = spawn(join(root, "node_modules/.bin/node"), args, { stdio: "inherit" })
  const code = await new Promise((done, fail) => child.once("error", fail).once("exit", done))
  if (code !== 0) throw new SetupError("The binding's proofs failed.")
})
