// What `inspect --groups` says: which parts of a model can be removed together, and which cannot and why.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "dscompress/model.h"

namespace dsc {

// The members of a group are written out in the JSON form, and in text with `members`.
std::string groups_text(const Model& model, bool members);
// {"groups": [{name, kind, channels, macs, parameters, statistics, modules, members: [{weight, dim, role}]}],
//  "kept": [{weight, dim, role, reason, operation, source}], "unknown_operators": [{node, operation, source}]}
nlohmann::ordered_json groups_json(const Model& model);

}  // namespace dsc
