#include "core/temporary_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "dscompress/error.h"

namespace dsc {

TemporaryFolder::TemporaryFolder(const std::string& purpose) : path_((std::filesystem::temp_directory_path() / ("dscompress-" + purpose + "-XXXXXX")).string()) {
  if (!::mkdtemp(path_.data())) throw Error(ErrorCode::io, std::string("cannot make a folder: ") + std::strerror(errno), {.file = path_}, "set TMPDIR to a folder that can be written");
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // a few bytes in the temporary folder
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace dsc
