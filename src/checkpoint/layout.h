// Which output tensor lies where: shards of at most `shard_size`, in the order of the source.
#pragma once

#include "checkpoint/plan.h"

namespace dsc::checkpoint {

// Fills in Plan::shards and the places of all outputs.
void lay_out(Plan& plan);
// model.safetensors.index.json
std::string index_text(const Plan& plan);

}  // namespace dsc::checkpoint
