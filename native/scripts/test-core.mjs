// Builds and runs the core's tests, without Node, libfuse and sanitizers. The rest is scripts/prove.mjs.
import { requireTools, run } from "./toolchain.mjs"

const folder = "build/core"
requireTools({ fuse: false })
run("cmake", "-S", ".", "-B", folder, "-DCORE_TESTS=ON", "-DCMAKE_BUILD_TYPE=Release", "-DSANITIZE=")
run("cmake", "--build", folder, "--parallel", "2")
console.log(run("ctest", "--test-dir", folder, "--output-on-failure"))
