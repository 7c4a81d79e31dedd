// A folder of its own below the system's temporary one, removed at the end.
#pragma once

#include <string>

namespace dsc {

class TemporaryFolder {
 public:
  // The folder is called dscompress-`purpose`-XXXXXX. errors: io.
  explicit TemporaryFolder(const std::string& purpose);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace dsc
