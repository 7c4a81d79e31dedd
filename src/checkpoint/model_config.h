// config.json of the result.
#pragma once

#include <string>

#include "checkpoint/plan.h"

namespace dsc::checkpoint {

// The source's with its precision and quantization_config replaced; empty: there is none.
std::string model_config_text(const Plan& plan);

}  // namespace dsc::checkpoint
