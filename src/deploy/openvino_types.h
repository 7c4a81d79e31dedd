// What the files around OpenVINO share: element types, and its exceptions as ours. Included by deploy/openvino_*.cpp only.
#pragma once

#include <openvino/core/except.hpp>
#include <openvino/core/type/element_type.hpp>
#include <string>
#include <utility>

#include "dscompress/error.h"
#include "dscompress/graph.h"

namespace dsc {

ov::element::Type to_openvino(ScalarType type);        // errors: unsupported
ScalarType from_openvino(const ov::element::Type& type);  // errors: unsupported

// OpenVINO's messages begin with "Exception from src/...:123:" lines; ours is the last that says something.
std::string openvino_message(const std::string& what);

// Runs `body`; an exception of OpenVINO becomes an Error.
template <class Body>
auto translating(Body body, ErrorCode code = ErrorCode::unsupported) {
  try {
    return body();
  } catch (const ov::Exception& error) {
    throw Error(code, "OpenVINO: " + openvino_message(error.what()));
  }
}

}  // namespace dsc
