// The records that say which of a person's lines each line of a TorchScript's code was made from.
#pragma once

#include <string>

namespace dsc::torchscript {

// Whether the source texts that a `.debug_pkl` refers to by number are in its table: LibTorch looks numbers below 0 up in memory.
// A record of a form that is not known here is not right.
bool source_numbers_are_right(const std::string& pickle);

}  // namespace dsc::torchscript
