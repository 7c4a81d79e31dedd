// Whether an OpenVINO model came back from its file as it was. Included by deploy/openvino_*.cpp only.
#pragma once

#include <string>

namespace ov {
class Model;
}

namespace dsc {

// Operators, their attributes, connections, types, shapes and constants, bit for bit; with `to_f16` constants of f32 may be
// the nearest f16 numbers behind a Convert. returns: the first difference, "Constant `conv1.weight` has other values"; empty:
// none.
std::string find_structure_difference(const ov::Model& written, const ov::Model& converted, bool to_f16);

}  // namespace dsc
