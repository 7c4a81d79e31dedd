#include "io/torchscript_debug.h"

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <exception>

namespace dsc::torchscript {
namespace {

// ("FORMAT_WITH_STRING_TABLE", texts, ranges); before LibTorch 1.12 ranges alone, with the texts in them.
constexpr const char* kWithTable = "FORMAT_WITH_STRING_TABLE";

// range: (place in the code, ((numbers of texts, number of the file's name, line), begin, end), tag)
bool is_right(const c10::IValue& range, std::int64_t texts) {
  const auto is_text = [texts](std::int64_t number) { return number >= 0 && number < texts; };
  const auto& source = range.toTupleRef().elements().at(1).toTupleRef().elements().at(0).toTupleRef().elements();
  const auto numbers = source.at(0).toIntVector();
  return std::all_of(numbers.begin(), numbers.end(), is_text) && is_text(source.at(1).toInt());
}

}  // namespace

bool source_numbers_are_right(const std::string& pickle) {
  try {
    const c10::IValue record = torch::jit::unpickle(pickle.data(), pickle.size());
    const auto& parts = record.toTupleRef().elements();
    if (parts.empty() || !parts[0].isString() || parts[0].toStringRef() != kWithTable) return true;
    const auto texts = static_cast<std::int64_t>(parts.at(1).toTupleRef().elements().size());
    const auto& ranges = parts.at(2).toTupleRef().elements();
    return std::all_of(ranges.begin(), ranges.end(), [texts](const c10::IValue& range) { return is_right(range, texts); });
  } catch (const std::exception&) {  // no record that LibTorch could read either
    return false;
  }
}

}  // namespace dsc::torchscript
