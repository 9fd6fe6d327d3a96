// The table of low-level operations that a session gives to libfuse.
#pragma once

#include "fuse_api.h"

namespace fuse_native {

const fuse_lowlevel_ops& operations();

}  // namespace fuse_native
