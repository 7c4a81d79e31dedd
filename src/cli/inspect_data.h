// dscompress inspect data RECIPE: what the recipe's data looks like to a model.
#pragma once

#include "cli/session.h"

namespace dsc {

// A subcommand of `inspect`.
CLI::App* add_inspect_data_command(CLI::App& inspect, Session& session);

}  // namespace dsc
