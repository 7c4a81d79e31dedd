// From plan to folder: shard after shard into OUT.part, which becomes OUT when all is there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/plan.h"
#include "checkpoint/verify.h"

namespace dsc::checkpoint {

struct ConvertOptions {
  std::string out;
  std::string build;  // fingerprint of the program: another one may round differently
  bool verify = false;
  std::function<void(const char* what, std::int64_t done, std::int64_t total)> progress;  // bytes
};

// Goes on where an interrupted conversion to the same folder stopped; the result has the same bytes.
// errors: usage (the folder exists, or an interrupted conversion of something else), io, resource (disk), model_file (values that are not
// finite), cancelled. After cancelled, io and resource what was finished stays for the next call; after others nothing stays.
// returns: with `verify` the error of each rounded tensor.
std::vector<TensorError> convert(const Plan& plan, const ConvertOptions& options);

}  // namespace dsc::checkpoint
