// A child process that answers questions line by line.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace dsc::sweep {

class LineChild {
 public:
  // argv[0] is looked up in PATH. errors: io (it cannot be started).
  explicit LineChild(const std::vector<std::string>& argv);
  ~LineChild();
  LineChild(const LineChild&) = delete;
  // errors: io, when it ends in place of an answer; what it last wrote to stderr stands on ours.
  std::string ask(const std::string& line);

 private:
  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
  std::string rest_;  // of what was read
};

}  // namespace dsc::sweep
