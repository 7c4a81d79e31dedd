// Commands on single graphs: see opt.cpp.
#pragma once

#include "cli/session.h"

namespace dsc {

void add_opt_command(CLI::App& app, Session& session);
void add_reduce_command(CLI::App& app, Session& session);

}  // namespace dsc
