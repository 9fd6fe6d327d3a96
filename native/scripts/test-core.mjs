// Builds and runs the core's tests, without Node and libfuse: once plain, once with the sanitizers.
import { requireTools, run } from "./toolchain.mjs"

requireTools({ fuse: false })
for (const [folder, sanitize] of [
  ["build/core", "OFF"],
  ["build/core-sanitize", "ON"]
]) {
  const type = sanitize === "ON" ? "RelWithDebInfo" : "Release"
  run("cmake", "-S", ".", "-B", folder, "-DCORE_TESTS=ON", `-DSANITIZE=${sanitize}`, `-DCMAKE_BUILD_TYPE=${type}`)
  run("cmake", "--build", folder, "--parallel", "2")
  console.log(run("ctest", "--test-dir", folder, "--output-on-failure"))
}
