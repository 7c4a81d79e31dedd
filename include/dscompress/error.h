// The one exception of dscompress: what went wrong, where, and what to do about it.
//
// An Error ends the run. Outcomes that a caller expects (nothing matched, nothing changed) are return values.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace dsc {

enum class ErrorCode : std::uint8_t {
  usage,        // command line
  recipe,       // recipe file, or options given with --set
  model_file,   // a model or weight file that cannot be read
  unsupported,  // a construct, operator or device that dscompress does not handle
  data,         // data sets, labels, shapes of examples
  numeric,      // NaN, infinity, a metric that is missing or implausible
  gate,         // a quality gate failed
  io,           // files and folders that cannot be written or read
  resource,     // time, memory or disk ran out
  cancelled,    // Ctrl-C or SIGTERM; the run can be resumed
  internal      // our mistake
};

// Name as in messages and reports: "recipe", "model_file", ...
std::string_view to_string(ErrorCode code);

// The process exit status for a code: 1 gate, 2 usage and recipe, 3 run time, 4 unsupported, 5 numeric, 6 resource,
// 130 cancelled.
int exit_status(ErrorCode code);

// Where a problem is. Every part is optional.
struct Place {
  std::string file;
  int line = 0;         // counted from 1; 0: unknown
  int column = 0;       // counted from 1; 0: unknown
  std::string pointer;  // JSON Pointer into a recipe, or "%node" in a graph, or "offset 4096" in a file

  bool empty() const { return file.empty() && pointer.empty(); }
  std::string to_string() const;  // "recipe.yaml:3:5 (/passes/0/prune)"
};

// One problem: several independent ones are reported together.
struct Problem {
  std::string message;  // what was found and what was expected
  Place place;
  std::string hint;  // what to type or change
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, Place place = {}, std::string hint = {});
  // Several independent problems of one kind; `problems` must not be empty.
  Error(ErrorCode code, std::vector<Problem> problems);

  ErrorCode code() const { return code_; }
  const std::vector<Problem>& problems() const { return problems_; }
  // Fills in the parts of the place that are still unknown, on the way up.
  Error& add_place(const Place& place);
  // "error: message\n  at place\n  hint: ..." for each problem.
  std::string to_text() const;
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  ErrorCode code_;
  std::vector<Problem> problems_;
  std::string text_;
};

}  // namespace dsc
