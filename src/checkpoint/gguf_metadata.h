// What a GGUF file says of a model beside its tensors: its sizes, and the tokenizer from tokenizer.json.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/gguf_header.h"
#include "checkpoint/plan.h"

namespace dsc::checkpoint {

// Problems of config.json and of the tokenizer's files.
std::vector<Finding> check_gguf_metadata(const Source& source);
// `main_type`: the type of most weights. Precondition: check_gguf_metadata found nothing.
void add_gguf_metadata(GgufHeader& header, const Source& source, GgmlType main_type);

}  // namespace dsc::checkpoint
