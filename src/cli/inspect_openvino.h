// What `inspect` prints of a file that OpenVINO reads itself.
#pragma once

#include <string>

#include "cli/session.h"

namespace dsc {

// Inputs, and layers by type and precision as compiled for this machine. errors: those of read_openvino_ir.
int inspect_openvino(const Session& session, const std::string& path);

}  // namespace dsc
