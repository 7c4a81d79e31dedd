// A folder that openvino_genai's LLMPipeline and `dscompress generate` open.
#pragma once

#include <string>

#include "deploy/artifact.h"
#include "dscompress/model.h"

namespace dsc {

inline constexpr const char* kGenerationModel = "openvino_model.xml";

// The model file of such a folder, or the .xml itself. errors: io, nothing there; usage, a file of another kind.
std::string generation_file(const std::string& path);

// Writes openvino_model.xml and .bin (write_stateful_ir) into `folder`, and copies what `files` has of a tokenizer
// (openvino_tokenizer.xml, openvino_detokenizer.xml) and of a model's configuration; an empty `files`: none.
// errors: as write_stateful_ir; data, `files` has no converted tokenizer; io.
Artifact write_generation_folder(const Model& model, const std::string& folder, const std::string& files);

}  // namespace dsc
