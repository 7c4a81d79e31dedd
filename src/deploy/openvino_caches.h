// Keys and values of earlier calls as state of an ov::Model. Included by deploy/openvino_*.cpp only.
#pragma once

#include <cstddef>
#include <memory>

#include "dscompress/model.h"

namespace ov {
class Model;
}

namespace dsc {

// A decoder's last parameters and results, `caches` of each, become variables: none of a sequence to begin with, then whatever
// a call leaves. What remains is what openvino_genai's LLMPipeline expects.
void keep_caches(ov::Model& model, std::size_t caches);

// to_cached_decoder, converted, its caches state. errors: unsupported, as there and in convert_to_openvino.
std::shared_ptr<ov::Model> convert_to_stateful(const Model& model);

}  // namespace dsc
