// --input: the shapes of a TorchScript model's inputs.
#include <CLI/CLI.hpp>

#include "cli/session.h"

namespace dsc {

void add_input_option(CLI::App& command, std::vector<std::string>& inputs) {
  command.add_option("--input", inputs, "Shape of a TorchScript model's input, names for sizes that may change: batch,3,224,224 or ids=batch,sequence@128:i64")
      ->type_name("[NAME=]SIZES[:TYPE]")
      ->allow_extra_args(false);
}

}  // namespace dsc
