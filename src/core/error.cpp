// Errors: their codes' exit statuses, and how problems are written for people.
#include "dscompress/error.h"

#include <array>

namespace dsc {
namespace {

struct CodeRow {
  std::string_view name;
  int exit_status;
};
// In the order of ErrorCode: the one table from codes to exit statuses.
constexpr std::array<CodeRow, 11> kCodes = {{{"usage", 2},
                                             {"recipe", 2},
                                             {"model_file", 3},
                                             {"unsupported", 4},
                                             {"data", 3},
                                             {"numeric", 5},
                                             {"gate", 1},
                                             {"io", 3},
                                             {"resource", 6},
                                             {"cancelled", 130},
                                             {"internal", 3}}};

}  // namespace

std::string_view to_string(ErrorCode code) { return kCodes.at(static_cast<std::size_t>(code)).name; }
int exit_status(ErrorCode code) { return kCodes.at(static_cast<std::size_t>(code)).exit_status; }

std::string Place::to_string() const {
  std::string text = file;
  if (line > 0) text += ":" + std::to_string(line);
  if (line > 0 && column > 0) text += ":" + std::to_string(column);
  if (pointer.empty()) return text;
  return text.empty() ? pointer : text + " (" + pointer + ")";
}

Error::Error(ErrorCode code, std::string message, Place place, std::string hint)
    : Error(code, std::vector<Problem>{{std::move(message), std::move(place), std::move(hint)}}) {}

Error::Error(ErrorCode code, std::vector<Problem> problems) : code_(code), problems_(std::move(problems)) { text_ = to_text(); }

Error& Error::add_place(const Place& place) {
  for (auto& problem : problems_) {
    auto& known = problem.place;
    if (known.file.empty()) {
      known.file = place.file;
      known.line = place.line;
      known.column = place.column;
    }
    if (known.pointer.empty()) known.pointer = place.pointer;
  }
  text_ = to_text();
  return *this;
}

std::string Error::to_text() const {
  std::string text;
  for (const auto& problem : problems_) {
    if (!text.empty()) text += "\n";
    text += problem.message;
    if (!problem.place.empty()) text += "\n  at " + problem.place.to_string();
    if (!problem.hint.empty()) text += "\n  hint: " + problem.hint;
  }
  return text;
}

}  // namespace dsc
